package amqp

import (
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/amqp/transport"
	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// handed is a message, without its content, that went out on a link and is not
// settled.
type handed struct {
	c2d.Delivery
	link *transport.Link
}

// inbox is the node from which a device receives messages. They have to be
// settled, even if the device would rather have them settled beforehand.
//
// IoT Hub: contract.md §8.1, §18.
func (d *device) inbox(l *transport.Link) transport.Node {
	l.Settles = false
	d.mu.Lock()
	d.messages = l
	d.mu.Unlock()
	d.listen(func(on *hub.Listening) { on.Messages = true })
	return transport.Node{Flow: d.sendMessages, Settled: d.settled, Detached: func() { d.closeInbox(l) }}
}

// closeInbox gives back what went out on a link that is gone.
func (d *device) closeInbox(l *transport.Link) {
	d.mu.Lock()
	var back []c2d.Delivery
	current := d.messages == l
	if current {
		back, d.messages, d.waiting = d.waiting, nil, nil
	}
	for token, m := range d.held {
		if m.link == l {
			back = append(back, m.Delivery)
			delete(d.held, token)
		}
	}
	d.mu.Unlock()
	if current {
		d.listen(func(on *hub.Listening) { on.Messages = false })
	}
	for _, m := range back {
		_ = d.session.Release(m) // after the end of the session it has been done already
	}
}

// Message hands the device a message, as soon as there is credit; hub.Link. One
// that comes again because its lock has run out takes the place of the earlier.
func (d *device) Message(m c2d.Delivery) {
	d.mu.Lock()
	maps.DeleteFunc(d.held, func(_ string, lost handed) bool { return lost.Sequence == m.Sequence })
	same := func(lost c2d.Delivery) bool { return lost.Sequence == m.Sequence }
	if at := slices.IndexFunc(d.waiting, same); at >= 0 {
		d.waiting[at] = m
	} else {
		d.waiting = append(d.waiting, m)
	}
	d.mu.Unlock()
	d.sendMessages()
}

// sendMessages sends what waits, as far as there is credit.
func (d *device) sendMessages() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.waiting) > 0 && d.messages != nil && d.messages.Credit() > 0 {
		m := d.waiting[0]
		d.waiting = d.waiting[1:]
		out := transport.Outgoing{Message: appendDeviceBound(nil, d.id, &m), Tag: tagOf(m.LockToken), Ref: m.LockToken}
		m.Message = c2d.Message{} // its lock is all that is needed from here on
		d.held[m.LockToken] = handed{m, d.messages}
		d.messages.Send(out)
	}
}

// settled does with a message what the device says: accepted is completed,
// released abandoned, rejected rejected. IoT Hub: contract.md §18.
func (d *device) settled(ref, outcome any) {
	token := ref.(string)
	d.mu.Lock()
	m, ok := d.held[token]
	delete(d.held, token)
	d.mu.Unlock()
	if !ok {
		return
	}
	how := d.session.Abandon
	switch o := outcome.(type) {
	case *codec.Accepted:
		how = d.session.Complete
	case *codec.Rejected:
		how = d.session.Reject
	case *codec.Modified:
		if o.UndeliverableHere {
			how = d.session.Reject
		}
	}
	if err := how(m.Delivery); err != nil {
		d.peer.srv.log.Debug().Err(err).Str("device", d.id.String()).Str("op", "deliver").Uint64("sequence", m.Sequence).
			Msg("too late to settle the message")
	}
}

// appendDeviceBound encodes a message for a device.
// IoT Hub: contract.md §7.2, §8.6.
func appendDeviceBound(b []byte, id iot.Identity, d *c2d.Delivery) []byte {
	p := propertiesOf(&d.Message.Message)
	if p == nil {
		p = &codec.Properties{}
	}
	p.To = "/" + id.Path() + "/messages/devicebound"
	if !d.Expiry.IsZero() {
		p.AbsoluteExpiryTime = codec.Some(d.Expiry)
	}
	m := codec.Message{
		Header: &codec.Header{Priority: 4, DeliveryCount: uint32(d.DeliveryCount)},
		Annotations: codec.Map{
			{Key: codec.Symbol(iot.EnqueuedTime), Value: d.EnqueuedTime},
			{Key: codec.Symbol(bySequence), Value: int64(d.Sequence)},
		},
		Properties: p,
	}
	b = m.Append(b)
	properties := d.Properties
	if d.Ack != c2d.AckNone {
		properties = append(iot.Properties{{Name: iot.Ack, Value: d.Ack.String()}}, properties...)
	}
	b = appendApplication(b, properties)
	return codec.AppendBinary(codec.AppendDescriptor(b, sectionData), d.Body)
}

// tagOf is a lock token, which is a GUID, as its 16 bytes.
func tagOf(token string) []byte {
	tag, _ := hex.DecodeString(strings.ReplaceAll(token, "-", ""))
	return tag
}
