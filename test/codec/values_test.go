// Package codec_test holds amqp/codec against go-amqp, which shares no code with
// it: what one of them writes, the other has to read, and to mean the same by it.
package codec_test

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/go-amqp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/linarite/linarite/amqp/codec"
)

// edges are whole numbers about which encodings change.
var edges = []int64{
	0, 1, -1, math.MaxInt8, math.MinInt8, math.MaxInt8 + 1, math.MinInt8 - 1, math.MaxUint8, math.MaxUint8 + 1,
	math.MaxInt16, math.MinInt16, math.MaxUint16, math.MaxInt32, math.MinInt32, math.MaxUint32, math.MaxInt64, math.MinInt64,
}

// whole is any whole number, rather one at an edge.
func whole() *rapid.Generator[int64] { return rapid.OneOf(rapid.SampledFrom(edges), rapid.Int64()) }

// text is text, now and then longer than the short forms have room for.
func text() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.Custom(func(t *rapid.T) string {
		return strings.Repeat("ä", rapid.SampledFrom([]int{127, 128, 200}).Draw(t, "repeat"))
	}))
}

// moment is a time with milliseconds. In arrays go-amqp goes through nanoseconds,
// which reach to the year 2262.
func moment() *rapid.Generator[time.Time] {
	return rapid.Map(rapid.Int64Range(-1<<43, 1<<43), func(ms int64) time.Time { return time.UnixMilli(ms).UTC() })
}

func bytes() *rapid.Generator[[]byte] {
	return rapid.OneOf(rapid.SliceOf(rapid.Byte()), rapid.Custom(func(t *rapid.T) []byte {
		return make([]byte, rapid.SampledFrom([]int{254, 255, 256}).Draw(t, "size"))
	}))
}

// symbol is a symbol, which is ASCII.
func symbol() *rapid.Generator[codec.Symbol] {
	return rapid.Map(rapid.StringMatching(`[a-z:.-]{0,40}`), func(s string) codec.Symbol { return codec.Symbol(s) })
}

// uuid is a UUID.
func uuid() *rapid.Generator[codec.UUID] {
	return rapid.Map(rapid.SliceOfN(rapid.Byte(), 16, 16), func(b []byte) codec.UUID { return codec.UUID(b) })
}

// scalar is a value that has no others inside. go-amqp knows neither characters
// nor decimals.
func scalar() *rapid.Generator[any] {
	return rapid.OneOf(
		rapid.Just(any(nil)), rapid.Bool().AsAny(),
		rapid.Map(whole(), func(n int64) any { return uint8(n) }),
		rapid.Map(whole(), func(n int64) any { return uint16(n) }),
		rapid.Map(whole(), func(n int64) any { return uint32(n) }),
		rapid.Map(whole(), func(n int64) any { return uint64(n) }),
		rapid.Map(whole(), func(n int64) any { return int8(n) }),
		rapid.Map(whole(), func(n int64) any { return int16(n) }),
		rapid.Map(whole(), func(n int64) any { return int32(n) }),
		whole().AsAny(), rapid.Float32().AsAny(), rapid.Float64().AsAny(),
		moment().AsAny(), uuid().AsAny(), bytes().AsAny(), text().AsAny(), symbol().AsAny(),
	)
}

// value is a value that nests up to a depth.
func value(depth int) *rapid.Generator[any] {
	if depth == 0 {
		return scalar()
	}
	inner := rapid.Deferred(func() *rapid.Generator[any] { return value(depth - 1) })
	return rapid.OneOf(
		scalar(),
		rapid.Map(rapid.SliceOfN(inner, 0, 5), func(l []any) any { return codec.List(l) }),
		table(rapid.OneOf(text().AsAny(), symbol().AsAny(), whole().AsAny(), uuid().AsAny()), inner).AsAny(),
		rapid.Map(rapid.SliceOf(symbol()), func(s []codec.Symbol) any { return s }),
		rapid.Map(rapid.SliceOf(text()), func(s []string) any { return s }),
		rapid.Custom(func(t *rapid.T) any {
			return codec.Described{
				Descriptor: rapid.OneOf(symbol().AsAny(), rapid.Uint64Range(1<<32, math.MaxUint64).AsAny()).Draw(t, "descriptor"),
				Value:      inner.Draw(t, "described"),
			}
		}),
	)
}

