package codec_test

import (
	"encoding/hex"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/amqp/codec"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	require.NoError(t, err)
	return b
}

// The encodings of OASIS amqp-core-types 1.6, each in the form we write.
func TestValuesAreWrittenAsTheStandardHasThem(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 256)
	for _, c := range []struct {
		name, encoded string
		value         any
	}{
		{"null", "40", nil},
		{"true", "41", true},
		{"false", "42", false},
		{"a ubyte", "50ff", uint8(255)},
		{"a ushort", "600102", uint16(0x102)},
		{"uint 0", "43", uint32(0)},
		{"a small uint", "5201", uint32(1)},
		{"a uint", "7000000100", uint32(256)},
		{"ulong 0", "44", uint64(0)},
		{"a small ulong", "5310", uint64(16)},
		{"a ulong", "80ffffffffffffffff", uint64(math.MaxUint64)},
		{"a byte", "51ff", int8(-1)},
		{"a short", "61fffe", int16(-2)},
		{"a small int", "54ff", int32(-1)},
		{"an int", "7100000080", int32(128)},
		{"a small long", "5580", int64(-128)},
		{"a long", "810000000000000080", int64(128)},
		{"a float", "723fc00000", float32(1.5)},
		{"a double", "823ff8000000000000", 1.5},
		{"a char", "730001f600", codec.Char('😀')},
		{"a decimal", "7422500001", codec.Decimal("\x22\x50\x00\x01")},
		{"a timestamp", "83000000e8d4a51000", time.UnixMilli(1e12).UTC()},
		{"a UUID", "98000102030405060708090a0b0c0d0e0f", codec.UUID{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
		{"bytes", "a00201ff", []byte{1, 255}},
		{"a string", "a102c3a4", "ä"},
		{"a symbol", "a3026162", codec.Symbol("ab")},
		{"a long string", "b100000100" + hex.EncodeToString([]byte(long)), long},
		{"an empty list", "c00100", codec.List{}},
		{"a list", "c0030240 41", codec.List{nil, true}},
		{"a map", "c10602a3016154 05", codec.Map{{Key: codec.Symbol("a"), Value: int32(5)}}},
		{"an array of symbols", "f00000000b00000001b3000000026162", []codec.Symbol{"ab"}},
		{"an array of strings", "f00000000b00000001b1000000026162", []string{"ab"}},
		{"a described value", "00a3016441", codec.Described{Descriptor: codec.Symbol("d"), Value: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			want := unhex(t, c.encoded)
			assert.Equal(t, want, codec.Append(nil, c.value))
			got, rest, err := codec.Decode(append(want, 7))
			require.NoError(t, err)
			assert.Equal(t, c.value, got)
			assert.Equal(t, []byte{7}, rest)
		})
	}
}

func TestOtherFormsAreReadToo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, encoded string
		value         any
	}{
		{"a boolean of two bytes", "5601", true},
		{"list0", "45", codec.List{}},
		{"a wide list", "d0000000050000000141", codec.List{true}},
		{"a wide map", "d10000000600000002 41 42", codec.Map{{Key: true, Value: false}}},
		{"a short array of symbols", "e00602a301610162", []codec.Symbol{"a", "b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, rest, err := codec.Decode(unhex(t, c.encoded))
			require.NoError(t, err)
			assert.Equal(t, c.value, got)
			assert.Empty(t, rest)
		})
	}
}

func TestAnArrayOfAnotherTypeIsWrittenAsItCame(t *testing.T) {
	t.Parallel()
	encoded := unhex(t, "e00402540102")
	v, _, err := codec.Decode(encoded)
	require.NoError(t, err)
	array := v.(codec.Array)
	assert.Equal(t, []any{int32(1), int32(2)}, array.Items)
	assert.Equal(t, encoded, codec.Append(nil, v))
}

// What is refused, before memory is taken for it.
func TestHostileValuesAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, encoded string }{
		{"nothing", ""},
		{"an unknown constructor", "4f"},
		{"a constructor of no category", "10"},
		{"a string that ends early", "a105 61"},
		{"a string of four gigabytes", "b1ffffffff 61"},
		{"a string that is not UTF-8", "a101ff"},
		{"a symbol that is not ASCII", "a301ff"},
		{"a list of more than there is", "d00000000400ffffff"},
		{"a list with bytes left over", "c00301 41 42"},
		{"a map without the last value", "c10201 41"},
		{"an array of a billion nulls", "f0000000053b9aca00 40"},
		{"an array of more numbers than there is room for", "f0000000090000000281 00000000"},
		{"an array described twice", "e0080100 a30164 00 a30164"},
		{"a descriptor alone", "0053"},
		{"nesting without end", strings.Repeat("c0ff01", 100)},
		{"descriptors without end", strings.Repeat("00", 200)},
		{"an open that is no list", "005310 41"},
		{"an open without a container id", "005310 c00100"},
		{"a begin whose window is text", "005311 c00504 40 43 a10161"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := codec.Decode(unhex(t, c.encoded))
			assert.Error(t, err)
		})
	}
}

func TestTheNumberOfValuesIsBounded(t *testing.T) {
	t.Parallel()
	list := codec.Append(nil, make(codec.List, 1<<17))
	_, _, err := codec.Decode(list)
	assert.ErrorIs(t, err, codec.ErrBudget)
}

func TestWhatHasNoTypePanics(t *testing.T) {
	t.Parallel()
	assert.Panics(t, func() { codec.Append(nil, struct{}{}) })
}
