package twin

import (
	"encoding/json"

	"github.com/linarite/linarite/iot"
)

// draft is a twin with the operations so far.
type draft struct {
	twin  pair
	edits edits // of the root
}

// edits are the members that were put or removed, in the order in which they
// were first named.
type edits struct {
	list []edit
	at   map[string]int
}

// edit is what is to become of a member: put with a value, put as a component,
// or removed.
type edit struct {
	name      string
	value     json.RawMessage // nil: it is removed, or a component
	component bool
	whole     bool // of the component, desired properties that are not named are cleared
	stays     bool // the component does, even if that leaves it empty
	below     edits
}

// find is the edit of a member, nil when there is none.
func (e *edits) find(name string) *edit {
	if i, ok := e.at[name]; ok {
		return &e.list[i]
	}
	return nil
}

// set notes what is to become of a member.
func (e *edits) set(n edit) {
	if old := e.find(n.name); old != nil {
		*old = n
		return
	}
	if e.at == nil {
		e.at = map[string]int{}
	}
	e.at[n.name] = len(e.list)
	e.list = append(e.list, n)
}

// has says whether there is a member, in the twin as the operations so far have
// left it.
func (d *draft) has(first, second string) bool {
	e := d.edits.find(first)
	switch {
	case second == "" && e == nil:
		return d.twin.has(first)
	case second == "":
		return e.component || e.value != nil
	case e == nil:
		return d.twin.below(first).has(second)
	case !e.component:
		return false
	}
	if inner := e.below.find(second); inner != nil {
		return inner.value != nil
	}
	return !e.whole && d.twin.below(first).has(second)
}

// put puts a component or a property of the root.
func (d *draft) put(name string, value json.RawMessage) error {
	members, isComponent, err := componentOf(value)
	if err != nil {
		return err
	}
	if d.has(name, "") && d.isComponent(name) != isComponent {
		return notConformant(name)
	}
	if isComponent {
		d.edits.set(edit{name: name, component: true, whole: true, stays: true, below: members})
		return nil
	}
	if err := checkPayload(value, MaxDigitalDepth); err != nil {
		return err
	}
	d.edits.set(edit{name: name, value: value})
	return nil
}

// changeProperty puts a property of a component, or removes it when there is no
// value.
func (d *draft) changeProperty(component, property string, value json.RawMessage) error {
	if d.has(component, "") && !d.isComponent(component) {
		return notConformant(component)
	}
	if value != nil {
		if err := checkPayload(value, MaxDigitalDepth); err != nil {
			return err
		}
	}
	if e := d.edits.find(component); e == nil || !e.component {
		d.edits.set(edit{name: component, component: true, whole: e != nil}) // after its removal it starts anew
	}
	d.edits.find(component).below.set(edit{name: property, value: value})
	return nil
}

func (d *draft) isComponent(name string) bool {
	if e := d.edits.find(name); e != nil {
		return e.component
	}
	return d.twin.below(name).isComponent()
}

// notConformant is IoT Hub's own text.
func notConformant(name string) error {
	return iot.ErrArgumentInvalid.Because("'%s' exists within the device twin and is not digital twin conformant property. "+
		"Please refer to aka.ms/dtpatch to update this to be conformant.", name)
}

// merge is the merge patch of the desired properties that does what the
// operations did.
func (d *draft) merge() json.RawMessage {
	b := []byte{'{'}
	for i := range d.edits.list {
		e := &d.edits.list[i]
		b = appendName(b, e.name)
		switch {
		case e.component:
			b = e.appendComponent(b, d.twin.below(e.name).desired)
		case e.value != nil:
			b = append(b, e.value...)
		default:
			b = append(b, "null"...)
		}
	}
	return append(b, '}')
}

// appendComponent writes the merge patch of a component. It is removed when that
// leaves nothing of its desired properties.
func (e *edit) appendComponent(b []byte, desired object) []byte {
	patch := append(appendName([]byte{'{'}, markerName), marker...)
	left := 0
	for i := range desired {
		name := desired[i].name
		switch {
		case name == markerName || e.below.find(name) != nil:
		case e.whole:
			patch = append(appendName(patch, name), "null"...)
		default:
			left++
		}
	}
	for i := range e.below.list {
		p := &e.below.list[i]
		patch = appendName(patch, p.name)
		if p.value == nil {
			patch = append(patch, "null"...)
			continue
		}
		left++
		patch = append(patch, p.value...)
	}
	if left == 0 && !e.stays {
		return append(b, "null"...)
	}
	return append(append(b, patch...), '}')
}
