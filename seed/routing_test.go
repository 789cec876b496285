package seed_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
	"github.com/linarite/linarite/routing"
	"github.com/linarite/linarite/seed"
)

// nowhere is an endpoint of every type.
type nowhere struct{}

func (nowhere) Deliver(_ context.Context, batch []routing.Message) (int, error) {
	return len(batch), nil
}
func (nowhere) Close() error { return nil }

func openSink(routing.Endpoint, hub.SinkOptions) (hub.Sink, error) { return nowhere{}, nil }

func TestTheExampleRoutes(t *testing.T) {
	t.Parallel()
	file, err := seed.ReadFile(example)
	require.NoError(t, err)
	h := newHub(t, hub.Options{Seed: file.Apply})
	assert.Equal(t, routing.Config{
		Routes: []routing.Route{
			{
				Name: "hot", Source: routing.DeviceMessages, Condition: "level = 'critical' AND $body.temperature > 80",
				Endpoints: []string{"alarms", "events"},
			},
			{Name: "twins", Source: routing.TwinChangeEvents, Endpoints: []string{"archive"}, Disabled: true},
		},
		Endpoints: []routing.Endpoint{
			{Name: "archive", Type: "file", Settings: json.RawMessage(`{"maxFiles":3,"maxSize":1048576,"path":"/var/lib/linarite/archive.jsonl"}`)},
			{Name: "alarms", Type: "webhook", Settings: json.RawMessage(
				`{"maxEventsPerBatch":10,"schema":"cloudEvents","timeout":"10s","url":"http://127.0.0.1:9000/alarms"}`)},
		},
		Enrichments: []routing.Enrichment{{Key: "building", Value: "$twin.tags.building", Endpoints: []string{"alarms", "events"}}},
	}, h.Routing())
}

// A path is relative to the config file; of a file that came from elsewhere, to a
// folder that the hub knows.
func TestAnEndpointsFileLiesBesideTheConfigFile(t *testing.T) {
	t.Parallel()
	const text = "endpoints:\n- {name: a, file: {path: out/a.jsonl}}\n- {name: b, file: {path: /b.jsonl}}\n- {name: c, webhook: {url: 'http://c'}}"
	config := filepath.Join(t.TempDir(), "linarite.yaml")
	require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
	file, err := seed.ReadFile(config)
	require.NoError(t, err)
	assert.Equal(t, []string{filepath.Join(filepath.Dir(config), "out/a.jsonl"), "/b.jsonl"}, file.Files())

	file, err = seed.Parse("body", []byte(text))
	require.NoError(t, err)
	assert.Equal(t, "out/a.jsonl", file.Endpoints[0].File.Path)
}

func TestRoutingIsBroughtToWhatTheFileSaysAndKeepsTheRest(t *testing.T) {
	t.Parallel()
	h := newHub(t, hub.Options{})
	apply(t, h, `
routes:
  - {name: a, source: DeviceMessages, endpointNames: [file]}
  - {name: b, source: DeviceMessages, endpointNames: [events]}
endpoints: [{name: file, file: {path: x}}]
enrichments: [{key: k, value: v, endpointNames: [events]}]
fallbackRoute: {isEnabled: false}
`)
	apply(t, h, `
routes:
  - {name: c, source: TwinChangeEvents, endpointNames: [events]}
  - {name: B, source: DeviceMessages, condition: x = 'y', endpointNames: [events]}
enrichments: [{key: k, value: w, endpointNames: [events]}]
`)
	c := h.Routing()
	assert.Equal(t, []routing.Route{
		{Name: "a", Source: routing.DeviceMessages, Endpoints: []string{"file"}},
		{Name: "B", Source: routing.DeviceMessages, Condition: "x = 'y'", Endpoints: []string{"events"}},
		{Name: "c", Source: routing.TwinChangeEvents, Endpoints: []string{"events"}},
	}, c.Routes)
	assert.Len(t, c.Endpoints, 1)
	assert.Equal(t, "w", c.Enrichments[0].Value)
	assert.True(t, c.Fallback.Disabled)
	apply(t, h, "fallbackRoute: {isEnabled: true}")
	assert.False(t, h.Routing().Fallback.Disabled)
}

// A hub that starts has devices already: it tells nobody of them, whatever its
// routes. One that is at work does.
func TestDevicesOfTheSeedAreNoNews(t *testing.T) {
	t.Parallel()
	file, err := seed.Parse("", []byte(`
devices: [{id: d}]
routes: [{name: all, source: DeviceLifecycleEvents, endpointNames: [events]}]
`))
	require.NoError(t, err)
	h := newHub(t, hub.Options{Seed: file.Apply})
	found, _ := h.Events().ReadAll(nil, 0)
	assert.Empty(t, found)
	_, err = h.CreateDevice(registry.Device{ID: "e"})
	require.NoError(t, err)
	found, _ = h.Events().ReadAll(nil, 0)
	require.Len(t, found, 1)
	assert.Equal(t, iot.Device("e"), found[0].Origin.Identity)
}
