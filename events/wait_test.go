package events_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/events"
	"github.com/linarite/linarite/internal/clock"
)

func TestWaitingForAnEvent(t *testing.T) {
	t.Parallel()
	t.Run("returns at once when it is there", func(t *testing.T) {
		t.Parallel()
		log, _ := single(3, events.Options{})
		require.NoError(t, log.Wait(t.Context(), 0, 2))
		require.NoError(t, log.WaitAny(t.Context(), events.Cursor{2}))
		require.NoError(t, log.WaitAny(t.Context(), nil))
	})
	t.Run("ends with the context", func(t *testing.T) {
		t.Parallel()
		log, _ := single(3, events.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, log.Wait(ctx, 0, 3), context.Canceled)
		require.ErrorIs(t, log.WaitAny(ctx, events.Cursor{3}), context.Canceled)
	})
	t.Run("wakes every waiter", func(t *testing.T) {
		t.Parallel()
		log, _ := single(3, events.Options{})
		woken := make(chan error, 20)
		for range 10 {
			go func() { woken <- log.Wait(t.Context(), 0, 3) }()
			go func() { woken <- log.WaitAny(t.Context(), events.Cursor{3}) }()
		}
		log.Append("d", body("3"))
		for range 20 {
			require.NoError(t, <-woken)
		}
	})
	t.Run("goes on after the log was cleared", func(t *testing.T) {
		t.Parallel()
		log, _ := single(3, events.Options{})
		woken := make(chan error, 1)
		go func() { woken <- log.Wait(t.Context(), 0, 3) }()
		log.Clear()
		log.Append("d", body("new"))
		require.NoError(t, <-woken)
	})
	t.Run("of another partition does not end a wait", func(t *testing.T) {
		t.Parallel()
		log := events.NewLog(clock.NewManual(start), events.Options{})
		p, _ := log.Append("d", body(""))
		other := (p + 1) % log.Partitions()
		ctx, cancel := context.WithCancel(t.Context())
		woken := make(chan error, 1)
		go func() { woken <- log.Wait(ctx, other, 0) }()
		log.Append("d", body(""))
		cancel()
		require.ErrorIs(t, <-woken, context.Canceled)
	})
}

func TestChangedIsClosedByTheNextAppend(t *testing.T) {
	t.Parallel()
	log, _ := single(3, events.Options{})
	changed := log.Changed()
	require.Equal(t, changed, log.Changed())
	select {
	case <-changed:
		require.Fail(t, "nothing has happened yet")
	default:
	}
	log.Append("d", body(""))
	<-changed
	require.NotEqual(t, changed, log.Changed())
}

// Readers of one partition, of all, and by offset run beside writers: each of
// them must see every event once, in order.
func TestNobodyMissesAnEvent(t *testing.T) {
	t.Parallel()
	const writers, each = 4, 3000
	log := events.NewLog(clock.New(), events.Options{})
	var writing, reading sync.WaitGroup
	for range 2 {
		for p := range log.Partitions() {
			reading.Go(func() { readPartition(t, log, p, writers*each) })
		}
		reading.Go(func() { readEverything(t, log, writers, each) })
	}
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				log.Append(fmt.Sprint("device-", w), body(fmt.Sprintf("%d %d", w, i)))
			}
		})
	}
	writing.Wait()
	for p := range log.Partitions() { // an end mark for those who read one partition
		for i := 0; ; i++ {
			if q, _ := log.Append(fmt.Sprint("end-", i), body("end")); q == p {
				break
			}
		}
	}
	reading.Wait()
}

func readPartition(t *testing.T, log *events.Log, p, all int) {
	next, offset := int64(0), int64(-1)
	for range all + 100 {
		if !noError(t, log.Wait(t.Context(), p, next)) {
			return
		}
		evs, following := log.Read(p, next, 50)
		for i := range evs {
			if evs[i].Sequence != next || evs[i].Offset <= offset {
				t.Errorf("partition %d: sequence %d offset %d after offset %d, expected sequence %d",
					p, evs[i].Sequence, evs[i].Offset, offset, next)
				return
			}
			next, offset = next+1, evs[i].Offset
			if string(evs[i].Message.Body) == "end" {
				return
			}
		}
		if following != next {
			t.Errorf("partition %d: goes on at %d, expected %d", p, following, next)
			return
		}
	}
}

func readEverything(t *testing.T, log *events.Log, writers, each int) {
	seen := make([]int, writers)
	var c events.Cursor
	for total := 0; total < writers*each; {
		if !noError(t, log.WaitAny(t.Context(), c)) {
			return
		}
		var evs []events.Event
		evs, c = log.ReadAll(c, 70)
		for i := range evs {
			var w, n int
			if string(evs[i].Message.Body) == "end" {
				continue
			}
			_, err := fmt.Sscan(string(evs[i].Message.Body), &w, &n)
			if !noError(t, err) {
				return
			}
			if n != seen[w] {
				t.Errorf("writer %d: got event %d, expected %d", w, n, seen[w])
				return
			}
			seen[w]++
			total++
		}
	}
}

func noError(t *testing.T, err error) bool {
	if err != nil {
		t.Error(err)
	}
	return err == nil
}

// The log is small, cleared and advanced in time under its readers' feet: what
// they get must always be a run without gaps.
func TestReadersSurviveWhatIsDroppedUnderThem(t *testing.T) {
	t.Parallel()
	clk := clock.NewManual(start)
	log := events.NewLog(clk, events.Options{Partitions: 2, MaxEvents: 700, Retention: time.Minute})
	ctx, cancel := context.WithCancel(t.Context())
	var reading sync.WaitGroup
	for p := range log.Partitions() {
		reading.Go(func() {
			for next := int64(0); log.Wait(ctx, p, next) == nil; {
				var evs []events.Event
				evs, next = log.Read(p, next, 300)
				for i := range evs {
					if evs[i].Sequence != evs[0].Sequence+int64(i) {
						t.Errorf("gap in partition %d", p)
					}
				}
			}
		})
		reading.Go(func() {
			for ctx.Err() == nil {
				b := log.Bounds(p)
				if b.First > b.Last+1 {
					t.Errorf("bounds %+v", b)
				}
				log.SeekOffset(p, b.LastOffset/2)
				log.SeekTime(p, b.LastEnqueued.Add(-time.Second))
				log.ReadAll(log.Start(), 10)
			}
		})
	}
	var writing sync.WaitGroup
	for w := range 2 {
		writing.Go(func() {
			for i := range 10_000 {
				log.Append(fmt.Sprint(w, i%5), body("x"))
				switch {
				case i%3000 == 2999:
					log.Clear()
				case i%1000 == 999:
					clk.Advance(2 * time.Minute)
				}
			}
		})
	}
	writing.Wait()
	cancel()
	reading.Wait()
}
