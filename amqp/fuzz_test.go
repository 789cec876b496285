package amqp_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/amqp"
	"github.com/linarite/linarite/amqp/codec"
)

func FuzzPlain(f *testing.F) {
	for _, s := range []string{"\x00service@sas.root.hub\x00x", "\x00d@sas.hub\x00x", "\x00d/m@sas.hub\x00x", "\x00owner\x00x", "", "\x00\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if path, ok := amqp.ParsePlain(s); ok {
			require.True(t, path == "" || strings.HasPrefix(path, "devices/"), path)
			require.NotEqual(t, "devices/", path)
		}
	})
}

func FuzzSelector(f *testing.F) {
	for _, s := range []string{"amqp.annotation.x-opt-offset > '-1'", "amqp.annotation.x-opt-sequence-number >= 5", "amqp.annotation.x-opt-offset > '@latest'", "'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if amqp.ParseSelector(s) {
			require.True(t, strings.HasPrefix(strings.TrimSpace(s), "amqp.annotation."))
		}
	})
}

func FuzzAddresses(f *testing.F) {
	for _, s := range []string{
		"amqps://h:5671/linarite/ConsumerGroups/$Default/Partitions/0", "/devices/d/modules/m/twin", "h%2Fdevices%2Fd", "$cbs", "://", "devices/%2f",
	} {
		f.Add(s)
	}
	f.Fuzz(func(_ *testing.T, s string) { amqp.ParseAddresses(s) })
}

// FuzzConnection sends whatever to a hub, after a good beginning or without: it
// ends or goes on, and nothing of ours falls over.
func FuzzConnection(f *testing.F) {
	start := frameOf(0, &codec.Open{ContainerID: "c"}, nil) + frameOf(0, &codec.Begin{HandleMax: 9, IncomingWindow: 9}, nil)
	f.Add("AMQP\x03\x01\x00\x00"+frameOf(1, &codec.Init{Mechanism: "PLAIN", Response: []byte("\x00a\x00b")}, nil), false)
	f.Add(frameOf(0, &codec.Attach{Name: "l", Role: codec.RoleReceiver, Source: &codec.Source{Address: "$cbs"}}, nil), true)
	f.Add(frameOf(0, &codec.Attach{Name: "l", Target: &codec.Target{Address: "$cbs"}}, nil)+
		frameOf(0, &codec.Transfer{DeliveryID: codec.Some(uint32(1))}, []byte("\x00\x53\x77\x40")), true)
	f.Add(frameOf(0, &codec.Flow{Handle: codec.Some(uint32(0)), Echo: true}, nil), true)
	r := enter(f)
	f.Fuzz(func(t *testing.T, s string, begun bool) {
		in := *r
		in.t = t
		c := in.dial()
		if begun {
			s = "AMQP\x00\x01\x00\x00" + start + s
		}
		_, _ = c.conn.Write([]byte(s))
		require.NotNil(t, in.stranger(), "another one is served as before")
	})
}
