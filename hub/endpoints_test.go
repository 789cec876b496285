package hub_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/routing"
)

// sink is an endpoint of a test. Each delivery waits for the test to say what
// becomes of it.
type sink struct {
	options hub.SinkOptions
	calls   chan []routing.Message // what Deliver was given
	answer  chan answer
	closed  chan struct{}
}

type answer struct {
	done int
	err  error
}

var errDown = errors.New("connection refused")

func (s *sink) Deliver(ctx context.Context, batch []routing.Message) (int, error) {
	select {
	case s.calls <- batch:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	select {
	case a := <-s.answer:
		return a.done, a.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (s *sink) Close() error {
	close(s.closed)
	return nil
}

// take takes a delivery and says what becomes of it.
func (s *sink) take(done int, err error) (bodies []string) {
	batch := <-s.calls
	s.answer <- answer{done, err}
	for _, m := range batch {
		bodies = append(bodies, string(m.Body))
	}
	return bodies
}

// sinks opens sinks and remembers them by endpoint.
type sinks struct {
	mu     sync.Mutex
	opened map[string]*sink
}

func (s *sinks) open(e routing.Endpoint, o hub.SinkOptions) (hub.Sink, error) {
	if e.Type != "test" {
		return nil, iot.ErrArgumentInvalid.Because("no such type: %s", e.Type)
	}
	made := &sink{options: o, calls: make(chan []routing.Message), answer: make(chan answer), closed: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened == nil {
		s.opened = map[string]*sink{}
	}
	s.opened[e.Name] = made
	return made, nil
}

func (s *sinks) of(name string) *sink {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened[name]
}

// routed is a hub with an endpoint `a` that gets all telemetry, and a connected
// device.
func routed(t *testing.T) (*fixture, *sinks, *hub.Session) {
	t.Helper()
	s := &sinks{}
	f := start(t, hub.Options{OpenSink: s.open})
	require.NoError(t, f.ChangeRouting(func(c *routing.Config) error {
		c.Endpoints = []routing.Endpoint{{Name: "a", Type: "test"}}
		c.Routes = []routing.Route{{Name: "all", Source: routing.DeviceMessages, Endpoints: []string{"a"}}}
		return nil
	}))
	return f, s, f.connect("d", newLink(), true)
}

func telemetry(t *testing.T, s *hub.Session, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		require.Equal(t, hub.Accept, s.Telemetry(iot.Message{Body: []byte(body)}).Action)
	}
}

// await waits until the endpoint is as ready wants it.
func (f *fixture) await(ready func(hub.EndpointView) bool) {
	f.t.Helper()
	require.Eventually(f.t, func() bool { return ready(f.Endpoints()[0]) }, 10*time.Second, time.Millisecond)
}

func (f *fixture) awaitAttempts(n int) {
	f.t.Helper()
	f.await(func(v hub.EndpointView) bool { return v.Health.Attempts == n })
}

func TestMessagesAreDeliveredInOrderAndAgainUntilTheyAreTaken(t *testing.T) {
	t.Parallel()
	f, s, d := routed(t)
	a := s.of("a")
	telemetry(t, d, "0")
	require.Equal(t, []string{"0"}, a.take(0, errDown))
	telemetry(t, d, "1", "2")
	f.awaitAttempts(1)
	f.clock.Advance(999 * time.Millisecond)
	assert.Empty(t, a.calls, "a second has not passed")
	f.clock.Advance(time.Millisecond)
	require.Equal(t, []string{"0", "1", "2"}, a.take(2, errDown), "all there is")
	f.await(func(v hub.EndpointView) bool { return v.Delivered == 2 })
	require.Equal(t, 1, f.Endpoints()[0].Health.Attempts, "since some were taken, the delay is the first again")
	f.clock.Advance(time.Second)
	require.Equal(t, []string{"2"}, a.take(1, nil))
	f.await(func(v hub.EndpointView) bool { return v.Delivered == 3 })
	v := f.Endpoints()[0]
	assert.Equal(t, routing.Healthy, v.Health.State)
	assert.Zero(t, v.Waiting)
	assert.EqualValues(t, 3, v.Accepted)
	assert.Zero(t, f.RoutingStatistics().Fallback)
	events, _ := f.Events().ReadAll(nil, 0)
	assert.Empty(t, events, "no route names the built-in endpoint")
}

// An acknowledgement means that the endpoint's log has the message, whether or
// not the endpoint works (contract.md §19.1).
func TestAnEndpointThatIsDownHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	f, s, d := routed(t)
	telemetry(t, d, "first")
	s.of("a").take(0, errDown)
	f.awaitAttempts(1)
	for i := range 1000 {
		telemetry(t, d, fmt.Sprint(i))
	}
	assert.Equal(t, 1001, f.Endpoints()[0].Waiting)
}

func TestAnEndpointIsUnknownUnhealthyDeadAndHealthy(t *testing.T) {
	t.Parallel()
	f, s, d := routed(t)
	a := s.of("a")
	state := func() routing.State { return f.Endpoints()[0].Health.State }
	assert.Equal(t, routing.Unknown, state())
	telemetry(t, d, "x")
	a.take(0, errDown)
	f.awaitAttempts(1)
	assert.Equal(t, routing.Unhealthy, state())
	f.clock.Advance(59 * time.Minute)
	a.take(0, errDown)
	f.awaitAttempts(2)
	assert.Equal(t, routing.Unhealthy, state())
	f.clock.Advance(2 * time.Minute)
	a.take(0, errDown)
	f.awaitAttempts(3)
	assert.Equal(t, routing.Dead, state())
	assert.Equal(t, "connection refused", f.Endpoints()[0].Health.Reason)
	f.clock.Advance(time.Minute)
	a.take(1, nil)
	f.await(func(v hub.EndpointView) bool { return v.Delivered == 1 })
	assert.Equal(t, routing.Healthy, state())
}

func TestASinkMayHaveTheNextAttemptMadeAtOnce(t *testing.T) {
	t.Parallel()
	f, s, d := routed(t)
	a := s.of("a")
	telemetry(t, d, "0")
	a.take(0, errDown)
	f.awaitAttempts(1)
	a.options.Retry()
	assert.Equal(t, []string{"0"}, a.take(0, errDown))
	f.awaitAttempts(2)
	f.clock.Advance(2 * time.Second)
	assert.Equal(t, []string{"0"}, a.take(1, nil), "and the ones after that are made in time")
	a.options.Retry() // nobody waits
	telemetry(t, d, "1")
	assert.Equal(t, []string{"1"}, a.take(1, nil))
}

func TestASinkThatTakesNothingWithoutAWordHasFailed(t *testing.T) {
	t.Parallel()
	f, s, d := routed(t)
	telemetry(t, d, "x")
	s.of("a").take(0, nil)
	f.awaitAttempts(1)
	assert.Equal(t, "0 of 1 messages were taken", f.Endpoints()[0].Health.Reason)
}

func TestWhatASinkRefusesForGoodIsDropped(t *testing.T) {
	t.Parallel()
	f, s, d := routed(t)
	a := s.of("a")
	telemetry(t, d, "0")
	a.take(1, nil)
	f.await(func(v hub.EndpointView) bool { return v.Delivered == 1 })
	telemetry(t, d, "1")
	<-a.calls
	a.options.Refused(1, "the reason")
	a.answer <- answer{1, nil}
	f.await(func(v hub.EndpointView) bool { return v.Dropped == 1 })
	v := f.Endpoints()[0]
	assert.Equal(t, routing.Counts{Accepted: 2, Delivered: 1, Dropped: 1}, v.Counts)
	assert.Equal(t, routing.Healthy, v.Health.State)
}

func TestNewSettingsKeepTheCounts(t *testing.T) {
	t.Parallel()
	f, s, d := routed(t)
	telemetry(t, d, "0")
	batch := <-s.of("a").calls
	f.clock.Advance(time.Second)
	s.of("a").answer <- answer{len(batch), nil}
	f.await(func(v hub.EndpointView) bool { return v.Delivered == 1 })
	require.NoError(t, f.ChangeRouting(func(c *routing.Config) error {
		c.Endpoints[0].Settings = json.RawMessage(`{"other":true}`)
		return nil
	}))
	assert.Equal(t, routing.Counts{Accepted: 1, Delivered: 1, Latency: time.Second}, f.Endpoints()[0].Counts)
}

func TestWhatWaitsForAnEndpointSurvivesNewSettingsAndNewRoutes(t *testing.T) {
	t.Parallel()
	f, s, d := routed(t)
	before := s.of("a")
	telemetry(t, d, "0", "1")
	<-before.calls // under way
	require.NoError(t, f.ChangeRouting(func(c *routing.Config) error {
		c.Routes[0].Condition = "missing = 'x'"
		return nil
	}))
	require.Same(t, before, s.of("a"), "an endpoint that is the same stays")
	before.answer <- answer{0, errDown}
	f.awaitAttempts(1)

	require.NoError(t, f.ChangeRouting(func(c *routing.Config) error {
		c.Endpoints[0].Settings = json.RawMessage(`{"other":true}`)
		return nil
	}))
	<-before.closed
	after := s.of("a")
	require.NotSame(t, before, after)
	var got []string
	for len(got) < 2 {
		batch := <-after.calls
		after.answer <- answer{len(batch), nil}
		for _, m := range batch {
			got = append(got, string(m.Body))
		}
	}
	assert.Equal(t, []string{"0", "1"}, got)
}

func TestAConfigurationThatIsNotRightChangesNothing(t *testing.T) {
	t.Parallel()
	f, s, _ := routed(t)
	before := f.Routing()
	for name, change := range map[string]func(*routing.Config) error{
		"a route to nowhere": func(c *routing.Config) error {
			c.Routes[0].Endpoints = []string{"b"}
			return nil
		},
		"an endpoint that its type refuses": func(c *routing.Config) error {
			c.Endpoints = append(c.Endpoints, routing.Endpoint{Name: "b", Type: "test"}, routing.Endpoint{Name: "c", Type: "other"})
			return nil
		},
		"an editor that changes its mind": func(c *routing.Config) error {
			c.Routes = nil
			return iot.ErrArgumentInvalid.Because("no")
		},
	} {
		require.ErrorIs(t, f.ChangeRouting(change), iot.ErrArgumentInvalid, name)
		assert.Equal(t, before, f.Routing(), name)
		assert.Len(t, f.Endpoints(), 1, name)
	}
	<-s.of("b").closed // what was opened for nothing is closed
}

func TestAnEndpointThatGoesTakesItsMessagesAlong(t *testing.T) {
	t.Parallel()
	f, s, d := routed(t)
	telemetry(t, d, "x")
	<-s.of("a").calls
	require.NoError(t, f.ChangeRouting(func(c *routing.Config) error {
		c.Endpoints, c.Routes = nil, nil
		return nil
	}))
	<-s.of("a").closed
	assert.Empty(t, f.Endpoints())
	telemetry(t, d, "y")
	events, _ := f.Events().ReadAll(nil, 0)
	require.Len(t, events, 1, "the fallback route is in force again")
}

func TestWhatWaitsIsDeliveredWhenTheHubCloses(t *testing.T) {
	t.Parallel()
	f, s, d := routed(t)
	a := s.of("a")
	telemetry(t, d, "0")
	batch := <-a.calls
	telemetry(t, d, "1")
	closed := make(chan struct{})
	go func() {
		f.Close()
		close(closed)
	}()
	a.answer <- answer{len(batch), nil}
	require.Equal(t, []string{"1"}, a.take(1, nil))
	<-a.closed
	<-closed
	require.ErrorIs(t, f.ChangeRouting(func(*routing.Config) error { return nil }), iot.ErrServiceUnavailable)
}

func TestAClosedHubGivesUpOnAnEndpointThatIsDown(t *testing.T) {
	t.Parallel()
	f, s, d := routed(t)
	telemetry(t, d, "0")
	s.of("a").take(0, errDown)
	f.awaitAttempts(1)
	f.Close() // while the endpoint waits for its next attempt
	<-s.of("a").closed
}

func TestAResetBringsTheRoutingBackToItsStart(t *testing.T) {
	t.Parallel()
	s := &sinks{}
	seeded := routing.Config{
		Endpoints: []routing.Endpoint{{Name: "seeded", Type: "test"}},
		Routes:    []routing.Route{{Name: "r", Source: routing.DeviceMessages, Endpoints: []string{"seeded"}}},
	}
	f := start(t, hub.Options{OpenSink: s.open, Seed: func(h *hub.Hub) error {
		return h.ChangeRouting(func(c *routing.Config) error {
			*c = seeded
			return nil
		})
	}})
	d := f.connect("d", newLink(), true)
	telemetry(t, d, "lost")
	before := s.of("seeded")
	<-before.calls
	require.NoError(t, f.ChangeRouting(func(c *routing.Config) error {
		c.Endpoints = append(c.Endpoints, routing.Endpoint{Name: "more", Type: "test"})
		return nil
	}))
	require.NoError(t, f.Reset())
	<-before.closed
	<-s.of("more").closed
	assert.Equal(t, seeded, f.Routing())
	assert.Zero(t, f.Endpoints()[0].Waiting)
	assert.Equal(t, routing.Unknown, f.Endpoints()[0].Health.State)
}

func TestAHubWithoutSinksHasNoEndpoints(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	require.ErrorIs(t, f.ChangeRouting(func(c *routing.Config) error {
		c.Endpoints = []routing.Endpoint{{Name: "a", Type: "file"}}
		return nil
	}), iot.ErrArgumentInvalid)
}
