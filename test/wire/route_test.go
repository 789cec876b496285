package wire_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// seeded is what the hub with routes starts with.
const seeded = `
devices:
  - id: seeded
    tags: { site: north }
routes:
  - name: r
    source: DeviceMessages
    condition: level = 'high'
    endpointNames: [events]
  - name: states
    source: DeviceConnectionStateEvents
    endpointNames: [events]
fallbackRoute:
  isEnabled: false
`

// TestRoutes changes the routes and the clock of a hub of its own. Its parts run
// one after the other, since they share it.
func TestRoutes(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "linarite.yaml")
	require.NoError(t, os.WriteFile(config, []byte(seeded), 0o600))
	h := harness.Start(t, harness.Options{Address: routeAddress, Args: []string{"--config", config}})
	for _, part := range []struct {
		name string
		run  func(*testing.T, *harness.Hub)
	}{
		{"conditions see what was sent", conditionsSee},
		{"a reset brings back those of the seed", resetRoutes},
		{"a seed file changes them", seedRoutes},
		{"connections count once messages are sent or asked for", statesCount},
		{"a bad condition is refused with its column", badCondition},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, h) })
	}
}

func putRoute(t *testing.T, h *harness.Hub, condition string) {
	t.Helper()
	h.Control(t, http.MethodPut, "/v1/routes/r", map[string]any{
		"source": "DeviceMessages", "condition": condition, "endpointNames": []string{"events"},
	}, nil)
}

const (
	asJSON  = "%24.ct=application%2Fjson&%24.ce=utf-8"
	weather = `{"Weather":{"Temperature":50,"Time":"2017-03-09T00:00:00.000Z","IsEnabled":true,` +
		`"Location":{"Street":"One Microsoft Way","State":"WA"},"HistoricalData":[{"Month":"Feb","Temperature":40}]}}`
)

// conditionsSee: §19.2, §19.3. The first conditions on a body are those of
// iot-hub-devguide-routing-query-syntax.
func conditionsSee(t *testing.T, h *harness.Hub) {
	d := identity{h.CreateDevice(t, "weather"), h}
	require.Equal(t, 200, h.REST(t, "PATCH", "/twins/weather", map[string]any{
		"tags": map[string]any{"deploymentLocation": map[string]any{"floor": 1}},
		"properties": map[string]any{"desired": map[string]any{
			"telemetryConfig": map[string]any{"sendFrequency": "5m"},
		}},
	}).Status)
	c := d.join(t)
	for _, row := range []struct {
		condition, bag, body string
		taken                bool
	}{
		{`$body.Weather.HistoricalData[0].Month = 'Feb'`, asJSON, weather, true},
		{`$body.Weather.Temperature = 50 AND $body.Weather.IsEnabled`, asJSON, weather, true},
		{`length($body.Weather.Location.State) = 2`, asJSON, weather, true},
		{`$body.Weather.Temperature = 50 AND processingPath = 'hot'`, asJSON + "&processingPath=hot", weather, true},
		{`$body.Weather.Temperature = 50 AND processingPath = 'hot'`, asJSON + "&processingPath=cold", weather, false},
		{`$body.Weather.Temperature = 50`, "", weather, false},                                           // no content type
		{`$body.Weather.Temperature = 50`, "%24.ct=application%2Fjson%3Bcharset%3Dutf-8", weather, true}, // iot-hub-mqtt-support
		{`$body.Weather.Temperature = 50`, "%24.ct=text%2Fplain&%24.ce=utf-8", weather, false},
		{`$body.Weather.Temperature = 50`, asJSON, "no JSON", false},
		{`$body.Weather.Temperature = 50 OR level = 'high'`, "level=high", "no JSON", true}, // what is true is true
		{`$body.Weather.Temperature = $body.Weather.HistoricalData[0].Temperature`, asJSON, weather, false},
		{`processingPath = 'hot'`, "processingPath=hot", "", true},
		{`PROCESSINGPATH = 'hot'`, "processingPath=hot", "", true},
		{`processingPath = 'HOT'`, "processingPath=hot", "", false},
		{`processingPath = 'gr\u00fc\u00df e'`, "processingPath=gr%C3%BC%C3%9F%20e", "", true},
		{`as_number(severity) > 5 AND NOT is_defined(verbose)`, "severity=7", "", true},
		{`as_number(severity) > 5`, "severity=4", "", false},
		{`severity = '7' OR missing = 'x'`, "severity=7", "", true},
		{`NOT (missing = 'x')`, "severity=7", "", false}, // undefined
		{`(missing ?? 'x') = 'x'`, "", "", true},
		{`starts_with(name, 'th') AND ends_with(name, 'at') AND contains(name, 'mo')`, "name=thermostat", "", true},
		{`$contentType = 'application/json' AND $contentEncoding = 'utf-8'`, asJSON, "", true},
		{`$messageId = 'm-1' AND $correlationId = 'c-1' AND $userId = 'u-1'`, "%24.mid=m-1&%24.cid=c-1&%24.uid=u-1", "", true},
		{`$connectionDeviceId = 'weather' AND NOT is_defined($connectionModuleId)`, "", "", true},
		{`$enqueuedTime > '2020-01-01T00:00:00Z'`, "", "", true},
		{`$dt-subject = 'thermostat1'`, "%24.sub=thermostat1", "", true},
		{`$twin.tags.deploymentLocation.floor = 1`, "", "", true},
		{`$twin.properties.desired.telemetryConfig.sendFrequency = '5m'`, "", "", true},
		{`$twin.tags.deploymentLocation.floor = 2`, "", "", false},
		{`true`, "", "", true},
		{``, "", "", true},
		{`false`, "", "", false},
		{`/* a comment */ level = "high"`, "level=high", "", true},
	} {
		t.Run(row.condition, func(t *testing.T) {
			putRoute(t, h, row.condition)
			_, cursor := h.Events(t, harness.Filter{})
			c.send(publish(7, d.events()+row.bag, row.body))
			c.expect(puback(7)) // whether a route takes it or not
			came, _ := h.Events(t, harness.Filter{Device: "weather", After: cursor})
			require.Equal(t, row.taken, len(came) == 1, "%v", came)
		})
	}
}

