package twin

import (
	"encoding/json"

	"github.com/linarite/linarite/iot"
)

// section is the tags, the desired or the reported properties of a twin.
// Version and stamp are not used for tags.
type section struct {
	tree
	version int64
	stamp   stamp
	size    int
}

// sizeWith is the size the section would have if d were merged into it; the
// name is for the error when that is more than limit. It is the sum over all
// members of the name and the value: strings and names count their characters
// without control characters, numbers 8, booleans 4, objects and arrays what
// is in them.
//
// IoT Hub: contract.md §10.3. Which violations are 400 and which are 413 has
// no source: here a section that is too large is 413 (ErrEntityTooLarge),
// whoever wrote it, and every other one 400 (ErrArgumentInvalid). That an
// array counts as its elements has none either.
func (s *section) sizeWith(d document, name string, limit int) (int, error) {
	if d == nil {
		return s.size, nil
	}
	size := s.size + s.growth(d, 0)
	if size > limit {
		return 0, iot.ErrEntityTooLarge.Because("Twin %s size %d exceeds maximum %d", name, size, limit)
	}
	return size, nil
}

// apply merges d, with which the section has the size sizeWith found.
func (s *section) apply(d document, size int, at stamp) {
	s.merge(d, 0, at)
	s.size, s.stamp = size, at
}

// whole is the section with `$metadata` and `$version`.
func (s *section) whole() json.RawMessage {
	const empty, perMember = 96, 128 // what most need, to spare allocations
	b := make([]byte, 0, empty+perMember*len(s.members)+s.size)
	b = s.appendMembers(append(b, '{'))
	b = appendName(b, "$metadata")
	b = s.appendMetadata(b, s.stamp)
	return appendVersion(b, s.version)
}

// appendView writes the section as devices see it: with `$version` only.
func (s *section) appendView(b []byte) []byte {
	return appendVersion(s.appendMembers(append(b, '{')), s.version)
}
