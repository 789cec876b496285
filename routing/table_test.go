package routing_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/query"
	"github.com/linarite/linarite/routing"
)

// noTwins is a hub whose devices have no twins.
type noTwins struct{}

func (noTwins) Twin(iot.Identity) (query.Value, bool) { return query.Value{}, false }

// twins are twins as JSON, by identity.
type twins map[iot.Identity]string

func (t twins) Twin(id iot.Identity) (query.Value, bool) {
	v, err := query.ParseJSON([]byte(t[id]))
	return v, err == nil
}

func compile(t testing.TB, c routing.Config, twins routing.Twins) *routing.Table {
	t.Helper()
	table, err := routing.Compile(c, "plant", twins)
	require.NoError(t, err)
	return table
}

// taken lists the endpoints that a decision names, by their number.
func taken(d routing.Decision) (all []int) {
	for i := range 16 {
		if d.Endpoints.Has(i) {
			all = append(all, i)
		}
	}
	return all
}

// IoT Hub: contract.md §19.1.
func TestWhereMessagesGo(t *testing.T) {
	t.Parallel()
	telemetry, lifecycle := message(`x`), message(`x`)
	lifecycle.Source = routing.DeviceLifecycleEvents
	telemetry.Properties = iot.Properties{{Name: "level", Value: "high"}}
	off := to(route("off", ""), "a", "b")
	off.Disabled = true
	for _, c := range []struct {
		name     string
		config   routing.Config
		message  *routing.Message
		want     []int
		fallback bool
	}{
		{"without routes telemetry takes the fallback", routing.Config{}, telemetry, []int{0}, true},
		{"without routes and fallback it goes nowhere", routing.Config{Fallback: routing.Fallback{Disabled: true}}, telemetry, nil, false},
		{"events of the hub do not take the fallback", routing.Config{}, lifecycle, nil, false},
		{"a route that matches keeps the fallback out", routing.Config{Routes: []routing.Route{to(route("r", ""), "a")}}, telemetry, []int{1}, false},
		{"a route that does not match leaves it in", routing.Config{Routes: []routing.Route{to(route("r", "level = 'low'"), "a")}}, telemetry, []int{0}, true},
		{"a route of another source leaves it in", routing.Config{Routes: []routing.Route{from(to(route("r", ""), "a"), routing.TwinChangeEvents)}}, telemetry, []int{0}, true},
		{"a disabled route leaves it in", routing.Config{Routes: []routing.Route{off}}, telemetry, []int{0}, true},
		{"several endpoints", routing.Config{Routes: []routing.Route{to(route("r", ""), "b", "events")}}, telemetry, []int{0, 2}, false},
		{
			"several routes, once for each endpoint",
			routing.Config{Routes: []routing.Route{to(route("r", ""), "a"), to(route("s", "level = 'high'"), "a", "b"), to(route("t", "level = 'low'"), "events")}},
			telemetry,
			[]int{1, 2},
			false,
		},
		{"a route of the events' source", routing.Config{Routes: []routing.Route{from(to(route("r", ""), "events", "b"), routing.DeviceLifecycleEvents)}}, lifecycle, []int{0, 2}, false},
		{"an undefined condition is none that matches", routing.Config{Routes: []routing.Route{to(route("r", "missing = 'x'"), "a")}}, telemetry, []int{0}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.config.Endpoints = endpoints("a", "b")
			d := compile(t, c.config, noTwins{}).Decide(c.message)
			assert.Equal(t, c.want, taken(d))
			assert.Equal(t, c.fallback, d.Fallback)
			assert.Equal(t, len(c.want), d.Endpoints.Len())
		})
	}
}

