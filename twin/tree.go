package twin

import (
	"slices"
	"strings"
)

// stamp is when a value was last written: the time in .NET ticks (100 ns since
// the year 1), and for desired properties the section's version by that write,
// else 0.
type stamp struct {
	ticks   int64
	version int64
}

// tree is a JSON object as a twin keeps it, in the order in which its members
// came. It owns its strings.
type tree struct {
	members []member
}

// member is a name with its value, and when the value was written. The value
// is an object (below) or anything else (text).
type member struct {
	name  string
	text  string // JSON
	below *tree
	stamp stamp
	size  int32 // of the name, and of text's value
	gone  bool  // to be removed
}

// total is the size of the member and all below it, as limits count it.
func (m *member) total() int {
	n := int(m.size)
	if m.below != nil {
		for i := range m.below.members {
			n += m.below.members[i].total()
		}
	}
	return n
}

// growth is by how much merging the object at of d would make the tree larger.
func (t *tree) growth(d document, at int) int {
	grown := 0
	find := t.finder(d, at)
	for i := at + 1; i < int(d[at].next); i = int(d[i].next) {
		if d[i].void {
			continue
		}
		var old *member
		if j := find.member(d[i].name); j >= 0 {
			old = &t.members[j]
		}
		switch {
		case old == nil:
			grown += d.size(i)
		case d[i].kind == objectKind && old.below != nil:
			grown += old.below.growth(d, i)
		default:
			grown += d.size(i) - old.total()
		}
	}
	return grown
}

// merge applies the object at of d as a merge patch (RFC 7396) and stamps all
// that it names. What is removed leaves its stamp on the object it was in.
//
// IoT Hub: contract.md §10.1, §10.2. A value that is written again unchanged
// is stamped too [unsourced].
func (t *tree) merge(d document, at int, s stamp) {
	find := t.finder(d, at) // d names nothing twice, so what is added is not looked for
	removed := false
	for i := at + 1; i < int(d[at].next); i = int(d[i].next) {
		if d[i].void {
			continue
		}
		j := find.member(d[i].name)
		if d[i].kind == nullKind {
			if j >= 0 {
				t.members[j].gone, removed = true, true
			}
			continue
		}
		if j < 0 {
			j = len(t.members)
			t.members = append(t.members, member{name: strings.Clone(d[i].name)})
		}
		t.members[j].write(d, i, s)
	}
	if removed {
		t.members = slices.DeleteFunc(t.members, func(m member) bool { return m.gone })
	}
}

// write gives the member the value at i of d.
func (m *member) write(d document, i int, s stamp) {
	m.stamp = s
	switch d[i].kind {
	case objectKind:
		if m.below == nil {
			m.below, m.text = &tree{}, ""
		}
		m.size = d[i].size
		m.below.merge(d, i, s)
		return
	case arrayKind:
		m.text = string(d.append(nil, i))
	default:
		if m.text != d[i].text {
			m.text = strings.Clone(d[i].text)
		}
	}
	m.below, m.size = nil, int32(d.size(i))
}

// finder finds the members that a tree had when the finder was made, by name.
// Names often come in the order in which they came before, so it looks behind
// the last one first; it makes an index where comparing one by one could take
// long.
type finder struct {
	members []member
	next    int
	index   map[string]int
}

// finder is for looking up the members of the object at of d.
func (t *tree) finder(d document, at int) finder {
	const few, many = 8, 32
	f := finder{members: t.members}
	if len(t.members) > many && d.members(at) > few {
		f.index = make(map[string]int, len(t.members))
		for i := range t.members {
			f.index[t.members[i].name] = i
		}
	}
	return f
}

// member is the index of the member called name, -1 when there is none.
func (f *finder) member(name string) int {
	if f.next < len(f.members) && f.members[f.next].name == name {
		f.next++
		return f.next - 1
	}
	if f.index != nil {
		i, ok := f.index[name]
		if !ok {
			return -1
		}
		f.next = i + 1
		return i
	}
	for i := range f.members {
		if f.members[i].name == name {
			f.next = i + 1
			return i
		}
	}
	return -1
}
