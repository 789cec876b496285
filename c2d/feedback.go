package c2d

import (
	"slices"
	"sync"
	"time"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
)

// A batch of feedback is closed when it has that many records, or that long
// after its last one. IoT Hub: contract.md §8.7.
const (
	batchRecords = 64
	batchPause   = 15 * time.Second
)

// maxBatches is how many batches wait for a back end that does not fetch them.
// Differs: Azure states no limit; the oldest batch goes first.
const maxBatches = 1000

// maxHistory is how many records History gives at most.
const maxHistory = 10_000

// Batch is a feedback message that was handed out and is locked for whoever has
// it. Its body on the wire is Records as JSON.
type Batch struct {
	LockToken     string // a GUID
	EnqueuedTime  time.Time
	DeliveryCount int // how often it was abandoned
	Records       []Record
}

// Feedback is the queue at /messages/servicebound/feedback. It behaves as a
// device's queue does: lock, time to live, delivery count.
//
// IoT Hub: contract.md §8.5, §8.7.
type Feedback struct {
	clk *clock.Clock
	o   Options

	mu      sync.Mutex
	open    []entry // the batch that is being filled
	closeAt time.Time
	batches queue[[]entry]
	alarm   alarm
	history []Record
	changed chan struct{} // nil when nobody waits
}

// entry is a record and the identity whose end is also the record's.
type entry struct {
	id iot.Identity
	Record
}

func newFeedback(clk *clock.Clock, o Options) *Feedback {
	f := &Feedback{clk: clk, o: o}
	f.batches.rules = rules{o.FeedbackMaxDeliveryCount, o.CountLockExpiry}
	f.alarm = alarm{clk: clk, ring: f.tick}
	return f
}

// Receive locks and hands out the oldest available batch; ok is false when there
// is none.
func (f *Feedback) Receive() (b Batch, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.clk.Now()
	it, _, ok := f.batches.take(0, now.Add(f.o.FeedbackLock))
	if !ok {
		return Batch{}, false
	}
	f.setAlarm(now)
	b = Batch{LockToken: it.token, EnqueuedTime: it.enqueued, DeliveryCount: it.count}
	for _, e := range it.value {
		b.Records = append(b.Records, e.Record)
	}
	return b, true
}

// Complete says that a batch was dealt with. Error: 412002 when the lock was
// lost.
func (f *Feedback) Complete(lockToken string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.batches.remove(lockToken); !ok {
		return iot.ErrMessageLockLost
	}
	f.setAlarm(f.clk.Now())
	return nil
}

// Reject drops a batch. Error: 412002.
func (f *Feedback) Reject(lockToken string) error { return f.Complete(lockToken) }

// Abandon gives a batch back, to be handed out again, unless that was the last
// time allowed. Error: 412002.
func (f *Feedback) Abandon(lockToken string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.clk.Now()
	if _, ok := f.batches.giveBack(lockToken, true, now); !ok {
		return iot.ErrMessageLockLost
	}
	f.dropEmpty()
	f.setAlarm(now)
	f.change()
	return nil
}

// History is the latest records, oldest first, as they came: before they are
// batched, and whether or not a back end has received them. It is shared, not to
// be modified.
func (f *Feedback) History() []Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	from, to := max(0, len(f.history)-maxHistory), len(f.history)
	return f.history[from:to:to]
}

// Changed is closed when History has grown or a batch has become available.
// Take it before looking, so that nothing is missed.
func (f *Feedback) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changed == nil {
		f.changed = make(chan struct{})
	}
	return f.changed
}

// add takes in a record.
func (f *Feedback) add(id iot.Identity, r Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.clk.Now()
	if len(f.history) == 2*maxHistory { // readers may have the old array: begin a new one
		f.history = slices.Clone(f.history[maxHistory:])
	}
	f.history = append(f.history, r)
	f.open = append(f.open, entry{id, r})
	f.closeAt = now.Add(batchPause)
	if len(f.open) == batchRecords {
		f.closeBatch(now)
	}
	f.setAlarm(now)
	f.change()
}

// closeBatch puts the open batch into the queue.
func (f *Feedback) closeBatch(now time.Time) {
	if len(f.batches.items) == maxBatches {
		oldest := f.batches.items[0]
		f.batches.drop(func(it *item[[]entry]) bool { return it == oldest })
	}
	f.batches.push(f.open, now, now.Add(f.o.FeedbackTTL))
	f.open, f.closeAt = nil, time.Time{}
}

// discard drops the records of an identity that nobody has received. A batch
// that is locked stays with its receiver, but is not handed out again.
func (f *Feedback) discard(id iot.Identity) {
	f.mu.Lock()
	defer f.mu.Unlock()
	its := func(e entry) bool { return e.id == id }
	f.open = slices.DeleteFunc(f.open, its)
	if len(f.open) == 0 {
		f.closeAt = time.Time{}
	}
	for _, it := range f.batches.items {
		it.value = slices.DeleteFunc(it.value, its)
	}
	f.dropEmpty()
	f.setAlarm(f.clk.Now())
}

func (f *Feedback) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open, f.closeAt, f.history = nil, time.Time{}, nil
	f.batches.drain()
	f.alarm.stop()
	f.change()
}

// dropEmpty drops the batches that have lost all their records, once nobody has
// them.
func (f *Feedback) dropEmpty() {
	f.batches.drop(func(it *item[[]entry]) bool { return it.token == "" && len(it.value) == 0 })
}

// tick is the alarm.
func (f *Feedback) tick(turn uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.alarm.rang(turn) {
		return
	}
	now := f.clk.Now()
	closes := len(f.open) > 0 && !now.Before(f.closeAt)
	if closes {
		f.closeBatch(now)
	}
	_, freed := f.batches.tick(now)
	f.dropEmpty()
	f.setAlarm(now)
	if closes || freed {
		f.change()
	}
}

// setAlarm sets the alarm to what is due first.
func (f *Feedback) setAlarm(now time.Time) {
	due := f.batches.soonest
	if due.IsZero() || !f.closeAt.IsZero() && f.closeAt.Before(due) {
		due = f.closeAt
	}
	f.alarm.set(due, now)
}

func (f *Feedback) change() {
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}