func TestOnlyWhatIsAskedForCosts(t *testing.T) {
	t.Parallel()
	plain := compile(t, routing.Config{Routes: []routing.Route{from(route("r", ""), routing.TwinChangeEvents)}}, noTwins{})
	assert.True(t, plain.Direct())
	assert.True(t, plain.Wants(routing.TwinChangeEvents))
	assert.True(t, plain.Wants(routing.DeviceMessages))
	assert.False(t, plain.Wants(routing.DeviceLifecycleEvents))
	for name, c := range map[string]routing.Config{
		"a route":       {Routes: []routing.Route{route("r", "")}},
		"an enrichment": {Enrichments: []routing.Enrichment{enrichment("a", "b")}},
		"no fallback":   {Fallback: routing.Fallback{Disabled: true}},
	} {
		assert.False(t, compile(t, c, noTwins{}).Direct(), name)
	}
}

// event is a message in which conditions find something of each kind.
func event() *routing.Message {
	return &routing.Message{
		Source:   routing.DeviceMessages,
		Enqueued: time.Date(2026, 3, 1, 12, 0, 0, 123_456_700, time.UTC),
		Origin: &iot.Origin{
			Identity: iot.Module("d1", "m1"), GenerationID: "637", AuthMethod: `{"scope":"module"}`, ModelID: "dtmi:x;1",
		},
		Message: iot.Message{
			System: iot.Properties{
				{Name: iot.ContentType, Value: "application/json"},
				{Name: iot.ContentEncoding, Value: "utf-8"},
				{Name: iot.MessageID, Value: "m-1"},
				{Name: iot.UserID, Value: "u-1"},
				{Name: iot.CorrelationID, Value: "c-1"},
				{Name: iot.Subject, Value: "thermostat1"},
				{Name: iot.CreationTime, Value: "2026-03-01T11:59:00Z"},
			},
			Properties: iot.Properties{{Name: "Severity", Value: "7"}, {Name: "$own", Value: "mine"}},
			Body:       []byte(`{"Weather":{"Temperature":50,"IsEnabled":true,"HistoricalData":[{"Month":"Feb"}]}}`),
		},
	}
}

// The names are those of contract.md §19.2 and of
// iot-hub-devguide-routing-query-syntax.
func TestWhatConditionsSee(t *testing.T) {
	t.Parallel()
	known := twins{
		iot.Module("d1", "m1"): `{"tags":{"floor":1},"properties":{"desired":{"telemetryConfig":{"sendFrequency":"5m"}},"reported":{"battery":55}}}`,
		iot.Device("d1"):       `{"tags":{"building":"43"},"properties":{"desired":{},"reported":{}}}`,
	}
	for _, c := range []struct {
		condition string
		want      query.Truth
	}{
		{`severity = '7'`, query.True},
		{`SEVERITY = '7'`, query.True},
		{`as_number(severity) > 5`, query.True},
		{`severity = '8'`, query.False},
		{`other = '7'`, query.Undefined},
		{`$own = 'mine'`, query.True},
		{`$contentType = 'application/json' AND $contentEncoding = 'utf-8'`, query.True},
		{`$contentEncoding = 'UTF-8'`, query.False},
		{`$messageId = 'm-1' AND $userId = 'u-1' AND $correlationId = 'c-1'`, query.True},
		{`$connectionDeviceId = 'd1' AND $connectionModuleId = 'm1'`, query.True},
		{`$connectionDeviceGenerationId = '637' AND $connectionAuthMethod = '{"scope":"module"}'`, query.True},
		{`$dt-dataschema = 'dtmi:x;1' AND $dt-subject = 'thermostat1'`, query.True},
		{`$iothub-creation-time-utc < $enqueuedTime`, query.True},
		{`$enqueuedTime > '2026-03-01T12:00:00Z'`, query.False}, // a text, of which `.` comes before `Z`
		{`$enqueuedTime = '2026-03-01T12:00:00.1234567Z'`, query.True},
		{`$unknown = 'x'`, query.Undefined},
		{`$body.Weather.HistoricalData[0].Month = 'Feb'`, query.True},
		{`$body.Weather.Temperature = 50 AND $body.Weather.IsEnabled`, query.True},
		{`$body.Weather.Temperature = 50 AND severity = '7'`, query.True},
		{`$twin.tags.floor = 1`, query.True},
		{`$twin.properties.desired.telemetryConfig.sendFrequency = '5m'`, query.True},
		{`$body.Weather.Temperature = 50 AND $twin.properties.reported.battery = 55`, query.True},
		{`$twin.tags.building = '43'`, query.False}, // the device's own
	} {
		t.Run(c.condition, func(t *testing.T) {
			t.Parallel()
			d := compile(t, routing.Config{Routes: []routing.Route{route("r", c.condition)}}, known).Decide(event())
			assert.Equal(t, c.want == query.True, !d.Fallback)
			assert.Equal(t, c.want == query.Undefined, d.Undefined == "r", d.Undefined)
			assert.NoError(t, d.Err)
		})
	}
}

