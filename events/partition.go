package events

import (
	"slices"
	"sync/atomic"
	"time"
)

// tape is what a partition holds from one Clear to the next. Only the holder of
// Log.mu changes it; anybody may read it.
type tape struct {
	era    int64        // how many tapes the partition had before
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
	filled int      // bytes of the last chunk that are

	offset      int64     // where the next event goes
	firstOffset int64     // the oldest event's offset; offset when there is none
	lastOffset  int64     // the newest event's offset, -1 before the first
	oldest      int64     // Enqueued of the oldest event in Unix nanoseconds, or never
	latest      time.Time // Enqueued of the newest event
}

func (p *partition) reset() {
	t := &tape{}
	if before := p.tape.Load(); before != nil {
		t.era = before.era + 1
	}
	t.chunks.Store(&[]*chunk{})
	p.tape.Store(t)
	p.chunks, p.used, p.filled = nil, 0, 0
	p.offset, p.firstOffset, p.lastOffset = 0, 0, -1
	p.oldest, p.latest = never, time.Time{}
}

// write publishes an event at the end of the partition.
func (p *partition) write(e *Event, weight int64) (sequence int64) {
	t := p.tape.Load()
	sequence = t.end.Load()
	need := e.Message.PackedSize()
	c := p.room(t, sequence, need)
	if e.Enqueued.Before(p.latest) {
		e.Enqueued = p.latest
	}
	enqueued := nanoseconds(e.Enqueued)
	if p.oldest == never {
		p.oldest = enqueued
	}
	start := p.filled
	p.filled += len(e.Message.Pack(c.data[start : start : start+need]))
	c.slots[p.used] = slot{
		origin: e.Origin, source: e.Source, enqueued: enqueued, offset: p.offset, start: start, end: p.filled,
	}
	p.used++
	p.latest, p.lastOffset = e.Enqueued, p.offset
	p.offset += weight
	t.end.Store(sequence + 1)
	return sequence
}

// room is the last chunk, or a new one when it is full.
func (p *partition) room(t *tape, next int64, need int) *chunk {
	size := minData
	if n := len(p.chunks); n > 0 {
		last := p.chunks[n-1]
		if p.used < len(last.slots) && len(last.data)-p.filled >= need {
			return last
		}
		size = min(2*len(last.data), maxData)
	}
	c := newChunk(next, size, need)
	p.publish(t, slices.Concat(p.chunks, []*chunk{c}))
	p.used, p.filled = 0, 0
	return c
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
		s := p.chunks[0].slot(first)
		p.firstOffset, p.oldest = s.offset, s.enqueued
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

// chunk is the one that has the event next, which must be there.
func (v *view) chunk() *chunk {
	for len(v.chunks) > 1 && v.chunks[1].first <= v.next {
		v.chunks = v.chunks[1:]
	}
	return v.chunks[0]
}

// at is an event of the view by its sequence number.
func (v *view) at(sequence int64) *slot {
	return v.chunks[chunkOf(v.chunks, sequence)].slot(sequence)
}
