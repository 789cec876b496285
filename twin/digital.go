package twin

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/linarite/linarite/iot"
)

// Names that the conventions of Plug and Play give a meaning.
// IoT Hub: concepts-convention, concepts-digital-twin.
const (
	markerName = "__t"   // in a component, with
	marker     = `"c"`   // this value
	valueName  = "value" // of a property that a device acknowledges,
	codeName   = "ac"    // with this code,
	ackName    = "av"    // for this version of the desired properties,
	textName   = "ad"    // and this description
)

// Digital is a twin as the digital twin API shows it. The ETag is the twin's,
// without quotes.
type Digital struct {
	ETag     string
	Document json.RawMessage
}

// Digital is the digital twin of a device, Plug and Play or not: each property
// with the value that the device reports, and under `$metadata` what is desired
// and what was acknowledged; components as objects with a `$metadata` of their
// own. Errors: ErrDeviceNotFound.
//
// IoT Hub: contract.md §10.4, concepts-digital-twin. The order of members, and
// the empty `$model` of a device that has none, have no source.
func (s *Store) Digital(id iot.Identity) (Digital, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, ok := s.twins[id]
	if !ok {
		return Digital{}, notFound(id)
	}
	b := appendName([]byte{'{'}, "$dtId")
	b = appendQuoted(b, id.DeviceID)
	metadata := appendName([]byte{'{'}, "$model")
	metadata = appendQuoted(metadata, r.model)
	b = appendDigital(b, metadata, pair{&r.desired.tree, &r.reported.tree}, true)
	return Digital{ETag: r.etagText(), Document: append(b, '}')}, nil
}

// pair is the same object in the desired and in the reported properties; either
// may be nil.
type pair struct{ desired, reported *tree }

// below is the pair of objects called name.
func (p pair) below(name string) pair {
	return pair{p.desired.find(name).object(), p.reported.find(name).object()}
}

// has says whether a member is in either.
func (p pair) has(name string) bool {
	return p.desired.find(name) != nil || p.reported.find(name) != nil
}

// isComponent says whether either bears the mark of a component.
func (p pair) isComponent() bool {
	for _, t := range []*tree{p.desired, p.reported} {
		if m := t.find(markerName); m != nil && m.text == marker {
			return true
		}
	}
	return false
}

// appendDigital writes the members of an object that is open, and as its last
// the metadata, which are open too: what the device reports in its order, then
// what is only desired. Components are in the root only.
func appendDigital(b, metadata []byte, p pair, root bool) []byte {
	desired, reported := p.desired.index(), p.reported.index()
	for _, name := range names(p, reported) {
		if inner := (pair{desired[name].object(), reported[name].object()}); root && inner.isComponent() {
			b = append(appendName(b, name), '{')
			b = append(appendDigital(b, []byte{'{'}, inner, false), '}')
			continue
		}
		property := metadataOf(desired[name], reported[name])
		if property.value != nil {
			b = append(appendName(b, name), property.value...)
		}
		metadata = append(appendName(metadata, name), property.metadata...)
	}
	b = appendName(b, metadataName)
	return append(append(b, metadata...), '}')
}

// names are the names of the members of a pair, whose second has an index.
func names(p pair, reported map[string]*member) []string {
	var names []string
	for _, t := range []*tree{p.reported, p.desired} {
		if t == nil {
			continue
		}
		for i := range t.members {
			name := t.members[i].name
			if name != markerName && (t == p.reported || reported[name] == nil) {
				names = append(names, name)
			}
		}
	}
	return names
}

// property is what a digital twin says of a property.
type property struct {
	value    []byte // nil: none is reported
	metadata []byte
}

func metadataOf(desired, reported *member) property {
	b := []byte{'{'}
	if desired != nil {
		b = desired.appendValue(appendName(b, "desiredValue"))
		b = strconv.AppendInt(appendName(b, "desiredVersion"), desired.stamp.version, 10)
	}
	if reported == nil {
		return property{metadata: append(b, '}')}
	}
	value := reported
	if reported.isAcknowledgement() {
		value = reported.below.find(valueName)
		for _, part := range []struct{ from, to string }{
			{ackName, "ackVersion"}, {codeName, "ackCode"}, {textName, "ackDescription"},
		} {
			if m := reported.below.find(part.from); m != nil {
				b = m.appendValue(appendName(b, part.to))
			}
		}
	}
	b = append(appendName(b, "lastUpdateTime"), '"')
	b = append(appendTime(b, reported.stamp.ticks), '"', '}')
	return property{value: value.appendValue(nil), metadata: b}
}

// isAcknowledgement says whether a reported property is the answer to a desired
// one: an object with a value and a code or version, and nothing else.
// IoT Hub: concepts-convention (writable properties).
func (m *member) isAcknowledgement() bool {
	if m.below.find(valueName) == nil || m.below.find(codeName) == nil && m.below.find(ackName) == nil {
		return false
	}
	return !slices.ContainsFunc(m.below.members, func(m member) bool {
		return m.name != valueName && m.name != codeName && m.name != ackName && m.name != textName
	})
}

// object is the member's object, nil when there is none.
func (m *member) object() *tree {
	if m == nil {
		return nil
	}
	return m.below
}

// index finds the members of an object by their name.
func (t *tree) index() map[string]*member {
	if t == nil {
		return nil
	}
	all := make(map[string]*member, len(t.members))
	for i := range t.members {
		all[t.members[i].name] = &t.members[i]
	}
	return all
}

// find is the member called name, nil when there is none, also of no tree.
func (t *tree) find(name string) *member {
	if t == nil {
		return nil
	}
	for i := range t.members {
		if t.members[i].name == name {
			return &t.members[i]
		}
	}
	return nil
}

// appendValue writes the member's value as JSON.
func (m *member) appendValue(b []byte) []byte {
	if m.below != nil {
		return m.below.append(b)
	}
	return append(b, m.text...)
}
