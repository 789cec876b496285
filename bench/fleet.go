package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linarite/linarite/bench/mqtt"
)

// fleet is many devices that each send once in a period, whatever the broker
// does: an open loop. A message's latency counts from when it was due.
type fleet struct {
	devices int
	few     int           // the same messages from so few devices, for comparison
	period  time.Duration // of each of the many
	periods int
	p99     bound
	cpu     bound // of the CPU per message with many over that with few
}

// fleet runs on the hub and reports loss, latency and cost.
func (c *contest) fleet(l *linarite, f fleet) (err error) {
	if err := l.start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.stop()) }()
	logins, err := l.logins(f.devices)
	if err != nil {
		return err
	}
	few, err := f.run(l, logins[:f.few])
	if err != nil {
		return err
	}
	many, err := f.run(l, logins)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%d devices, each once in %v", f.devices, f.period)
	c.report.addOwn(name+", lost", "msg", series{float64(many.due - many.messages)}, bound{must: 0.5, ceiling: true})
	c.report.addOwn(name+", p50", "ms", series{micro(many.latency.quantile(0.5)) / 1000}, bound{})
	c.report.addOwn(name+", p99", "ms", series{micro(many.latency.quantile(0.99)) / 1000}, f.p99)
	c.report.addOwn(fmt.Sprintf("CPU per message, %d devices over %d", f.devices, f.few), "×",
		series{many.cpuPerMessage() / few.cpuPerMessage()}, f.cpu)
	return nil
}

// fleetRate is a rate, and how many messages there should have been.
type fleetRate struct {
	rate
	due int64
}

func (f fleet) run(b broker, logins []login) (*fleetRate, error) {
	devices, err := enlist(b, logins)
	if err != nil {
		return nil, err
	}
	senders := make([]*sender, len(devices))
	for i, d := range devices {
		senders[i] = newSender(d)
	}
	var reading sync.WaitGroup
	failures := make([]error, len(senders))
	for i, s := range senders {
		reading.Go(func() { failures[i] = s.acknowledgements() })
	}
	before := sample(b.pid(), nil)
	due := int64(f.devices * f.periods)
	sendErr := f.send(senders, due)
	for _, s := range senders {
		s.finish()
	}
	after := sample(b.pid(), nil)
	watchdog := time.AfterFunc(ioTimeout, func() { _ = dismiss(devices) })
	reading.Wait()
	watchdog.Stop()
	result := &fleetRate{rate: after.since(before), due: due}
	for _, s := range senders {
		result.messages += s.acked.Load()
		result.latency.merge(&s.latency)
	}
	return result, errors.Join(sendErr, before.err, after.err, errors.Join(failures...), dismiss(devices))
}

// send has the senders take turns, each message at its time.
func (f fleet) send(senders []*sender, due int64) error {
	began, interval := time.Now(), f.period/time.Duration(f.devices)
	for i := range due {
		at := began.Add(time.Duration(i) * interval)
		if wait := time.Until(at); wait > 0 {
			<-time.After(wait)
		}
		if err := senders[int(i)%len(senders)].send(at); err != nil {
			return err
		}
	}
	return nil
}

// sender is a device whose messages are sent when they are due and acknowledged
// when the broker likes.
type sender struct {
	*device
	frame []byte
	at    int // where the packet id is
	next  uint16

	mu       sync.Mutex
	due      map[uint16]time.Time // by packet id
	finished bool
	acked    atomic.Int64
	latency  histogram
}

func newSender(d *device) *sender {
	frame, id := publishPacket(d.topic, make([]byte, 256))
	return &sender{device: d, frame: frame, at: id, next: 1, due: map[uint16]time.Time{}}
}

func (s *sender) send(due time.Time) error {
	binary.BigEndian.PutUint16(s.frame[s.at:], s.next)
	s.mu.Lock()
	s.due[s.next] = due
	s.mu.Unlock()
	s.next = following(s.next)
	_, err := s.conn.Write(s.frame)
	return err
}

// finish says that nothing more will be sent: reading ends with the last
// acknowledgement.
func (s *sender) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finished = true
	if len(s.due) == 0 {
		_ = s.conn.SetReadDeadline(time.Now())
	}
}

// acknowledgements reads PUBACKs until all have come.
func (s *sender) acknowledgements() error {
	for {
		p, err := mqtt.Read(s.in)
		now := time.Now()
		s.mu.Lock()
		if err != nil {
			over := s.finished && len(s.due) == 0
			s.mu.Unlock()
			if over {
				return nil
			}
			return fmt.Errorf("%s: %w", s.clientID, err)
		}
		if p.Type() == mqtt.TypePuback {
			id := binary.BigEndian.Uint16(p.Body)
			s.latency.record(now.Sub(s.due[id]))
			delete(s.due, id)
			s.acked.Add(1)
		}
		over := s.finished && len(s.due) == 0
		s.mu.Unlock()
		if over {
			return nil
		}
	}
}
