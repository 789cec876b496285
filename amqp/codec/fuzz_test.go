package codec_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/amqp/codec"
)

// What was decoded can be encoded, and is the same when it is decoded again.
func FuzzDecode(f *testing.F) {
	for _, c := range composites() {
		f.Add(codec.Append(nil, c))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, rest, err := codec.Decode(b)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(rest), len(b))
		once := codec.Append(nil, v)
		again, rest, err := codec.Decode(once)
		require.NoError(t, err)
		require.Empty(t, rest)
		require.Equal(t, once, codec.Append(nil, again)) // bytes, since NaN is not itself
	})
}

func FuzzDecodeMessage(f *testing.F) {
	for _, m := range messages() {
		f.Add(m.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := codec.DecodeMessage(b)
		if err != nil {
			return
		}
		once := m.Append(nil)
		again, err := codec.DecodeMessage(once)
		require.NoError(t, err)
		require.Equal(t, once, again.Append(nil))
	})
}
