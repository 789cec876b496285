package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

// publisher keeps a number of QoS 1 messages outstanding on one connection: as
// many acknowledgements as come in one read, as many messages go out in one
// write.
type publisher struct {
	conn   net.Conn
	frame  int         // bytes of one PUBLISH
	batch  []byte      // as many of them as may be outstanding
	ids    []int       // where the packet id of each is in batch
	sentAt []time.Time // by packet id, modulo their number
	next   uint16      // packet id to send
	due    uint16      // packet id to be acknowledged next

	acked   atomic.Int64
	latency histogram // filled while measuring is on
}

func newPublisher(conn net.Conn, topic string, payload, outstanding int) *publisher {
	frame, id := publishPacket(topic, make([]byte, payload))
	p := &publisher{conn: conn, frame: len(frame), next: 1, due: 1, sentAt: make([]time.Time, outstanding)}
	for i := range outstanding {
		p.ids = append(p.ids, i*len(frame)+id)
		p.batch = append(p.batch, frame...)
	}
	return p
}

func (p *publisher) count() (int64, *histogram) { return p.acked.Load(), &p.latency }

// run publishes until stop is set and every message is acknowledged.
func (p *publisher) run(measuring, stop *atomic.Bool) error {
	outstanding := len(p.sentAt)
	if err := p.send(outstanding); err != nil {
		return err
	}
	acks := make([]byte, 4*outstanding)
	for kept := 0; ; {
		n, err := p.conn.Read(acks[kept:])
		if err != nil {
			return err
		}
		n += kept
		whole := n / 4
		if err := p.acknowledged(acks[:4*whole], measuring.Load()); err != nil {
			return err
		}
		kept = copy(acks, acks[4*whole:n])
		if !stop.Load() {
			err = p.send(whole)
		} else if outstanding -= whole; outstanding == 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// send writes n messages at once.
func (p *publisher) send(n int) error {
	now := time.Now()
	for _, at := range p.ids[:n] {
		binary.BigEndian.PutUint16(p.batch[at:], p.next)
		p.sentAt[int(p.next)%len(p.sentAt)] = now
		p.next = following(p.next)
	}
	_, err := p.conn.Write(p.batch[:n*p.frame])
	return err
}

// acknowledged takes whole PUBACKs, which must come in the order of the
// messages.
func (p *publisher) acknowledged(acks []byte, measuring bool) error {
	now := time.Now()
	for ; len(acks) > 0; acks = acks[4:] {
		if acks[0] != 0x40 || acks[1] != 2 {
			return fmt.Errorf("% x is no PUBACK", acks[:4])
		}
		if binary.BigEndian.Uint16(acks[2:]) != p.due {
			return errors.New("a PUBACK is out of order")
		}
		if measuring {
			p.latency.record(now.Sub(p.sentAt[int(p.due)%len(p.sentAt)]))
		}
		p.due = following(p.due)
		p.acked.Add(1)
	}
	return nil
}

// following is the packet id after id; 0 is none.
func following(id uint16) uint16 {
	if id == 65535 {
		return 1
	}
	return id + 1
}
