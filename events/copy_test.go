package events_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/events"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
)

// What is read is what was appended, whatever it is.
func TestAMessageIsReadAsItWasAppended(t *testing.T) {
	t.Parallel()
	large := make([]byte, 256<<10)
	for i := range large {
		large[i] = byte(i * 7)
	}
	log := events.NewLog(clock.New(), events.Options{Partitions: 1})
	messages := []iot.Message{
		{},
		{Body: []byte("body alone")},
		{System: iot.Properties{{Name: iot.MessageID, Value: "1"}}},
		{Properties: iot.Properties{{Name: "empty"}, {Name: "null", Null: true}, {Name: "", Value: "nameless"}}},
		{Properties: iot.Properties{{Name: "größe", Value: "\x00\xff"}}, Body: []byte{0}},
		{System: iot.Properties{{Name: "a", Value: string(large[:70_000])}}, Body: large},
		{Body: large},
		{Body: []byte("after")},
	}
	for _, m := range messages {
		log.Append("d", events.Event{Source: "Telemetry", Message: m})
	}
	evs, next := log.Read(0, 0, 0)
	require.Len(t, evs, len(messages))
	assert.EqualValues(t, len(messages), next)
	for i, e := range evs {
		assert.Equal(t, messages[i].System, e.Message.System)
		assert.Equal(t, messages[i].Properties, e.Message.Properties)
		assert.Equal(t, string(messages[i].Body), string(e.Message.Body))
	}
}

// The writer may use its memory again.
func TestTheLogKeepsACopy(t *testing.T) {
	t.Parallel()
	log := events.NewLog(clock.New(), events.Options{Partitions: 1})
	body := []byte("first")
	log.Append("d", events.Event{Message: iot.Message{Body: body}})
	copy(body, "other")
	evs, _ := log.Read(0, 0, 0)
	assert.Equal(t, "first", string(evs[0].Message.Body))
	assert.Empty(t, append(evs[0].Message.Body, "more"...)[len("firstmore"):])
}

// A full log takes about as much memory as it counts, however long messages are.
func TestALogTakesNoMoreMemoryThanItCounts(t *testing.T) { // not parallel: it measures the heap
	for _, size := range []int{0, 300, 5_000, 17_000, 33_000, 66_000, 256 << 10} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		log := events.NewLog(clock.New(), events.Options{Partitions: 1, MaxBytes: 16 << 20})
		body := make([]byte, size)
		for range 20<<20/(size+200) + 1 {
			log.Append("d", events.Event{Message: iot.Message{Body: body}})
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		taken := int64(after.HeapAlloc) - int64(before.HeapAlloc)
		assert.Less(t, taken, int64(20<<20), "messages of %d bytes", size)
		runtime.KeepAlive(log)
	}
}

func TestAnyTimeCanBeSought(t *testing.T) {
	t.Parallel()
	log := events.NewLog(clock.New(), events.Options{Partitions: 1})
	log.Append("d", events.Event{})
	assert.EqualValues(t, 0, log.SeekTime(0, time.Time{}))
	assert.EqualValues(t, 1, log.SeekTime(0, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)))
}
