package hub

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/routing"
)

// What is handed to a sink at once.
const (
	batchMessages = 256
	batchBytes    = 1 << 20
)

// farewell is how long endpoints may go on delivering when the hub is closed, in
// wall time.
const farewell = time.Second

// EndpointView is a custom endpoint with how it fares.
type EndpointView struct {
	routing.Endpoint
	Health routing.Health
	routing.Counts
}

// endpoint is a custom endpoint at work: its log, and a goroutine that carries
// what is in it to the sink.
type endpoint struct {
	hub      *Hub
	settings routing.Endpoint
	log      *routing.Log
	sink     Sink
	full     throttle // of what is said about messages that have to go
	unwanted throttle // and of those that are refused
	refusals int      // of the delivery under way; the goroutine's own

	again   chan struct{}   // holds a token when it is time for the next attempt
	closing chan struct{}   // closed by dismiss: no more waiting
	ctx     context.Context // ends with abort: no more delivering
	abort   context.CancelFunc
	over    chan struct{} // closed when the goroutine has ended

	mu     sync.Mutex
	health routing.Health
}

// openEndpoint makes an endpoint, which does nothing before run. log is that of
// the endpoint in whose place it comes, or a new one.
func (h *Hub) openEndpoint(settings routing.Endpoint, log *routing.Log) (*endpoint, error) {
	if h.openSink == nil {
		return nil, iot.ErrArgumentInvalid.Because("this hub has no endpoints of type %q", settings.Type)
	}
	e := &endpoint{
		hub: h, settings: settings, log: log,
		again: make(chan struct{}, 1), closing: make(chan struct{}), over: make(chan struct{}),
	}
	o := SinkOptions{Hub: h.name, Log: log.ID(), Clock: h.clock, Refused: e.refused, Retry: e.retry}
	var err error
	if e.sink, err = h.openSink(settings, o); err != nil {
		return nil, fmt.Errorf("endpoint %s: %w", settings.Name, err)
	}
	e.ctx, e.abort = context.WithCancel(context.Background())
	return e, nil
}

// is says whether the endpoint is as settings have it.
func (e *endpoint) is(settings routing.Endpoint) bool {
	return e.settings.Name == settings.Name && e.settings.Type == settings.Type &&
		bytes.Equal(e.settings.Settings, settings.Settings)
}

// accept puts a message into the log. It never waits.
func (e *endpoint) accept(m *routing.Message) {
	if e.log.Append(m) > 0 && e.full.allow(e.hub.clock.Now()) {
		e.line(zerolog.WarnLevel, "DroppedMessage").Uint64("dropped", e.log.Counts().Dropped).
			Msg("too many messages wait for the endpoint: the oldest are dropped")
		e.fares("DroppedMessage", iot.ErrQueueFull.Because("too many messages wait for the endpoint: the oldest are dropped"))
	}
}

// run delivers until the endpoint ends, oldest first, and again what was not
// taken. Once the endpoint is closing it delivers what is there, up to the first
// failure.
//
// IoT Hub: contract.md §19.1, at least once and in order.
func (e *endpoint) run() {
	defer close(e.over)
	defer e.closeSink()
	for e.ctx.Err() == nil {
		batch := e.log.Read(batchMessages, batchBytes)
		if len(batch) == 0 {
			if !e.await(e.log.Ready()) {
				return
			}
			continue
		}
		done, err := e.sink.Deliver(e.ctx, batch)
		if done < len(batch) && err == nil {
			err = fmt.Errorf("%d of %d messages were taken", done, len(batch))
		}
		if !e.settled(batch[0].Sequence, done, err) {
			return
		}
	}
}

// refused is the sink's word that messages are unwanted for good.
func (e *endpoint) refused(messages int, why string) {
	e.refusals += messages
	if e.unwanted.allow(e.hub.clock.Now()) {
		e.line(zerolog.WarnLevel, "DroppedMessage").Int("messages", messages).Str("reason", why).
			Msg("the endpoint refuses messages for good: they are dropped")
		e.fares("InvalidMessage", iot.ErrBadRequest.Because("the endpoint refuses messages for good: %s", why))
	}
}

// settled notes how a delivery went that began with the message first. After a
// failure it waits on the hub's clock; false means that the endpoint is closing.
func (e *endpoint) settled(first uint64, done int, err error) bool {
	before, now, timer := e.note(first, done, err)
	switch {
	case err != nil && e.ctx.Err() != nil:
		return false // it was we who ended it
	case before == now.State:
	case now.State == routing.Dead:
		e.line(zerolog.ErrorLevel, "EndpointDead").Err(err).Msg("the endpoint has failed for more than an hour")
		e.fares("EndpointDead", err)
	case now.State == routing.Unhealthy:
		e.line(zerolog.WarnLevel, "EndpointUnhealthy").Err(err).Msg("the endpoint does not take messages")
		e.fares("EndpointUnhealthy", err)
	default:
		e.line(zerolog.InfoLevel, "EndpointHealthy").Msg("the endpoint takes messages")
		e.fares("EndpointHealthy", nil)
	}
	if timer == nil {
		return true
	}
	defer timer.Stop()
	return e.await(e.again)
}

// note takes what is dealt with out of the log and follows the endpoint's health.
// After a failure it gives the timer of the next attempt; whoever sees the failure
// can move the clock to then.
func (e *endpoint) note(first uint64, done int, err error) (before routing.State, now routing.Health, timer *clock.Timer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := e.hub.clock.Now()
	e.log.Settle(first+uint64(done), e.refusals, at)
	e.refusals = 0
	before = e.health.State
	switch {
	case err == nil:
		e.health.Succeeded(at)
	case e.ctx.Err() == nil: // it was not we who ended it
		e.health.Failed(at, done > 0, err.Error())
		timer = e.hub.clock.AfterFunc(e.health.Delay(), e.retry)
	}
	return before, e.health, timer
}

// retry has the next attempt made now, where one is waited for.
func (e *endpoint) retry() {
	select {
	case e.again <- struct{}{}:
	default:
	}
}

// await waits for a token. It is false once the endpoint is closing.
func (e *endpoint) await(token <-chan struct{}) bool {
	select {
	case <-token:
		return true
	case <-e.closing:
	case <-e.ctx.Done():
	}
	return false
}

func (e *endpoint) closeSink() {
	if err := e.sink.Close(); err != nil {
		e.line(zerolog.WarnLevel, "endpoint").Err(err).Msg("the endpoint did not close well")
	}
}

// view is how the endpoint fares.
func (e *endpoint) view() EndpointView {
	e.mu.Lock()
	defer e.mu.Unlock()
	v := EndpointView{Endpoint: e.settings, Health: e.health, Counts: e.log.Counts()}
	if v.Health.State == "" {
		v.Health.State = routing.Unknown
	}
	return v
}

func (e *endpoint) line(level zerolog.Level, op string) *zerolog.Event {
	return e.hub.log.WithLevel(level).Str("op", op).Str("endpoint", e.settings.Name)
}

// replace ends endpoints at once. What they have not delivered stays in their
// logs.
func replace(endpoints []*endpoint) {
	for _, e := range endpoints {
		e.abort()
	}
	for _, e := range endpoints {
		<-e.over
	}
}

// dismiss ends endpoints after they have delivered what they can in a short
// while.
func dismiss(endpoints []*endpoint) {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	for _, e := range endpoints {
		close(e.closing)
	}
	for _, e := range endpoints {
		select {
		case <-e.over:
		case <-ctx.Done():
			e.abort()
			<-e.over
		}
		e.abort()
	}
}
