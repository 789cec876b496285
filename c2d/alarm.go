package c2d

import (
	"time"

	"github.com/linarite/linarite/internal/clock"
)

// alarm is one timer for whatever its owner has due first. It is used under the
// owner's lock, which ring takes too.
type alarm struct {
	clk   *clock.Clock
	ring  func(turn uint64)
	timer *clock.Timer
	due   time.Time
	turn  uint64 // tells a timer that was stopped too late from the present one
}

// set moves the alarm to a time, or switches it off when that is zero. An
// alarm that would ring earlier is left alone: it is set again when it has.
func (a *alarm) set(due, now time.Time) {
	if due.IsZero() {
		a.stop()
		return
	}
	if a.timer != nil && !due.Before(a.due) {
		return
	}
	a.stop()
	turn := a.turn
	a.due = due
	a.timer = a.clk.AfterFunc(due.Sub(now), func() { a.ring(turn) })
}

// rang says whether a ring is that of the present timer, which is spent then.
func (a *alarm) rang(turn uint64) bool {
	if turn != a.turn {
		return false
	}
	a.timer = nil
	a.turn++
	return true
}

func (a *alarm) stop() {
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
	a.turn++
}
