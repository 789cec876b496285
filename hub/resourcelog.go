package hub

import (
	"bufio"
	"context"
	"io"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/linarite/linarite/monitoring"
)

// maxLines is how many records may wait to be written. What comes when there are
// as many is dropped and counted: operations wait for no log.
const maxLines = 8192

// resourceLog writes records, one to a line, in a goroutine of its own.
//
// IoT Hub: contract.md §23.1.
type resourceLog struct {
	resource string
	out      *bufio.Writer
	log      zerolog.Logger
	now      func() time.Time
	failed   throttle // of what is said about lines that could not be written

	queue   chan *monitoring.Record
	ending  chan struct{}
	over    chan struct{}
	written atomic.Uint64
	dropped atomic.Uint64
}

// newResourceLog begins to write to w.
func (h *Hub) newResourceLog(w io.Writer) *resourceLog {
	l := &resourceLog{
		resource: monitoring.Resource(h.name), out: bufio.NewWriterSize(w, 64<<10), log: h.log, now: h.clock.Now,
		queue: make(chan *monitoring.Record, maxLines), ending: make(chan struct{}), over: make(chan struct{}),
	}
	go l.run(w)
	return l
}

// add has a record written, or drops it. It does not wait.
func (l *resourceLog) add(r *monitoring.Record) {
	select {
	case l.queue <- r:
	default:
		l.dropped.Add(1)
	}
}

// run writes what comes, and what is there when the log ends.
func (l *resourceLog) run(w io.Writer) {
	defer close(l.over)
	for {
		select {
		case r := <-l.queue:
			l.write(w, r)
		case <-l.ending:
			for len(l.queue) > 0 {
				l.write(w, <-l.queue)
			}
			return
		}
	}
}

// write writes a record. Lines are sent on in bundles, the last of which goes when
// nothing waits.
func (l *resourceLog) write(w io.Writer, r *monitoring.Record) {
	_, err := l.out.Write(append(r.Line(l.resource), '\n'))
	if err == nil && len(l.queue) == 0 {
		err = l.out.Flush()
	}
	if err == nil {
		l.written.Add(1)
		return
	}
	l.dropped.Add(1)
	l.out.Reset(w) // else it would never try again
	if l.failed.allow(l.now()) {
		l.log.Warn().Err(err).Str("op", "resource log").Uint64("dropped", l.dropped.Load()).Msg("the resource log cannot be written")
	}
}

// end writes what waits, for as long as a short while lasts: whoever should read
// it may not.
func (l *resourceLog) end() {
	close(l.ending)
	patience, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	select {
	case <-l.over:
	case <-patience.Done():
		l.log.Warn().Str("op", "resource log").Int("waiting", len(l.queue)).Msg("nobody takes the resource log: what waits is lost")
	}
}

// ResourceLogStatistics count the records of the resource log: those that were
// written, and those that were dropped because they came faster than they could be.
func (h *Hub) ResourceLogStatistics() (written, dropped uint64) {
	if h.resourceLog == nil {
		return 0, 0
	}
	return h.resourceLog.written.Load(), h.resourceLog.dropped.Load()
}