// table is a map in which no two keys are the same to go-amqp, to which symbols
// are text, and which keeps no order.
func table(key, inner *rapid.Generator[any]) *rapid.Generator[codec.Map] {
	return rapid.Map(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) codec.Entry {
		return codec.Entry{Key: key.Draw(t, "key"), Value: inner.Draw(t, "value")}
	}), 0, 5), func(entries []codec.Entry) codec.Map {
		seen := map[string]bool{}
		return slices.DeleteFunc(codec.Map(entries), func(e codec.Entry) bool {
			known := seen[show(e.Key)]
			seen[show(e.Key)] = true
			return known
		})
	})
}

// show is what a value means, whichever of the two packages it is of: its type
// and its content. Symbols and strings look alike, since go-amqp does not tell
// them apart.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case codec.Symbol:
		return show(string(v))
	case amqp.Symbol:
		return show(string(v))
	case string:
		return fmt.Sprintf("text %q", v)
	case []byte:
		return fmt.Sprintf("bytes %x", v)
	case codec.UUID:
		return fmt.Sprintf("uuid %x", v[:])
	case amqp.UUID:
		return fmt.Sprintf("uuid %x", v[:])
	case time.Time:
		return fmt.Sprintf("time %d", v.UnixMilli())
	case float32:
		return fmt.Sprintf("float %x", math.Float32bits(v))
	case float64:
		return fmt.Sprintf("double %x", math.Float64bits(v))
	case codec.Array:
		return "array" + showItems(reflect.ValueOf(v.Items))
	case codec.List:
		return "list" + showItems(reflect.ValueOf(v))
	case []any:
		return "list" + showItems(reflect.ValueOf(v))
	case codec.Map:
		entries := make([]string, len(v))
		for i, e := range v {
			entries[i] = show(e.Key) + ": " + show(e.Value)
		}
		return showEntries(entries)
	case codec.Described:
		return "described " + show(v.Descriptor) + " " + show(v.Value)
	}
	return showOther(reflect.ValueOf(v))
}

// showOther shows what is told by its kind.
func showOther(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Map:
		var entries []string
		for at := v.MapRange(); at.Next(); {
			entries = append(entries, show(at.Key().Interface())+": "+show(at.Value().Interface()))
		}
		return showEntries(entries)
	case reflect.Slice:
		return "array" + showItems(v)
	case reflect.Struct: // go-amqp's described values, whose type has no name outside
		if !v.FieldByName("Descriptor").IsValid() {
			return "composite" // only damaged messages have them where there are values
		}
		return "described " + show(v.FieldByName("Descriptor").Interface()) + " " + show(v.FieldByName("Value").Interface())
	case reflect.Pointer:
		if v.IsNil() {
			return "absent"
		}
		return show(v.Elem().Interface())
	}
	return fmt.Sprintf("%s %v", v.Type(), v)
}

func showItems(v reflect.Value) string {
	var items []string
	for i := range v.Len() {
		items = append(items, show(v.Index(i).Interface()))
	}
	return "[" + strings.Join(items, ", ") + "]"
}

func showEntries(entries []string) string {
	slices.Sort(entries)
	return "map{" + strings.Join(entries, ", ") + "}"
}

// theirs is the message that go-amqp reads.
func theirs(t require.TestingT, encoded []byte) *amqp.Message {
	m := &amqp.Message{}
	require.NoError(t, m.UnmarshalBinary(slices.Clone(encoded)), "%x", encoded)
	return m
}

// ours is the message that the hub reads.
func ours(t require.TestingT, encoded []byte) *codec.Message {
	m, err := codec.DecodeMessage(encoded)
	require.NoError(t, err, "%x", encoded)
	return m
}

