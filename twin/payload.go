package twin

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/linarite/linarite/iot"
)

// componentOf takes the value of a component apart. One without the mark
// `"$metadata":{}` is a property's.
func componentOf(value json.RawMessage) (members edits, isComponent bool, err error) {
	if value[0] != '{' || !bytes.Contains(value, []byte(metadataName)) {
		return edits{}, false, nil
	}
	d := json.NewDecoder(bytes.NewReader(value))
	_, err = d.Token()
	for err == nil && d.More() {
		var name json.Token
		var inner json.RawMessage
		if name, err = d.Token(); err == nil {
			err = d.Decode(&inner)
		}
		switch {
		case err != nil:
		case name == metadataName:
			isComponent = true
			if compact(inner) != "{}" {
				return edits{}, false, iot.ErrTwinPayload.Because("The $metadata of a component must be an empty object.")
			}
		case !isDigitalName(name.(string)):
			return edits{}, false, invalidName(name.(string))
		default:
			err = checkPayload(inner, MaxDigitalDepth)
			members.set(edit{name: name.(string), value: inner})
		}
	}
	return members, isComponent, err
}

func compact(value json.RawMessage) string {
	var b bytes.Buffer
	_ = json.Compact(&b, value) // it was parsed
	return b.String()
}

// checkPayload refuses values that no property can have: null, arrays, objects
// too deep or with a name that is none.
// IoT Hub: howto-manage-digital-twin.
func checkPayload(value json.RawMessage, depth int) error {
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	level, isName := 0, false
	for {
		token, err := d.Token()
		switch token := token.(type) {
		case nil:
			if err == io.EOF {
				return nil
			}
			return iot.ErrTwinPayload.Because("A property cannot be null.")
		case json.Delim:
			switch token {
			case '[':
				return iot.ErrTwinPayload.Because("A property cannot have an array.")
			case '{':
				level++
			case '}':
				level--
			}
			if level > depth {
				return iot.ErrTwinPayload.Because("A property cannot have more than %d levels.", depth)
			}
			isName = level > 0
			continue
		case string:
			if isName && !isDigitalName(token) {
				return invalidName(token)
			}
		}
		isName = level > 0 && !isName
	}
}

func invalidName(name string) error {
	return iot.ErrTwinPayload.Because("%.80q is not the name of a property.", name)
}
