package transport

import (
	"encoding/binary"

	"github.com/linarite/linarite/amqp/codec"
)

// Outgoing is a message to send.
type Outgoing struct {
	Message []byte // encoded; it is not copied, so it must not change
	Tag     []byte // the delivery tag; nil: one is made
	Settled bool   // it is not heard of again
	Ref     any    // what Node.Settled is told
}

// outgoing is a message in a link's queue.
type outgoing struct {
	Outgoing
	sent    int // bytes
	started bool
}

// Send queues messages. They go out as credit, the session's window and the
// socket allow. It says whether the link is still there. What waits keeps the
// memory of its Message; nothing does once Credit is positive again.
func (l *Link) Send(all ...Outgoing) bool {
	c := l.session.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.gone {
		return false
	}
	for i := range all {
		o := outgoing{Outgoing: all[i]}
		o.Settled = o.Settled || l.Settles
		if len(l.queue) > 0 || !l.carry(&o) {
			l.queue = append(l.queue, o)
		}
	}
	return true
}

// Credit is how many more messages can be queued that go out without further
// credit; 0 as long as something waits in the queue.
func (l *Link) Credit() int {
	c := l.session.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.gone || len(l.queue) > 0 {
		return 0
	}
	return int(l.credit)
}

// Queued is how many messages wait to be sent, and how many bytes they have.
func (l *Link) Queued() (messages, bytes int) {
	c := l.session.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range l.queue {
		bytes += len(l.queue[i].Message)
	}
	return len(l.queue), bytes
}

// Await waits until fewer than n messages wait to be sent, for as long as it is the
// socket that they wait for and not the peer's credit; it says whether that is so
// now. It is for the connection's reader, which takes nothing more meanwhile.
func (l *Link) Await(n int) bool {
	c := l.session.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(l.queue) >= n && l.stalled && !c.over && !c.broken {
		c.room.Wait()
	}
	return len(l.queue) < n
}

// Drained says that there is nothing to send. Where the peer asked to drain the
// link, its credit is used up and it is told.
func (l *Link) Drained() {
	c := l.session.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(l.queue) == 0 {
		l.drained()
	}
}

// drained uses up the credit of a link that the peer drains, if there is any left, and
// tells it. The caller holds mu.
func (l *Link) drained() {
	if l.gone || !l.drain {
		return
	}
	l.count += l.credit
	l.credit = 0
	l.session.tellFlow(l)
	l.drain = false
}

// grant takes the credit of a flow. The caller holds mu.
//
// OASIS: amqp-core-transport 2.6.7.
func (l *Link) grant(f *codec.Flow) {
	if !l.Sending || l.gone {
		return
	}
	if f.LinkCredit.OK {
		l.credit = f.DeliveryCount.Or(0) + f.LinkCredit.Value - l.count
		if l.credit > f.LinkCredit.Value { // more is under way than the peer allows now
			l.credit = 0
		}
	}
	l.drain = f.Drain
	if l.credit == 0 && (len(l.queue) == 0 || !l.queue[0].started) {
		l.drained()
	}
}

// flowed tells the node of credit or of an empty queue, and drains the link if that is
// for us to do. The caller does not hold mu.
func (l *Link) flowed() {
	if !l.Sending {
		return
	}
	l.awaken()
	if l.node.Flow != nil {
		l.node.Flow()
	}
	if !l.node.Pumped {
		l.Drained()
	}
}

// transmit sends what the queue has, as far as it can, and says whether that has
// emptied it. The caller holds mu.
func (l *Link) transmit() (emptied bool) {
	if len(l.queue) == 0 {
		return false
	}
	for len(l.queue) > 0 {
		if !l.carry(&l.queue[0]) {
			return false
		}
		l.queue[0] = outgoing{}
		l.queue = l.queue[1:]
	}
	l.queue = nil
	return true
}

// tellEmptied tells the nodes of links that their queues are empty. The caller
// does not hold mu.
func tellEmptied(links []*Link) {
	for _, l := range links {
		l.flowed()
	}
}

// carry sends one message, or as much of it as it can, and says whether that was
// all. The caller holds mu.
func (l *Link) carry(o *outgoing) bool {
	s := l.session
	c := s.conn
	for first := !o.started; first || o.sent < len(o.Message); first = false {
		if l.stalled || s.window == 0 || first && l.credit == 0 {
			return false // until resume, or a flow
		}
		if first && !o.Settled && len(s.unsettled) >= maxUnsettled {
			return false // until a disposition
		}
		if len(c.out) > softOut {
			l.stalled = true
			c.stalled = append(c.stalled, l)
			return false // until resume
		}
		part := o.Message[o.sent:min(len(o.Message), o.sent+c.peerMax-frameHeader-transferHeader-maxTag)]
		t := codec.Transfer{Handle: l.handle, More: o.sent+len(part) < len(o.Message)}
		if first {
			l.begin(o, &t)
		}
		o.sent += len(part)
		s.window--
		s.nextOutgoing++
		c.enqueueTransfer(s.channel, &t, part)
	}
	if l.credit == 0 {
		l.drained()
	}
	return true
}

// begin makes t the first transfer of a delivery. The caller holds mu.
func (l *Link) begin(o *outgoing, t *codec.Transfer) {
	s := l.session
	id := s.nextDelivery
	s.nextDelivery++
	o.started = true
	l.credit--
	l.count++
	if o.Tag == nil {
		o.Tag = binary.BigEndian.AppendUint32(s.tag[:0], id)
	}
	t.DeliveryID, t.DeliveryTag = codec.Some(id), o.Tag
	t.MessageFormat, t.Settled = codec.Some(uint32(0)), codec.Some(o.Settled)
	if !o.Settled && l.node.Settled != nil { // else nobody wants to know
		s.unsettled[id] = pending{l, o.Ref}
	}
}
