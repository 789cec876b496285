package server

import (
	"container/list"
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
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
type gate struct {
	net.Listener
	door     string
	bounds   bounds
	crowd    *crowd
	warnings warnings

	closing context.Context // ends with Close
	close   context.CancelFunc
	fewer   chan struct{} // fed when a stranger leaves or is admitted

	mu        sync.Mutex
	strangers list.List // of *visitor, the oldest first
}

// bounds are how much a gate lets in; 0 is no bound.
type bounds struct {
	perAddress, strangers int
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
		courtesy:   courtesy,
	}
}

// newGate puts a gate before a listener, which it owns from now on. door is its
// name in the log.
func newGate(ln net.Listener, door string, b bounds, c *crowd, log zerolog.Logger) *gate {
	g := &gate{
		Listener: ln, door: door, bounds: b, crowd: c, warnings: warnings{log: log},
		fewer: make(chan struct{}, 1),
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
		v := &visitor{Conn: conn, gate: g, address: addressOf(conn), since: clock.Wall()}
		if !g.crowd.join(v.address, g.bounds.perAddress) {
			_ = conn.Close()
			g.warnings.say(g.door, fmt.Sprintf("connections from %s are refused: there are %d already", v.address, g.bounds.perAddress))
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
		patience := g.place(v)
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

// place gives v a place among the strangers, or says how long the oldest may
// still stay.
func (g *gate) place(v *visitor) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.bounds.strangers > 0 && g.strangers.Len() >= g.bounds.strangers {
		oldest := g.strangers.Front().Value.(*visitor)
		if rest := g.bounds.courtesy - clock.Wall().Sub(oldest.since); rest > 0 {
			return rest
		}
		g.strangers.Remove(oldest.place)
		oldest.place = nil
		oldest.shownOut.Store(true)
		_ = oldest.Conn.Close() // who serves it sees its end, and says goodbye
		g.warnings.say(g.door, fmt.Sprintf("%d connections have not shown who they are: the oldest are closed", g.bounds.strangers))
	}
	v.place = g.strangers.PushBack(v)
	return 0
}

// visitor is a connection that came through a gate.
type visitor struct {
	net.Conn
	gate     *gate
	address  netip.Addr
	since    time.Time
	shownOut atomic.Bool // closed by the gate

	// Guarded by gate.mu.
	place *list.Element // among the strangers; nil once it is none
	left  bool
}

// Admit says that the client has shown who it is. Any number of calls is one.
func (v *visitor) Admit() {
	v.gate.mu.Lock()
	defer v.gate.mu.Unlock()
	v.admit()
}

// admit is Admit for those who hold the gate's mu.
func (v *visitor) admit() {
	if v.place == nil {
		return
	}
	v.gate.strangers.Remove(v.place)
	v.place = nil
	select {
	case v.gate.fewer <- struct{}{}:
	default: // who waits has not looked since it was last told
	}
}

// Read says why, when there is nothing to read any more because the gate closed
// the connection.
func (v *visitor) Read(p []byte) (int, error) {
	n, err := v.Conn.Read(p)
	if err != nil && v.shownOut.Load() {
		err = fmt.Errorf("%w: %w", iot.ErrServiceUnavailable.Because("too many connections that have not shown who they are"), err)
	}
	return n, err
}

// Close ends the connection, and makes room for another.
func (v *visitor) Close() error {
	v.gate.mu.Lock()
	first := !v.left
	v.left = true
	v.admit()
	v.gate.mu.Unlock()
	if first {
		v.gate.crowd.leave(v.address)
	}
	return v.Conn.Close()
}

// NetConn is the connection below.
func (v *visitor) NetConn() net.Conn { return v.Conn }

// visitorOf is the visitor at the bottom of a connection, or nil.
func visitorOf(c net.Conn) *visitor {
	for {
		if v, ok := c.(*visitor); ok {
			return v
		}
		outer, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		c = outer.NetConn()
	}
}

// addressOf is where a connection comes from: an IPv4 address, or the network of
// an IPv6 address, since one machine has as many of those as it likes.
func addressOf(c interface{ RemoteAddr() net.Addr }) netip.Addr {
	from, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	address := from.Addr().Unmap()
	if network, err := address.Prefix(64); err == nil && address.Is6() {
		return network.Addr()
	}
	return address
}

// crowd counts the connections of all doors by the address they come from.
type crowd struct {
	mu  sync.Mutex
	has map[netip.Addr]int
}

func newCrowd() *crowd { return &crowd{has: map[netip.Addr]int{}} }

// join counts one more, unless there are limit already; 0 is no limit.
func (c *crowd) join(from netip.Addr, limit int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if limit > 0 && c.has[from] >= limit {
		return false
	}
	c.has[from]++
	return true
}

func (c *crowd) leave(from netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.has[from]--; c.has[from] == 0 {
		delete(c.has, from)
	}
}

// warnings are the lines of a flood: one a second says enough.
type warnings struct {
	log zerolog.Logger

	mu     sync.Mutex
	last   time.Time
	silent int
}

func (w *warnings) say(door, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := clock.Wall()
	if now.Sub(w.last) < time.Second {
		w.silent++
		return
	}
	w.log.Warn().Str("op", "accept").Str("door", door).Int("times", w.silent+1).Msg(text)
	w.last, w.silent = now, 0
}
