package routing

import (
	"crypto/rand"
	"encoding/hex"
	"sync"
	"time"

	"github.com/linarite/linarite/iot"
)

// Defaults of LogOptions.
const (
	DefaultMaxMessages = 100_000
	DefaultMaxBytes    = 128 << 20
)

// overhead is about what a message takes besides its content, in bytes.
const overhead = 100

// LogOptions bounds a Log. Zero members mean the defaults.
type LogOptions struct {
	MaxMessages int
	MaxBytes    int64 // at about 100 bytes a message besides its content
}

// chunkSize is how many messages are kept side by side.
const chunkSize = 256

type chunk [chunkSize]slot

// slot is a message that waits. Its content is packed, so that nothing of the
// packet in which it came is kept with it.
type slot struct {
	source   Source
	enqueued time.Time
	origin   *iot.Origin
	content  []byte
}

func newSlot(m *Message) slot {
	return slot{m.Source, m.Enqueued, m.Origin, m.Pack(make([]byte, 0, m.PackedSize()))}
}

func (s *slot) message(sequence uint64) Message {
	return Message{
		Source: s.source, Enqueued: s.enqueued, Origin: s.origin, Message: iot.Unpack(s.content), Sequence: sequence,
	}
}

func (s *slot) weight() int64 { return int64(len(s.content)) + overhead }

// Log keeps the messages for one endpoint, in the order in which they came,
// until they are delivered. It never makes the writer wait: when it is full the
// oldest messages go. There is one reader.
type Log struct {
	id          string
	maxMessages uint64
	maxBytes    int64
	ready       chan struct{} // holds a token when there may be something to read

	mu      sync.Mutex
	chunks  []*chunk // the first begins with the message base
	base    uint64
	first   uint64 // of the oldest message that is kept
	end     uint64 // of the next message
	bytes   int64
	dropped uint64
	latency time.Duration
}

// NewLog is an empty log.
func NewLog(o LogOptions) *Log {
	if o.MaxMessages <= 0 {
		o.MaxMessages = DefaultMaxMessages
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	return &Log{id: hex.EncodeToString(id[:]), maxMessages: uint64(o.MaxMessages), maxBytes: o.MaxBytes, ready: make(chan struct{}, 1)}
}

// ID is 16 hexadecimal digits that no other log has: with its sequence number they
// name a message.
func (l *Log) ID() string { return l.id }

// Append adds a copy of a message, and says how many of the oldest had to go for
// it.
func (l *Log) Append(m *Message) (dropped int) {
	added := newSlot(m)
	l.mu.Lock()
	at := l.end - l.base
	if at == uint64(len(l.chunks))*chunkSize {
		l.chunks = append(l.chunks, &chunk{})
	}
	l.chunks[at/chunkSize][at%chunkSize] = added
	l.end++
	l.bytes += added.weight()
	for l.end-l.first > l.maxMessages || l.bytes > l.maxBytes && l.end-l.first > 1 {
		l.drop()
		dropped++
	}
	l.dropped += uint64(dropped)
	l.mu.Unlock()
	select {
	case l.ready <- struct{}{}:
	default:
	}
	return dropped
}

// Ready gives a token after messages were appended. The reader looks with Read
// before it waits for one.
func (l *Log) Ready() <-chan struct{} { return l.ready }

// Read is the oldest messages, at most limit and, but for the first, of at most
// size bytes in all. They stay until Settle says that they are delivered.
func (l *Log) Read(limit int, size int64) []Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(l.end-l.first, uint64(max(limit, 1)))
	batch := make([]Message, 0, n)
	for s := l.first; s < l.first+n; s++ {
		waiting := l.at(s)
		size -= waiting.weight()
		if size < 0 && len(batch) > 0 {
			break
		}
		batch = append(batch, waiting.message(s))
	}
	return batch
}

// Settle forgets the messages before a sequence number: they are dealt with by now.
// So many of them were refused for good, and count as dropped.
func (l *Log) Settle(next uint64, refused int, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	next = max(l.first, min(next, l.end))
	l.dropped += min(uint64(refused), next-l.first) // what had to go is counted
	for l.first < next {
		l.latency += max(now.Sub(l.at(l.first).enqueued), 0)
		l.drop()
	}
}

// Counts is what became of the messages of a log.
type Counts struct {
	Waiting      int
	WaitingBytes int64
	Accepted     uint64 // all that ever came
	Delivered    uint64
	Dropped      uint64 // because too many waited, or because they were refused
	// Latency is how long those that were dealt with took from ingress on, added up.
	// IoT Hub: contract.md §23.3, d2c.endpoints.latency.
	Latency time.Duration
}

// Counts is what became of the messages so far.
func (l *Log) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Counts{
		Waiting: int(l.end - l.first), WaitingBytes: l.bytes,
		Accepted: l.end, Delivered: l.first - l.dropped, Dropped: l.dropped, Latency: l.latency,
	}
}

// at is a message that is kept. The caller holds mu.
func (l *Log) at(sequence uint64) *slot {
	at := sequence - l.base
	return &l.chunks[at/chunkSize][at%chunkSize]
}

// drop forgets the oldest message. The caller holds mu and knows that there is
// one.
func (l *Log) drop() {
	oldest := l.at(l.first)
	l.bytes -= oldest.weight()
	*oldest = slot{} // lets go of its content
	l.first++
	if l.first-l.base == chunkSize {
		l.chunks[0] = nil
		l.chunks = l.chunks[1:]
		l.base = l.first
	}
}
