package mqtt

import (
	"math"
	"strconv"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/iot"
)

// What may wait for one device, what is being written included. More means that
// it does not keep up. Only changes of desired properties are weighed: messages
// and method calls are held by the hub until they are settled, which allows so
// many of each.
const (
	maxWaiting      = 1024      // publications
	maxWaitingBytes = 512 << 10 // of desired properties
)

// batch is how many bytes are gathered into one write.
const batch = 16 << 10

// maxInflight is how many deliveries wait for their PUBACK before the oldest is
// forgotten. The hub has no more than a few out at a time; the others are
// deliveries whose lock has long run out.
const maxInflight = 256

// outbox holds what is to be sent to a device, in order. Somebody empties it while
// there is something in it: the reader, or a goroutine.
type outbox struct {
	waiting []outgoing
	weight  int // of what waits and of what is being written
	running bool
	idle    chan struct{} // closed when it is empty; nil before its first use
}

// outgoing is a publication, and what becomes of the message it carries.
type outgoing struct {
	publication
	message c2d.Delivery
	after   settlement
	weight  int // against maxWaitingBytes
}

// settlement is what is done with a message once it was written.
type settlement uint8

const (
	settleNothing  settlement = iota // no message, or PUBACK settles it
	settleComplete                   // QoS 0: written is done
	settleReject                     // it cannot be written
)

// Message publishes a cloud-to-device message; hub.Link. With QoS 1 the PUBACK
// completes it, with QoS 0 that it was written.
//
// IoT Hub: contract.md §6.3 (packet id, DUP), §8.4.
func (l *link) Message(d c2d.Delivery) {
	out := outgoing{publication: publication{
		topic: deviceBoundTopic(l.id.DeviceID, &d.Message), payload: d.Body, dup: d.Redelivered,
	}}
	out.message = d
	out.message.Message = c2d.Message{} // its lock is all that is needed from here on
	l.mu.Lock()
	switch {
	case len(out.topic) > math.MaxUint16:
		out.publication = publication{}
		out.after = settleReject
	case l.subs[filterMessages] == 1:
		out.after = settleComplete
	default:
		out.id = l.assign(out.message)
	}
	l.mu.Unlock()
	l.push(out)
}

// assign gives a delivery its packet id, which follows from its sequence number.
// The caller holds mu.
//
// IoT Hub: contract.md §6.3, MqttAdapter.cs: (sequence & 0x3FFF) + 1. Where an
// older delivery still has that id the next free one is taken.
func (l *link) assign(d c2d.Delivery) uint16 {
	if l.inflight == nil {
		l.inflight = map[uint16]c2d.Delivery{}
	}
	id := uint16(d.Sequence&0x3FFF) + 1
	for {
		other, taken := l.inflight[id]
		if !taken || other.Sequence == d.Sequence {
			break
		}
		id = id%math.MaxUint16 + 1
	}
	l.inflight[id] = d
	if len(l.inflight) > maxInflight {
		l.forgetOldest()
	}
	return id
}

func (l *link) forgetOldest() {
	var oldest uint16
	for id, d := range l.inflight {
		if oldest == 0 || d.Sequence < l.inflight[oldest].Sequence {
			oldest = id
		}
	}
	delete(l.inflight, oldest)
}

// acknowledged completes the message that a PUBACK is for. One that comes after
// the lock ran out, or for nothing we sent, changes nothing.
func (l *link) acknowledged(pk *packets.Packet) error {
	if n := pk.FixedHeader.Remaining; n != 2 {
		return iot.ErrFormat.Because("malformed packet: PUBACK of %d bytes", n)
	}
	l.mu.Lock()
	d, ok := l.inflight[pk.PacketID]
	delete(l.inflight, pk.PacketID)
	l.mu.Unlock()
	if ok {
		l.settle(d, settleComplete)
	}
	return nil
}

