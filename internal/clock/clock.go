// Package clock is the one source of time. A Clock is a hub's time, which tests
// can move; Wall is the machine's, for I/O deadlines only, since clients keep
// wall time whatever the hub's clock says.
package clock

import (
	"container/heap"
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Wall is the machine's time.
func Wall() time.Time { return time.Now() }

// Pause waits for d of wall time; false when ctx ended before.
func Pause(ctx context.Context, d time.Duration) bool {
	pause, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-pause.Done()
	return ctx.Err() == nil
}

// Clock is a hub's time: the machine's plus what it was advanced by, or, for a
// manual clock, a moment that only Advance moves. Timers run in the order in
// which they are due, one after another; their functions must be short and
// must not call Advance or Rewind.
type Clock struct {
	manual bool
	base   time.Time    // manual clocks: the start
	offset atomic.Int64 // nanoseconds advanced
	wake   *time.Timer  // fires when the earliest timer of a running clock is due

	firing sync.Mutex // held while timers run, so that they run in order

	mu     sync.Mutex
	timers timers
	seq    uint64
}

// New is a clock that runs with the machine's time.
func New() *Clock { return &Clock{} }

// NewManual is a clock that stands at start until it is advanced.
func NewManual(start time.Time) *Clock { return &Clock{manual: true, base: start} }

// Now is the hub's time, in UTC.
func (c *Clock) Now() time.Time {
	off := time.Duration(c.offset.Load())
	if c.manual {
		return c.base.Add(off).UTC()
	}
	return time.Now().Add(off).UTC()
}

// Offset is how far the clock has been advanced.
func (c *Clock) Offset() time.Duration { return time.Duration(c.offset.Load()) }

// Advance moves the clock forward. Timers that fall due run before it returns,
// in order, each seeing the time it was due at. A negative d is ignored.
func (c *Clock) Advance(d time.Duration) {
	if d <= 0 {
		return
	}
	c.firing.Lock()
	defer c.firing.Unlock()
	start := c.Now()
	end := c.offset.Load() + int64(d)
	for {
		t := c.next(start.Add(d))
		if t == nil {
			break
		}
		if ahead := int64(t.due.Sub(c.Now())); ahead > 0 {
			c.offset.Store(min(c.offset.Load()+ahead, end))
		}
		t.run()
	}
	c.offset.Store(end)
	c.mu.Lock()
	c.arm()
	c.mu.Unlock()
}

// Rewind takes back every Advance. Timers that are pending stay pending for as
// long as they would have been.
func (c *Clock) Rewind() {
	c.firing.Lock()
	defer c.firing.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	off := time.Duration(c.offset.Swap(0))
	for _, t := range c.timers {
		t.due = t.due.Add(-off)
	}
	c.arm()
}

// AfterFunc runs f once the clock has moved by d. f runs on a goroutine of its
// own or on Advance's caller's, never on this one.
func (c *Clock) AfterFunc(d time.Duration, f func()) *Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	// Under mu, so that a Rewind cannot come between the time and the heap.
	t := &Timer{c: c, f: f, at: -1, due: c.Now().Add(d), seq: c.seq}
	heap.Push(&c.timers, t)
	c.arm()
	return t
}

// next takes the earliest timer that is due at now off the heap.
func (c *Clock) next(now time.Time) *Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.timers) == 0 || c.timers[0].due.After(now) {
		return nil
	}
	return heap.Pop(&c.timers).(*Timer)
}

// arm sets the wake-up of a running clock to its earliest timer.
func (c *Clock) arm() {
	if c.manual {
		return
	}
	if len(c.timers) == 0 {
		if c.wake != nil {
			c.wake.Stop()
		}
		return
	}
	d := c.timers[0].due.Sub(c.Now())
	if c.wake == nil {
		c.wake = time.AfterFunc(d, c.fire)
		return
	}
	c.wake.Reset(d)
}

// fire runs what is due on a running clock.
func (c *Clock) fire() {
	c.firing.Lock()
	defer c.firing.Unlock()
	for t := c.next(c.Now()); t != nil; t = c.next(c.Now()) {
		t.run()
	}
	c.mu.Lock()
	c.arm()
	c.mu.Unlock()
}

// Timer is a function that waits for its time.
type Timer struct {
	c   *Clock
	f   func()
	due time.Time
	seq uint64
	at  int // place in the heap, -1 when it is not there
}

// Stop forgets the timer and says whether that came in time. A function that
// is already running is not waited for.
func (t *Timer) Stop() bool {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	if t.at < 0 {
		return false
	}
	heap.Remove(&t.c.timers, t.at)
	t.c.arm()
	return true
}

func (t *Timer) run() { t.f() }

// timers is a heap by due time, first made first among equals.
type timers []*Timer

func (h timers) Len() int { return len(h) }
func (h timers) Less(i, j int) bool {
	if h[i].due.Equal(h[j].due) {
		return h[i].seq < h[j].seq
	}
	return h[i].due.Before(h[j].due)
}

func (h timers) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

func (h *timers) Push(x any) {
	t := x.(*Timer)
	t.at = len(*h)
	*h = append(*h, t)
}

func (h *timers) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.at = -1
	return t
}
