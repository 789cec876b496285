package events_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/events"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// body is an event that has only a body.
func body(s string) events.Event {
	return events.Event{Source: "Telemetry", Message: iot.Message{Body: []byte(s)}}
}

func bodies(evs []events.Event) []string {
	all := make([]string, len(evs))
	for i := range evs {
		all[i] = string(evs[i].Message.Body)
	}
	return all
}

// single is a log of one partition on a manual clock, with events 0 to n-1, one
// a second.
func single(n int, o events.Options) (*events.Log, *clock.Clock) {
	clk := clock.NewManual(start)
	o.Partitions = 1
	log := events.NewLog(clk, o)
	for i := range n {
		log.Append("d", body(fmt.Sprint(i)))
		clk.Advance(time.Second)
	}
	return log, clk
}

func TestAnEventIsStampedWithItsPlace(t *testing.T) {
	t.Parallel()
	clk := clock.NewManual(start)
	log := events.NewLog(clk, events.Options{})
	require.Equal(t, events.DefaultPartitions, log.Partitions())

	origin := &iot.Origin{Identity: iot.Device("d")}
	p, first := log.Append("d", events.Event{Partition: 99, Sequence: 99, Offset: 99, Origin: origin, Message: iot.Message{Body: []byte("a")}})
	clk.Advance(time.Minute)
	q, second := log.Append("d", body("b"))
	require.Equal(t, p, q, "one device, one partition")
	require.Equal(t, []int64{0, 1}, []int64{first, second})

	evs, next := log.Read(p, 0, 0)
	require.Equal(t, int64(2), next)
	require.Equal(t, []string{"a", "b"}, bodies(evs))
	require.Equal(t, p, evs[0].Partition)
	require.Same(t, origin, evs[0].Origin)
	require.Equal(t, start, evs[0].Enqueued)
	require.Equal(t, start.Add(time.Minute), evs[1].Enqueued)
	require.Zero(t, evs[0].Offset)
	require.Greater(t, evs[1].Offset, int64(len("a")))
}

func TestTimeNeverRunsBackwardsInAPartition(t *testing.T) {
	t.Parallel()
	log, _ := single(0, events.Options{})
	later := body("later")
	later.Enqueued = start.Add(time.Second)
	log.Append("d", later)
	earlier := body("earlier")
	earlier.Enqueued = start
	log.Append("d", earlier)
	evs, _ := log.Read(0, 0, 0)
	require.Equal(t, later.Enqueued, evs[0].Enqueued, "the sender's time is kept")
	require.Equal(t, later.Enqueued, evs[1].Enqueued)
}

func TestDevicesSpreadOverThePartitions(t *testing.T) {
	t.Parallel()
	for _, partitions := range []int{2, 3, 4, 32} {
		log := events.NewLog(clock.NewManual(start), events.Options{Partitions: partitions})
		for i := range 1000 * partitions {
			log.Append(fmt.Sprint("device-", i), body(""))
		}
		for p, n := range log.End() {
			require.InDelta(t, 1000, n, 200, "partition %d of %d", p, partitions)
		}
	}
}

func TestADevicesPartitionNeverChanges(t *testing.T) {
	t.Parallel()
	log := events.NewLog(clock.NewManual(start), events.Options{})
	for id, want := range map[string]int{"": 1, "d": 3, "device-1": 2, "Device-1": 3, "thermostat": 3} {
		p, _ := log.Append(id, body(""))
		assert.Equal(t, want, p, id)
	}
}

