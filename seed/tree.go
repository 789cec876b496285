package seed

import (
	"encoding/json"
	"strconv"
)

// position is a place in the file; lines and columns count from 1. The zero
// value is no place.
type position struct{ line, column int }

// kind is what a value of the file is.
type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	list
	object
)

// String is what people call it.
func (k kind) String() string {
	return [...]string{"nothing", "true or false", "a number", "text", "a list", "a group of keys"}[k]
}

// node is a value of the file. Aliases share the node they stand for, so that
// the tree may be much smaller than what it says; size is what it says.
type node struct {
	kind     kind
	text     string // of a boolean, a number (both as in JSON) or a text
	at       position
	elements []*node  // of a list
	members  []member // of an object, in the order of the file
	size     int      // nodes in it, itself included
}

// member is a key of an object with its value.
type member struct {
	key   string
	at    position // of the key
	value *node
}

func (n *node) member(key string) *member {
	for i := range n.members {
		if n.members[i].key == key {
			return &n.members[i]
		}
	}
	return nil
}

// json is the value in JSON, members in their order and numbers as they are
// spelled.
func (n *node) json() json.RawMessage { return n.append(nil) }

func (n *node) append(b []byte) []byte {
	switch n.kind {
	case null:
		return append(b, "null"...)
	case boolean, number:
		return append(b, n.text...)
	case text:
		return appendString(b, n.text)
	case list:
		b = append(b, '[')
		for i, e := range n.elements {
			if i > 0 {
				b = append(b, ',')
			}
			b = e.append(b)
		}
		return append(b, ']')
	}
	b = append(b, '{')
	for i, m := range n.members {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, m.key), ':')
		b = m.value.append(b)
	}
	return append(b, '}')
}

func appendString(b []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always has a JSON form
	}
	return append(b, quoted...)
}

// path is the way from the root of a file to a value: devices[1].status. The
// root itself is nil.
type path struct {
	up    *path
	key   string // of an object; empty for an element
	index int    // of a list
}

func (p *path) member(key string) *path { return &path{up: p, key: key} }
func (p *path) element(i int) *path     { return &path{up: p, index: i} }

// String is the path as people write it.
func (p *path) String() string {
	switch {
	case p == nil:
		return ""
	case p.key == "":
		return p.up.String() + "[" + strconv.Itoa(p.index) + "]"
	case p.up == nil:
		return p.key
	}
	return p.up.String() + "." + p.key
}

// find follows the path from root as far as the file goes, and says where that
// is: the value, or the key of one that is missing.
func (p *path) find(root *node) (found *node, at position) {
	if p == nil || root == nil {
		return root, position{1, 1}
	}
	up, at := p.up.find(root)
	if up == nil {
		return nil, at
	}
	if p.key == "" {
		if up.kind != list || p.index >= len(up.elements) {
			return nil, at
		}
		found = up.elements[p.index]
		return found, found.at
	}
	m := up.member(p.key)
	if m == nil {
		return nil, at
	}
	if m.value.kind == null || m.value.kind == object || m.value.kind == list {
		return m.value, m.at
	}
	return m.value, m.value.at
}
