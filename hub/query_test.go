package hub_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
	"github.com/linarite/linarite/twin"
)

// ask is one page of a query.
func (f *fixture) ask(r hub.QueryRequest) hub.QueryPage {
	f.t.Helper()
	page, err := f.Query(context.Background(), r)
	require.NoError(f.t, err, r.Text)
	require.True(f.t, json.Valid(page.JSON), "%s", page.JSON)
	return page
}

// all reads a query page by page and calls between before each.
func (f *fixture) all(text string, size int, between func()) (rows []json.RawMessage) {
	f.t.Helper()
	r := hub.QueryRequest{Text: text, Size: size}
	for {
		between()
		page := f.ask(r)
		var some []json.RawMessage
		require.NoError(f.t, json.Unmarshal(page.JSON, &some))
		require.LessOrEqual(f.t, len(some), size)
		rows = append(rows, some...)
		if r.Continuation = page.Continuation; r.Continuation == "" {
			return rows
		}
	}
}

func (f *fixture) patch(id iot.Identity, tags, reported string) {
	f.t.Helper()
	_, err := f.PatchTwin(id, twin.Update{Tags: json.RawMessage(tags)}, "")
	require.NoError(f.t, err)
	l := newLink()
	s := f.connect(id.DeviceID, l, false)
	_, v := s.Report([]byte(reported), 0)
	require.Equal(f.t, hub.Accept, v.Action)
	s.End(nil)
}

// Each member of a twin's document can be asked for and selected.
// Source: contract.md §10.1.
func TestEveryMemberOfATwinCanBeQueried(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	_, err := f.CreateDevice(registry.Device{ID: "gate", IoTEdge: true, Status: registry.Disabled, StatusReason: "why"})
	require.NoError(t, err)
	gate, err := f.Device("gate")
	require.NoError(t, err)
	_, err = f.CreateDevice(registry.Device{ID: "leaf", DeviceScope: gate.DeviceScope, Authentication: iot.Authentication{
		Type: iot.AuthenticationSelfSigned, PrimaryThumbprint: strings.Repeat("AB", 20), SecondaryThumbprint: strings.Repeat("CD", 20),
	}})
	require.NoError(t, err)
	f.patch(iot.Device("d"), `{"site":"x"}`, `{"temp":21.50}`)
	f.send("d", "waiting")
	for _, id := range []string{"d", "gate", "leaf"} {
		document, err := f.Twin(iot.Device(id))
		require.NoError(t, err)
		text, err := json.Marshal(document)
		require.NoError(t, err)
		var members map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(text, &members))
		for name, want := range members {
			got := f.ask(hub.QueryRequest{Text: "SELECT " + name + " AS v FROM devices WHERE is_defined(" + name + ") AND deviceId = '" + id + "'"})
			assert.Equal(t, `[{"v":`+string(want)+`}]`, string(got.JSON), name)
			if want[0] != '{' && want[0] != '[' {
				got = f.ask(hub.QueryRequest{Text: "SELECT deviceId FROM devices WHERE " + name + " = " + string(want) + " AND deviceId = '" + id + "'"})
				assert.Equal(t, `[{"deviceId":"`+id+`"}]`, string(got.JSON), name)
			}
		}
		whole := f.ask(hub.QueryRequest{Text: "SELECT * FROM devices WHERE deviceId = '" + id + "'"})
		assert.Equal(t, "["+string(text)+"]", string(whole.JSON))
		assert.Equal(t, "Twin", whole.ItemType)
	}
	for text, want := range map[string]string{
		"SELECT x509Thumbprint.primaryThumbprint AS p, x509Thumbprint.secondaryThumbprint AS s FROM devices WHERE authenticationType = 'selfSigned'": `[{"p":"` + strings.Repeat("AB", 20) + `","s":"` + strings.Repeat("CD", 20) + `"}]`,
		"SELECT deviceId FROM devices WHERE capabilities.iotEdge = true AND statusReason = 'why'":                                                    `[{"deviceId":"gate"}]`,
		"SELECT properties.reported.temp FROM devices WHERE is_defined(properties.reported.temp)":                                                    `[{"temp":21.50}]`,
		"SELECT COUNT() AS n FROM devices WHERE is_defined(none) OR capabilities.none OR x509Thumbprint.none OR properties.none":                     `[{"n":0}]`,
		"SELECT connectionState, COUNT() AS n FROM devices GROUP BY connectionState":                                                                 `[{"connectionState":"Disconnected","n":3}]`,
		"SELECT * FROM devices.jobs WHERE devices.jobs.deviceId = 'd'":                                                                               `[]`,
	} {
		assert.Equal(t, want, string(f.ask(hub.QueryRequest{Text: text}).JSON), text)
	}
	assert.Equal(t, "Raw", f.ask(hub.QueryRequest{Text: "SELECT deviceId FROM devices"}).ItemType)
	assert.Equal(t, "DeviceJob", f.ask(hub.QueryRequest{Text: "SELECT * FROM devices.jobs"}).ItemType)
}

