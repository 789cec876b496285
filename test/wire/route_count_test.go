package wire_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// counted is what the hub whose routing is counted starts with.
const counted = `
endpoints: [{name: archive, file: {path: archive.jsonl}}]
routes:
  - {name: high, source: DeviceMessages, condition: level = 'high', endpointNames: [archive, events]}
  - {name: again, source: DeviceMessages, condition: level = 'high', endpointNames: [archive]}
  - {name: off, source: DeviceMessages, isEnabled: false, endpointNames: [archive]}
  - {name: body, source: DeviceMessages, condition: $body.n > 1, endpointNames: [archive]}
enrichments:
  - {key: hub, value: $iothubname, endpointNames: [archive]}
  - {key: site, value: $twin.tags.site, endpointNames: [archive, events]}
  - {key: floor, value: $twin.tags.floor, endpointNames: [archive]}
`

// A message goes once to each endpoint that a route leads it to, with the endpoint's
// enrichments; what goes nowhere, or wrong, is counted. IoT Hub: §19.1, §19.4, §19.5.
func TestWhereMessagesGoIsCounted(t *testing.T) {
	t.Parallel()
	h, folder := startWith(t, countAddress, counted)
	d := identity{h.CreateDevice(t, "d"), h}
	require.Equal(t, 200, h.REST(t, http.MethodPatch, "/twins/d", map[string]any{"tags": map[string]any{"site": "north"}}).Status)
	c := d.join(t)
	id := uint16(0)
	send := func(bag, body string) {
		id++
		c.send(publish(id, d.events()+bag, body))
		c.expect(puback(id))
	}
	send(asJSON+"&level=high", `{"n":2}`)                                     // three routes, two endpoints
	send("level=low", `{}`)                                                   // the fallback's
	send(asJSON, "no JSON")                                                   // one condition fails: the fallback's
	send(asJSON, `{"n":{}}`)                                                  // and is undefined: the fallback's
	send(asJSON+"&level=high", `{"n":"`+strings.Repeat("x", 256<<10-43)+`"}`) // 5 bytes are left
	h.Control(t, http.MethodPut, "/v1/routes/$fallback", map[string]any{"isEnabled": false}, nil)
	send("", "goes nowhere")

	events := h.WaitEvents(t, 4, harness.Filter{Device: "d"})
	require.Len(t, events, 4)
	require.Equal(t, map[string]any{"level": "high", "site": "north"}, events[0].Properties)
	require.Equal(t, map[string]any{"level": "low", "site": "north"}, events[1].Properties)
	awaitEndpoint(t, h, "archive", func(v endpointView) bool { return v.Delivered == 1 })
	written, err := os.ReadFile(filepath.Join(folder, "archive.jsonl"))
	require.NoError(t, err)
	var line struct {
		Properties map[string]string
		Body       struct{ N int }
	}
	require.NoError(t, json.Unmarshal(written, &line), "one line")
	require.Equal(t, 2, line.Body.N)
	require.Equal(t, map[string]string{"level": "high", "hub": "linarite", "site": "north", "floor": "$twin.tags.floor"}, line.Properties)

	metrics, err := h.Call(http.MethodGet, "/metrics", nil)
	require.NoError(t, err)
	for _, want := range []string{
		`linarite_routing_messages_total{outcome="fallback"} 3`,
		`linarite_routing_messages_total{outcome="orphaned"} 1`,
		`linarite_routing_messages_total{outcome="failed"} 3`,    // without a content type a body cannot be looked into
		`linarite_routing_messages_total{outcome="undefined"} 3`, // without a level
		`linarite_routing_messages_total{outcome="invalid"} 2`,
		`linarite_endpoint_messages_total{endpoint="archive",outcome="delivered"} 1`,
		`linarite_endpoint_messages_total{endpoint="archive",outcome="dropped"} 0`,
		`linarite_endpoint_state{endpoint="archive",state="healthy"} 1`,
		`linarite_endpoint_latency_seconds_count{endpoint="archive"} 1`,
	} {
		require.True(t, strings.Contains(string(metrics), want+"\n"), want)
	}
	for _, op := range []string{"OrphanedMessage", "RouteEvaluationError", "UndefinedRouteEvaluation", "InvalidMessage"} {
		require.Len(t, entries(t, h, quoted("device", "d"), op), 1, op)
	}
}
