package wire_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// Values of AMQP stand as Go's own: nil, bool, the integers of fixed size,
// string, []byte, time.Time, and these.
type (
	symbol string
	uuid   [16]byte
	list   []any
	dict   map[any]any // keys are strings or symbols
	// described is a value with a descriptor, such as a performative.
	described struct{ descriptor, value any }
)

// get is the value under a name, whether the key is a string or a symbol.
func (f dict) get(name string) any {
	if v, ok := f[symbol(name)]; ok {
		return v
	}
	return f[name]
}

// of is a described list: a performative, a section, an outcome.
func of(code uint64, values ...any) described { return described{code, list(values)} }

// encode appends a value in its longest form.
// OASIS: amqp-core-types 1.6.
func encode(b []byte, v any) []byte {
	be := binary.BigEndian
	switch v := v.(type) {
	case nil:
		return append(b, 0x40)
	case bool:
		if v {
			return append(b, 0x41)
		}
		return append(b, 0x42)
	case uint8:
		return append(b, 0x50, v)
	case uint16:
		return be.AppendUint16(append(b, 0x60), v)
	case uint32:
		return be.AppendUint32(append(b, 0x70), v)
	case uint64:
		return be.AppendUint64(append(b, 0x80), v)
	case int32:
		return be.AppendUint32(append(b, 0x71), uint32(v))
	case int64:
		return be.AppendUint64(append(b, 0x81), uint64(v))
	case time.Time:
		return be.AppendUint64(append(b, 0x83), uint64(v.UnixMilli()))
	case uuid:
		return append(append(b, 0x98), v[:]...)
	case []byte:
		return append(be.AppendUint32(append(b, 0xB0), uint32(len(v))), v...)
	case string:
		return append(be.AppendUint32(append(b, 0xB1), uint32(len(v))), v...)
	case symbol:
		return append(be.AppendUint32(append(b, 0xB3), uint32(len(v))), v...)
	case described:
		return encode(encode(append(b, 0), v.descriptor), v.value)
	case list:
		return compound(b, 0xD0, v)
	case dict:
		var flat list
		for key, value := range v {
			flat = append(flat, key, value)
		}
		return compound(b, 0xD1, flat)
	case []symbol:
		items := []byte{0xB3}
		for _, s := range v {
			items = append(be.AppendUint32(items, uint32(len(s))), s...)
		}
		b = be.AppendUint32(append(b, 0xF0), uint32(len(items)+4))
		return append(be.AppendUint32(b, uint32(len(v))), items...)
	}
	panic(fmt.Sprintf("%T is no value of AMQP", v))
}

func compound(b []byte, code byte, items list) []byte {
	var content []byte
	for _, item := range items {
		content = encode(content, item)
	}
	b = binary.BigEndian.AppendUint32(append(b, code), uint32(len(content)+4))
	return append(binary.BigEndian.AppendUint32(b, uint32(len(items))), content...)
}

var errValue = errors.New("not a value of AMQP")

// decode reads a value and returns what follows it.
func decode(b []byte) (v any, rest []byte, err error) {
	if len(b) == 0 {
		return nil, nil, errValue
	}
	if b[0] == 0 {
		var d described
		if d.descriptor, b, err = decode(b[1:]); err == nil {
			d.value, b, err = decode(b)
		}
		return d, b, err
	}
	return decodeAs(b[0], b[1:])
}

// decodeAs reads what follows a constructor. Its upper half says how long that
// is.
func decodeAs(code byte, b []byte) (v any, rest []byte, err error) {
	size, width := 0, 0
	switch code >> 4 {
	case 5:
		size = 1
	case 6:
		size = 2
	case 7:
		size = 4
	case 8:
		size = 8
	case 9:
		size = 16
	case 0xA, 0xC, 0xE:
		width = 1
	case 0xB, 0xD, 0xF:
		width = 4
	}
	if len(b) < width {
		return nil, nil, errValue
	}
	for _, digit := range b[:width] {
		size = size<<8 | int(digit)
	}
	if b = b[width:]; len(b) < size {
		return nil, nil, errValue
	}
	content, rest := b[:size], b[size:]
	switch code >> 4 {
	case 0xA, 0xB:
		return variable(code, content), rest, nil
	case 0xC, 0xD, 0xE, 0xF:
		v, err = items(code, content, width)
		return v, rest, err
	}
	v, ok := fixed(code, content)
	if !ok {
		err = fmt.Errorf("%w: constructor %#x", errValue, code)
	}
	return v, rest, err
}

func fixed(code byte, b []byte) (v any, ok bool) {
	var n uint64
	for _, digit := range b[:min(len(b), 8)] {
		n = n<<8 | uint64(digit)
	}
	switch code {
	case 0x40:
		return nil, true
	case 0x41, 0x42, 0x56:
		return code == 0x41 || n == 1, true
	case 0x50:
		return uint8(n), true
	case 0x60:
		return uint16(n), true
	case 0x43, 0x52, 0x70:
		return uint32(n), true
	case 0x44, 0x53, 0x80:
		return n, true
	case 0x54:
		return int32(int8(n)), true
	case 0x71:
		return int32(n), true
	case 0x55:
		return int64(int8(n)), true
	case 0x81:
		return int64(n), true
	case 0x82:
		return math.Float64frombits(n), true
	case 0x83:
		return time.UnixMilli(int64(n)).UTC(), true
	case 0x98:
		return uuid(b), true
	case 0x45:
		return list{}, true
	}
	return nil, false
}

func variable(code byte, b []byte) any {
	switch code & 0x0F {
	case 1:
		return string(b)
	case 3:
		return symbol(b)
	}
	return b
}

// items reads a list, a map or an array, the size of whose count is width bytes.
func items(code byte, b []byte, width int) (any, error) {
	if len(b) < width {
		return nil, errValue
	}
	count := 0
	for _, digit := range b[:width] {
		count = count<<8 | int(digit)
	}
	b = b[width:]
	array := code >= 0xE0
	if array {
		if len(b) == 0 {
			return nil, errValue
		}
		code, b = b[0], b[1:]
	}
	var all list
	for range count {
		var v any
		var err error
		if array {
			v, b, err = decodeAs(code, b)
		} else {
			v, b, err = decode(b)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	if array || code&0x0F == 0 {
		return all, nil
	}
	m := dict{}
	for i := 0; i+1 < len(all); i += 2 {
		m[all[i]] = all[i+1]
	}
	return m, nil
}
