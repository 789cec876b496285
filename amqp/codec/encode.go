package codec

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// Append encodes v: nil, bool, the integers of fixed size, float32, float64,
// Char, Decimal, time.Time, UUID, []byte, string, Symbol, List, Map, []Symbol,
// []string, Array, Described, a Composite. It panics for anything else, which is
// a mistake in this program: whatever was decoded can be encoded.
func Append(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, codeNull)
	case bool:
		return AppendBool(b, v)
	case string:
		return AppendString(b, v)
	case Symbol:
		return AppendSymbol(b, v)
	case []byte:
		return AppendBinary(b, v)
	case time.Time:
		return AppendTime(b, v)
	case UUID:
		return append(append(b, codeUUID), v[:]...)
	case Composite:
		return appendComposite(b, v)
	case Described:
		return Append(Append(append(b, codeDescribed), v.Descriptor), v.Value)
	}
	if out, ok := appendNumber(b, v); ok {
		return out
	}
	return appendCompound(b, v)
}

func appendNumber(b []byte, v any) ([]byte, bool) {
	be := binary.BigEndian
	switch v := v.(type) {
	case uint8:
		return AppendUbyte(b, v), true
	case uint16:
		return AppendUshort(b, v), true
	case uint32:
		return AppendUint(b, v), true
	case uint64:
		return AppendUlong(b, v), true
	case int8:
		return append(b, codeByte, byte(v)), true
	case int16:
		return be.AppendUint16(append(b, codeShort), uint16(v)), true
	case int32:
		return AppendInt(b, v), true
	case int64:
		return AppendLong(b, v), true
	case float32:
		return be.AppendUint32(append(b, codeFloat), math.Float32bits(v)), true
	case float64:
		return be.AppendUint64(append(b, codeDouble), math.Float64bits(v)), true
	case Char:
		return be.AppendUint32(append(b, codeChar), uint32(v)), true
	case Decimal:
		return appendDecimal(b, v), true
	}
	return b, false
}

func appendCompound(b []byte, v any) []byte {
	switch v := v.(type) {
	case List:
		start := len(b)
		b = beginCompound(b)
		for _, item := range v {
			b = Append(b, item)
		}
		return endCompound(b, start, codeList8, codeList, len(v))
	case Map:
		start := len(b)
		b = beginCompound(b)
		for i := range v {
			b = Append(Append(b, v[i].Key), v[i].Value)
		}
		return endCompound(b, start, codeMap8, codeMap, 2*len(v))
	case []Symbol:
		return appendArray(b, codeSymbol, v)
	case []string:
		return appendArray(b, codeString, v)
	case Array:
		return append(b, v.encoded...)
	}
	panic(fmt.Sprintf("amqp: %T has no AMQP type", v))
}

// AppendBool encodes a boolean.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, codeTrue)
	}
	return append(b, codeFalse)
}

// AppendUbyte encodes a ubyte.
func AppendUbyte(b []byte, v uint8) []byte { return append(b, codeUbyte, v) }

// AppendUshort encodes a ushort.
func AppendUshort(b []byte, v uint16) []byte {
	return binary.BigEndian.AppendUint16(append(b, codeUshort), v)
}

// AppendUint encodes a uint.
func AppendUint(b []byte, v uint32) []byte {
	switch {
	case v == 0:
		return append(b, codeUint0)
	case v <= math.MaxUint8:
		return append(b, codeUint8, byte(v))
	}
	return binary.BigEndian.AppendUint32(append(b, codeUint), v)
}

// AppendUlong encodes a ulong.
func AppendUlong(b []byte, v uint64) []byte {
	switch {
	case v == 0:
		return append(b, codeUlong0)
	case v <= math.MaxUint8:
		return append(b, codeUlong8, byte(v))
	}
	return binary.BigEndian.AppendUint64(append(b, codeUlong), v)
}

// AppendInt encodes an int.
func AppendInt(b []byte, v int32) []byte {
	if v >= math.MinInt8 && v <= math.MaxInt8 {
		return append(b, codeInt8, byte(v))
	}
	return binary.BigEndian.AppendUint32(append(b, codeInt), uint32(v))
}

// AppendLong encodes a long.
func AppendLong(b []byte, v int64) []byte {
	if v >= math.MinInt8 && v <= math.MaxInt8 {
		return append(b, codeLong8, byte(v))
	}
	return binary.BigEndian.AppendUint64(append(b, codeLong), uint64(v))
}

// AppendTime encodes a timestamp, which has milliseconds.
func AppendTime(b []byte, v time.Time) []byte {
	return binary.BigEndian.AppendUint64(append(b, codeTime), uint64(v.UnixMilli()))
}

// AppendBinary encodes bytes.
func AppendBinary(b, v []byte) []byte { return appendVariable(b, codeBinary8, codeBinary, v) }

// AppendString encodes text, which must be UTF-8.
func AppendString(b []byte, v string) []byte { return appendVariable(b, codeString8, codeString, v) }

// AppendSymbol encodes a symbol.
func AppendSymbol(b []byte, v Symbol) []byte { return appendVariable(b, codeSymbol8, codeSymbol, v) }

// AppendDescriptor begins a described value whose descriptor is a small number.
func AppendDescriptor(b []byte, code uint8) []byte {
	return append(b, codeDescribed, codeUlong8, code)
}

// BeginMap begins a map whose entries are appended next, each a key and a value;
// EndMap, told where the map began and how many entries it has, completes it.
func BeginMap(b []byte) (out []byte, start int) { return beginCompound(b), len(b) }

// EndMap completes a map.
func EndMap(b []byte, start, entries int) []byte {
	return endCompound(b, start, codeMap8, codeMap, 2*entries)
}

func appendVariable[T ~string | ~[]byte](b []byte, short, long byte, v T) []byte {
	if len(v) <= math.MaxUint8 {
		return append(append(b, short, byte(len(v))), v...)
	}
	return append(binary.BigEndian.AppendUint32(append(b, long), uint32(len(v))), v...)
}

func appendDecimal(b []byte, v Decimal) []byte {
	switch len(v) {
	case 4:
		b = append(b, codeDecimal32)
	case 8:
		b = append(b, codeDecimal64)
	default:
		b = append(b, codeDecimal)
	}
	return append(b, v...)
}

// compoundHeader is the constructor, the size and the count of the long form.
const compoundHeader = 9

// beginCompound leaves room for the header, which endCompound fills in.
func beginCompound(b []byte) []byte { return append(b, make([]byte, compoundHeader)...) }

// endCompound writes the header of a list or map that began at start, in the
// short form where that suffices. The form of no bytes, list0, is never used:
// pyamqp does not know it (sdk-wire.md 0.6).
func endCompound(b []byte, start int, short, long byte, count int) []byte {
	size := len(b) - start - compoundHeader
	if size < math.MaxUint8 && count <= math.MaxUint8 {
		b[start], b[start+1], b[start+2] = short, byte(size+1), byte(count)
		copy(b[start+3:], b[start+compoundHeader:])
		return b[:start+3+size]
	}
	b[start] = long
	binary.BigEndian.PutUint32(b[start+1:], uint32(size+4))
	binary.BigEndian.PutUint32(b[start+5:], uint32(count))
	return b
}

func appendArray[T ~string](b []byte, code byte, items []T) []byte {
	start := len(b)
	b = append(beginCompound(b), code)
	for _, item := range items {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(item))), item...)
	}
	b[start] = codeArray
	binary.BigEndian.PutUint32(b[start+1:], uint32(len(b)-start-5))
	binary.BigEndian.PutUint32(b[start+5:], uint32(len(items)))
	return b
}