func TestModulesAreACollectionOfTheirOwn(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	for _, m := range []string{"m1", "m2"} {
		_, err := f.CreateModule(registry.Module{DeviceID: "d", ID: m})
		require.NoError(t, err)
	}
	_, err := f.PatchTwin(iot.Module("d", "m2"), twin.Update{Tags: json.RawMessage(`{"a":1}`)}, "")
	require.NoError(t, err)
	page := f.ask(hub.QueryRequest{Text: "SELECT * FROM devices.modules WHERE tags.a = 1 AND deviceId IN ['d']"})
	document, err := f.Twin(iot.Module("d", "m2"))
	require.NoError(t, err)
	text, err := json.Marshal(document)
	require.NoError(t, err)
	assert.Equal(t, "["+string(text)+"]", string(page.JSON))
	assert.Equal(t, "Twin", page.ItemType)
	page = f.ask(hub.QueryRequest{Text: "SELECT moduleId, capabilities FROM devices.modules"})
	assert.Equal(t, `[{"moduleId":"m1"},{"moduleId":"m2"}]`, string(page.JSON))
}

// Source: contract.md §14.1. What is there all the while is answered once,
// whatever is made, changed and deleted between the pages.
func TestPagesSurviveChange(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	for i := range 120 {
		f.create(fmt.Sprintf("d%03d", i))
	}
	g := rand.New(rand.NewPCG(3, 4))
	change := func() {
		for range 10 {
			i := g.IntN(120)
			id := fmt.Sprintf("d%03d", i)
			if i%2 == 0 {
				_, err := f.PatchTwin(iot.Device(id), twin.Update{Tags: json.RawMessage(`{"n":1}`)}, "")
				require.NoError(t, err)
				continue
			}
			if f.DeleteDevice(id, "*") != nil || g.IntN(3) == 0 {
				_, _ = f.CreateDevice(registry.Device{ID: id})
			}
		}
	}
	for _, text := range []string{
		"SELECT * FROM devices", "SELECT deviceId FROM devices WHERE deviceId != 'd'",
		"SELECT deviceId, COUNT() AS n FROM devices GROUP BY deviceId",
	} {
		seen := map[string]int{}
		for _, row := range f.all(text, 7, change) {
			var r struct{ DeviceID string }
			require.NoError(t, json.Unmarshal(row, &r))
			seen[r.DeviceID]++
		}
		for i := 0; i < 120; i += 2 {
			require.Equal(t, 1, seen[fmt.Sprintf("d%03d", i)], "%s: d%03d", text, i)
		}
	}
}

