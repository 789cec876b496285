package iot_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
)

// FuzzPack: whatever a message is, it comes out as it went in, and nothing of it
// lies where it was.
func FuzzPack(f *testing.F) {
	f.Add("id", "1", "alert", "high", true, []byte("body"), uint8(3))
	f.Add("", "", "größe", "\x00\xff", false, []byte(nil), uint8(0))
	f.Fuzz(func(t *testing.T, system, sent, name, value string, null bool, body []byte, n uint8) {
		m := iot.Message{System: iot.Properties{{Name: system, Value: sent}}}
		for range n {
			m.Properties = append(m.Properties, iot.Property{Name: name, Value: value}, iot.Property{Name: name, Null: true})
		}
		if null {
			m.System = nil
		}
		if len(body) > 0 {
			m.Body = append([]byte(nil), body...)
		}
		packed := m.Pack(make([]byte, 0, m.PackedSize()))
		require.Len(t, packed, m.PackedSize())
		want := m
		want.Body = body
		clear(m.Body)
		got := iot.Unpack(packed)
		require.Equal(t, want.System, got.System)
		require.Equal(t, want.Properties, got.Properties)
		require.Equal(t, string(want.Body), string(got.Body))
	})
}

func TestANameAloneHasNoValue(t *testing.T) {
	t.Parallel()
	m := iot.Message{Properties: iot.Properties{{Name: "a", Value: "none of it counts", Null: true}, {Name: "b", Value: "1"}}}
	require.Equal(t, iot.Properties{{Name: "a", Null: true}, {Name: "b", Value: "1"}}, iot.Unpack(m.Pack(nil)).Properties)
}