func resetRoutes(t *testing.T, h *harness.Hub) {
	putRoute(t, h, "level = 'low'")
	h.Control(t, http.MethodPut, "/v1/routes/other", map[string]any{
		"source": "TwinChangeEvents", "endpointNames": []string{"events"},
	}, nil)
	h.Control(t, http.MethodPut, "/v1/enrichments/site", map[string]any{
		"value": "$twin.tags.site", "endpointNames": []string{"events"},
	}, nil)
	h.Reset(t)
	var doc struct {
		Routes        []struct{ Name, Condition string }
		FallbackRoute struct{ IsEnabled bool }
	}
	h.Control(t, http.MethodGet, "/v1/routes", nil, &doc)
	require.Len(t, doc.Routes, 2)
	require.Equal(t, "level = 'high'", doc.Routes[0].Condition)
	require.False(t, doc.FallbackRoute.IsEnabled)
	var enrichments struct{ Enrichments []any }
	h.Control(t, http.MethodGet, "/v1/enrichments", nil, &enrichments)
	require.Empty(t, enrichments.Enrichments)
}

// seedRoutes: what the file says is in force at once, and what it leaves out stays.
func seedRoutes(t *testing.T, h *harness.Hub) {
	h.Control(t, http.MethodPost, "/v1/seed", map[string]any{"routes": []any{map[string]any{ // JSON is YAML
		"name": "r", "source": "DeviceMessages", "condition": "level = 'low'", "endpointNames": []string{"events"},
	}}}, nil)
	d := identity{h.CreateDevice(t, "of-the-seed"), h}
	c := d.join(t)
	c.send(publish(1, d.events()+"level=high", "high"))
	c.expect(puback(1))
	c.send(publish(2, d.events()+"level=low", "low"))
	c.expect(puback(2))
	events := h.WaitEvents(t, 1, harness.Filter{Device: d.DeviceID, Source: "Telemetry"})
	require.Len(t, events, 1)
	require.Equal(t, "low", events[0].Body)
	h.Control(t, http.MethodGet, "/v1/routes/states", nil, nil)
	h.Reset(t)
}

// statesCount: §20.1. Methods and the twin are no messages; the clock's minute
// is the hub's.
func statesCount(t *testing.T, h *harness.Hub) {
	for name, c := range map[string]struct {
		use  func(*client, identity)
		told bool
	}{
		"nothing": {func(*client, identity) {}, false},
		"methods and the twin": {func(c *client, _ identity) {
			c.subscribe(0, methods, twinAnswers, desired)
			c.reads(`{"desired":{"$version":1},"reported":{"$version":1}}`)
		}, false},
		"a subscription to messages": {func(c *client, i identity) { c.subscribe(1, i.deviceBound()) }, true},
		"telemetry":                  {func(c *client, i identity) { c.send(publish(0, i.events()+"level=low", "x")) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDeviceOf(t, h)
			client := d.join(t)
			c.use(client, d)
			client.ping()
			h.Advance(t, time.Minute)
			client.leave()
			require.Eventually(t, func() bool { return !d.connection(t).Connected }, harness.Deadline, time.Millisecond)
			h.Advance(t, time.Minute)
			told, _ := h.Events(t, harness.Filter{Device: d.DeviceID, Source: "deviceConnectionStateEvents"})
			if !c.told {
				require.Empty(t, told)
				return
			}
			require.Len(t, told, 2)
			require.Equal(t, "deviceConnected", told[0].Properties["opType"])
			require.Equal(t, "deviceDisconnected", told[1].Properties["opType"])
			require.Regexp(t, `^\{"sequenceNumber":"[0-9A-F]{64}"\}$`, told[0].Body)
			require.Less(t, told[0].Body, told[1].Body)
		})
	}
}

func badCondition(t *testing.T, h *harness.Hub) {
	for condition, why := range map[string]string{
		"level = ":                          "Error at column",
		"level = 'high' AND (x = 'y'":       "Error at column",
		"severity > 5":                      "Error at column 10", // a text and a number: §19.3
		"no_such_function(level)":           "Error at column 1",
		"twin_change_includes(tags.a)":      "Error at column 1", // only for twin changes
		"$body = 1":                         "Error at column 1",
		strings.Repeat("NOT ", 3000) + "x":  "routes[0].condition",
		strings.Repeat("(", 1000) + "level": "routes[0].condition",
	} {
		_, err := h.Call(http.MethodPut, "/v1/routes/r", map[string]any{
			"source": "DeviceMessages", "condition": condition, "endpointNames": []string{"events"},
		})
		require.ErrorContains(t, err, "400", condition)
		require.ErrorContains(t, err, why, condition)
	}
}
