package events

import (
	"slices"
	"sort"
	"sync/atomic"
	"time"
)

// A chunk is full when it has that many events or bytes.
const (
	chunkEvents = 256
	chunkWeight = 1 << 20
)

// chunk is a run of events. A slot is written once, before tape.end passes it.
type chunk struct {
	first  int64 // sequence of events[0]
	events [chunkEvents]Event
}

// tape is what a partition holds from one Clear to the next. Only the holder of
// Log.mu changes it; anybody may read it.
type tape struct {
	first  atomic.Int64 // sequence of the oldest event that was not dropped
	end    atomic.Int64 // sequence of the next event
	chunks atomic.Pointer[[]*chunk]
}

// partition is a tape and what its writer knows. All but tape and grown is
// guarded by Log.mu.
type partition struct {
	tape  atomic.Pointer[tape]
	grown bell

	chunks []*chunk // as published in tape
	used   int      // slots of the last chunk that are written
	weight int64    // bytes in the last chunk

	offset      int64     // where the next event goes
	firstOffset int64     // the oldest event's offset; offset when there is none
	lastOffset  int64     // the newest event's offset, -1 before the first
	oldest      int64     // Enqueued of the oldest event in Unix nanoseconds, or never
	latest      time.Time // Enqueued of the newest event
}

func (p *partition) reset() {
	t := &tape{}
	t.chunks.Store(&[]*chunk{})
	p.tape.Store(t)
	p.chunks, p.used, p.weight = nil, 0, 0
	p.offset, p.firstOffset, p.lastOffset = 0, 0, -1
	p.oldest, p.latest = never, time.Time{}
}

// write publishes an event at the end of the partition.
func (p *partition) write(e *Event, weight int64) (sequence int64) {
	t := p.tape.Load()
	sequence = t.end.Load()
	if len(p.chunks) == 0 || p.used == chunkEvents || p.weight >= chunkWeight {
		p.publish(t, slices.Concat(p.chunks, []*chunk{{first: sequence}}))
		p.used, p.weight = 0, 0
	}
	if e.Enqueued.Before(p.latest) {
		e.Enqueued = p.latest
	}
	if p.oldest == never {
		p.oldest = e.Enqueued.UnixNano()
	}
	e.Sequence, e.Offset = sequence, p.offset
	p.chunks[len(p.chunks)-1].events[p.used] = *e
	p.used++
	p.weight += weight
	p.latest, p.lastOffset = e.Enqueued, p.offset
	p.offset += weight
	t.end.Store(sequence + 1)
	return sequence
}

// drop takes the oldest event out of the readers' sight and returns its weight.
// Its memory is free once its whole chunk was dropped.
func (p *partition) drop() (weight int64) {
	t := p.tape.Load()
	first := t.first.Add(1)
	if len(p.chunks) > 1 && p.chunks[1].first <= first {
		p.publish(t, slices.Clone(p.chunks[1:]))
	}
	was := p.firstOffset
	if first == t.end.Load() {
		p.firstOffset, p.oldest = p.offset, never
	} else {
		e := &p.chunks[0].events[first-p.chunks[0].first]
		p.firstOffset, p.oldest = e.Offset, e.Enqueued.UnixNano()
	}
	return p.firstOffset - was
}

// publish shows readers another list of chunks: a new one, because they may
// still hold the old.
func (p *partition) publish(t *tape, chunks []*chunk) {
	p.chunks = chunks
	t.chunks.Store(&chunks)
}

// start is where a reader begins that wants to go on at from. A position before
// the oldest event begins there, and so does one beyond the end: it stems from
// before the log was cleared.
func (t *tape) start(from int64) (start, end int64) {
	first := t.first.Load()
	end = t.end.Load()
	if from < first || from > end {
		return first, end
	}
	return from, end
}

// readable says whether there is anything to read from a position on.
func (t *tape) readable(from int64) bool {
	start, end := t.start(from)
	return start < end
}

// view is the part of a tape from a position to the present end. It stays
// readable whatever happens to the log.
type view struct {
	chunks    []*chunk // the first has the event next
	next, end int64
}

// view takes at most limit events from a position on.
func (t *tape) view(from, limit int64) view {
	var v view
	v.next, v.end = t.start(from)
	// The list is loaded after end, so that it lacks nothing but what was dropped.
	v.chunks = *t.chunks.Load()
	if len(v.chunks) > 0 {
		v.next = max(v.next, v.chunks[0].first)
	}
	if v.next >= v.end {
		return view{next: v.next, end: v.next}
	}
	v.chunks = v.chunks[chunkOf(v.chunks, v.next):]
	v.end = v.next + min(limit, v.end-v.next)
	return v
}

// take is the next events of the view as they lie in one chunk, without a copy.
// There must be one.
func (v *view) take() []Event {
	c, stop := v.chunks[0], v.end
	if len(v.chunks) > 1 {
		stop = min(stop, v.chunks[1].first)
		v.chunks = v.chunks[1:]
	}
	from, to := v.next-c.first, stop-c.first
	v.next = stop
	return c.events[from:to:to]
}

// at is an event of the view by its sequence number.
func (v *view) at(sequence int64) *Event {
	c := v.chunks[chunkOf(v.chunks, sequence)]
	return &c.events[sequence-c.first]
}

// chunkOf is the index of the chunk that has an event.
func chunkOf(chunks []*chunk, sequence int64) int {
	return sort.Search(len(chunks), func(i int) bool { return chunks[i].first > sequence }) - 1
}
