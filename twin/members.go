package twin

import (
	"encoding/binary"
	"strings"
)

// The members of an object are kept in one string, in the order in which they
// came, so that a twin takes little more memory than its JSON and what has been
// read stays as it is while the twin changes:
//
//	members   = *member
//	member    = flags name [ stamp ] ( scalar / container )
//	flags     = 1 byte: the kind, and whether there is a stamp
//	name      = uvarint length, text
//	stamp     = varint ticks, varint version: by how much less they are than
//	            those of the object around it; without it they are the same
//	scalar    = uvarint size, uvarint length, JSON
//	container = 24 bits size, 24 bits length, members or the JSON of an array
//
// The size is that of the name and all below it, as limits count it.

// stamp is when a value was last written: the time in .NET ticks (100 ns since
// the year 1), and for desired properties the section's version by that write,
// else 0.
type stamp struct {
	ticks   int64
	version int64
}

// member is a name with its value, and when the value was written.
type member struct {
	kind    kind
	name    string
	content string // of an object its members, else JSON
	size    int
	stamp   stamp
	at      int // where in the text the content starts
	next    int // where the next member does
}

const (
	kindBits    = 0x07
	stampedFlag = 0x08
)

// memberAt is the member that starts at a place of the members of an object,
// which has the stamp.
func memberAt(text string, at int, s stamp) member {
	flags := text[at]
	m := member{kind: kind(flags & kindBits), stamp: s}
	n, at := uvarint(text, at+1)
	m.name = text[at : at+n]
	at += n
	if flags&stampedFlag != 0 {
		var ticks, version int64
		ticks, at = varint(text, at)
		version, at = varint(text, at)
		m.stamp.ticks -= ticks
		m.stamp.version -= version
	}
	if m.kind >= arrayKind {
		m.size, n = uint24(text, at), uint24(text, at+3)
		at += containerHeader
	} else {
		m.size, at = uvarint(text, at)
		n, at = uvarint(text, at)
	}
	m.at, m.next = at, at+n
	m.content = text[at:m.next]
	return m
}

// below are the members of a member that is an object.
func (m *member) below() string {
	if m.kind == objectKind {
		return m.content
	}
	return ""
}

// append writes the member into an object that has the stamp.
func (m *member) append(b []byte, parent stamp) []byte {
	b = appendHead(b, m.kind, m.name, parent, m.stamp)
	if m.kind >= arrayKind {
		b = appendUint24(appendUint24(b, m.size), len(m.content))
	} else {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(m.size)), uint64(len(m.content)))
	}
	return append(b, m.content...)
}

func appendHead(b []byte, k kind, name string, parent, s stamp) []byte {
	flags := byte(k)
	if s != parent {
		flags |= stampedFlag
	}
	b = binary.AppendUvarint(append(b, flags), uint64(len(name)))
	b = append(b, name...)
	if s != parent {
		b = binary.AppendVarint(b, parent.ticks-s.ticks)
		b = binary.AppendVarint(b, parent.version-s.version)
	}
	return b
}

// merge writes the members of an object after the object at of d was applied to
// them as a merge patch (RFC 7396), and returns their size. All that the patch
// names has the stamp now. What is removed leaves its stamp on the object it
// was in.
//
// IoT Hub: contract.md §10.1, §10.2. A value that is written again unchanged
// is stamped too [unsourced].
func (d document) merge(b []byte, old string, was, now stamp, at int) (merged []byte, size int) {
	find := finder{d: d, at: at, next: at + 1}
	for i := 0; i < len(old); {
		m := memberAt(old, i, was)
		i = m.next
		j := find.member(m.name)
		if j < 0 {
			b = m.append(b, now)
			size += m.size
			continue
		}
		d[j].used = true
		n := 0
		b, n = d.write(b, &m, now, j)
		size += n
	}
	for j := at + 1; j < int(d[at].next); j = int(d[j].next) {
		if !d[j].void && !d[j].used {
			n := 0
			b, n = d.write(b, &member{}, now, j)
			size += n
		}
	}
	return b, size
}

// write writes the member at i of d in the place of an old one.
func (d document) write(b []byte, old *member, now stamp, i int) (written []byte, size int) {
	if d[i].kind == nullKind {
		return b, 0
	}
	b = appendHead(b, d[i].kind, d[i].name, now, now)
	if d[i].kind < arrayKind {
		b = binary.AppendUvarint(b, uint64(d[i].size))
		b = binary.AppendUvarint(b, uint64(len(d[i].text)))
		return append(b, d[i].text...), int(d[i].size)
	}
	header := len(b)
	b = append(b, make([]byte, containerHeader)...)
	if d[i].kind == arrayKind {
		b, size = d.append(b, i), d.size(i)
	} else {
		b, size = d.merge(b, old.below(), old.stamp, now, i)
		size += int(d[i].size)
	}
	appendUint24(b[:header], size)
	appendUint24(b[:header+3], len(b)-header-containerHeader)
	return b, size
}

// finder finds the members of the object at of d by name. Names often come in
// the order in which they came before, so it looks behind the last one first;
// it makes an index where comparing one by one takes long, so that no order of a
// patch's names makes it dear.
type finder struct {
	d      document
	at     int
	next   int
	passed int // members, by all searches so far
	index  map[string]int
}

// member is the index of the member called name, -1 when there is none.
func (f *finder) member(name string) int {
	const few, enough = 8, 64
	d, end := f.d, int(f.d[f.at].next)
	if f.next < end && d[f.next].name == name && !d[f.next].void {
		return f.found(f.next)
	}
	if f.index != nil {
		if i, ok := f.index[name]; ok {
			return f.found(i)
		}
		return -1
	}
	passed, i := 0, f.at+1
	for i < end && (d[i].name != name || d[i].void) {
		i = int(d[i].next)
		passed++
	}
	if f.passed += passed; f.passed > enough && passed > few {
		f.makeIndex(end)
	}
	if i == end {
		return -1
	}
	return f.found(i)
}

func (f *finder) makeIndex(end int) {
	f.index = make(map[string]int)
	for i := f.at + 1; i < end; i = int(f.d[i].next) {
		f.index[f.d[i].name] = i // the last of a name is the one that counts
	}
}

func (f *finder) found(i int) int {
	f.next = int(f.d[i].next)
	return i
}

// containerHeader is how many bytes the size and length of a container take.
const containerHeader = 6

func appendUint24(b []byte, n int) []byte {
	return append(b, byte(n>>16), byte(n>>8), byte(n))
}

func uint24(s string, at int) int {
	return int(s[at])<<16 | int(s[at+1])<<8 | int(s[at+2])
}

func uvarint(s string, at int) (n, next int) {
	if c := s[at]; c < 0x80 {
		return int(c), at + 1
	}
	for shift := 0; ; shift += 7 {
		c := s[at]
		at++
		n |= int(c&0x7f) << shift
		if c < 0x80 {
			return n, at
		}
	}
}

func varint(s string, at int) (n int64, next int) {
	u, at := uvarint(s, at)
	n = int64(uint64(u) >> 1)
	if u&1 != 0 {
		n = ^n
	}
	return n, at
}

// memberNamed finds a member by name.
func memberNamed(text, name string, s stamp) (m member, ok bool) {
	for i := 0; i < len(text); i = m.next {
		if m = memberAt(text, i, s); m.name == name {
			return m, true
		}
	}
	return member{}, false
}

// jsonString is what the JSON of a string says.
func jsonString(raw string) string {
	if strings.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	s, _ := unescaped(raw) // the parser has checked it
	return s
}
