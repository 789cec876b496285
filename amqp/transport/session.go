package transport

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/linarite/linarite/amqp/codec"
)

// Session is one channel of a connection.
type Session struct {
	conn    *Conn
	channel uint16

	// The reader's own.
	ended bool // one of us has ended it: what comes yet is dropped
	gone  bool // the peer has, so that its channel may be used anew
	late  int  // frames that were dropped

	// Guarded by Conn.mu.
	links map[uint32]*Link // by handle, detached ones until the peer agrees

	nextIncoming uint32 // the transfer id that the peer sends next
	taken        uint32 // transfers since the window was last renewed
	nextOutgoing uint32 // the transfer id that we send next
	window       uint32 // transfers that the peer takes
	nextDelivery uint32
	tag          [4]byte // of the delivery being begun, where its sender has none
	unsettled    map[uint32]pending
}

// pending is a delivery that the peer has to settle.
type pending struct {
	link *Link
	ref  any
}

// begin begins a session. An error ends the connection.
func (c *Conn) begin(channel uint16, s *Session, b *codec.Begin) *codec.Error {
	if channel >= maxSessions {
		return codec.Failure("amqp:connection:framing-error", fmt.Sprintf("channel %d is above %d", channel, maxSessions-1))
	}
	if s != nil && !s.gone {
		return codec.Failure("amqp:not-allowed", fmt.Sprintf("channel %d has a session already", channel))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if limit, _ := c.bounds(); c.begun >= limit {
		return codec.Failure("amqp:resource-limit-exceeded", fmt.Sprintf("more than %d sessions", limit))
	}
	c.begun++
	c.sessions[channel] = &Session{
		conn: c, channel: channel, links: map[uint32]*Link{},
		nextIncoming: b.NextOutgoingID, window: b.IncomingWindow, nextOutgoing: 1, unsettled: map[uint32]pending{},
	}
	c.enqueue(channel, &codec.Begin{
		RemoteChannel: codec.Some(channel), NextOutgoingID: 1, IncomingWindow: sessionWindow,
		OutgoingWindow: sessionWindow, HandleMax: maxHandle,
	})
	return nil
}

// end ends the session because of an error.
func (s *Session) end(failure *codec.Error) {
	c := s.conn
	c.mu.Lock()
	s.ended = true
	orphans := s.clear()
	for _, l := range orphans {
		l.failure = failure
	}
	c.enqueue(s.channel, &codec.End{Error: failure})
	c.mu.Unlock()
	for _, l := range orphans {
		l.orphaned()
	}
}

// endByPeer takes the peer's end, which may be the answer to ours.
func (s *Session) endByPeer() {
	c := s.conn
	c.mu.Lock()
	orphans := s.clear()
	if !s.ended {
		c.enqueue(s.channel, &codec.End{})
	}
	s.ended, s.gone = true, true
	c.begun--
	c.mu.Unlock()
	for _, l := range orphans {
		l.orphaned()
	}
}

// discard drops a frame that came after the session's end, as the standard wants
// it: after an end of ours, the peer's own may still be under way, and pyamqp
// detaches its links after its end. An error ends the connection: of those frames
// there are no more than a window and a few for each link.
//
// OASIS: amqp-core-transport 2.5.5.
func (s *Session) discard(body any) *codec.Error {
	if s.late++; s.late > maxLate {
		return codec.Failure("amqp:not-allowed", fmt.Sprintf("%T on channel %d, whose session has ended", body, s.channel))
	}
	return nil
}

// clear takes all links off the session and returns those that were attached.
// The caller holds mu.
func (s *Session) clear() []*Link {
	var attached []*Link
	for _, l := range s.links {
		if l.leave() {
			attached = append(attached, l)
		}
	}
	s.conn.links -= len(s.links)
	s.links = map[uint32]*Link{}
	s.unsettled = nil
	return attached
}

// flow takes the state of the session and perhaps of a link. An error ends the
// session.
func (s *Session) flow(f *codec.Flow) *codec.Error {
	c := s.conn
	c.mu.Lock()
	s.window = f.NextIncomingID.Or(1) + f.IncomingWindow - s.nextOutgoing
	if s.window > f.IncomingWindow { // the peer has more than it allows
		s.window = 0
	}
	var l *Link
	if f.Handle.OK {
		if l = s.links[f.Handle.Value]; l == nil {
			c.mu.Unlock()
			return codec.Failure("amqp:session:unattached-handle", fmt.Sprintf("flow for handle %d", f.Handle.Value))
		}
		l.grant(f)
	}
	emptied := s.transmit()
	c.mu.Unlock()
	tellEmptied(emptied)
	if l != nil {
		l.flowed()
	}
	if f.Echo {
		c.mu.Lock()
		s.tellFlow(l)
		c.mu.Unlock()
	}
	return nil
}

// transmit lets the links send what waits, and returns those whose queues that has
// emptied. The caller holds mu.
func (s *Session) transmit() (emptied []*Link) {
	for _, l := range s.links {
		if l.transmit() {
			emptied = append(emptied, l)
		}
	}
	return emptied
}

// tellFlow tells the peer the state of the session and of a link, if that is not
// nil. The caller holds mu.
func (s *Session) tellFlow(l *Link) {
	f := &codec.Flow{
		NextIncomingID: codec.Some(s.nextIncoming), IncomingWindow: sessionWindow,
		NextOutgoingID: s.nextOutgoing, OutgoingWindow: sessionWindow,
	}
	s.taken = 0
	if l != nil && !l.gone {
		f.Handle = codec.Some(l.handle)
		f.DeliveryCount, f.LinkCredit = codec.Some(l.count), codec.Some(l.credit)
		if l.Sending {
			f.Available, f.Drain = codec.Some(uint32(len(l.queue))), l.drain
		}
	}
	s.conn.enqueue(s.channel, f)
}

// disposition takes what the peer did with deliveries of ours. What it says of
// its own is not needed: we settle those first.
func (s *Session) disposition(d *codec.Disposition) {
	if d.Role != codec.RoleReceiver {
		return
	}
	c := s.conn
	c.mu.Lock()
	last := d.Last.Or(d.First)
	var done []pending
	var emptied []*Link
	if terminal(d) {
		done = s.settle(d.First, last)
		emptied = s.transmit()
		if !d.Settled { // the peer waits for us to settle
			c.enqueue(s.channel, &codec.Disposition{
				Role: codec.RoleSender, First: d.First, Last: d.Last, Settled: true, State: d.State,
			})
		}
	}
	c.mu.Unlock()
	tellEmptied(emptied)
	for _, p := range done {
		p.link.node.Settled(p.ref, d.State)
	}
}

// terminal says whether a disposition ends deliveries: not one that only tells
// how much has arrived.
func terminal(d *codec.Disposition) bool {
	_, partial := d.State.(*codec.Received)
	return d.Settled || d.State != nil && !partial
}

// settle takes the deliveries from first to last, as ids count, in their order.
// The caller holds mu.
func (s *Session) settle(first, last uint32) []pending {
	var ids []uint32
	if first == last {
		ids = []uint32{first}
	} else {
		for id := range s.unsettled {
			if id-first <= last-first {
				ids = append(ids, id)
			}
		}
		slices.SortFunc(ids, func(a, b uint32) int { return cmp.Compare(a-first, b-first) })
	}
	var done []pending
	for _, id := range ids {
		if p, ok := s.unsettled[id]; ok {
			delete(s.unsettled, id)
			done = append(done, p)
		}
	}
	return done
}
