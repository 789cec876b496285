package c2d

import (
	"time"

	"github.com/linarite/linarite/iot"
)

// Delivery is a message that was handed out and is locked for whoever has it.
// Its Message is as it was sent: Expiry is zero when the sender set none.
type Delivery struct {
	Message
	Sequence      uint64    // the message's number in its queue, from 1
	LockToken     string    // a GUID, another one each time the message is handed out
	DeliveryCount int       // how often it was given back, as far as that counts
	Redelivered   bool      // it was handed out before
	EnqueuedTime  time.Time // when the hub took it in
}

// Undelivered is a message that left its queue by itself.
type Undelivered struct {
	Message
	Outcome       string // Expired or DeliveryCountExceeded
	DeliveryCount int
	EnqueuedTime  time.Time
	Expires       time.Time
}

func undelivered(f fate[letter]) Undelivered {
	return Undelivered{
		Message: f.value.Message, Outcome: f.outcome, DeliveryCount: f.count, EnqueuedTime: f.enqueued, Expires: f.expiry,
	}
}

// Receive locks and hands out the oldest available message with a sequence
// number above after (0: any); ok is false when there is none. lockFor is how
// long the message is the receiver's; 0 is Lock.
func (s *Store) Receive(id iot.Identity, after uint64, lockFor time.Duration) (d Delivery, ok bool) {
	if lockFor <= 0 {
		lockFor = s.o.Lock
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.boxes[id]
	if b == nil {
		return Delivery{}, false
	}
	now := s.clk.Now()
	it, redelivered, ok := b.take(after, now.Add(lockFor))
	if !ok {
		return Delivery{}, false
	}
	b.alarm.set(b.soonest, now)
	return Delivery{
		Message: it.value.Message, Sequence: it.sequence, LockToken: it.token,
		DeliveryCount: it.count, Redelivered: redelivered, EnqueuedTime: it.enqueued,
	}, true
}

// Complete says that the device has dealt with a message. Error: 412002 when the
// lock was lost.
func (s *Store) Complete(id iot.Identity, lockToken string) error {
	return s.remove(id, lockToken, Success)
}

// Reject dead-letters a message, which is the end of it. Error: 412002.
func (s *Store) Reject(id iot.Identity, lockToken string) error {
	return s.remove(id, lockToken, Rejected)
}

func (s *Store) remove(id iot.Identity, lockToken string, outcome string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.boxes[id]
	if b == nil {
		return iot.ErrMessageLockLost
	}
	it, ok := b.queue.remove(lockToken)
	if !ok {
		return iot.ErrMessageLockLost
	}
	now := s.clk.Now()
	s.total--
	s.report(b, it, outcome, now)
	b.alarm.set(b.soonest, now)
	return nil
}

// Abandon gives a message back to its place in the queue, which counts as a
// delivery: with the last one allowed the message is dead-lettered. Error:
// 412002.
func (s *Store) Abandon(id iot.Identity, lockToken string) error {
	if !s.giveBack(id, lockToken, true) {
		return iot.ErrMessageLockLost
	}
	return nil
}

// Release gives a message back because the link to its receiver is gone, which
// counts for nothing. A lock that was lost meanwhile is no error.
func (s *Store) Release(id iot.Identity, lockToken string) error {
	s.giveBack(id, lockToken, false)
	return nil
}

func (s *Store) giveBack(id iot.Identity, lockToken string, counts bool) (ok bool) {
	s.mu.Lock()
	b := s.boxes[id]
	if b == nil {
		s.mu.Unlock()
		return false
	}
	now := s.clk.Now()
	f, ok := b.queue.giveBack(lockToken, counts, now)
	if f.outcome != "" {
		s.total--
		s.report(b, f.item, f.outcome, now)
	}
	b.alarm.set(b.soonest, now)
	s.mu.Unlock()
	if f.outcome != "" {
		s.o.Gone(id, undelivered(f))
	}
	if ok && f.outcome == "" {
		s.o.Available(id)
	}
	return ok
}

// tick is a queue's alarm.
func (s *Store) tick(b *box, turn uint64) {
	s.mu.Lock()
	if !b.alarm.rang(turn) {
		s.mu.Unlock()
		return
	}
	now := s.clk.Now()
	dead, freed := b.queue.tick(now)
	s.total -= len(dead)
	for _, f := range dead {
		s.report(b, f.item, f.outcome, now)
	}
	b.alarm.set(b.soonest, now)
	s.mu.Unlock()
	for _, f := range dead {
		s.o.Gone(b.id, undelivered(f))
	}
	if freed {
		s.o.Available(b.id)
	}
}

// report tells the sender what became of a message, if it wants to know.
func (s *Store) report(b *box, it *item[letter], outcome string, now time.Time) {
	if !it.value.Ack.wants(outcome) {
		return
	}
	messageID, _ := it.value.System.Get(iot.MessageID)
	s.feedback.add(b.id, Record{
		OriginalMessageID: messageID, EnqueuedTime: now, StatusCode: outcome, Description: outcome,
		DeviceID: b.id.DeviceID, DeviceGenerationID: it.value.generation,
	})
}
