package twin

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/query"
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
	r, err := s.Snapshot(id)
	if err != nil {
		return Digital{}, err
	}
	return r.Digital(), nil
}

// Digital is the twin as the digital twin API shows it.
func (s *Snapshot) Digital() Digital {
	b := appendName([]byte{'{'}, "$dtId")
	b = query.AppendQuoted(b, s.id.DeviceID)
	metadata := appendName([]byte{'{'}, "$model")
	metadata = query.AppendQuoted(metadata, s.model)
	b = appendDigital(b, metadata, s.pair(), true)
	return Digital{ETag: s.etagText(), Document: append(b, '}')}
}

// pair is the same object in the desired and in the reported properties; either
// may be nil.
type pair struct{ desired, reported object }

func (r *record) pair() pair {
	return pair{objectOf(r.desired.members, r.desired.stamp), objectOf(r.reported.members, r.reported.stamp)}
}

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
	for _, t := range []object{p.desired, p.reported} {
		if m := t.find(markerName); m != nil && m.content == marker {
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
	for i := range p.reported {
		names = append(names, p.reported[i].name)
	}
	for i := range p.desired {
		if name := p.desired[i].name; reported[name] == nil {
			names = append(names, name)
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == markerName })
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
	if answer := reported.object(); answer.isAcknowledgement() {
		value = answer.find(valueName)
		for _, part := range []struct{ from, to string }{
			{ackName, "ackVersion"}, {codeName, "ackCode"}, {textName, "ackDescription"},
		} {
			if m := answer.find(part.from); m != nil {
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
func (o object) isAcknowledgement() bool {
	if o.find(valueName) == nil || o.find(codeName) == nil && o.find(ackName) == nil {
		return false
	}
	return !slices.ContainsFunc(o, func(m member) bool {
		return m.name != valueName && m.name != codeName && m.name != ackName && m.name != textName
	})
}

// object are the members of an object, taken apart.
type object []member

func objectOf(members string, s stamp) (o object) {
	for i := 0; i < len(members); {
		m := memberAt(members, i, s)
		o = append(o, m)
		i = m.next
	}
	return o
}

// object is the member's object, nil when there is none.
func (m *member) object() object {
	if m == nil {
		return nil
	}
	return objectOf(m.below(), m.stamp)
}

// index finds the members of an object by their name.
func (o object) index() map[string]*member {
	all := make(map[string]*member, len(o))
	for i := range o {
		all[o[i].name] = &o[i]
	}
	return all
}

// find is the member called name, nil when there is none.
func (o object) find(name string) *member {
	for i := range o {
		if o[i].name == name {
			return &o[i]
		}
	}
	return nil
}
