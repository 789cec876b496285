// Package c2d holds what back ends have sent to devices until the devices have
// dealt with it: a queue per device with locks, expiry and delivery counts, and
// the feedback that tells senders what became of their messages.
//
// IoT Hub: contract.md §8, iot-hub-devguide-messages-c2d.
package c2d

import (
	"cmp"
	"sync"
	"time"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
)

// Options sets a store up. Zero members mean IoT Hub's defaults.
// IoT Hub: contract.md §8.2, §8.3, §8.5.
type Options struct {
	MaxDepth         int           // messages in a queue, locked ones included; default 50
	DefaultTTL       time.Duration // of a message without expiry; default 1 h
	Lock             time.Duration // how long a message is its receiver's; default 60 s
	MaxDeliveryCount int           // abandons until a message is dead-lettered; default 10
	// CountLockExpiry makes a lock that runs out count like an abandon, as
	// older revisions of the documents have it.
	CountLockExpiry bool

	FeedbackTTL              time.Duration // default 1 h
	FeedbackLock             time.Duration // default 60 s
	FeedbackMaxDeliveryCount int           // default 10

	// Available is told that a device's queue has a message to receive: after
	// it was enqueued, abandoned or released, or a lock ran out. It is called
	// without locks held and must be short.
	Available func(iot.Identity)
	// Gone is told of a message that left its queue by itself: it expired, or was
	// given back too often. It is called without locks held and must be short.
	Gone func(iot.Identity, Undelivered)
}

// Store is the queues of all devices of a hub.
type Store struct {
	clk      *clock.Clock
	o        Options
	feedback *Feedback

	mu    sync.Mutex // taken before feedback's
	total int        // messages of all queues
	boxes map[iot.Identity]*box
}

// box is one device's queue. It lives, and keeps counting, as long as the
// device.
type box struct {
	id iot.Identity
	queue[letter]
	alarm alarm
}

// letter is a message and the generation of the device it was sent to.
type letter struct {
	Message
	generation string
}

// NewStore is a store without messages.
func NewStore(clk *clock.Clock, o Options) *Store {
	o = o.withDefaults()
	return &Store{clk: clk, o: o, feedback: newFeedback(clk, o), boxes: map[iot.Identity]*box{}}
}

func (o Options) withDefaults() Options {
	o.MaxDepth = cmp.Or(o.MaxDepth, 50)
	o.DefaultTTL = cmp.Or(o.DefaultTTL, time.Hour)
	o.Lock = cmp.Or(o.Lock, time.Minute)
	o.MaxDeliveryCount = cmp.Or(o.MaxDeliveryCount, 10)
	o.FeedbackTTL = cmp.Or(o.FeedbackTTL, time.Hour)
	o.FeedbackLock = cmp.Or(o.FeedbackLock, time.Minute)
	o.FeedbackMaxDeliveryCount = cmp.Or(o.FeedbackMaxDeliveryCount, 10)
	if o.Available == nil {
		o.Available = func(iot.Identity) {}
	}
	if o.Gone == nil {
		o.Gone = func(iot.Identity, Undelivered) {}
	}
	return o
}

// Lock is how long a message is its receiver's unless it asks for another time.
func (s *Store) Lock() time.Duration { return s.o.Lock }

// Feedback is the queue of what became of messages whose senders asked.
func (s *Store) Feedback() *Feedback { return s.feedback }

// Enqueue adds a message to a device's queue and returns its sequence number.
// generation is the device's generation id, which feedback names. An expiry at
// or before the Unix epoch counts as none, since there are clients that send
// such. A message that asks for feedback should have a message id: without one
// it is taken too, and its feedback names an empty one.
// Errors: 413001, 403009 (expiry in the past or more than MaxTTL ahead), 403004
// (queue full).
//
// IoT Hub: contract.md §8.2, §8.5.
func (s *Store) Enqueue(id iot.Identity, generation string, m Message) (sequence uint64, err error) {
	if n := m.Size(); n > MaxMessage {
		return 0, iot.ErrMessageTooLarge.Because("the message has %d bytes, %d are allowed", n, MaxMessage)
	}
	now := s.clk.Now()
	if m.Expiry.Unix() <= 0 {
		m.Expiry = time.Time{}
	}
	expiry, err := s.expiry(m.Expiry, now)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	b := s.box(id)
	if len(b.items) >= s.o.MaxDepth {
		s.mu.Unlock()
		return 0, iot.ErrQueueFull.Because("C2D messages enqueued for the device exceeded the queue limit of %d", s.o.MaxDepth)
	}
	sequence = b.push(letter{m, generation}, now, expiry).sequence
	s.total++
	b.alarm.set(b.soonest, now)
	s.mu.Unlock()
	s.o.Available(id)
	return sequence, nil
}

func (s *Store) expiry(asked, now time.Time) (time.Time, error) {
	switch {
	case asked.IsZero():
		return now.Add(s.o.DefaultTTL), nil
	case !asked.After(now):
		return time.Time{}, iot.ErrInvalidExpiry.Because("the message's expiry time %s is past", asked.UTC().Format(time.RFC3339))
	case asked.After(now.Add(MaxTTL)):
		return time.Time{}, iot.ErrInvalidExpiry.Because(
			"the message's expiry time %s is more than %s ahead", asked.UTC().Format(time.RFC3339), MaxTTL)
	}
	return asked, nil
}

// Purge drops all messages of a queue, locked ones too, and counts them.
// IoT Hub: contract.md §8.1, DELETE /devices/{id}/commands.
func (s *Store) Purge(id iot.Identity) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.boxes[id]
	if b == nil {
		return 0
	}
	now := s.clk.Now()
	all := b.drain()
	s.total -= len(all)
	for _, it := range all {
		s.report(b, it, Purged, now)
	}
	b.alarm.set(b.soonest, now)
	return len(all)
}

// Depth is how many messages a queue has, locked ones included.
func (s *Store) Depth(id iot.Identity) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.boxes[id]; b != nil {
		return len(b.items)
	}
	return 0
}

// Messages is how many messages there are in all queues, locked ones included.
func (s *Store) Messages() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

// Last is the highest sequence number given in a queue so far, 0 before the
// first.
func (s *Store) Last(id iot.Identity) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.boxes[id]; b != nil {
		return b.last
	}
	return 0
}

// Delete forgets an identity that is no more: its queue goes without feedback,
// and so does the feedback that nobody has received yet.
// IoT Hub: contract.md §8.7.
func (s *Store) Delete(id iot.Identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.boxes[id]; b != nil {
		b.alarm.stop()
		s.total -= len(b.items)
		delete(s.boxes, id)
	}
	s.feedback.discard(id)
}

// Clear forgets everything, the history of feedback included.
func (s *Store) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.boxes {
		b.alarm.stop()
	}
	clear(s.boxes)
	s.total = 0
	s.feedback.clear()
}

// box is an identity's queue, made at its first message.
func (s *Store) box(id iot.Identity) *box {
	b := s.boxes[id]
	if b == nil {
		b = &box{id: id}
		b.rules = rules{s.o.MaxDeliveryCount, s.o.CountLockExpiry}
		b.alarm = alarm{clk: s.clk, ring: func(turn uint64) { s.tick(b, turn) }}
		s.boxes[id] = b
	}
	return b
}