func TestReading(t *testing.T) {
	t.Parallel()
	log, _ := single(1000, events.Options{MaxEvents: 900}) // 100 to 999 are there
	cases := map[string]struct {
		from        int64
		limit       int
		first, next int64 // sequence numbers of the answer
	}{
		"from the oldest event":                       {100, 10, 100, 110},
		"inside a chunk":                              {300, 100, 300, 400},
		"across chunks":                               {200, 600, 200, 800},
		"no limit means everything":                   {100, 0, 100, 1000},
		"fewer than the limit at the end":             {995, 100, 995, 1000},
		"a dropped position begins at the oldest":     {0, 10, 100, 110},
		"a negative position begins at the oldest":    {-1, 1, 100, 101},
		"one ahead of the log begins at the oldest":   {1001, 5, 100, 105},
		"nothing at the end":                          {1000, 100, 1000, 1000},
		"the last event of a chunk and the one after": {255, 2, 255, 257},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			evs, next := log.Read(0, c.from, c.limit)
			require.Equal(t, c.next, next)
			require.Len(t, evs, int(c.next-c.first))
			for i := range evs {
				require.Equal(t, c.first+int64(i), evs[i].Sequence)
				require.Equal(t, fmt.Sprint(evs[i].Sequence), string(evs[i].Message.Body))
			}
			all, cursor := log.ReadAll(events.Cursor{c.from}, c.limit)
			require.Equal(t, bodies(evs), bodies(all))
			require.Equal(t, events.Cursor{c.next}, cursor)
		})
	}
}

func TestTheOldestEventsGoFirst(t *testing.T) {
	t.Parallel()
	t.Run("by number, whatever their partition", func(t *testing.T) {
		t.Parallel()
		clk := clock.NewManual(start)
		log := events.NewLog(clk, events.Options{MaxEvents: 100})
		for i := range 1000 {
			log.Append(fmt.Sprint("device-", i%7), body(fmt.Sprint(i)))
			clk.Advance(time.Second)
		}
		evs, _ := log.ReadAll(nil, 0)
		require.Len(t, evs, 100)
		require.Equal(t, "900", string(evs[0].Message.Body))
		require.Equal(t, "999", string(evs[99].Message.Body))
	})
	t.Run("by bytes", func(t *testing.T) {
		t.Parallel()
		log, _ := single(0, events.Options{MaxBytes: 1 << 20})
		for range 100 {
			log.Append("d", events.Event{Message: iot.Message{Body: make([]byte, 100_000)}})
		}
		require.Equal(t, events.Cursor{90}, log.Start(), "ten have room")
	})
	t.Run("but the newest stays however large it is", func(t *testing.T) {
		t.Parallel()
		log, _ := single(3, events.Options{MaxBytes: 1})
		require.Equal(t, events.Cursor{2}, log.Start())
		require.Equal(t, events.Cursor{3}, log.End())
	})
	t.Run("by age when somebody reads", func(t *testing.T) {
		t.Parallel()
		log, clk := single(1000, events.Options{Retention: time.Hour})
		clk.Advance(time.Hour - time.Second*1000)
		evs, next := log.Read(0, 0, 0)
		require.Len(t, evs, 999, "the first is one hour old")
		require.Equal(t, int64(1000), next)
		clk.Advance(time.Hour)
		evs, next = log.Read(0, 0, 0)
		require.Empty(t, evs)
		require.Equal(t, int64(1000), next)
		log.Append("d", body("new"))
		evs, _ = log.Read(0, 0, 0)
		require.Equal(t, []string{"new"}, bodies(evs))
		require.Equal(t, int64(1000), evs[0].Sequence)
	})
	t.Run("by age when somebody appends", func(t *testing.T) {
		t.Parallel()
		log, clk := single(0, events.Options{Retention: time.Hour})
		big := events.Event{Message: iot.Message{Body: make([]byte, 1000)}}
		log.Append("d", big)
		clk.Advance(2 * time.Hour)
		log.Append("d", body("new"))
		clk.Rewind() // so that reading drops nothing
		require.Equal(t, events.Cursor{1}, log.Start())
	})
}

func TestBounds(t *testing.T) {
	t.Parallel()
	log, clk := single(0, events.Options{MaxEvents: 2, Retention: time.Hour})
	require.Equal(t, events.Partition{Last: -1, LastOffset: -1, Empty: true}, log.Bounds(0))

	for i := range 3 {
		log.Append("d", body(fmt.Sprint(i)))
	}
	evs, _ := log.Read(0, 2, 0)
	full := events.Partition{First: 1, Last: 2, LastOffset: evs[0].Offset, LastEnqueued: start}
	require.Equal(t, full, log.Bounds(0))

	clk.Advance(time.Hour)
	full.First, full.Empty = 3, true
	require.Equal(t, full, log.Bounds(0), "the last event is remembered")
}

