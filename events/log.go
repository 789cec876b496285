// Package events is the hub's built-in endpoint: a partitioned log to append
// to, to read from any position and to wait on. It is held in memory and
// bounded by number, bytes and age; the oldest events go first.
//
// Writers take one lock. Readers take none: an event is written once and then
// published by moving the end of its partition, so that any number of readers
// cost a writer nothing until they have read everything and wait.
package events

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
)

// Defaults of Options.
const (
	DefaultPartitions = 4
	DefaultMaxEvents  = 1 << 20
	DefaultMaxBytes   = 256 << 20
	DefaultRetention  = 24 * time.Hour
)

// overhead is what an event takes besides its message, in bytes. It also keeps
// the offsets of messages without content apart.
const overhead = 200

// Event is one message in the log. Its body is shared by all who read it.
type Event struct {
	Partition int
	Sequence  int64 // the event's number in its partition, from 0
	Offset    int64 // the event's first byte in its partition, from 0; printed as text
	Enqueued  time.Time
	Source    string      // iothub-message-source, such as "Telemetry"
	Origin    *iot.Origin // the sender; nil when the hub itself is
	Message   iot.Message
}

// Options bounds a log. Zero members mean the defaults.
type Options struct {
	Partitions int
	MaxEvents  int           // in the whole log
	MaxBytes   int64         // in the whole log, at about 200 bytes an event besides its message
	Retention  time.Duration // IoT Hub: contract.md §7.4, one day unless set otherwise
}

// Log is the built-in endpoint of one hub.
type Log struct {
	clk        *clock.Clock
	o          Options
	partitions []partition
	grown      bell
	oldest     atomic.Int64 // Enqueued of the oldest event in Unix nanoseconds, never when there is none

	mu     sync.Mutex
	head   int // the oldest event's partition
	count  int
	weight int64
}

// never is later than any event.
const never = math.MaxInt64

// NewLog is an empty log.
func NewLog(clk *clock.Clock, o Options) *Log {
	if o.Partitions <= 0 {
		o.Partitions = DefaultPartitions
	}
	if o.MaxEvents <= 0 {
		o.MaxEvents = DefaultMaxEvents
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.Retention <= 0 {
		o.Retention = DefaultRetention
	}
	l := &Log{clk: clk, o: o, partitions: make([]partition, o.Partitions)}
	l.Clear()
	return l
}

// Partitions is how many partitions there are; they are numbered from 0.
func (l *Log) Partitions() int { return len(l.partitions) }

// PartitionOf is the partition to which events with a key go.
func (l *Log) PartitionOf(key string) int { return partitionOf(key, len(l.partitions)) }

// Append adds an event to the partition of key, which is a device id, and says
// where it stands. The log sets Partition, Sequence and Offset, and Enqueued
// when it is zero or earlier than that of the event before: within a partition
// time never runs backwards.
//
// IoT Hub: contract.md §7.4, the partition is a function of the device id only.
// Differs: which function it is, Azure does not say.
func (l *Log) Append(key string, e Event) (partition int, sequence int64) {
	e.Partition = partitionOf(key, len(l.partitions))
	weight := int64(e.Message.Size()) + overhead
	p := &l.partitions[e.Partition]

	l.mu.Lock()
	if e.Enqueued.IsZero() {
		e.Enqueued = l.clk.Now()
	}
	sequence = p.write(&e, weight)
	l.count++
	l.weight += weight
	if p.oldest < l.oldest.Load() { // it was empty
		l.oldest.Store(p.oldest)
		l.head = e.Partition
	}
	expired := e.Enqueued.Add(-l.o.Retention).UnixNano()
	for l.count > 1 && (l.count > l.o.MaxEvents || l.weight > l.o.MaxBytes || l.oldest.Load() <= expired) {
		l.evict()
	}
	l.mu.Unlock()

	p.grown.ring()
	l.grown.ring()
	return e.Partition, sequence
}

// Clear empties the log; sequence numbers and offsets start again at 0. It must
// follow whenever the clock is rewound.
func (l *Log) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.partitions {
		l.partitions[i].reset()
	}
	l.head, l.count, l.weight = 0, 0, 0
	l.oldest.Store(never)
}

// Wait returns once Read has something to give from sequence on, or with ctx's
// error.
func (l *Log) Wait(ctx context.Context, partition int, sequence int64) error {
	p := &l.partitions[partition]
	return await(ctx, &p.grown, func() bool { return p.tape.Load().readable(sequence) })
}

// WaitAny returns once ReadAll has something to give from c on, or with ctx's
// error.
func (l *Log) WaitAny(ctx context.Context, c Cursor) error {
	return await(ctx, &l.grown, func() bool {
		for i := range l.partitions {
			if l.partitions[i].tape.Load().readable(c.at(i)) {
				return true
			}
		}
		return false
	})
}

// Changed is closed by the next Append, whatever its partition. Take it before
// looking for events, so that none is missed.
func (l *Log) Changed() <-chan struct{} { return l.grown.heard() }

// expire drops the events whose time is over.
func (l *Log) expire() {
	expired := l.clk.Now().Add(-l.o.Retention).UnixNano()
	if l.oldest.Load() > expired {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.oldest.Load() <= expired {
		l.evict()
	}
}

// evict drops the oldest event. The caller holds mu and knows that there is one.
func (l *Log) evict() {
	l.weight -= l.partitions[l.head].drop()
	l.count--
	l.head = 0
	for i := range l.partitions {
		if l.partitions[i].oldest < l.partitions[l.head].oldest {
			l.head = i
		}
	}
	l.oldest.Store(l.partitions[l.head].oldest)
}

// partitionOf spreads keys evenly and always in the same way: FNV-1a, its bits
// mixed because the remainder takes the lowest only.
func partitionOf(key string, partitions int) int {
	h := uint32(2166136261)
	for i := 0; i < len(key); i++ {
		h = (h ^ uint32(key[i])) * 16777619
	}
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	return int(h % uint32(partitions))
}
