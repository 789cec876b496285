package twin

import (
	"strings"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/query"
)

// Snapshot is a twin as it was at one moment. It never changes.
type Snapshot struct{ record }

// Snapshot is a twin as it is now. Errors: ErrDeviceNotFound, for modules too.
func (s *Store) Snapshot(id iot.Identity) (Snapshot, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, ok := s.twins[id]
	if !ok {
		return Snapshot{}, notFound(id)
	}
	return Snapshot{*r}, nil
}

// Collection is what a query is about.
type Collection uint8

// The collections of twins.
const (
	Devices Collection = iota
	Modules
)

// Next adds to page, up to its capacity, the twins of a collection that were
// made after the one at a place; 0 is before the first. Read page by page, what
// is there all the while is read once, whatever is made, changed and deleted in
// between.
func (s *Store) Next(c Collection, place int64, page []Snapshot) []Snapshot {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o := &s.inOrder[c]
	for _, p := range o.places[o.behind(place):] {
		if len(page) == cap(page) {
			break
		}
		if p.record != nil {
			page = append(page, Snapshot{*p.record})
		}
	}
	return page
}

// Identity is whose twin it is.
func (s *Snapshot) Identity() iot.Identity { return s.id }

// Place is for Next, to read on behind this twin.
func (s *Snapshot) Place() int64 { return s.place }

// ETag is the twin's ETag, without quotes.
func (s *Snapshot) ETag() string { return s.etagText() }

// Version is the twin's version.
func (s *Snapshot) Version() int64 { return s.version }

// ModelID is the Plug and Play model, or empty.
func (s *Snapshot) ModelID() string { return s.model }

// Tags are the tags, undefined when there are none.
func (s *Snapshot) Tags() query.Value {
	if s.tags.members == "" {
		return query.Value{}
	}
	return query.Object(s.tags, 0)
}

// Desired are the desired properties with `$metadata` and `$version`.
func (s *Snapshot) Desired() query.Value { return query.Object(s.desired, 0) }

// Reported are the reported properties with `$metadata` and `$version`.
func (s *Snapshot) Reported() query.Value { return query.Object(s.reported, 0) }

// Twin is the twin as back ends see it.
func (s Snapshot) Twin() Twin {
	t := Twin{
		ETag:     s.etagText(),
		Version:  s.version,
		ModelID:  s.model,
		Desired:  s.desired.whole(),
		Reported: s.reported.whole(),
	}
	if s.tags.members != "" {
		t.Tags = append(appendMembers([]byte{'{'}, s.tags.members), '}')
	}
	return t
}

// inside are the members of the object at a place: 0 for the section, else
// where its content starts.
func (s *section) inside(at int32) string {
	if at == 0 {
		return s.members
	}
	return s.members[at : int(at)+uint24(s.members, int(at)-3)]
}

// Member is a member of an object of the section.
func (s *section) Member(at int32, name string) query.Value {
	if at == 0 && s.version > 0 && strings.HasPrefix(name, "$") {
		switch name {
		case "$version":
			return query.Number(float64(s.version))
		case "$metadata":
			return query.Object((*metadata)(s), 0)
		}
	}
	m, ok := memberNamed(s.inside(at), name, stamp{})
	if !ok {
		return query.Value{}
	}
	switch m.kind {
	case booleanKind:
		return query.Boolean(m.content == "true")
	case numberKind:
		return query.NumberText(m.content)
	case stringKind:
		return query.String(jsonString(m.content))
	case arrayKind:
		return query.Array(s, at+int32(m.at))
	}
	return query.Object(s, at+int32(m.at))
}

// Element is an element of an array of the section.
func (s *section) Element(at int32, i int) query.Value {
	array, _ := query.ParseJSON([]byte(s.inside(at))) // the section's own parser has checked it
	return array.Element(i)
}

// AppendJSON writes the section, or an object or array of it.
func (s *section) AppendJSON(b []byte, at int32) []byte {
	inside := s.inside(at)
	switch {
	case at == 0 && s.version > 0:
		return s.appendWhole(b)
	case strings.HasPrefix(inside, "["): // no flags are this byte
		return append(b, inside...)
	}
	return append(appendMembers(append(b, '{'), inside), '}')
}

// metadata is what `$metadata` of a section has in it. Its places are one more
// than those where members start; 0 is that of the section.
type metadata section

// Member is the time or version of a value, or the metadata of one below it.
func (d *metadata) Member(at int32, name string) query.Value {
	start, members, written := d.locate(at)
	switch name {
	case "$lastUpdated":
		return query.String(string(appendTime(nil, written.ticks)))
	case "$lastUpdatedVersion":
		if written.version > 0 {
			return query.Number(float64(written.version))
		}
		return query.Value{}
	}
	for i := 0; i < len(members); {
		m := memberAt(members, i, written)
		if m.name == name {
			return query.Object(d, int32(start+i+1))
		}
		i = m.next
	}
	return query.Value{}
}

// Element is undefined: there are no arrays.
func (d *metadata) Element(int32, int) query.Value { return query.Value{} }

// AppendJSON writes the metadata of a value and all below it.
func (d *metadata) AppendJSON(b []byte, at int32) []byte {
	_, members, written := d.locate(at)
	return appendMetadata(b, members, written)
}

// locate is the value whose member starts before a place: its members and
// where they start, and when it was written.
func (d *metadata) locate(at int32) (start int, members string, written stamp) {
	members, written = d.members, d.stamp
	for target := int(at) - 1; target >= 0; {
		i := 0
		m := memberAt(members, i, written)
		for start+m.next <= target {
			i = m.next
			m = memberAt(members, i, written)
		}
		found := start+i == target
		start, members, written = start+m.at, m.below(), m.stamp
		if found {
			break
		}
	}
	return start, members, written
}