func TestSeeking(t *testing.T) {
	t.Parallel()
	log, _ := single(1000, events.Options{MaxEvents: 900})
	evs, _ := log.Read(0, 0, 0)
	for _, e := range []events.Event{evs[0], evs[400], evs[899]} {
		require.Equal(t, e.Sequence, log.SeekOffset(0, e.Offset))
		require.Equal(t, e.Sequence+1, log.SeekOffset(0, e.Offset+1))
		require.Equal(t, e.Sequence, log.SeekTime(0, e.Enqueued))
		require.Equal(t, e.Sequence+1, log.SeekTime(0, e.Enqueued.Add(1)))
	}
	require.Equal(t, int64(100), log.SeekOffset(0, -1))
	require.Equal(t, int64(100), log.SeekTime(0, start), "what was dropped is not found")

	empty, _ := single(0, events.Options{})
	require.Zero(t, empty.SeekOffset(0, 0))
	require.Zero(t, empty.SeekTime(0, start))
}

func TestReadingAllPartitionsIsOrderedByTime(t *testing.T) {
	t.Parallel()
	clk := clock.NewManual(start)
	log := events.NewLog(clk, events.Options{})
	for i := range 1000 {
		log.Append(fmt.Sprint("device-", i%13), body(fmt.Sprint(i)))
		clk.Advance(time.Second)
	}
	var read []string
	for c := log.Start(); ; {
		evs, next := log.ReadAll(c, 17)
		if len(evs) == 0 {
			require.Equal(t, c, next)
			require.Equal(t, log.End(), next)
			break
		}
		read = append(read, bodies(evs)...)
		c = next
	}
	require.Len(t, read, 1000)
	for i := range read {
		require.Equal(t, fmt.Sprint(i), read[i])
	}
}

func TestEventsOfOneMomentAreOrderedByPartitionAndSequence(t *testing.T) {
	t.Parallel()
	log := events.NewLog(clock.NewManual(start), events.Options{})
	for i := range 100 {
		log.Append(fmt.Sprint("device-", i), body(""))
	}
	evs, _ := log.ReadAll(nil, 0)
	require.Len(t, evs, 100)
	for i := 1; i < len(evs); i++ {
		a, b := evs[i-1], evs[i]
		require.True(t, a.Partition < b.Partition || a.Partition == b.Partition && a.Sequence < b.Sequence)
	}
}

func TestClearBeginsAnew(t *testing.T) {
	t.Parallel()
	log, clk := single(300, events.Options{})
	held, _ := log.Read(0, 0, 10)
	clk.Rewind()
	log.Clear()
	require.Equal(t, events.Cursor{0}, log.Start())
	require.Equal(t, events.Cursor{0}, log.End())
	require.Equal(t, events.Partition{Last: -1, LastOffset: -1, Empty: true}, log.Bounds(0))
	evs, next := log.Read(0, 300, 0)
	require.Empty(t, evs)
	require.Zero(t, next)

	_, sequence := log.Append("d", body("new"))
	require.Zero(t, sequence)
	evs, _ = log.Read(0, 300, 0)
	require.Equal(t, []string{"new"}, bodies(evs), "a reader from before finds what is new")
	require.Zero(t, evs[0].Offset)
	require.Equal(t, start, evs[0].Enqueued)
	require.Equal(t, "9", string(held[9].Message.Body), "what was read stays")
}

func TestAnAppendTakesLessThanOneAllocation(t *testing.T) {
	log, _ := single(0, events.Options{MaxEvents: 10_000})
	e := body("x")
	require.Zero(t, testing.AllocsPerRun(50_000, func() { log.Append("d", e) }))
}

// A reader that stays gets all that comes after the log was cleared, even if that is
// more than it had read before.
func TestAFollowerNoticesThatTheLogWasCleared(t *testing.T) {
	t.Parallel()
	log, _ := single(2, events.Options{})
	f := log.Follow(0, 1)
	require.Equal(t, []string{"1"}, bodies(f.Read(10)))
	f.Next = 2
	require.Empty(t, f.Read(10))
	log.Clear()
	for _, s := range []string{"a", "b", "c"} {
		log.Append("d", body(s))
	}
	require.Equal(t, []string{"a", "b", "c"}, bodies(f.Read(10)))
	require.Equal(t, []string{"a", "b"}, bodies(f.Read(2)), "the reader moves it on")
}
