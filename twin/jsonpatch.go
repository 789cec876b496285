package twin

import (
	"encoding/json"
	"strings"

	"github.com/linarite/linarite/iot"
)

// Limits of a patch of a digital twin. IoT Hub: howto-manage-digital-twin; the
// number of operations is our own.
const (
	MaxOperations   = 1000
	MaxDigitalName  = 64 // characters of a name
	MaxDigitalDepth = 5  // objects inside one another
)

// metadataName marks a component in a patch.
const metadataName = "$metadata"

// Operation is one operation of a JSON patch (RFC 6902).
type Operation struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value"`
}

// DigitalUpdate is the update of desired properties that a patch of the digital
// twin stands for:
//
//	op   = "add" / "replace" / "remove"
//	path = "/" property  /  "/" component  /  "/" component "/" property
//
// A component's value has the member `"$metadata":{}`; putting a component
// clears the desired properties it does not name. Removing the last desired
// property of a component removes the component. What is replaced or removed has
// to be there, desired or reported. Errors: ErrDeviceNotFound; ErrJSONPatch;
// ErrTwinPatchPath; ErrTwinPayload; ErrTwinPatch; ErrArgumentInvalid where a
// property is in the place of a component or the other way round.
//
// Whoever applies the update has to keep others from writing desired properties
// in between.
//
// IoT Hub: contract.md §10.4, howto-manage-digital-twin; which error is which has
// no source, but for the last.
func (s *Store) DigitalUpdate(id iot.Identity, patch []Operation) (Update, error) {
	if len(patch) == 0 || len(patch) > MaxOperations {
		return Update{}, iot.ErrJSONPatch.Because("A patch has 1 to %d operations.", MaxOperations)
	}
	r, err := s.Snapshot(id)
	if err != nil {
		return Update{}, err
	}
	d := draft{twin: r.pair()}
	for _, o := range patch {
		if err := d.apply(o); err != nil {
			return Update{}, err
		}
	}
	return Update{Desired: d.merge()}, nil
}

// apply does one operation.
func (d *draft) apply(o Operation) error {
	component, property, err := pointed(o.Path)
	if err != nil {
		return err
	}
	switch o.Op {
	case "add", "replace":
		if len(o.Value) == 0 {
			return iot.ErrJSONPatch.Because("The operation on %s has no value.", o.Path)
		}
	case "remove":
		o.Value = nil
	default:
		return iot.ErrJSONPatch.Because("The operation %.20q is not one of add, replace and remove.", o.Op)
	}
	if o.Op != "add" && !d.has(component, property) {
		return iot.ErrTwinPatch.Because("There is nothing at %s.", o.Path)
	}
	switch {
	case property != "":
		return d.changeProperty(component, property, o.Value)
	case o.Op == "remove":
		d.edits.set(edit{name: component})
		return nil
	}
	return d.put(component, o.Value)
}

// pointed takes a path apart. Without a component, a property is called by the
// first name.
func pointed(path string) (first, second string, err error) {
	rest, ok := strings.CutPrefix(path, "/")
	first, second, deeper := strings.Cut(rest, "/")
	if !ok || !isDigitalName(first) || deeper && !isDigitalName(second) {
		return "", "", iot.ErrTwinPatchPath.Because("%.80q is not the path of a component or property.", path)
	}
	return first, second, nil
}

// isDigitalName says whether something may be called so: letters, digits and
// underscores, the first a letter, the last no underscore.
// IoT Hub: howto-manage-digital-twin (the names of DTDL).
func isDigitalName(s string) bool {
	if s == "" || len(s) > MaxDigitalName || s[0] >= '0' && s[0] <= '9' || s[0] == '_' || s[len(s)-1] == '_' {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}
