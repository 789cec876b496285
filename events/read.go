package events

import (
	"math"
	"sort"
	"time"
)

// Partition is what one partition holds.
type Partition struct {
	First        int64     // sequence of the oldest event, or of the next one when Empty
	Last         int64     // sequence of the newest event ever, -1 before the first
	LastOffset   int64     // its offset, -1 before the first
	LastEnqueued time.Time // its time, zero before the first
	Empty        bool      // there is nothing to read
}

// Bounds is what a partition holds now.
func (l *Log) Bounds(partition int) Partition {
	l.expire()
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &l.partitions[partition]
	t := p.tape.Load()
	first, end := t.first.Load(), t.end.Load()
	return Partition{
		First: first, Last: end - 1, LastOffset: p.lastOffset, LastEnqueued: p.latest, Empty: first == end,
	}
}

// Read is at most limit events of a partition from a sequence number on, and the
// number to go on from; a limit below 1 means all there are. A reader whose
// position was dropped begins at the oldest event, and so does one that is ahead
// of the log, which must have been cleared since. Bodies are shared, not to be
// modified.
func (l *Log) Read(partition int, from int64, limit int) (evs []Event, next int64) {
	l.expire()
	return l.partitions[partition].tape.Load().read(partition, from, limit)
}

// read is Log.Read of a tape, which is the partition's.
func (t *tape) read(partition int, from int64, limit int) (evs []Event, next int64) {
	v := t.view(from, limited(limit))
	if v.next < v.end {
		evs = make([]Event, 0, v.end-v.next)
	}
	for ; v.next < v.end; v.next++ {
		evs = append(evs, v.chunk().event(partition, v.next))
	}
	return evs, v.next
}

// ReadAll is at most limit events of all partitions from a cursor on, and the
// cursor to go on from; a limit below 1 means all there are. They are ordered by
// enqueued time, then partition, then sequence number. Reading on and on gives
// each event exactly once, unless it was dropped before it was reached; one that
// is appended during a call may come with the next.
func (l *Log) ReadAll(c Cursor, limit int) ([]Event, Cursor) {
	l.expire()
	next := make(Cursor, len(l.partitions))
	views := make([]view, len(l.partitions))
	total := int64(0)
	for i := range views {
		views[i] = l.partitions[i].tape.Load().view(c.at(i), limited(limit))
		next[i] = views[i].next
		total += views[i].end - views[i].next
	}
	evs := make([]Event, min(total, limited(limit)))
	for i := range evs {
		partition := earliest(views)
		v := &views[partition]
		evs[i] = v.chunk().event(partition, v.next)
		v.next++
		next[partition] = v.next
	}
	return evs, next
}

// earliest is the partition with the event that comes first. One of them has one.
func earliest(views []view) (partition int) {
	first := int64(never)
	for i := range views {
		if v := &views[i]; v.next < v.end {
			if enqueued := v.chunk().slot(v.next).enqueued; enqueued < first {
				partition, first = i, enqueued
			}
		}
	}
	return partition
}

// Start is the position of the oldest event in each partition.
func (l *Log) Start() Cursor {
	l.expire()
	c := make(Cursor, len(l.partitions))
	for i := range c {
		c[i] = l.partitions[i].tape.Load().first.Load()
	}
	return c
}

// End is the position after the newest event in each partition.
func (l *Log) End() Cursor {
	c := make(Cursor, len(l.partitions))
	for i := range c {
		c[i] = l.partitions[i].tape.Load().end.Load()
	}
	return c
}

// SeekOffset is the sequence number of the first event at or after an offset, or
// that of the next event when all are before it.
func (l *Log) SeekOffset(partition int, offset int64) int64 {
	return l.seek(partition, func(s *slot) bool { return s.offset >= offset })
}

// SeekTime is the sequence number of the first event enqueued at or after a
// time, or that of the next event when all are earlier.
func (l *Log) SeekTime(partition int, enqueued time.Time) int64 {
	at := nanoseconds(enqueued)
	return l.seek(partition, func(s *slot) bool { return s.enqueued >= at })
}

// seek is the first event for which reached is true, as it is for all later ones.
func (l *Log) seek(partition int, reached func(*slot) bool) int64 {
	l.expire()
	v := l.partitions[partition].tape.Load().view(0, math.MaxInt64)
	n := sort.Search(int(v.end-v.next), func(i int) bool { return reached(v.at(v.next + int64(i))) })
	return v.next + int64(n)
}

// nanoseconds is Unix time, of what an event can have.
func nanoseconds(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, 0)):
		return 0
	case t.After(time.Unix(0, never)):
		return never
	}
	return t.UnixNano()
}

// limited is a limit as a number of events.
func limited(limit int) int64 {
	if limit < 1 {
		return math.MaxInt64
	}
	return int64(limit)
}