func utf16Text(order binary.AppendByteOrder, s string) (b []byte) {
	for _, unit := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, unit)
	}
	return b
}

// IoT Hub: contract.md §19.2, §19.3, §7.4.
func TestWhenBodiesCanBeLookedInto(t *testing.T) {
	t.Parallel()
	const body = `{"a":1}`
	for _, c := range []struct {
		name, contentType, encoding string
		body                        []byte
		failure                     string // empty: it can be
	}{
		{"as the documents say", "application/json", "utf-8", []byte(body), ""},
		{"in any case", "Application/JSON", "UTF-8", []byte(body), ""},
		{"a charset besides", "application/json;charset=utf-8", "utf-8", []byte(body), ""},
		{"a charset alone", "application/json; charset=utf-8", "", []byte(body), ""},
		{"utf-16", "application/json", "utf-16", utf16Text(binary.LittleEndian, body), ""},
		{"utf-16 with its mark", "application/json", "UTF-16", utf16Text(binary.BigEndian, "\uFEFF"+body), ""},
		{"no content type", "", "utf-8", []byte(body), "the content type"},
		{"another content type", "text/plain", "utf-8", []byte(body), "the content type"},
		{"no encoding", "application/json", "", []byte(body), "the content encoding"},
		{"another encoding", "application/json", "ascii", []byte(body), "the content encoding"},
		{"no JSON", "application/json", "utf-8", []byte(`{`), "malformed"},
		{"no object", "application/json", "utf-8", []byte(`[1]`), "object"},
		{"no body", "application/json", "utf-8", nil, "malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := event()
			m.System = iot.Properties{}
			if c.contentType != "" {
				m.System = m.System.Set(iot.ContentType, c.contentType)
			}
			if c.encoding != "" {
				m.System = m.System.Set(iot.ContentEncoding, c.encoding)
			}
			m.Body = c.body
			d := compile(t, routing.Config{Routes: []routing.Route{route("r", "$body.a = 1"), route("s", "$body.a = 2")}}, noTwins{}).Decide(m)
			if c.failure == "" {
				require.NoError(t, d.Err)
				assert.False(t, d.Fallback)
				return
			}
			assert.True(t, d.Fallback)
			assert.Equal(t, "r", d.Failed)
			require.ErrorContains(t, d.Err, c.failure)
		})
	}
}

func TestWhatABodyCannotSayMayNotMatter(t *testing.T) {
	t.Parallel()
	m := event()
	m.Body = []byte("no JSON")
	d := compile(t, routing.Config{Routes: []routing.Route{route("r", "severity = '7' OR $body.a = 1")}}, noTwins{}).Decide(m)
	assert.False(t, d.Fallback, "what is true is true")
}

func benchmark(b *testing.B, m *routing.Message, conditions ...string) {
	var c routing.Config
	for i, condition := range conditions {
		c.Routes = append(c.Routes, route(fmt.Sprint("r", i), condition))
	}
	table := compile(b, c, noTwins{})
	b.ReportAllocs()
	for b.Loop() {
		if d := table.Decide(m); d.Endpoints == 0 {
			b.Fatal("nowhere")
		}
	}
}

func repeated(n int, format string) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf(format, i))
	}
	return all
}

