package monitoring

import (
	"bytes"
	"encoding/json"
	"strconv"
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
	switch v := v.(type) {
	case string:
		if plain(v) {
			o.b.WriteByte('"')
			o.b.WriteString(v)
			o.b.WriteByte('"')
			return
		}
	case int:
		o.b.Write(strconv.AppendInt(o.b.AvailableBuffer(), int64(v), 10))
		return
	case int64:
		o.b.Write(strconv.AppendInt(o.b.AvailableBuffer(), v, 10))
		return
	}
	enc := json.NewEncoder(&o.b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // they are texts and numbers
	}
	o.b.Truncate(o.b.Len() - 1) // the line's end
}

// plain says whether a text stands in JSON as it is.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func (o *object) end() []byte {
	if o.b.Len() == 0 {
		o.b.WriteByte('{')
	}
	o.b.WriteByte('}')
	return o.b.Bytes()
}
