package events

import (
	"sort"
	"time"

	"github.com/linarite/linarite/iot"
)

// A chunk has room for that many events and, unless one needs more by itself,
// that many bytes of messages. A partition's first chunks are smaller, since most
// partitions see few events.
const (
	chunkEvents = 256
	minData     = 4 << 10
	maxData     = 64 << 10
)

// chunk is a run of events. What it holds is written once, before tape.end passes
// it. The messages lie in it as bytes, so that a full log has next to nothing that
// the garbage collector would have to follow.
type chunk struct {
	first int64 // sequence of slots[0]
	slots []slot
	data  []byte // the messages, one after another
}

// slot is an event without its message.
type slot struct {
	origin     *iot.Origin
	source     string
	enqueued   int64 // Unix nanoseconds
	offset     int64
	start, end int // of its message in data
}

// newChunk has room for about size bytes of messages that are like the first, which
// needs so many, and for more events where the others are shorter.
func newChunk(first int64, size, need int) *chunk {
	messages := min((size+need-1)/need, chunkEvents)
	return &chunk{
		first: first, slots: make([]slot, min(4*messages+12, chunkEvents)), data: make([]byte, max(messages*need, minData)),
	}
}

// slot is an event that is there, by its sequence number.
func (c *chunk) slot(sequence int64) *slot { return &c.slots[sequence-c.first] }

// event is one that is there, taken out.
func (c *chunk) event(partition int, sequence int64) Event {
	s := c.slot(sequence)
	return Event{
		Partition: partition, Sequence: sequence, Offset: s.offset, Enqueued: time.Unix(0, s.enqueued).UTC(),
		Source: s.source, Origin: s.origin, Message: iot.Unpack(c.data[s.start:s.end:s.end]),
	}
}

// chunkOf is the index of the chunk that has an event.
func chunkOf(chunks []*chunk, sequence int64) int {
	return sort.Search(len(chunks), func(i int) bool { return chunks[i].first > sequence }) - 1
}