// BenchmarkDecide is what routing adds to a message of 256 bytes and three
// properties, or to a body of 1 KB.
func BenchmarkDecide(b *testing.B) {
	m := event()
	m.Properties = iot.Properties{{Name: "level", Value: "high"}, {Name: "site", Value: "north"}, {Name: "kind", Value: "meter"}}
	m.Body = make([]byte, 256)
	b.Run("the default route", func(b *testing.B) {
		table := compile(b, routing.Config{}, noTwins{})
		b.ReportAllocs()
		for b.Loop() {
			if !table.Direct() {
				b.Fatal("not direct")
			}
		}
	})
	b.Run("10 property conditions", func(b *testing.B) { benchmark(b, m, repeated(10, "level = 'high' AND kind != '%d'")...) })
	b.Run("100 property conditions", func(b *testing.B) { benchmark(b, m, repeated(100, "level = 'high' AND kind != '%d'")...) })
	kilobyte := event()
	kilobyte.Body = []byte(`{"readings":[` + strings.Repeat(`{"sensor":"t-17","value":21.5,"ok":true},`, 22) + `{}],"a":{"b":{"c":7}},"site":"north"}`)
	b.Run("10 body conditions", func(b *testing.B) {
		benchmark(b, kilobyte, repeated(10, "$body.a.b.c > %d AND $body.site = 'north'")...)
	})
}

// BenchmarkManyProperties is what a message with as many properties as MQTT lets
// through costs a hub whose conditions ask for much of them.
func BenchmarkManyProperties(b *testing.B) {
	m := event()
	m.Properties = make(iot.Properties, 32_000)
	for i := range m.Properties {
		m.Properties[i].Name = "p"
	}
	const reference = "is_defined(missing%[1]d)"
	benchmark(b, m, append(repeated(10, reference+strings.Repeat(" OR "+reference, 299)), "true")...)
}

// The case of names does not matter, and of two that are alike the first counts,
// however many properties there are and however often they are asked for.
func TestAmongManyPropertiesEachIsFound(t *testing.T) {
	t.Parallel()
	m := event()
	m.Properties = nil
	for i := range 1000 {
		m.Properties = append(m.Properties, iot.Property{Name: fmt.Sprintf("Name\u212a%d", i), Value: fmt.Sprint(i)})
	}
	m.Properties = append(m.Properties, iot.Property{Name: "namek5", Value: "again"})
	var c routing.Config
	for i := range 100 {
		c.Routes = append(c.Routes, route(fmt.Sprint("r", i), fmt.Sprintf("nAmek%d = '%d' AND namek%d = '%d' AND NOT is_defined(name%d)", i, i, 999-i, 999-i, i)))
	}
	all, _ := compile(t, c, noTwins{}).Explain(m, nil)
	for i := range all {
		require.True(t, all[i].Matched, "%+v", all[i].Condition)
	}
}

func TestWhyARouteTakesAMessageOrDoesNot(t *testing.T) {
	t.Parallel()
	off := route("off", "")
	off.Disabled = true
	c := routing.Config{
		Endpoints: endpoints("a", "b"),
		Routes: []routing.Route{
			to(route("all", ""), "b"), to(route("hot", "severity = '7' AND $body.Weather.Temperature > 80"), "a"),
			off, from(route("twins", ""), routing.TwinChangeEvents),
		},
	}
	all, d := compile(t, c, noTwins{}).Explain(event(), nil)
	require.Len(t, all, 4)
	assert.Equal(t, query.True, all[0].Condition.Outcome)
	assert.Equal(t, query.Explanation{
		Outcome: query.False, Clause: "$body.Weather.Temperature > 80", Column: 20,
		Seen: []query.Seen{{Name: "$body.Weather.Temperature", Value: "50"}},
	}, all[1].Condition)
	assert.Equal(t, "disabled", all[2].Skipped)
	assert.Equal(t, "source", all[3].Skipped)
	assert.Equal(t, []string{"b"}, d.Names())
}
