package query

import (
	"math"
	"strconv"
)

// kind is the type of a value. The order is that in which a route condition
// sorts values of different types, from boolean on.
//
// IoT Hub: contract.md §19.3 (QueryValue.cs).
type kind uint8

const (
	undefinedKind kind = iota
	booleanKind
	numberKind
	stringKind
	nullKind
	arrayKind
	objectKind
)

// Value is a JSON value, or undefined, which is the zero value: what an
// expression sees and what it makes. Arrays and objects stay where they are and
// are looked into through their Tree.
type Value struct {
	kind   kind
	at     int32   // of an array or object: where in its tree
	number float64 // of a boolean: 1 for true
	text   string  // of a string; of a number its JSON, where it has one
	tree   Tree    // of an array or object
}

// Tree holds arrays and objects that expressions can look into, each known by a
// place in the tree that Array or Object was given.
type Tree interface {
	// Member is a member of the object at a place, undefined when it has none
	// of that name.
	Member(at int32, name string) Value
	// Element is an element of the array at a place, undefined beyond its end.
	Element(at int32, i int) Value
	// AppendJSON writes what is at a place.
	AppendJSON(b []byte, at int32) []byte
}

// Null is JSON's null.
func Null() Value { return Value{kind: nullKind} }

// Boolean is true or false.
func Boolean(b bool) Value {
	if b {
		return Value{kind: booleanKind, number: 1}
	}
	return Value{kind: booleanKind}
}

// Number is a number; one that is none (NaN) is undefined.
func Number(f float64) Value {
	if math.IsNaN(f) {
		return Value{}
	}
	return Value{kind: numberKind, number: f}
}

// NumberText is the number that a JSON text is, which is kept; undefined when
// it is none.
func NumberText(text string) Value {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && math.Abs(f) <= math.MaxFloat64 {
		return Value{}
	}
	return Value{kind: numberKind, number: f, text: text}
}

// String is a string.
func String(s string) Value { return Value{kind: stringKind, text: s} }

// Object is the object at a place of a tree.
func Object(t Tree, at int32) Value { return Value{kind: objectKind, tree: t, at: at} }

// Array is the array at a place of a tree.
func Array(t Tree, at int32) Value { return Value{kind: arrayKind, tree: t, at: at} }

// IsDefined says whether there is a value.
func (v Value) IsDefined() bool { return v.kind != undefinedKind }

// Member is a member of an object; undefined when v has none of that name, or
// is no object.
func (v Value) Member(name string) Value {
	if v.kind != objectKind {
		return Value{}
	}
	return v.tree.Member(v.at, name)
}

// Element is an element of an array; undefined beyond its end, or when v is no
// array.
func (v Value) Element(i int) Value {
	if v.kind != arrayKind {
		return Value{}
	}
	return v.tree.Element(v.at, i)
}

// AppendJSON writes the value; what is undefined, or a number that JSON cannot
// write, as null.
func (v Value) AppendJSON(b []byte) []byte {
	switch v.kind {
	case booleanKind:
		return strconv.AppendBool(b, v.number == 1)
	case numberKind:
		return v.appendNumber(b)
	case stringKind:
		return AppendQuoted(b, v.text)
	case arrayKind, objectKind:
		return v.tree.AppendJSON(b, v.at)
	}
	return append(b, "null"...)
}

func (v Value) appendNumber(b []byte) []byte {
	const exact = 1 << 53 // up to here every integer is a double
	switch {
	case v.text != "":
		return append(b, v.text...)
	case math.IsInf(v.number, 0):
		return append(b, "null"...)
	case v.number == math.Trunc(v.number) && math.Abs(v.number) <= exact:
		return strconv.AppendInt(b, int64(v.number), 10)
	}
	return strconv.AppendFloat(b, v.number, 'g', -1, 64)
}

// primitive says whether v can be compared.
func (v Value) primitive() bool { return v.kind > undefinedKind && v.kind < arrayKind }

// truth is what v means as a condition: only booleans mean anything.
func (v Value) truth() Truth {
	switch {
	case v.kind != booleanKind:
		return Undefined
	case v.number == 1:
		return True
	}
	return False
}

// Truth is the outcome of a condition.
type Truth uint8

// The outcomes of a condition, the zero value being the one that is neither.
const (
	Undefined Truth = iota
	True
	False
)

// String is the outcome in words.
func (t Truth) String() string {
	switch t {
	case True:
		return "true"
	case False:
		return "false"
	}
	return "undefined"
}

func (t Truth) negated() Truth {
	switch t {
	case True:
		return False
	case False:
		return True
	}
	return Undefined
}

func (t Truth) value() Value {
	if t == Undefined {
		return Value{}
	}
	return Boolean(t == True)
}

// AppendQuoted writes s as a JSON string that escapes only what must be.
func AppendQuoted(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(b, s[from:]...), '"')
}
