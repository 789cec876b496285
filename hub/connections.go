package hub

import (
	"sort"
	"sync"
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

// connections knows who is connected, and who was.
type connections struct {
	mu      sync.Mutex
	places  map[iot.Identity]*place
	online  int // devices, not modules
	refused []Refusal
}

// place is what is kept of an identity, connected or not.
type place struct {
	session  *Session
	kept     any
	updated  time.Time
	activity time.Time
	last     *Disconnection
}

func newConnections() *connections {
	return &connections{places: map[iot.Identity]*place{}}
}

// attach makes s its identity's one connection and returns the one before, if
// it still lives.
func (c *connections) attach(s *Session) (older *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.places[s.Identity()]
	if p == nil {
		p = &place{}
		c.places[s.Identity()] = p
	}
	if s.request.Resume {
		s.resumed = p.kept
	} else {
		p.kept = nil
	}
	older = p.session
	if older == nil {
		p.updated = s.since
		c.count(s, 1)
	}
	p.session = s
	return older
}

// detach notes that s is over; a newer connection of the same identity stays.
func (c *connections) detach(s *Session, now time.Time, reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.places[s.Identity()]
	if p == nil {
		return
	}
	p.last = &Disconnection{Time: now, Code: code(reason)}
	if reason != nil {
		p.last.Reason = reason.Error()
	}
	if p.session != s {
		return
	}
	p.session = nil
	p.updated = now
	p.activity = time.Unix(0, s.activity.Load()).UTC()
	c.count(s, -1)
}

func (c *connections) count(s *Session, n int) {
	if !s.Identity().IsModule() {
		c.online += n
	}
}

// keep stores a transport's state, unless a newer connection took over.
func (c *connections) keep(s *Session, state any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.places[s.Identity()]; p != nil && p.session == s {
		p.kept = state
	}
}

// session is an identity's live connection, or nil.
func (c *connections) session(id iot.Identity) *Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.places[id]; p != nil {
		return p.session
	}
	return nil
}

// live lists every connection.
func (c *connections) live() []*Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*Session, 0, len(c.places))
	for _, p := range c.places {
		if p.session != nil {
			all = append(all, p.session)
		}
	}
	return all
}

// forget drops what is known of an identity that was deleted.
func (c *connections) forget(id iot.Identity) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.places[id]; p != nil && p.session != nil {
		c.count(p.session, -1)
	}
	delete(c.places, id)
}

// clear drops everything.
func (c *connections) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.places = map[iot.Identity]*place{}
	c.refused = nil
	c.online = 0
}

func (c *connections) presence(id iot.Identity) Presence {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.places[id]
	if p == nil {
		return Presence{}
	}
	state := Presence{Connected: p.session != nil, StateUpdated: p.updated, LastActivity: p.activity}
	if p.session != nil {
		state.LastActivity = time.Unix(0, p.session.activity.Load()).UTC()
	}
	return state
}

func (c *connections) refuse(r Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.refused) == maxRefusals {
		c.refused = append(c.refused[:0], c.refused[1:]...)
	}
	c.refused = append(c.refused, r)
}

// Connections lists the identities that are or were connected, by name.
func (h *Hub) Connections() []Connection {
	c := h.connections
	c.mu.Lock()
	list := make([]Connection, 0, len(c.places))
	live := make([]*Session, 0, len(c.places))
	for id, p := range c.places {
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

// Kick closes an identity's connection and says whether there was one.
func (h *Hub) Kick(id iot.Identity) bool {
	s := h.connections.session(id)
	if s == nil {
		return false
	}
	s.cut(iot.ErrClosedRemotely.Because("disconnected through the control API"))
	return true
}
