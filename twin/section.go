package twin

import (
	"encoding/json"

	"github.com/linarite/linarite/iot"
)

// section is the tags, the desired or the reported properties of a twin at one
// moment: it never changes. Version and stamp are not used for tags.
type section struct {
	members string
	version int64
	stamp   stamp
	size    int
}

// maxStored bounds the memory of a section, since control characters count
// nothing.
const maxStored = 1 << 20

// with is the section after d, if there is one, was merged into it, at a
// version; scratch is memory to work in. The name is for the error when it
// would have a size of more than limit: the sum over all members of the name
// and the value, where strings and names count their characters without control
// characters, numbers 8, booleans 4, objects and arrays what is in them.
//
// IoT Hub: contract.md §10.3. Which violations are 400 and which are 413 has
// no source: here a section that is too large is 413 (ErrEntityTooLarge),
// whoever wrote it, and every other one 400 (ErrArgumentInvalid). That an
// array counts as its elements has none either.
func (s *section) with(d document, version int64, now stamp, scratch *[]byte, name string, limit int) (*section, error) {
	if d == nil {
		return s, nil
	}
	b, size := d.merge((*scratch)[:0], s.members, s.stamp, now, 0)
	*scratch = b
	if size > limit {
		return nil, iot.ErrEntityTooLarge.Because("Twin %s size %d exceeds maximum %d", name, size, limit)
	}
	if len(b) > maxStored {
		return nil, iot.ErrEntityTooLarge.Because("Twin %s take %d bytes, more than %d", name, len(b), maxStored)
	}
	return &section{members: string(b), version: version, stamp: now, size: size}, nil
}

// whole is the section with `$metadata` and `$version`.
func (s *section) whole() json.RawMessage {
	const empty, times = 96, 4 // what most need, to spare allocations
	b := make([]byte, 0, empty+times*len(s.members))
	return s.appendWhole(b)
}

func (s *section) appendWhole(b []byte) []byte {
	b = appendMembers(append(b, '{'), s.members)
	b = appendName(b, "$metadata")
	b = appendMetadata(b, s.members, s.stamp)
	return appendVersion(b, s.version)
}

// appendView writes the section as devices see it: with `$version` only.
func (s *section) appendView(b []byte) []byte {
	return appendVersion(appendMembers(append(b, '{'), s.members), s.version)
}
