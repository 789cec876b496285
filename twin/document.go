package twin

// kind is what sort of JSON value a node is.
type kind uint8

const (
	nullKind kind = iota
	booleanKind
	numberKind
	stringKind
	arrayKind
	objectKind
)

// Sizes of values that are not strings. IoT Hub: contract.md §10.3.
const (
	booleanSize = 4
	numberSize  = 8
)

// node is one value of a document.
type node struct {
	name string // of a member, decoded; empty for an element of an array
	text string // of a boolean, number or string: its JSON
	size int32  // of the name, plus the value's unless that has nodes of its own; 0 for null
	next int32  // index of the node behind this one and all inside it
	kind kind
	void bool // a later member of the same object has the same name
	used bool // a merge has written the member in the place of an old one
}

// document is a JSON object in document order: each object and array is
// followed by what is inside it. The first node is the whole. Its strings may
// share memory with the text it was parsed from.
type document []node

// size is the size of the value at i with its name, as limits count it.
func (d document) size(i int) int {
	n := 0
	for end := int(d[i].next); i < end; {
		if d[i].void {
			i = int(d[i].next)
			continue
		}
		n += int(d[i].size)
		i++
	}
	return n
}

// siblings finds members of one object that have the same name.
type siblings struct {
	count int
	last  map[string]int // once there are many
}

// fewNames is up to how many names are compared one by one.
const fewNames = 16

// add notes the member at i of the object whose members start at first, and
// voids an earlier one of its name.
func (s *siblings) add(d document, first, i int) {
	s.count++
	if s.count <= fewNames {
		for j := first; j < i; j = int(d[j].next) {
			if d[j].name == d[i].name {
				d[j].void = true
			}
		}
		return
	}
	if s.last == nil {
		s.last = make(map[string]int, 2*fewNames)
		for j := first; j < i; j = int(d[j].next) {
			s.last[d[j].name] = j
		}
	}
	if j, ok := s.last[d[i].name]; ok {
		d[j].void = true
	}
	s.last[d[i].name] = i
}
