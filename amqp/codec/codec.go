// Package codec reads and writes AMQP 1.0: the type system, the composites that
// connections are made of, and messages. It knows nothing of sockets.
//
// What comes from outside is bounded before anything is allocated for it: how
// deep values nest, how many there are, how many elements an array may have.
//
// OASIS: amqp-core-types, amqp-core-transport, amqp-core-messaging,
// amqp-core-security, all v1.0.
package codec

import (
	"errors"
	"fmt"
)

// Symbol is a name from some domain, in ASCII.
type Symbol string

// UUID is a universally unique identifier.
type UUID [16]byte

// Char is one Unicode character.
type Char rune

// Decimal is an IEEE 754 decimal number of 4, 8 or 16 bytes, as it came.
type Decimal string

// List is a sequence of values of any type.
type List []any

// Entry is a key of a map and its value.
type Entry struct{ Key, Value any }

// Map is the entries of a map in the order they came.
type Map []Entry

// Get is the value of the first key that is the symbol or the string name, or
// nil.
func (m Map) Get(name string) any {
	for i := range m {
		switch key := m[i].Key.(type) {
		case string:
			if key == name {
				return m[i].Value
			}
		case Symbol:
			if string(key) == name {
				return m[i].Value
			}
		}
	}
	return nil
}

// Text is the value under name when it is a string or a symbol, or "".
func (m Map) Text(name string) string { return Text(m.Get(name)) }

// Text is v when it is a string or a symbol, or "".
func Text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case Symbol:
		return string(v)
	}
	return ""
}

// Array is a decoded array of a type that has none of its own in Go: arrays of
// symbols are []Symbol, arrays of strings []string.
type Array struct {
	Items   []any
	encoded string // the array as it came
}

// Described is a value with a descriptor that is none of this package's
// composites.
type Described struct{ Descriptor, Value any }

// Opt is a field that may be absent.
type Opt[T any] struct {
	Value T
	OK    bool
}

// Some is a field that is there.
func Some[T any](v T) Opt[T] { return Opt[T]{v, true} }

// Or is the field's value, or another one when it is absent.
func (o Opt[T]) Or(other T) T {
	if o.OK {
		return o.Value
	}
	return other
}

// Why something is no AMQP.
var (
	ErrShort  = errors.New("amqp: the value ends too early")
	ErrDepth  = fmt.Errorf("amqp: values nest deeper than %d", maxDepth)
	ErrBudget = fmt.Errorf("amqp: more than %d values", maxValues)
)

// Bounds of what is decoded at once.
const (
	maxDepth  = 32
	maxValues = 1 << 16
	// maxEmpty is how many elements an array may have that take no room.
	maxEmpty = 1024
)

// Constructors. OASIS: amqp-core-types 1.6.
const (
	codeDescribed = 0x00
	codeNull      = 0x40
	codeTrue      = 0x41
	codeFalse     = 0x42
	codeUint0     = 0x43
	codeUlong0    = 0x44
	codeList0     = 0x45
	codeUbyte     = 0x50
	codeByte      = 0x51
	codeUint8     = 0x52
	codeUlong8    = 0x53
	codeInt8      = 0x54
	codeLong8     = 0x55
	codeBool      = 0x56
	codeUshort    = 0x60
	codeShort     = 0x61
	codeUint      = 0x70
	codeInt       = 0x71
	codeFloat     = 0x72
	codeChar      = 0x73
	codeDecimal32 = 0x74
	codeUlong     = 0x80
	codeLong      = 0x81
	codeDouble    = 0x82
	codeTime      = 0x83
	codeDecimal64 = 0x84
	codeDecimal   = 0x94
	codeUUID      = 0x98
	codeBinary8   = 0xa0
	codeString8   = 0xa1
	codeSymbol8   = 0xa3
	codeBinary    = 0xb0
	codeString    = 0xb1
	codeSymbol    = 0xb3
	codeList8     = 0xc0
	codeMap8      = 0xc1
	codeList      = 0xd0
	codeMap       = 0xd1
	codeArray8    = 0xe0
	codeArray     = 0xf0
)