func TestPagesHaveTheSizeThatIsAskedFor(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	for i := range 249 {
		f.create(fmt.Sprint(i))
	}
	still := func() {}
	for size, want := range map[int]int{0: 100, -1: 100, 1: 1, 99: 99, 100: 100, 101: 100, 5000: 100} {
		page := f.ask(hub.QueryRequest{Text: "SELECT deviceId FROM devices", Size: size})
		assert.Equal(t, want, strings.Count(string(page.JSON), "deviceId"), "%d", size)
		assert.NotEmpty(t, page.Continuation)
	}
	for text, want := range map[string]int{
		"SELECT * FROM devices": 250, "SELECT TOP 120 * FROM devices": 120, "SELECT TOP 100 deviceId FROM devices": 100,
		"SELECT TOP 7 deviceId, COUNT() AS n FROM devices GROUP BY deviceId": 7, "SELECT COUNT() AS n FROM devices": 1,
		"SELECT deviceId FROM devices GROUP BY deviceId": 250, "SELECT * FROM devices WHERE false": 0,
	} {
		assert.Len(t, f.all(text, 50, still), want, text)
		assert.Len(t, f.all(text, 3, still), want, text)
	}
	page := f.ask(hub.QueryRequest{Text: "SELECT TOP 100 * FROM devices"})
	assert.Empty(t, page.Continuation, "there is no page behind the last row")
	page = f.ask(hub.QueryRequest{Text: "SELECT * FROM devices WHERE deviceId IN ['1','2','3']", Size: 3})
	assert.Empty(t, page.Continuation, "there is no page behind the last row")
}

func TestLargeTwinsMakeShortPages(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	large := fmt.Sprintf(`{"a":"%[1]s","b":"%[1]s","c":"%[1]s","d":"%[1]s","e":"%[1]s","f":"%[1]s","g":"%[1]s"}`, strings.Repeat("x", 4000))
	for i := range 99 {
		id := fmt.Sprint(i)
		f.create(id)
		for range 2 {
			_, err := f.PatchTwin(iot.Device(id), twin.Update{Desired: json.RawMessage(large)}, "")
			require.NoError(t, err)
		}
		f.patch(iot.Device(id), `{}`, large)
	}
	page := f.ask(hub.QueryRequest{Text: "SELECT * FROM devices"})
	assert.Less(t, len(page.JSON), 5<<20)
	assert.NotEmpty(t, page.Continuation)
	assert.Len(t, f.all("SELECT * FROM devices", 100, func() {}), 100)
}

func TestContinuationsCannotBeForged(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	f.create("e")
	const text = "SELECT * FROM devices"
	token := f.ask(hub.QueryRequest{Text: text, Size: 1}).Continuation
	require.NotEmpty(t, token)
	raw, err := base64.RawURLEncoding.DecodeString(token)
	require.NoError(t, err)
	refused := func(text, token string) {
		t.Helper()
		_, err := f.Query(context.Background(), hub.QueryRequest{Text: text, Continuation: token})
		require.ErrorIs(t, err, iot.ErrArgumentInvalid)
		require.ErrorContains(t, err, "The continuation token is malformed, or not one of this query.")
	}
	for i := range raw {
		bad := append([]byte{}, raw...)
		bad[i] ^= 1
		refused(text, base64.RawURLEncoding.EncodeToString(bad))
	}
	for _, bad := range []string{"x", "!", token + "A", token[1:], " " + token, strings.Repeat("A", 10000)} {
		refused(text, bad)
	}
	refused("SELECT deviceId FROM devices", token)
	other := start(t, hub.Options{})
	_, err = other.Query(context.Background(), hub.QueryRequest{Text: text, Continuation: token})
	require.ErrorIs(t, err, iot.ErrArgumentInvalid)
	require.NoError(t, f.Reset())
	refused(text, token)
}

func TestQueriesEndWithTheirCaller(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := f.Query(gone, hub.QueryRequest{Text: "SELECT * FROM devices WHERE false"})
	require.ErrorIs(t, err, context.Canceled)
}

func TestQueriesAreReadStrictly(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	_, err := f.Query(context.Background(), hub.QueryRequest{Text: "SELECT * FROM devices WHERE"})
	require.ErrorIs(t, err, iot.ErrArgumentInvalid)
	require.ErrorContains(t, err, "column 28")
}
