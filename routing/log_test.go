package routing_test

import (
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/routing"
)

func message(body string) *routing.Message {
	return &routing.Message{
		Source: routing.DeviceMessages, Origin: &iot.Origin{Identity: iot.Device("d")}, Message: iot.Message{Body: []byte(body)},
	}
}

func bodies(batch []routing.Message) (all []string) {
	for _, m := range batch {
		all = append(all, string(m.Body))
	}
	return all
}

const plenty = 1 << 30

var now time.Time // when the messages are enqueued

func TestALogGivesItsMessagesUntilTheyAreSettled(t *testing.T) {
	t.Parallel()
	l := routing.NewLog(routing.LogOptions{})
	assert.Empty(t, l.Read(10, plenty))
	for _, body := range []string{"a", "b", "c"} {
		require.Zero(t, l.Append(message(body)))
	}
	batch := l.Read(2, plenty)
	require.Equal(t, []string{"a", "b"}, bodies(batch))
	require.Equal(t, []string{"a", "b"}, bodies(l.Read(2, plenty)), "they come again until they are settled")

	l.Settle(batch[0].Sequence+1, 0, now)
	require.Equal(t, []string{"b", "c"}, bodies(l.Read(10, plenty)))
	l.Settle(99, 0, now) // more than there is
	require.Empty(t, l.Read(10, plenty))
	l.Append(message("d"))
	batch = l.Read(10, plenty)
	require.Equal(t, []string{"d"}, bodies(batch))
	require.EqualValues(t, 3, batch[0].Sequence)
}

func TestABatchIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	l := routing.NewLog(routing.LogOptions{})
	for range 5 {
		l.Append(message(string(make([]byte, 898)))) // 1000 with what a message takes besides
	}
	assert.Len(t, l.Read(10, 3500), 3)
	assert.Len(t, l.Read(10, 1), 1, "one always fits")
}

func TestAFullLogLosesTheOldest(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]routing.LogOptions{
		"of messages": {MaxMessages: 300}, "of bytes": {MaxBytes: 300 * 105},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := routing.NewLog(o)
			dropped := 0
			for i := 100; i < 1000; i++ {
				dropped += l.Append(message(strconv.Itoa(i)))
			}
			assert.Equal(t, 600, dropped)
			assert.Equal(t, routing.Counts{Waiting: 300, WaitingBytes: 300 * 105, Accepted: 900, Dropped: 600}, l.Counts())

			batch := l.Read(1000, plenty)
			require.Len(t, batch, 300)
			assert.Equal(t, "700", string(batch[0].Body))
			assert.Equal(t, "999", string(batch[299].Body))
			l.Settle(batch[299].Sequence+1, 2, now)
			assert.Equal(t, routing.Counts{Accepted: 900, Delivered: 298, Dropped: 602}, l.Counts())
		})
	}
}

func TestWhatWasRefusedAndHadToGoIsDroppedOnce(t *testing.T) {
	t.Parallel()
	l := routing.NewLog(routing.LogOptions{MaxMessages: 2})
	for range 3 {
		l.Append(message("x"))
	}
	l.Settle(1, 1, now) // it was being delivered when it had to go
	assert.Equal(t, routing.Counts{Waiting: 2, WaitingBytes: 206, Accepted: 3, Dropped: 1}, l.Counts())
	l.Settle(3, 1, now)
	assert.Equal(t, routing.Counts{Accepted: 3, Delivered: 1, Dropped: 2}, l.Counts())
}

// A device may send packets that are much larger than what the hub takes of them,
// or properties of a letter each.
func TestALogTakesNoMoreMemoryThanItCounts(t *testing.T) { // not parallel: it measures the heap
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	l := routing.NewLog(routing.LogOptions{})
	for range 1000 {
		packet := make([]byte, 64<<10)
		m := message("")
		m.Body = packet[:1]
		m.Properties = make(iot.Properties, 100)
		l.Append(m)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	assert.Less(t, after.HeapAlloc-before.HeapAlloc, uint64(2*l.Counts().WaitingBytes))
}

func TestAMessageLargerThanTheLogStays(t *testing.T) {
	t.Parallel()
	l := routing.NewLog(routing.LogOptions{MaxBytes: 1000})
	l.Append(message("small"))
	require.Equal(t, 1, l.Append(message(string(make([]byte, 5000)))))
	require.Len(t, l.Read(10, plenty), 1)
}

func TestALogHoldsAHundredThousandMessagesUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	l := routing.NewLog(routing.LogOptions{})
	m := message("a body of forty bytes, or about as many..")
	for range 100_000 {
		require.Zero(t, l.Append(m))
	}
	require.Equal(t, 1, l.Append(m))
}

func TestAReaderIsToldOfWhatItHasNotSeen(t *testing.T) {
	t.Parallel()
	l := routing.NewLog(routing.LogOptions{})
	assert.Empty(t, l.Ready())
	l.Append(message("a"))
	l.Append(message("b"))
	<-l.Ready()
	assert.Empty(t, l.Ready(), "one token for all")
	l.Append(message("c"))
	<-l.Ready()
}

func BenchmarkAppend(b *testing.B) {
	l := routing.NewLog(routing.LogOptions{})
	m := message(string(make([]byte, 256)))
	b.ReportAllocs()
	for b.Loop() {
		l.Append(m)
	}
}
