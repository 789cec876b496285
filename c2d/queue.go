package c2d

import (
	"crypto/rand"
	"fmt"
	"slices"
	"time"
)

// queue is the state machine that cloud-to-device messages and batches of
// feedback have in common. It has no lock and no timer of its own: its owner
// guards it and calls tick when soonest has come.
//
//	Enqueued ── take ──> Invisible (locked) ── remove ──> gone
//	    ^                    │
//	    └── giveBack, tick ──┘      an item that is Enqueued leaves by itself when
//	                                it has expired or was given back too often
//
// Time is not looked at between ticks: a lock that is still there when it is
// used counts, and an item that has expired stays with whoever holds its lock
// until that ends.
//
// IoT Hub: contract.md §8.3.
type queue[T any] struct {
	rules   rules
	items   []*item[T] // by sequence
	last    uint64     // the highest sequence number given so far
	soonest time.Time  // tick has nothing to do before; zero when there is nothing to come
}

// rules are a queue's settings.
type rules struct {
	maxDeliveryCount int
	countLockExpiry  bool
}

// item is one thing in a queue.
type item[T any] struct {
	value    T
	sequence uint64
	enqueued time.Time
	expiry   time.Time
	token    string // of its lock; empty when it is available
	until    time.Time
	count    int  // how often it was given back, as far as that counts
	taken    bool // it was handed out before
}

// fate is an item that left its queue by itself.
type fate[T any] struct {
	*item[T]
	outcome string
}

func (q *queue[T]) push(value T, now, expiry time.Time) *item[T] {
	q.last++
	it := &item[T]{value: value, sequence: q.last, enqueued: now, expiry: expiry}
	q.items = append(q.items, it)
	q.expect(expiry)
	return it
}

// take locks the oldest available item with a sequence number above after.
func (q *queue[T]) take(after uint64, until time.Time) (it *item[T], redelivered, ok bool) {
	for _, it := range q.items {
		if it.token == "" && it.sequence > after {
			redelivered = it.taken
			it.token, it.until, it.taken = newToken(), until, true
			q.expect(until)
			return it, redelivered, true
		}
	}
	return nil, false, false
}

// remove takes an item out for good by its lock.
func (q *queue[T]) remove(token string) (it *item[T], ok bool) {
	i := q.find(token)
	if i < 0 {
		return nil, false
	}
	it = q.items[i]
	q.items = slices.Delete(q.items, i, i+1)
	q.rest()
	return it, true
}

// giveBack ends a lock. The item is available again unless its outcome says
// otherwise.
func (q *queue[T]) giveBack(token string, counts bool, now time.Time) (f fate[T], ok bool) {
	i := q.find(token)
	if i < 0 {
		return fate[T]{}, false
	}
	it := q.items[i]
	it.unlock(counts)
	f = fate[T]{item: it, outcome: q.judge(it, now)}
	if f.outcome == "" {
		q.expect(it.expiry)
	} else {
		q.items = slices.Delete(q.items, i, i+1)
		q.rest()
	}
	return f, true
}

// tick ends the locks that have run out and drops what has expired. It says
// whether a lock ran out and there is something to take: even where the item
// itself has expired, its receiver may have room for another now.
func (q *queue[T]) tick(now time.Time) (dead []fate[T], freed bool) {
	q.soonest = time.Time{}
	kept := q.items[:0]
	lost, available := false, false
	for _, it := range q.items {
		if it.token != "" && !now.Before(it.until) {
			it.unlock(q.rules.countLockExpiry)
			lost = true
		}
		if outcome := q.judge(it, now); outcome != "" {
			dead = append(dead, fate[T]{it, outcome})
			continue
		}
		kept = append(kept, it)
		if it.token != "" {
			q.expect(it.until)
		} else {
			q.expect(it.expiry)
			available = true
		}
	}
	clear(q.items[len(kept):])
	q.items = kept
	return dead, lost && available
}

// drain takes everything out, locked or not.
func (q *queue[T]) drain() []*item[T] {
	all := q.items
	q.items = nil
	q.rest()
	return all
}

// drop takes out the items that the function picks.
func (q *queue[T]) drop(picks func(*item[T]) bool) {
	q.items = slices.DeleteFunc(q.items, picks)
	q.rest()
}

// judge is how an item ends by itself now, or empty.
func (q *queue[T]) judge(it *item[T], now time.Time) string {
	switch {
	case it.token != "":
		return ""
	case it.count >= q.rules.maxDeliveryCount:
		return DeliveryCountExceeded
	case !now.Before(it.expiry):
		return Expired
	}
	return ""
}

func (q *queue[T]) find(token string) int {
	if token == "" {
		return -1
	}
	return slices.IndexFunc(q.items, func(it *item[T]) bool { return it.token == token })
}

// expect notes that tick has something to do at a time.
func (q *queue[T]) expect(due time.Time) {
	if q.soonest.IsZero() || due.Before(q.soonest) {
		q.soonest = due
	}
}

// rest notes that tick has nothing to do once the queue is empty.
func (q *queue[T]) rest() {
	if len(q.items) == 0 {
		q.soonest = time.Time{}
	}
}

func (it *item[T]) unlock(counts bool) {
	it.token, it.until = "", time.Time{}
	if counts {
		it.count++
	}
}

// newToken is a random GUID, which clients insist on.
func newToken() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
