package transport

import (
	"fmt"

	"github.com/linarite/linarite/amqp/codec"
)

// attach attaches a link, or refuses it. An error ends the session.
func (s *Session) attach(a *codec.Attach) *codec.Error {
	c := s.conn
	l := newLink(s, a)
	c.mu.Lock()
	failure := s.admissible(a)
	stolen := s.namesake(l)
	c.mu.Unlock()
	if failure != nil {
		return failure
	}
	if stolen != nil {
		stolen.Detach(codec.Failure("amqp:link:stolen", "the link was attached anew"))
	}
	node, refusal := c.handler.Attach(l)
	c.mu.Lock()
	s.links[l.handle] = l
	c.links++
	if refusal != nil {
		l.refuse(a, refusal)
		l.forget()
		c.mu.Unlock()
		return nil
	}
	l.accept(a, node)
	l.forget()
	over := l.gone // it was detached while the handler attached it
	if over {
		l.tellDetach()
	}
	c.mu.Unlock()
	if over {
		l.orphaned()
	}
	return nil
}

// admissible says why a link cannot be, whatever it is for. The caller holds mu.
func (s *Session) admissible(a *codec.Attach) *codec.Error {
	switch {
	case a.Handle > maxHandle:
		return codec.Failure("amqp:session:errant-link", fmt.Sprintf("handle %d is above %d", a.Handle, maxHandle))
	case s.links[a.Handle] != nil:
		return codec.Failure("amqp:session:handle-in-use", fmt.Sprintf("handle %d is in use", a.Handle))
	case len(a.Name) > maxName:
		return codec.Failure("amqp:invalid-field", fmt.Sprintf("a link's name of %d bytes", len(a.Name)))
	}
	if _, limit := s.conn.bounds(); s.conn.links >= limit {
		return codec.Failure("amqp:resource-limit-exceeded", fmt.Sprintf("more than %d links", limit))
	}
	return nil
}

// namesake is the session's attached link of the same name and role, or nil. The
// caller holds mu.
func (s *Session) namesake(l *Link) *Link {
	for _, other := range s.links {
		if other.Name == l.Name && other.Sending == l.Sending && !other.gone {
			return other
		}
	}
	return nil
}

// refuse answers with null termini and detaches at once (amqp.md, trap 11).
// Both are null: until its release 1.6 go-amqp takes a link of its own that lacks
// only the target for attached. The caller holds mu.
func (l *Link) refuse(a *codec.Attach, failure *codec.Error) {
	reply := l.reply(a)
	reply.Source, reply.Target = nil, nil
	l.leave()
	l.answered, l.failure = true, failure
	l.session.conn.enqueue(l.session.channel, reply)
	l.tellDetach()
}

// accept answers, and grants credit where the peer sends. The caller holds mu.
func (l *Link) accept(a *codec.Attach, node Node) {
	l.node, l.answered = node, true
	reply := l.reply(a)
	if node.MaxMessage > 0 {
		l.maxMessage = node.MaxMessage
		reply.MaxMessageSize = codec.Some(node.MaxMessage)
	}
	l.session.conn.enqueue(l.session.channel, reply)
	if !l.Sending {
		l.count = a.InitialDeliveryCount.Or(0)
		l.credit = node.Credit
		l.session.tellFlow(l)
	}
}

// reply is our half of an attach. The peer's ends are echoed, and so are its
// properties: pyamqp cannot do with none where it has sent some.
func (l *Link) reply(a *codec.Attach) *codec.Attach {
	reply := &codec.Attach{
		Name: a.Name, Handle: l.handle, Role: !a.Role, SndSettleMode: a.SndSettleMode, RcvSettleMode: codec.RcvFirst,
		Source: a.Source, Target: a.Target, MaxMessageSize: codec.Some(uint64(defaultMessage)), Properties: a.Properties,
	}
	if l.Sending {
		if a.SndSettleMode == codec.SndSettled && !l.Settles {
			reply.SndSettleMode = codec.SndUnsettled
		}
		reply.RcvSettleMode = a.RcvSettleMode
		reply.InitialDeliveryCount = codec.Some(uint32(0))
	}
	return reply
}

// detach takes the peer's detach, which may be the answer to ours. An error ends
// the session.
func (s *Session) detach(d *codec.Detach) *codec.Error {
	c := s.conn
	c.mu.Lock()
	l := s.links[d.Handle]
	if l == nil {
		c.mu.Unlock()
		return codec.Failure("amqp:session:unattached-handle", fmt.Sprintf("detach of handle %d", d.Handle))
	}
	delete(s.links, d.Handle)
	c.links--
	attached := l.leave()
	var emptied []*Link
	if attached {
		c.enqueue(s.channel, &codec.Detach{Handle: d.Handle, Closed: d.Closed})
		emptied = s.transmit() // what it had unsettled is no more
	}
	c.mu.Unlock()
	tellEmptied(emptied)
	if attached {
		l.orphaned()
	}
	return nil
}
