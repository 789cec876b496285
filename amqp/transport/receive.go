package transport

import (
	"fmt"

	"github.com/linarite/linarite/amqp/codec"
)

// Delivery is a message that a peer sent.
type Delivery struct {
	Message []byte // encoded
	Format  uint32 // 0, or codec.FormatBatch

	link    *Link
	id      uint32
	settled bool // by the peer: it does not want to hear of it
	parts   int
}

// transfer takes a message or a part of one. An error ends the session.
func (s *Session) transfer(t *codec.Transfer, payload []byte) *codec.Error {
	c := s.conn
	c.mu.Lock()
	s.nextIncoming++
	if s.taken++; s.taken > sessionWindow {
		c.mu.Unlock()
		return codec.Failure("amqp:session:window-violation", "more transfers than the window allows")
	}
	l := s.links[t.Handle]
	if l == nil || l.Sending {
		c.mu.Unlock()
		return codec.Failure("amqp:session:unattached-handle", fmt.Sprintf("transfer on handle %d", t.Handle))
	}
	if s.taken >= sessionWindow/2 {
		s.tellFlow(nil)
	}
	var d *Delivery
	var failure *codec.Error
	if !l.gone { // else it crossed our detach
		d, failure = l.collect(t, payload)
	}
	c.mu.Unlock()
	if failure != nil {
		l.Detach(failure)
	} else if d != nil {
		l.receive(d)
	}
	return nil
}

// collect adds a transfer to the delivery under way and returns it when it is
// whole. An error detaches the link. The caller holds mu.
func (l *Link) collect(t *codec.Transfer, payload []byte) (*Delivery, *codec.Error) {
	d := l.partial
	if d == nil {
		if l.credit == 0 {
			return nil, codec.Failure("amqp:link:transfer-limit-exceeded", "a message without credit")
		}
		if !t.DeliveryID.OK {
			return nil, codec.Failure("amqp:invalid-field", "a transfer without a delivery-id")
		}
		l.credit--
		l.count++
		d = &Delivery{link: l, id: t.DeliveryID.Value, Format: t.MessageFormat.Or(0)}
		l.partial = d
	}
	if t.DeliveryID.OK && t.DeliveryID.Value != d.id {
		return nil, codec.Failure("amqp:not-allowed", fmt.Sprintf("delivery %d before the end of %d", t.DeliveryID.Value, d.id))
	}
	d.settled = d.settled || t.Settled.Or(false)
	if t.Aborted {
		l.discard()
		l.replenish()
		return nil, nil
	}
	if failure := l.add(d, payload); failure != nil {
		return nil, failure
	}
	if t.More {
		return nil, nil
	}
	l.session.conn.partial -= len(d.Message)
	l.partial = nil
	return d, nil
}

// add adds a part to a delivery, within bounds. The caller holds mu.
func (l *Link) add(d *Delivery, payload []byte) *codec.Error {
	c := l.session.conn
	if uint64(len(d.Message)+len(payload)) > l.maxMessage {
		return codec.Failure("amqp:link:message-size-exceeded", fmt.Sprintf("the message has more than %d bytes", l.maxMessage))
	}
	if c.partial+len(payload) > maxPartial {
		return codec.Failure("amqp:resource-limit-exceeded", "too many messages that have not arrived whole")
	}
	c.partial += len(payload)
	if d.parts == 0 {
		d.Message = payload // a frame's memory is its own
	} else {
		d.Message = append(d.Message, payload...)
	}
	d.parts++
	return nil
}

// discard drops the delivery under way. The caller holds mu.
func (l *Link) discard() {
	if l.partial != nil {
		l.session.conn.partial -= len(l.partial.Message)
		l.partial = nil
	}
}

func (l *Link) receive(d *Delivery) {
	if l.node.Receive == nil {
		d.Settle(&codec.Rejected{Error: codec.Failure("amqp:not-allowed", "nothing can be sent here")})
		return
	}
	l.node.Receive(d)
}

// Link is what the message came on.
func (d *Delivery) Link() *Link { return d.link }

// Settle tells the peer what became of its message and lets it send another. It
// must be called once, from any goroutine.
func (d *Delivery) Settle(outcome codec.Composite) {
	l := d.link
	c := l.session.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.gone {
		return
	}
	if !d.settled {
		c.enqueue(l.session.channel, &codec.Disposition{
			Role: codec.RoleReceiver, First: d.id, Last: codec.Some(d.id), Settled: true, State: outcome,
		})
	}
	l.replenish()
}

// replenish counts a delivery that is over, and grants credit anew when that is worth
// a flow. The caller holds mu.
func (l *Link) replenish() {
	if l.due++; l.due >= max(l.node.Credit/2, 1) {
		l.credit += l.due
		l.due = 0
		l.session.tellFlow(l)
	}
}
