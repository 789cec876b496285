package hub

import (
	"context"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/routing"
)

// Sink is where the messages of a custom endpoint go. One goroutine uses it.
type Sink interface {
	// Deliver hands over messages, oldest first. It says how many of them, counted
	// from the first, are dealt with and must not come again; where these are not
	// all, err says why, and the rest comes again after a while. It may take as
	// long as ctx lasts.
	Deliver(ctx context.Context, batch []routing.Message) (done int, err error)
	// Close lets go of what the sink holds.
	Close() error
}

// SinkOptions are what a sink may want to know of its hub.
type SinkOptions struct {
	Hub   string // its name
	Log   string // the routing.Log's ID, the same when the endpoint's settings change
	Clock *clock.Clock
	// Refused is told, while Deliver is at work, of messages that nobody will take
	// however often they come. They are dealt with; they count as dropped.
	Refused func(messages int, why string)
	// Retry has the next attempt after a failure made at once. It does not wait.
	Retry func()
}

// OpenSink makes the sink of an endpoint. An error says what is wrong with the
// endpoint's type or settings, and is an iot.Error; that nobody is there yet to
// take messages is none.
type OpenSink func(routing.Endpoint, SinkOptions) (Sink, error)
