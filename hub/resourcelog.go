package hub

import (
	"bytes"
	"context"
	"io"
	"slices"
	"sync/atomic"

	"github.com/rs/zerolog"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/monitoring"
)

// maxLines is how many records may wait to be written. What comes when there are
// as many is dropped and counted: operations wait for no log.
const maxLines = 8192

// bundle is how many bytes of lines are written at once.
const bundle = 64 << 10

// resourceLog writes records, one to a line, in a goroutine of its own.
//
// IoT Hub: contract.md §23.1.
type resourceLog struct {
	resource string
	out      io.Writer
	log      zerolog.Logger
	failed   throttle // of what is said about lines that could not be written

	// The goroutine's own.
	lines []byte // that are to be written
	torn  bool   // what was written last is half a line

	queue   chan *monitoring.Record
	ending  chan struct{}
	over    chan struct{}
	written atomic.Uint64
	dropped atomic.Uint64
}

// newResourceLog begins to write to w.
func (h *Hub) newResourceLog(w io.Writer) *resourceLog {
	l := &resourceLog{
		resource: monitoring.Resource(h.name), out: w, log: h.log,
		queue: make(chan *monitoring.Record, maxLines), ending: make(chan struct{}), over: make(chan struct{}),
	}
	go l.run()
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
func (l *resourceLog) run() {
	defer close(l.over)
	for {
		select {
		case r := <-l.queue:
			l.write(r)
		case <-l.ending:
			for len(l.queue) > 0 {
				l.write(<-l.queue)
			}
			return
		}
	}
}

// write writes a record. Lines are sent on in bundles, the last of which goes when
// nothing waits.
func (l *resourceLog) write(r *monitoring.Record) {
	l.lines = append(append(l.lines, r.Line(l.resource)...), '\n')
	if len(l.queue) == 0 || len(l.lines) >= bundle {
		l.flush()
	}
}

// flush writes the lines. Those that cannot be written, because the disk is full
// perhaps, are dropped; half a line is ended by the next that can, so that it spoils
// no other.
func (l *resourceLog) flush() {
	records, ended := bytes.Count(l.lines, newline), 0
	if l.torn {
		l.lines, ended = slices.Insert(l.lines, 0, '\n'), 1
	}
	n, err := l.out.Write(l.lines)
	if n > 0 {
		l.torn = l.lines[n-1] != '\n'
	}
	lost := bytes.Count(l.lines[max(n, ended):], newline)
	l.written.Add(uint64(records - lost))
	l.dropped.Add(uint64(lost))
	l.lines = l.lines[:0]
	if err != nil && l.failed.allow(clock.Wall()) {
		l.log.Warn().Err(err).Str("op", "resource log").Uint64("dropped", l.dropped.Load()).Msg("the resource log cannot be written")
	}
}

var newline = []byte{'\n'}

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
