package hubtest

import (
	"context"
	"time"

	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/control"
	"github.com/linarite/linarite/events"
	"github.com/linarite/linarite/internal/clock"
)

// How long a wait lasts: until the test's own deadline less a margin for the
// report, but not longer than patience.
const (
	patience = 30 * time.Second
	margin   = time.Second
)

// Filter selects events; its zero value selects all.
type Filter = control.Filter

// maxEvents is the most events a wait returns.
const maxEvents = 1 << 20

// WaitEvents waits until the hub has at least n events that the filter selects,
// and returns all of them, oldest first.
func (h *Hub) WaitEvents(n int, f Filter) []events.Event {
	h.t.Helper()
	ctx, cancel := h.deadline()
	defer cancel()
	log := h.Hub().Events()
	var found []events.Event
	for at, more := log.Start(), true; more; {
		var some []events.Event
		some, at = f.Read(ctx, log, at, max(0, n-len(found)), maxEvents) // which has a bound of its own
		found, more = append(found, some...), len(some) > 0
	}
	if len(found) < n {
		h.t.Fatalf("hubtest: %d of %d events came that fit %+v", len(found), n, f)
	}
	return found
}

// WaitFeedback waits until the hub has at least n feedback records, at most
// 10,000, and returns all of them, oldest first. The feedback queue is not touched.
func (h *Hub) WaitFeedback(n int) []c2d.Record {
	h.t.Helper()
	ctx, cancel := h.deadline()
	defer cancel()
	found := control.Feedback(ctx, h.Hub().Feedback(), "", n)
	if len(found) < n {
		h.t.Fatalf("hubtest: %d of %d feedback records came: %+v", len(found), n, found)
	}
	return found
}

// WaitConnected waits until a device, or a module by {device}/{module}, is
// connected.
func (h *Hub) WaitConnected(id string) { h.t.Helper(); h.wait(id, true) }

// WaitDisconnected waits until it is not.
func (h *Hub) WaitDisconnected(id string) { h.t.Helper(); h.wait(id, false) }

func (h *Hub) wait(id string, connected bool) {
	h.t.Helper()
	ctx, cancel := h.deadline()
	defer cancel()
	if err := h.Hub().AwaitConnected(ctx, named(id), connected); err != nil {
		h.t.Fatalf("hubtest: %s: connected is still %t; refused were %+v", id, !connected, h.Hub().Refusals())
	}
}

// deadline is when a wait gives up.
func (h *Hub) deadline() (context.Context, context.CancelFunc) {
	limit := clock.Wall().Add(patience)
	if t, ok := h.t.(interface{ Deadline() (time.Time, bool) }); ok {
		if end, ok := t.Deadline(); ok && end.Add(-margin).Before(limit) {
			limit = end.Add(-margin)
		}
	}
	return context.WithDeadline(context.Background(), limit)
}
