package hub

import (
	"context"
	"sort"
	"time"

	"github.com/linarite/linarite/iot"
)

// maxRefusals is how many refused connections are remembered.
const maxRefusals = 100

// Connection is what is known of an identity that is or was connected.
type Connection struct {
	Identity       iot.Identity
	Connected      bool
	Since          time.Time // of the live connection
	Protocol       string
	Authentication string
	Agent          string
	RemoteAddr     string
	Listening      Listening
	Last           *Disconnection // how the connection before ended, if there was one
}

// Disconnection is how a connection ended. Code is 0 and Reason empty when the
// device said goodbye.
type Disconnection struct {
	Time   time.Time
	Code   int
	Reason string
}

// Refusal is a connection that was turned away.
type Refusal struct {
	Time       time.Time
	Identity   iot.Identity
	Protocol   string
	RemoteAddr string
	Code       int
	Reason     string
}

// Presence is the connection state of an identity, as its document shows it.
type Presence struct {
	Connected    bool
	StateUpdated time.Time // zero: never connected
	LastActivity time.Time // zero: never sent nor received
}

// Connections lists the identities that are or were connected, by name.
func (h *Hub) Connections() []Connection {
	c := h.connections
	c.mu.Lock()
	list := make([]Connection, 0, len(c.places))
	live := make([]*Session, 0, len(c.places))
	for id, p := range c.places {
		if p.updated.IsZero() {
			continue // it speaks HTTPS only
		}
		list = append(list, Connection{Identity: id, Connected: p.session != nil, Last: p.last})
		live = append(live, p.session)
	}
	c.mu.Unlock()
	for i, s := range live {
		if s != nil {
			list[i].describe(s)
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Identity.String() < list[j].Identity.String() })
	return list
}

func (c *Connection) describe(s *Session) {
	c.Since, c.Protocol, c.Authentication = s.since, s.request.Protocol, s.scope
	c.Agent, c.RemoteAddr = s.request.Agent, s.request.RemoteAddr
	c.Listening = s.isListening()
}

// Refusals lists the last connections that were turned away, oldest first.
func (h *Hub) Refusals() []Refusal {
	h.connections.mu.Lock()
	defer h.connections.mu.Unlock()
	return append([]Refusal(nil), h.connections.refused...)
}

// ConnectedDevices counts the devices that are connected; modules do not count.
func (h *Hub) ConnectedDevices() int {
	h.connections.mu.Lock()
	defer h.connections.mu.Unlock()
	return h.connections.online
}

// AwaitConnected returns once an identity is connected, or once it is not, or
// with ctx's error.
func (h *Hub) AwaitConnected(ctx context.Context, id iot.Identity, connected bool) error {
	for {
		is, changed := h.connections.watch(id)
		if is == connected {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Kick closes an identity's connection and says whether there was one.
func (h *Hub) Kick(id iot.Identity) bool {
	s := h.connections.session(id)
	if s == nil {
		return false
	}
	s.cut(iot.ErrClosedRemotely.Because("disconnected through the control API"))
	return true
}
