package hub

import (
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/linarite/linarite/events"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/routing"
)

// routed counts what became of messages, and keeps the log from telling too
// often of those that went wrong.
type routed struct {
	fallback, orphaned, invalid, undefined, failed atomic.Uint64

	undefinedSaid, failedSaid, orphanedSaid, invalidSaid throttle
}

func (r *routed) reset() {
	for _, n := range []*atomic.Uint64{&r.fallback, &r.orphaned, &r.invalid, &r.undefined, &r.failed} {
		n.Store(0)
	}
	for _, t := range []*throttle{&r.undefinedSaid, &r.failedSaid, &r.orphanedSaid, &r.invalidSaid} {
		t.next.Store(0) // the clock may be earlier now
	}
}

// RoutingStatistics count messages since the start or the last reset.
// IoT Hub: contract.md §23.3, d2c.telemetry.egress and §19.5.
type RoutingStatistics struct {
	Fallback  uint64 // took the fallback route
	Orphaned  uint64 // met no route, and there was no fallback
	Invalid   uint64 // not sent to an endpoint because its enrichments made them too large
	Undefined uint64 // met a condition that was undefined
	Failed    uint64 // met a condition that could not be evaluated
}

// RoutingStatistics are the counts so far.
func (h *Hub) RoutingStatistics() RoutingStatistics {
	r := &h.routed
	return RoutingStatistics{
		Fallback: r.fallback.Load(), Orphaned: r.orphaned.Load(), Invalid: r.invalid.Load(),
		Undefined: r.undefined.Load(), Failed: r.failed.Load(),
	}
}

// route carries a message to the endpoints that its routes name. When it returns
// the message is in the log of each of them.
//
// IoT Hub: contract.md §19.1.
func (h *Hub) route(m *routing.Message) {
	r := h.routes.Load()
	d := r.table.Decide(m)
	h.observe(&d, m)
	for i := range len(r.endpoints) + 1 {
		if !d.Endpoints.Has(i) {
			continue
		}
		out, ok := d.Message(i)
		switch {
		case !ok:
			h.tooLarge(out, r, i)
		case i == 0:
			h.store(out)
		default:
			r.endpoints[i-1].accept(out)
		}
	}
}

// store appends a message to the built-in endpoint.
func (h *Hub) store(m *routing.Message) {
	h.events.Append(m.Origin.DeviceID, events.Event{
		Enqueued: m.Enqueued, Source: m.Source.MessageSource(), Origin: m.Origin, Message: m.Message,
	})
}

// observe counts and tells what routing found odd about a message.
// IoT Hub: contract.md §19.5, one entry of a kind a minute.
func (h *Hub) observe(d *routing.Decision, m *routing.Message) {
	if d.Fallback {
		h.routed.fallback.Add(1)
	}
	if d.Endpoints == 0 && m.Source == routing.DeviceMessages {
		h.routed.orphaned.Add(1)
		if h.routed.orphanedSaid.allow(m.Enqueued) {
			h.routeLine(zerolog.InfoLevel, "OrphanedMessage", m).Msg("no route takes the message, and there is no fallback")
			h.onItsWay("OrphanedMessage", m, "", "", nil, true)
		}
	}
	if d.Undefined != "" {
		h.routed.undefined.Add(1)
		if h.routed.undefinedSaid.allow(m.Enqueued) {
			h.routeLine(zerolog.InfoLevel, "UndefinedRouteEvaluation", m).Str("route", d.Undefined).
				Msg("the route's condition is undefined for the message")
			h.onItsWay("UndefinedRouteEvaluation", m, d.Undefined, "", nil, true)
		}
	}
	if d.Failed != "" {
		h.routed.failed.Add(1)
		if h.routed.failedSaid.allow(m.Enqueued) {
			h.routeLine(zerolog.ErrorLevel, "RouteEvaluationError", m).Str("route", d.Failed).Err(d.Err).
				Msg("the route's condition cannot be evaluated for the message")
			h.onItsWay("RouteEvaluationError", m, d.Failed, "", iot.ErrContentEncoding.Because("%s", d.Err), false)
		}
	}
}

func (h *Hub) tooLarge(m *routing.Message, r *routes, endpoint int) {
	h.routed.invalid.Add(1)
	if !h.routed.invalidSaid.allow(m.Enqueued) {
		return
	}
	name := routing.Builtin
	if endpoint > 0 {
		name = r.config.Endpoints[endpoint-1].Name
	}
	h.routeLine(zerolog.WarnLevel, "InvalidMessage", m).Str("endpoint", name).
		Msg("the message is too large with the endpoint's enrichments")
	h.onItsWay("InvalidMessage", m, "", name, iot.ErrMessageTooLarge.Because("the message is too large with the endpoint's enrichments"), false)
}

func (h *Hub) routeLine(level zerolog.Level, op string, m *routing.Message) *zerolog.Event {
	return h.log.WithLevel(level).Str("op", op).Str("device", m.Origin.String())
}

// throttle lets something be said once a minute.
type throttle struct {
	next atomic.Int64 // Unix nanoseconds of the hub's clock
}

func (t *throttle) allow(now time.Time) bool {
	at := now.UnixNano()
	next := t.next.Load()
	return at >= next && t.next.CompareAndSwap(next, at+int64(time.Minute))
}
