package twin

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/linarite/linarite/query"
)

// PatchTo is the JSON patch (RFC 6902) that makes later of a digital twin, in the
// order of its members; nil when they are the same. Objects are looked into,
// anything else is replaced as a whole.
//
// IoT Hub: contract.md §20.1; recorded in the Plug and Play tutorials.
func (d Digital) PatchTo(later Digital) json.RawMessage {
	b := appendDifference([]byte{'['}, "", membersOf(d.Document), membersOf(later.Document))
	if len(b) == 1 {
		return nil
	}
	return append(b, ']')
}

// jsonMember is a member of a JSON object.
type jsonMember struct {
	name  string
	value json.RawMessage
}

// membersOf are the members of an object, nil for what is none. The text is the
// store's own.
func membersOf(text json.RawMessage) (members []jsonMember) {
	dec := json.NewDecoder(bytes.NewReader(text))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil
	}
	members = []jsonMember{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil
		}
		m := jsonMember{name: name.(string)}
		if dec.Decode(&m.value) != nil {
			return nil
		}
		members = append(members, m)
	}
	return members
}

// appendDifference writes the operations that make the members to of from, which
// are at a path.
func appendDifference(b []byte, path string, from, to []jsonMember) []byte {
	had := make(map[string]json.RawMessage, len(from))
	for _, m := range from {
		had[m.name] = m.value
	}
	for _, m := range to {
		at := path + "/" + pointer.Replace(m.name)
		was, there := had[m.name]
		delete(had, m.name)
		before, after := membersOf(was), membersOf(m.value)
		switch {
		case !there:
			b = appendOperation(b, "add", at, m.value)
		case before != nil && after != nil:
			b = appendDifference(b, at, before, after)
		case !bytes.Equal(was, m.value):
			b = appendOperation(b, "replace", at, m.value)
		}
	}
	for _, m := range from {
		if _, gone := had[m.name]; gone {
			b = appendOperation(b, "remove", path+"/"+pointer.Replace(m.name), nil)
		}
	}
	return b
}

func appendOperation(b []byte, op, path string, value json.RawMessage) []byte {
	if b[len(b)-1] != '[' {
		b = append(b, ',')
	}
	b = append(append(b, `{"op":"`...), op...)
	b = query.AppendQuoted(append(b, `","path":`...), path)
	if value != nil {
		b = append(append(b, `,"value":`...), value...)
	}
	return append(b, '}')
}

// pointer escapes a name for a JSON pointer (RFC 6901).
var pointer = strings.NewReplacer("~", "~0", "/", "~1")
