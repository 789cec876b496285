package amqp

import (
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/amqp/transport"
	"github.com/linarite/linarite/events"
)

// What is taken out of the log at once, so that a reader that stalls has no more
// than this waiting for it: events, and bytes of their messages, but for the last.
const (
	readAhead      = 64
	readAheadBytes = 64 << 10
)

// metricsCapability asks for what is behind the reader with each event.
const metricsCapability codec.Symbol = "com.microsoft:enable-receiver-runtime-metric"

// reader is a link that reads a partition.
type reader struct {
	srv       *Server
	link      *transport.Link
	log       *events.Log
	partition int
	at        *events.Follower
	metrics   bool

	encoded []byte // memory for what is sent, and of what is sent
	batch   []transport.Outgoing
}

// read attaches a link to a partition. Its events are sent settled: with others,
// azeventhubs stalls once it has prefetched (amqp.md, trap 4).
func (p *peer) read(l *transport.Link, a partitionAddress, log *events.Log) (transport.Node, *codec.Error) {
	if _, ok := p.srv.groups[strings.ToLower(a.group)]; !ok {
		return noSuch(l, ": there is no such consumer group")
	}
	if a.partition >= log.Partitions() {
		return transport.Node{}, codec.Failure(conditionRange, fmt.Sprintf(
			"The specified partition is invalid: %d, there are %d.", a.partition, log.Partitions()))
	}
	next, err := startOf(l.Source, log, a.partition)
	if err != nil {
		return transport.Node{}, codec.Failure(conditionInvalidField, err.Error())
	}
	own, refusal := p.srv.owners.enter(l, a)
	if refusal != nil {
		return transport.Node{}, refusal
	}
	r := &reader{srv: p.srv, link: l, log: log, partition: a.partition, at: log.Follow(a.partition, next), metrics: wantsMetrics(l)}
	p.srv.pump(l, r.pump)
	return transport.Node{Pumped: true, Detached: func() {
		p.srv.owners.leave(own)
		p.claims.release(l)
	}}, nil
}

func wantsMetrics(l *transport.Link) bool {
	for _, c := range l.DesiredCapabilities {
		if c == metricsCapability {
			return true
		}
	}
	return false
}

// pump sends events as they come and as the peer's credit allows, until the link
// is over. It holds none back: a reader that is slow reads on later, as long as
// the log has its events.
func (r *reader) pump() {
	var grown <-chan struct{}
	for {
		if credit := r.link.Credit(); credit > 0 {
			if evs := r.at.Read(min(credit, readAhead)); len(evs) > 0 {
				evs = portion(evs)
				r.send(evs)
				r.at.Next, grown = evs[len(evs)-1].Sequence+1, nil
				continue
			}
			if grown == nil { // look once more after listening
				grown = r.log.Grown(r.partition)
				continue
			}
			r.link.Drained()
			r.encoded, r.batch = nil, nil
		}
		select {
		case <-grown:
			grown = nil
			runtime.Gosched() // acknowledging what devices send goes first
		case <-r.link.Wake():
		case <-r.link.Done():
			return
		}
	}
}

// portion is the first of the events, as many as have readAheadBytes.
func portion(evs []events.Event) []events.Event {
	size := 0
	for i := range evs {
		if size += evs[i].Message.Size(); size >= readAheadBytes {
			return evs[:i+1]
		}
	}
	return evs
}

// send sends events in order. They are encoded one behind the other, into memory
// that is used again: the link's queue is empty, and so nothing of it is in use.
func (r *reader) send(evs []events.Event) {
	if r.encoded == nil {
		r.encoded = make([]byte, 0, about(evs))
	}
	b, batch := r.encoded[:0], r.batch[:0]
	var annotations codec.Map
	if r.metrics {
		annotations = r.behind()
	}
	for i := range evs {
		start := len(b)
		if annotations != nil {
			m := codec.Message{DeliveryAnnotations: annotations}
			b = m.Append(b)
		}
		b = appendEvent(b, &evs[i])
		batch = append(batch, transport.Outgoing{Message: b[start:len(b):len(b)], Settled: true})
	}
	r.encoded, r.batch = b, batch
	r.link.Send(batch...)
}

// about is about how many bytes events take when they are encoded.
func about(evs []events.Event) int {
	size := 0
	for i := range evs {
		size += evs[i].Message.Size() + eventOverhead
	}
	return size
}

// behind is where the partition ends, which tells a reader how far behind it is.
func (r *reader) behind() codec.Map {
	b := r.log.Bounds(r.partition)
	return codec.Map{
		{Key: codec.Symbol("last_enqueued_sequence_number"), Value: b.Last},
		{Key: codec.Symbol("last_enqueued_offset"), Value: fmt.Sprint(b.LastOffset)},
		{Key: codec.Symbol("last_enqueued_time_utc"), Value: b.LastEnqueued.Truncate(time.Millisecond)},
		{Key: codec.Symbol("runtime_info_retrieval_time_utc"), Value: r.srv.hub.Clock().Now().Truncate(time.Millisecond)},
	}
}
