package amqp

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/events"
)

// The names of the filter that says where to begin, and of what it compares.
// IoT Hub: sdk-wire.md 0.6.
const (
	selectorFilter  = "apache.org:selector-filter:string"
	annotationStart = "amqp.annotation."
	byOffset        = "x-opt-offset"
	bySequence      = "x-opt-sequence-number"
	byTime          = "x-opt-enqueued-time"
	byTimeOld       = "x-opt-enqueuedtimeutc"
	latest          = "@latest"
)

// selector is where a reader begins.
type selector struct {
	by        string // byOffset, bySequence or byTime
	inclusive bool
	latest    bool
	value     int64
}

// parseSelector reads a selector:
//
//	selector = "amqp.annotation." name *SP ( ">" | ">=" ) *SP value
//	name     = "x-opt-offset" | "x-opt-sequence-number" | "x-opt-enqueued-time" | "x-opt-enqueuedtimeutc"
//	value    = "'" text "'" | text
//	text     = [ "-" ] 1*DIGIT | "@latest"
//
// Times are milliseconds since 1970.
func parseSelector(s string) (selector, error) {
	bad := fmt.Errorf("the filter %q is not understood", s)
	text, ok := strings.CutPrefix(strings.TrimSpace(s), annotationStart)
	if !ok {
		return selector{}, bad
	}
	name, value, ok := strings.Cut(text, ">")
	if !ok {
		return selector{}, bad
	}
	sel := selector{by: strings.ToLower(strings.TrimSpace(name))}
	switch sel.by {
	case byOffset, bySequence, byTime:
	case byTimeOld:
		sel.by = byTime
	default:
		return selector{}, bad
	}
	value, sel.inclusive = strings.CutPrefix(value, "=")
	value = strings.TrimSpace(value)
	if n := len(value); n >= 2 && value[0] == '\'' && value[n-1] == '\'' {
		value = value[1 : n-1]
	}
	if value == latest {
		sel.latest = true
		return sel, nil
	}
	var err error
	if sel.value, err = strconv.ParseInt(value, 10, 64); err != nil {
		return selector{}, bad
	}
	return sel, nil
}

// startOf is the sequence number that a reader begins at: what its filter says,
// or the oldest event there is.
func startOf(source *codec.Source, log *events.Log, partition int) (int64, error) {
	text, err := filterOf(source)
	if err != nil || text == "" {
		return 0, err
	}
	sel, err := parseSelector(text)
	if err != nil {
		return 0, err
	}
	return sel.find(log, partition), nil
}

// filterOf is the text of a source's selector, or "".
func filterOf(source *codec.Source) (string, error) {
	if source == nil {
		return "", nil
	}
	for _, f := range source.Filter {
		d, ok := f.Value.(codec.Described)
		if !ok {
			continue
		}
		if codec.Text(f.Key) == selectorFilter || codec.Text(d.Descriptor) == selectorFilter || d.Descriptor == uint64(0x468C00000004) {
			text := codec.Text(d.Value)
			if text == "" {
				return "", errors.New("the filter is no text")
			}
			return text, nil
		}
	}
	return "", nil
}

// find is the sequence number of the first event that a selector selects.
func (s selector) find(log *events.Log, partition int) int64 {
	if s.latest {
		return log.End()[partition]
	}
	from := s.value
	if !s.inclusive && from < math.MaxInt64 {
		from++
	}
	switch s.by {
	case byOffset:
		return log.SeekOffset(partition, from)
	case byTime:
		return log.SeekTime(partition, time.UnixMilli(from))
	}
	return min(max(from, 0), log.End()[partition])
}
