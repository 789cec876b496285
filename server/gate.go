package server

import (
	"container/list"
	"context"
	"net"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/linarite/linarite/internal/clock"
)

// Defaults of Options. They are far above what a test bench has, since all its
// devices share one address.
const (
	DefaultMaxPerAddress = 20_000
	DefaultMaxStrangers  = 1_000
)

// courtesy is how long a stranger may stay, however many wait behind it. A
// thousand honest devices that come at once are let in within less.
const courtesy = 3 * time.Second

// gate keeps a flood out of a door. It bounds the connections from one address,
// on all doors together, and the strangers on this one: connections whose client
// has not shown yet who it is. Whoever serves a connection says when it has, with
// Admit.
//
// Where there are too many strangers, the oldest has to leave for the next. As
// long as even the oldest has only just come, the next waits at the door, in the
// kernel's queue: so honest devices that come all at once are served one after
// another, and none of them in vain.
//
// What strangers send to establish TLS is bounded for each and for all together,
// since certificates can be made so that they take fifteen times their size in
// memory when they are taken apart. Where it is too much, who sent most has to
// leave: so nobody who sends what devices send.
type gate struct {
	net.Listener
	bounds   bounds
	crowd    *crowd
	warnings warnings

	handshake int // how many bytes a client may send until TLS is established; 0: there is no TLS

	closing context.Context // ends with Close
	close   context.CancelFunc
	fewer   chan struct{} // fed when a stranger leaves or is admitted

	mu        sync.Mutex
	strangers list.List // of *visitor, the oldest first
	heard     int       // from strangers that establish TLS, or have, in bytes
}

// bounds are how much a gate lets in; 0 is no bound.
type bounds struct {
	perAddress, strangers int
	handshakes            int // in bytes
	courtesy              time.Duration
}

// bounds of the options: absent ones have their default, negative ones are none.
func (o Options) bounds() bounds {
	or := func(n, otherwise int) int {
		if n == 0 {
			return otherwise
		}
		return max(n, 0)
	}
	return bounds{
		perAddress: or(o.MaxPerAddress, DefaultMaxPerAddress),
		strangers:  or(o.MaxStrangers, DefaultMaxStrangers),
		handshakes: maxHandshakes,
		courtesy:   courtesy,
	}
}

// newGate puts a gate before a listener, which it owns from now on. door is its
// name in the log.
func newGate(ln net.Listener, door string, b bounds, c *crowd, log zerolog.Logger) *gate {
	g := &gate{
		Listener: ln, bounds: b, crowd: c, fewer: make(chan struct{}, 1),
		warnings: warnings{log: log.With().Str("op", "accept").Str("door", door).Logger()},
	}
	g.closing, g.close = context.WithCancel(context.Background())
	return g
}

// Accept waits for the next connection that may come in.
func (g *gate) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		v := &visitor{Conn: conn, gate: g, address: addressOf(conn), since: clock.Wall(), shaking: g.handshake}
		if !g.crowd.join(v.address, g.bounds.perAddress) {
			_ = conn.Close()
			g.warnings.say("connections from %s are refused: there are %d already", v.address, g.bounds.perAddress)
			continue
		}
		if !g.makeRoom(v) {
			_ = v.Close()
			return nil, net.ErrClosed
		}
		return v, nil
	}
}

// Close closes the door. Who is inside stays.
func (g *gate) Close() error {
	g.close()
	return g.Listener.Close()
}

// makeRoom waits until v has a place among the strangers; false means that the
// door was closed.
func (g *gate) makeRoom(v *visitor) bool {
	for {
		oldest, patience := g.place(v)
		if oldest != nil {
			oldest.showOut()
			g.warnings.say("%d connections have not shown who they are: the oldest are closed", g.bounds.strangers)
		}
		if patience <= 0 {
			return true
		}
		ctx, cancel := context.WithTimeout(g.closing, patience)
		select {
		case <-g.fewer:
		case <-ctx.Done():
		}
		cancel()
		if g.closing.Err() != nil {
			return false
		}
	}
}

// place gives v a place among the strangers, that of the oldest if need be, which
// has to leave. Or it says how long the oldest may still stay.
func (g *gate) place(v *visitor) (oldest *visitor, patience time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.bounds.strangers > 0 && g.strangers.Len() >= g.bounds.strangers {
		oldest = g.strangers.Front().Value.(*visitor)
		if patience = g.bounds.courtesy - clock.Wall().Sub(oldest.since); patience > 0 {
			return nil, patience
		}
		g.forget(oldest)
	}
	v.place = g.strangers.PushBack(v)
	return oldest, 0
}

// forget takes v from among the strangers. The caller holds mu.
func (g *gate) forget(v *visitor) {
	g.strangers.Remove(v.place)
	g.heard -= v.heard
	v.place, v.heard = nil, 0
}

// hear counts n bytes with which v establishes TLS.
func (g *gate) hear(v *visitor, n int) {
	for _, loud := range g.drown(v, n) {
		loud.showOut()
		g.warnings.say("connections that have not shown who they are send more than %d bytes to establish TLS: those that sent most are closed", g.bounds.handshakes)
	}
}

// drown is hear, and says who has to leave.
func (g *gate) drown(v *visitor, n int) (leaving []*visitor) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if v.place == nil {
		return nil // it has left
	}
	v.heard += n
	for g.heard += n; g.heard > g.bounds.handshakes; {
		loudest := v
		for e := g.strangers.Front(); e != nil; e = e.Next() {
			if other := e.Value.(*visitor); other.heard > loudest.heard {
				loudest = other
			}
		}
		g.forget(loudest)
		leaving = append(leaving, loudest)
	}
	return leaving
}

// warnings are a gate's lines of log in a flood: one a second says enough.
type warnings struct {
	log zerolog.Logger

	mu     sync.Mutex
	last   time.Time
	silent int
}

func (w *warnings) say(format string, args ...any) {
	if times := w.due(clock.Wall()); times > 0 {
		w.log.Warn().Int("times", times).Msgf(format, args...)
	}
}

// due says how many times there was something to say since it was last said, and
// 0 while that is not a second ago.
func (w *warnings) due(now time.Time) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.silent++
	if now.Sub(w.last) < time.Second {
		return 0
	}
	times := w.silent
	w.last, w.silent = now, 0
	return times
}
