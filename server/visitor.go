package server

import (
	"container/list"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/linarite/linarite/iot"
)

// Bounds of what clients send until TLS is established. Differs: the service's are
// not published.
const (
	maxHandshake  = 16 << 10 // of one client: several times what devices' certificates have
	maxHandshakes = 4 << 20  // of all strangers at a door: 4 KB of each, where there are a thousand
)

// visitor is a connection that came through a gate.
type visitor struct {
	net.Conn
	gate     *gate
	address  netip.Addr
	since    time.Time
	shownOut atomic.Bool // the gate closed it
	shaking  int         // how many bytes are left for the TLS handshake; 0: it is over, or there is none

	// Guarded by gate.mu.
	place *list.Element // among the strangers; nil once it is none
	left  bool
	heard int // how many bytes it has sent to establish TLS
}

// Secured says that the TLS handshake is over. Whoever reads from the connection
// calls it.
func (v *visitor) Secured() { v.shaking = 0 }

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
	v.gate.forget(v)
	select {
	case v.gate.fewer <- struct{}{}:
	default: // who waits has not looked since it was last told
	}
}

// errLongHandshake is why a client is not heard any longer.
var errLongHandshake = fmt.Errorf("the client sends more than %d bytes, and TLS is not established", maxHandshake)

// showOut ends the connection, so that who serves it says goodbye.
func (v *visitor) showOut() {
	v.shownOut.Store(true)
	_ = v.Conn.Close()
}

// Read says why, when there is nothing to read any more because the gate closed
// the connection.
func (v *visitor) Read(p []byte) (int, error) {
	n, err := v.Conn.Read(p)
	if v.shaking > 0 {
		if v.shaking -= n; v.shaking <= 0 {
			v.shaking = 1 // the handshake goes on, and so does this
			return 0, errLongHandshake
		}
		v.gate.hear(v, n)
	}
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
