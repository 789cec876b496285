package events

import (
	"strconv"
	"strings"

	"github.com/linarite/linarite/iot"
)

// Cursor is a position in the whole log: for each partition the sequence number
// of the next event. Where it is too short, the partition begins at its oldest
// event.
type Cursor []int64

// String is the cursor's text: its numbers, joined by dots.
func (c Cursor) String() string {
	b := make([]byte, 0, 8*len(c))
	for i, next := range c {
		if i > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendInt(b, next, 10)
	}
	return string(b)
}

// ParseCursor reads a cursor's text:
//
//	cursor = number *( "." number )
//	number = "0" / ( "1"-"9" *DIGIT )  ; at most 9223372036854775807
//
// Error: 400004.
func ParseCursor(s string) (Cursor, error) {
	fields := strings.Split(s, ".")
	c := make(Cursor, len(fields))
	for i, field := range fields {
		n, err := strconv.ParseUint(field, 10, 63)
		if err != nil || field[0] == '0' && len(field) > 1 {
			return nil, iot.ErrArgumentInvalid.Because("%q is not a position in the event log", s)
		}
		c[i] = int64(n)
	}
	return c, nil
}

// at is the position in one partition.
func (c Cursor) at(partition int) int64 {
	if partition < len(c) {
		return c[partition]
	}
	return 0
}
