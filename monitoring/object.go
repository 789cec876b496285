package monitoring

import (
	"bytes"
	"encoding/json"
)

// object is a JSON object in the making, its members in the order in which they
// are added.
type object struct{ b bytes.Buffer }

func (o *object) add(name string, value any) {
	if o.b.Len() == 0 {
		o.b.WriteByte('{')
	} else {
		o.b.WriteByte(',')
	}
	o.write(name)
	o.b.WriteByte(':')
	o.write(value)
}

// some adds a text unless it is empty.
func (o *object) some(name, text string) {
	if text != "" {
		o.add(name, text)
	}
}

// orNull adds a text, null where it is empty.
func (o *object) orNull(name, text string) {
	if text == "" {
		o.add(name, nil)
		return
	}
	o.add(name, text)
}

func (o *object) write(v any) {
	enc := json.NewEncoder(&o.b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // they are texts and numbers
	}
	o.b.Truncate(o.b.Len() - 1) // the line's end
}

func (o *object) end() []byte {
	if o.b.Len() == 0 {
		o.b.WriteByte('{')
	}
	o.b.WriteByte('}')
	return o.b.Bytes()
}
