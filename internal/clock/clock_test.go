package clock_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/internal/clock"
)

// start is where the manual clocks of the tests stand.
var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// patience is how long a running clock's timer may take to run.
const patience = 10 * time.Second

func TestAManualClockStandsUntilItIsAdvanced(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(start)
	assert.Equal(t, start, c.Now())
	assert.Equal(t, start, c.Now())

	c.Advance(90 * time.Second)
	assert.Equal(t, start.Add(90*time.Second), c.Now())
	assert.Equal(t, 90*time.Second, c.Offset())

	c.Advance(-time.Hour)
	c.Advance(0)
	assert.Equal(t, start.Add(90*time.Second), c.Now(), "a clock does not go back")
}

func TestAManualClockSpeaksUTC(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(start.In(time.FixedZone("east", 3600)))
	assert.Equal(t, time.UTC, c.Now().Location())
	assert.Equal(t, time.UTC, clock.New().Now().Location())
}

func TestARunningClockIsTheMachinesPlusItsOffset(t *testing.T) {
	t.Parallel()
	c := clock.New()
	before := clock.Wall()
	now := c.Now()
	after := clock.Wall()
	assert.False(t, now.Before(before) || now.After(after))

	c.Advance(time.Hour)
	ahead := c.Now().Sub(clock.Wall())
	assert.InDelta(t, time.Hour, ahead, float64(time.Second))
}

func TestTimersRunInTheOrderInWhichTheyAreDue(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(start)
	var ran []string
	note := func(name string) func() {
		return func() { ran = append(ran, name+" "+c.Now().Sub(start).String()) }
	}
	c.AfterFunc(3*time.Second, note("c"))
	c.AfterFunc(time.Second, note("a"))
	c.AfterFunc(2*time.Second, note("b1"))
	c.AfterFunc(2*time.Second, note("b2"))
	c.AfterFunc(time.Minute, note("later"))

	c.Advance(time.Second - 1)
	assert.Empty(t, ran)
	c.Advance(10 * time.Second)
	assert.Equal(t, []string{"a 1s", "b1 2s", "b2 2s", "c 3s"}, ran, "each sees the time it was due at")
	assert.Equal(t, start.Add(11*time.Second-1), c.Now())
}

func TestATimerMadeByATimerRunsInTheSameAdvance(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(start)
	var ran []time.Duration
	var again func()
	again = func() {
		ran = append(ran, c.Now().Sub(start))
		c.AfterFunc(time.Second, again)
	}
	c.AfterFunc(time.Second, again)
	c.Advance(3 * time.Second)
	assert.Equal(t, []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}, ran)
}

func TestATimerThatIsDueAtOnceWaitsForTheClockToMove(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(start)
	ran := false
	c.AfterFunc(-time.Second, func() { ran = true })
	assert.False(t, ran, "never on the goroutine that makes it")
	c.Advance(1)
	assert.True(t, ran)
}

func TestAStoppedTimerDoesNotRun(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(start)
	ran := 0
	first := c.AfterFunc(time.Second, func() { ran++ })
	second := c.AfterFunc(2*time.Second, func() { ran++ })
	third := c.AfterFunc(3*time.Second, func() { ran++ })

	assert.True(t, second.Stop())
	assert.False(t, second.Stop(), "it was stopped already")
	c.Advance(time.Minute)
	assert.Equal(t, 2, ran)
	assert.False(t, first.Stop(), "it ran already")
	assert.False(t, third.Stop())
}

func TestATimerMayStopAnother(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(start)
	other := c.AfterFunc(2*time.Second, func() { t.Error("it was stopped") })
	c.AfterFunc(time.Second, func() { assert.True(t, other.Stop()) })
	c.Advance(time.Minute)
}

func TestRewindTakesBackEveryAdvance(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(start)
	c.Advance(time.Hour)
	c.Advance(time.Minute)
	c.Rewind()
	assert.Equal(t, start, c.Now())
	assert.Zero(t, c.Offset())
}

func TestPendingTimersWaitAsLongAsBeforeARewind(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(start)
	c.Advance(time.Hour)
	var ran []time.Duration
	c.AfterFunc(2*time.Second, func() { ran = append(ran, c.Now().Sub(start)) })
	c.Advance(time.Second)
	c.Rewind()
	c.AfterFunc(time.Second, func() { ran = append(ran, c.Now().Sub(start)) })

	c.Advance(time.Second - 1)
	assert.Empty(t, ran)
	c.Advance(1)
	assert.Equal(t, []time.Duration{time.Second, time.Second}, ran)
}

func TestARunningClocksTimersRunByThemselves(t *testing.T) {
	t.Parallel()
	c := clock.New()
	ran := make(chan string, 3)
	c.AfterFunc(-time.Hour, func() { ran <- "overdue" })
	assert.Equal(t, "overdue", receive(t, ran))
	c.AfterFunc(300*time.Millisecond, func() { ran <- "second" })
	c.AfterFunc(time.Millisecond, func() { ran <- "first" })
	assert.Equal(t, "first", receive(t, ran))
	assert.Equal(t, "second", receive(t, ran))
}

func TestARunningClocksTimersRunWhenItIsAdvanced(t *testing.T) {
	t.Parallel()
	c := clock.New()
	ran := false
	c.AfterFunc(time.Hour, func() { ran = true })
	c.Advance(time.Hour)
	assert.True(t, ran, "before Advance returns")
}

func TestARunningClocksTimersStillRunAfterStopAndRewind(t *testing.T) {
	t.Parallel()
	c := clock.New()
	c.Advance(24 * time.Hour)
	ran := make(chan string, 1)
	c.AfterFunc(time.Minute, func() { t.Error("it was stopped") }).Stop()
	c.AfterFunc(time.Hour, func() { ran <- "ran" })
	c.Rewind()
	c.Advance(time.Hour - time.Millisecond)
	assert.Equal(t, "ran", receive(t, ran), "an hour from when it was made, by either clock")
}

func TestClocksAreSafeForManyGoroutines(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]*clock.Clock{"running": clock.New(), "manual": clock.NewManual(start)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const each = 50
			var ran sync.WaitGroup
			var done sync.WaitGroup
			for range 4 {
				done.Go(func() {
					for range each {
						ran.Add(1)
						timer := c.AfterFunc(time.Minute, ran.Done)
						if c.AfterFunc(time.Hour, func() {}).Stop() && timer.Stop() {
							ran.Done()
						}
					}
				})
				done.Go(func() {
					for range each {
						c.Advance(time.Second)
						c.Now()
					}
				})
				done.Go(func() {
					for range each / 10 {
						c.Rewind()
					}
				})
			}
			done.Wait()
			c.Advance(time.Hour)
			ran.Wait() // nothing is lost
		})
	}
}

func TestAPauseEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	assert.True(t, clock.Pause(ctx, time.Nanosecond))
	cancel()
	assert.False(t, clock.Pause(ctx, time.Hour))
}

func TestWallIsTheMachinesTime(t *testing.T) {
	t.Parallel()
	assert.WithinDuration(t, time.Now(), clock.Wall(), time.Minute)
}

func receive(t *testing.T, from <-chan string) string {
	t.Helper()
	select {
	case name := <-from:
		return name
	case <-time.After(patience):
		require.FailNow(t, "the timer did not run")
		return ""
	}
}
