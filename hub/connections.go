package hub

import (
	"sync"
	"time"

	"github.com/linarite/linarite/iot"
)

// connections knows who is connected, and who was.
type connections struct {
	states *states // is told of changes in their order, with mu held

	mu      sync.Mutex
	places  map[iot.Identity]*place
	online  int // devices, not modules
	modules int
	refused []Refusal
	changed chan struct{} // closed by the next change of who is connected; nil when nobody waits
}

// place is what is kept of an identity, connected or not.
type place struct {
	session  *Session
	kept     any
	updated  time.Time
	activity time.Time
	last     *Disconnection
	told     bool // the connection counts for connection-state events
}

func newConnections(s *states) *connections {
	return &connections{states: s, places: map[iot.Identity]*place{}}
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
		c.ring()
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
	c.ring()
	if p.told {
		p.told = false
		c.states.note(s.Identity(), false)
	}
}

// tell has the connection of s count for connection-state events, if it is its
// identity's.
func (c *connections) tell(s *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.places[s.Identity()]; p != nil && p.session == s {
		p.told = true
		c.states.note(s.Identity(), true)
	}
}

// ring wakes who waits for a change. The caller holds mu.
func (c *connections) ring() {
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// watch says whether an identity is connected, and what is closed by the next
// change.
func (c *connections) watch(id iot.Identity) (connected bool, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	p := c.places[id]
	return p != nil && p.session != nil, c.changed
}

func (c *connections) count(s *Session, n int) {
	if s.Identity().IsModule() {
		c.modules += n
	} else {
		c.online += n
	}
}

// counts is how many devices and modules are connected.
func (c *connections) counts() (devices, modules int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.online, c.modules
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
	c.ring()
}

// clear drops everything.
func (c *connections) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.places = map[iot.Identity]*place{}
	c.refused = nil
	c.online, c.modules = 0, 0
	c.states.clear()
	c.ring()
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

// touch notes that an identity sent or received something without a connection.
func (c *connections) touch(id iot.Identity, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.places[id]
	switch {
	case p == nil:
		c.places[id] = &place{activity: now}
	case p.session != nil:
		p.session.touch(now)
	default:
		p.activity = now
	}
}

func (c *connections) refuse(r Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.refused) == maxRefusals {
		c.refused = append(c.refused[:0], c.refused[1:]...)
	}
	c.refused = append(c.refused, r)
}