// encode is a message as go-amqp writes it.
func encode(t require.TestingT, m *amqp.Message) []byte {
	encoded, err := m.MarshalBinary()
	require.NoError(t, err)
	return encoded
}

// What the hub writes means the same to go-amqp, and still does when that has
// written it again.
func TestValuesMeanTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := value(3).Draw(t, "value")
		read := theirs(t, (&codec.Message{Value: v, HasValue: true}).Append(nil))
		require.Equal(t, show(v), show(read.Value))
		if read.Value == nil {
			return // go-amqp would write no body
		}
		again := ours(t, encode(t, read))
		require.True(t, again.HasValue)
		require.Equal(t, show(v), show(again.Value))
	})
}

// Compound values have a short form for fewer than 256 items or bytes.
func TestLongValuesMeanTheSame(t *testing.T) {
	t.Parallel()
	for _, count := range []int{84, 85, 127, 128, 254, 255, 256, 257, 5000} {
		list, names, entries := codec.List{}, []string{}, codec.Map{}
		for n := range count {
			list, names = append(list, uint16(n)), append(names, "x")
			entries = append(entries, codec.Entry{Key: int64(n), Value: nil})
		}
		for _, v := range []any{list, names, entries} {
			read := theirs(t, (&codec.Message{Value: v, HasValue: true}).Append(nil))
			require.Equal(t, show(v), show(read.Value))
			require.Equal(t, show(v), show(ours(t, encode(t, read)).Value))
		}
	}
}

// There is one shortest form of each scalar, and both find it.
func TestScalarsAreTheSameBytes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := scalar().Draw(t, "value")
		if _, ok := v.(codec.Symbol); ok || v == nil {
			return // go-amqp writes text for the one, and no body for the other
		}
		m := &codec.Message{Value: v, HasValue: true}
		require.Equal(t, m.Append(nil), encode(t, theirs(t, m.Append(nil))))
	})
}

// array is any array that go-amqp writes. It cuts numbers below -128 down to a
// byte when none is above 127.
func array() *rapid.Generator[any] {
	return rapid.OneOf(
		rapid.SliceOf(rapid.Bool()).AsAny(), rapid.SliceOf(rapid.Int8()).AsAny(), rapid.SliceOf(rapid.Int16()).AsAny(),
		rapid.SliceOf(rapid.Int32Min(math.MinInt8)).AsAny(), rapid.SliceOf(rapid.Int64Min(math.MinInt8)).AsAny(), rapid.SliceOf(rapid.Uint16()).AsAny(),
		rapid.SliceOf(rapid.Uint32()).AsAny(), rapid.SliceOf(rapid.Uint64()).AsAny(), rapid.SliceOf(rapid.Float32()).AsAny(),
		rapid.SliceOf(rapid.Float64()).AsAny(), rapid.SliceOf(moment()).AsAny(), rapid.SliceOf(bytes()).AsAny(),
		rapid.SliceOf(text()).AsAny(), rapid.SliceOf(rapid.Map(uuid(), func(u codec.UUID) amqp.UUID { return amqp.UUID(u) })).AsAny(),
		rapid.SliceOf(rapid.Map(symbol(), func(s codec.Symbol) amqp.Symbol { return amqp.Symbol(s) })).AsAny(),
	)
}

// Arrays that go-amqp writes mean the same to the hub, and are the same bytes
// when the hub writes them again.
func TestArraysMeanTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := array().Draw(t, "array")
		encoded := encode(t, &amqp.Message{Value: v})
		read := ours(t, encoded)
		require.Equal(t, show(v), show(read.Value))
		if (&amqp.Message{}).UnmarshalBinary(slices.Clone(encoded)) != nil {
			return // go-amqp does not read its own arrays of nothing but empty texts
		}
		require.Equal(t, show(v), show(theirs(t, read.Append(nil)).Value))
	})
}
