package hub_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
	"github.com/linarite/linarite/routing"
)

// journal is a log that a test reads.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

// lines counts the lines of an operation.
func (j *journal) lines(op string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.b.String(), `"op":"`+op+`"`)
}

// IoT Hub: contract.md §19.5: one entry of a kind a minute.
func TestWhatGoesWrongOnTheWayIsCountedAndToldOnceAMinute(t *testing.T) {
	t.Parallel()
	j := &journal{}
	f := start(t, hub.Options{Log: zerolog.New(j), Seed: func(h *hub.Hub) error {
		return h.ChangeRouting(func(c *routing.Config) error {
			c.Fallback.Disabled = true
			c.Routes = []routing.Route{
				{Name: "body", Source: routing.DeviceMessages, Condition: "$body.a = 1", Endpoints: []string{"events"}},
				{Name: "level", Source: routing.DeviceMessages, Condition: "level = 'high'", Endpoints: []string{"events"}},
			}
			return nil
		})
	}})
	s := f.connect("d", newLink(), true)
	for range 3 {
		telemetry(t, s, "no JSON")
	}
	assert.Equal(t, hub.RoutingStatistics{Orphaned: 3, Undefined: 3, Failed: 3}, f.RoutingStatistics())
	for _, op := range []string{"OrphanedMessage", "UndefinedRouteEvaluation", "RouteEvaluationError"} {
		assert.Equal(t, 1, j.lines(op), op)
	}
	f.clock.Advance(time.Minute)
	telemetry(t, s, "no JSON")
	for _, op := range []string{"OrphanedMessage", "UndefinedRouteEvaluation", "RouteEvaluationError"} {
		assert.Equal(t, 2, j.lines(op), op)
	}
	assert.NotContains(t, j.b.String(), "no JSON", "a log holds no payload")
	require.NoError(t, f.Reset())
	assert.Zero(t, f.RoutingStatistics())
	f.create("d")
	telemetry(t, f.connect("d", newLink(), true), "no JSON")
	for _, op := range []string{"OrphanedMessage", "UndefinedRouteEvaluation", "RouteEvaluationError"} {
		assert.Equal(t, 3, j.lines(op), "the clock is back, too")
	}
}

func TestAMessageThatEnrichmentsMakeTooLargeIsDroppedForThatEndpoint(t *testing.T) {
	t.Parallel()
	j := &journal{}
	s := &sinks{}
	f := start(t, hub.Options{Log: zerolog.New(j), OpenSink: s.open})
	require.NoError(t, f.ChangeRouting(func(c *routing.Config) error {
		c.Endpoints = []routing.Endpoint{{Name: "a", Type: "test"}}
		c.Routes = []routing.Route{{Name: "all", Source: routing.DeviceMessages, Endpoints: []string{"a", "events"}}}
		c.Enrichments = []routing.Enrichment{{Key: "k", Value: "v", Endpoints: []string{"a"}}}
		return nil
	}))
	telemetry(t, f.connect("d", newLink(), true), strings.Repeat("x", hub.MaxTelemetry))
	assert.Len(t, f.told(), 1)
	assert.Zero(t, f.Endpoints()[0].Accepted)
	assert.EqualValues(t, 1, f.RoutingStatistics().Invalid)
	assert.Equal(t, 1, j.lines("InvalidMessage"))
}

// Each device's messages reach each endpoint in their order, whatever the others
// do (contract.md §19.1).
func TestOrderIsKeptPerDeviceAndEndpoint(t *testing.T) {
	t.Parallel()
	const devices, each = 8, 200
	s := &sinks{}
	f := start(t, hub.Options{OpenSink: s.open})
	require.NoError(t, f.ChangeRouting(func(c *routing.Config) error {
		c.Endpoints = []routing.Endpoint{{Name: "a", Type: "test"}, {Name: "b", Type: "test"}}
		c.Routes = []routing.Route{
			{Name: "all", Source: routing.DeviceMessages, Endpoints: []string{"a"}},
			{Name: "some", Source: routing.DeviceMessages, Condition: "even = 'yes'", Endpoints: []string{"b", "a"}},
		}
		return nil
	}))
	var senders sync.WaitGroup
	for i := range devices {
		id := fmt.Sprint("d", i)
		f.create(id)
		session := f.connect(id, newLink(), true)
		senders.Go(func() {
			for n := range each {
				m := iot.Message{Body: fmt.Append(nil, n)}
				if n%2 == 0 {
					m.Properties = iot.Properties{{Name: "Even", Value: "yes"}}
				}
				session.Telemetry(m)
			}
		})
	}
	for name, want := range map[string]int{"a": devices * each, "b": devices * each / 2} {
		last := map[string]int{}
		for got := 0; got < want; {
			batch := <-s.of(name).calls
			s.of(name).answer <- answer{len(batch), nil}
			got += len(batch)
			for _, m := range batch {
				var n int
				_, err := fmt.Sscan(string(m.Body), &n)
				require.NoError(t, err)
				if before, ok := last[m.Origin.DeviceID]; ok {
					require.Equal(t, before+map[string]int{"a": 1, "b": 2}[name], n)
				}
				last[m.Origin.DeviceID] = n
			}
		}
		assert.Len(t, last, devices)
	}
	senders.Wait()
}

// Reach: at most two allocations; there are none.
func TestTheDefaultRouteAllocatesNothing(t *testing.T) { // not parallel: it counts allocations
	s := benchSession(t, nil)
	m := iot.Message{Properties: iot.Properties{{Name: "level", Value: "high"}, {Name: "site", Value: "north"}}, Body: make([]byte, 256)}
	assert.Zero(t, testing.AllocsPerRun(1000, func() { s.Telemetry(m) }))
}

// BenchmarkTelemetry is the way of a message of 256 bytes and three properties
// through the hub, after topic and bag were parsed.
func BenchmarkTelemetry(b *testing.B) {
	all := routing.Route{Name: "all", Source: routing.DeviceMessages, Endpoints: []string{"events"}}
	for name, routes := range map[string][]routing.Route{"the default route": nil, "one route": {all}} {
		b.Run(name, func(b *testing.B) {
			s := benchSession(b, routes)
			m := iot.Message{
				System:     iot.Properties{{Name: iot.ContentType, Value: "application/json"}},
				Properties: iot.Properties{{Name: "level", Value: "high"}, {Name: "site", Value: "north"}},
				Body:       make([]byte, 256),
			}
			b.ReportAllocs()
			for b.Loop() {
				s.Telemetry(m)
			}
		})
	}
}

func benchSession(b testing.TB, routes []routing.Route) *hub.Session {
	b.Helper()
	h, err := hub.New(hub.Options{})
	require.NoError(b, err)
	b.Cleanup(h.Close)
	d, err := h.CreateDevice(registry.Device{ID: "d"})
	require.NoError(b, err)
	require.NoError(b, h.ChangeRouting(func(c *routing.Config) error {
		c.Routes = routes
		return nil
	}))
	token, err := auth.Sign("127.0.0.1/devices/d", d.Authentication.PrimaryKey, "", clock.Wall().Add(time.Hour))
	require.NoError(b, err)
	s, err := h.Connect(hub.ConnectRequest{Identity: iot.Device("d"), Token: token, Protocol: "Mqtt"}, newLink())
	require.NoError(b, err)
	return s
}