// settle tells the hub what became of a message.
func (l *link) settle(d c2d.Delivery, how settlement) {
	var err error
	switch how {
	case settleComplete:
		err = l.session.Complete(d)
	case settleReject:
		l.srv.log.Warn().Str("device", l.id.String()).Str("op", "deliver").Uint64("sequence", d.Sequence).
			Msg("the message's properties do not fit into an MQTT topic; it is rejected")
		err = l.session.Reject(d)
	}
	if err != nil {
		l.srv.log.Debug().Err(err).Str("device", l.id.String()).Str("op", "deliver").Uint64("sequence", d.Sequence).
			Msg("too late to settle the message")
	}
}

// Desired publishes a change of the desired properties; hub.Link.
// IoT Hub: contract.md §9.3.
func (l *link) Desired(version int64, body []byte) {
	l.push(outgoing{weight: len(body), publication: publication{
		topic:   "$iothub/twin/PATCH/properties/desired/?$version=" + strconv.FormatInt(version, 10),
		payload: body,
	}})
}

// push puts something in the outbox and sees to it that it is emptied. It does
// not block: a device that does not keep up is cut off.
func (l *link) push(o outgoing) {
	if l.enqueue(o) {
		go l.drain()
	}
}

// enqueue puts something in the outbox. Where it says start, nobody empties it yet
// and the caller has to see to that.
func (l *link) enqueue(o outgoing) (start bool) {
	start, err := l.put(o)
	if err != nil {
		l.Close(err)
	}
	return start
}

// put is enqueue; the error is that the device does not keep up.
func (l *link) put(o outgoing) (start bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return false, nil
	}
	if len(l.outbox.waiting) >= maxWaiting || o.weight > 0 && l.outbox.weight+o.weight > maxWaitingBytes {
		return false, iot.ErrClosedRemotely.Because("the client does not keep up: %d publications wait for it", len(l.outbox.waiting))
	}
	l.outbox.waiting = append(l.outbox.waiting, o)
	l.outbox.weight += o.weight
	if l.outbox.running {
		return false, nil
	}
	l.outbox.running, l.outbox.idle = true, make(chan struct{})
	l.srv.running.Add(1) // the connection itself still runs, since it is not over
	return true, nil
}

// emptied empties the outbox, or waits for who does. It is for the reader, which
// takes nothing more of a device that does not take its answers.
func (l *link) emptied(start bool) {
	if start {
		l.drain()
		return
	}
	l.mu.Lock()
	idle := l.outbox.idle
	l.mu.Unlock()
	if idle == nil {
		return
	}
	select {
	case <-idle:
	case <-l.closing:
	}
}

// drain empties the outbox, and ends with it.
func (l *link) drain() {
	defer l.srv.running.Done()
	defer l.srv.survive(l)
	for written := []outgoing(nil); ; {
		waiting := l.take(written)
		if waiting == nil {
			return
		}
		if err := l.send(waiting); err != nil {
			l.Close(l.explain(err))
			return // and idle stays open: the connection ends
		}
		written = waiting
	}
}

// take takes everything out of the outbox, now that the last it took has been
// written; with nothing there, the next push starts anew.
func (l *link) take(written []outgoing) []outgoing {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range written {
		l.outbox.weight -= written[i].weight
	}
	waiting := l.outbox.waiting
	l.outbox.waiting = nil
	if waiting == nil {
		l.outbox.running = false
		close(l.outbox.idle)
	}
	return waiting
}

// send writes publications, many at a time where they are small, and settles
// what is settled by having been written.
func (l *link) send(waiting []outgoing) error {
	var b []byte
	first := 0
	for i := range waiting {
		if waiting[i].after != settleReject {
			b = appendPublish(b, &waiting[i].publication)
		}
		if len(b) < batch && i < len(waiting)-1 {
			continue
		}
		if len(b) > 0 {
			if _, err := l.wire.Write(b); err != nil {
				return err
			}
		}
		for j := first; j <= i; j++ {
			l.settle(waiting[j].message, waiting[j].after)
		}
		b, first = b[:0], i+1
	}
	return nil
}
