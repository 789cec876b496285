package mqtt_test

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/mqtt"
)

func FuzzUserName(f *testing.F) {
	for _, s := range []string{
		"h/d/?api-version=2021-04-12&DeviceClientType=a%2Fb", "h/d/m/?api-version=1&model-id=dtmi:x;1", "h/d", "h/d/",
		"h/d/api-version=2016-11-14", "h/d/api-version=2017-06-30/DeviceClientType=x/1", "h/d?api-version=1", "h/?d/?m/?a=b", "h//?",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := mqtt.ParseUserName(s)
		if err != nil {
			require.NotContains(t, strings.ToLower(err.Error()), "sharedaccesssignature")
			return
		}
		require.NotEmpty(t, u.Host)
		require.True(t, strings.HasPrefix(s, u.Host+"/"+u.Identity.DeviceID), "host and device are what it starts with")
		require.True(t, iot.ValidID(u.Identity.DeviceID))
		require.True(t, u.Identity.ModuleID == "" || iot.ValidID(u.Identity.ModuleID))
	})
}

func FuzzTopic(f *testing.F) {
	for _, s := range []string{
		"devices/d/messages/events/a=b", "devices/d/messages/events", "devices/d/messages/events/?a/", "devices/e/messages/events/a=b",
		"$iothub/twin/GET/?$rid=1", "$iothub/twin/PATCH/properties/reported/?$rid=1&$version=2", "$iothub/twin/PATCH/properties/reported/?%24version=2&%24rid=1",
		"$iothub/methods/res/200/?$rid=1", "$iothub/methods/res/-1/?$rid=", "$iothub/twin/res/200/?$rid=1", "$SYS/#",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := mqtt.ParseTopic(s, iot.Device("d"))
		switch {
		case err != nil:
			var e *iot.Error
			require.ErrorAs(t, err, &e)
			require.Less(t, len(e.Message), 1000)
		case p.Kind == "telemetry":
			require.True(t, strings.HasPrefix(s, "devices/d/messages/events"))
			require.Contains(t, s, p.Bag)
		default:
			require.NotEmpty(t, p.RID)
			require.NotContains(t, p.RID, "&")
			require.NotContains(t, p.RID, "/", "the answer's topic has one place for it")
			require.Contains(t, s, p.RID)
		}
	})
}

// What was parsed from a bag and is sent as one comes back as it was.
func FuzzBag(f *testing.F) {
	for _, s := range []string{
		"a=b", "a", "a=", "=", "&", "$.mid=1&%24.cid=2&x=%20+", "a=%zz&b=%f", "a=%ff", "$.cdid=x", "iothub-connection-device-id=x", "a=b=c&&a=d", "$.exp=2020-01-01T00:00:00Z",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		system, app := mqtt.ParseBag(s)
		seen := map[string]bool{}
		for _, p := range app {
			require.False(t, seen[p.Name], "a name stands once")
			require.False(t, iot.Reserved(p.Name))
			require.False(t, p.Null && p.Value != "")
			require.True(t, utf8.ValidString(p.Name+p.Value) || !utf8.ValidString(s))
			seen[p.Name] = true
		}
		for _, p := range system {
			require.False(t, p.Null)
			require.False(t, iot.Reserved(p.Name))
		}
		back, again := mqtt.ParseBag(strings.TrimPrefix(
			mqtt.DeviceBoundTopic("d", &c2d.Message{Message: iot.Message{Properties: app}}), "devices/d/messages/devicebound/"))
		require.Equal(t, iot.Properties{{Name: iot.To, Value: "/devices/d/messages/deviceBound"}}, back)
		require.Equal(t, sendable(app), again)
	})
}

// sendable is the properties that a bag can carry to a device and back: not the
// ack, which is written of its own, and no text that is not UTF-8.
func sendable(app iot.Properties) (kept iot.Properties) {
	for _, p := range app {
		name, value := escapedUnlessUTF8(p.Name), escapedUnlessUTF8(p.Value)
		if p.Name != iot.Ack {
			kept = append(kept, iot.Property{Name: name, Value: value, Null: p.Null})
		}
	}
	return kept
}

func escapedUnlessUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + string("0123456789ABCDEF"[c>>4]) + string("0123456789ABCDEF"[c&15]))
		}
	}
	return b.String()
}

// FuzzConnectBytes gives a stranger's first bytes to mochi's decoder and our
// checks. Whatever they are, the answer is nothing, or a CONNACK with one of
// three codes, and nothing of ours panics.
func FuzzConnectBytes(f *testing.F) {
	var log safeBuffer
	r := open(f, hub.Options{Log: zerolog.Nop()}, mqtt.Options{Log: zerolog.New(&log).Level(zerolog.ErrorLevel)})
	good := hello(f, iot.Device("d"))
	f.Add(good.bytes())
	for _, change := range []func(*connect){
		func(h *connect) { h.level = 5 }, func(h *connect) { h.name, h.level = "MQIsdp", 3 }, func(h *connect) { h.id = "d/m" },
		func(h *connect) { h.noUser, h.password = true, "" }, func(h *connect) { h.password, h.empty = "", true },
		func(h *connect) { h.will = &will{topic: "devices/d/messages/events/", qos: 1, retain: true} }, func(h *connect) { h.clean = false },
		func(h *connect) { h.user = "127.0.0.1/d/api-version=2016-11-14" },
	} {
		h := good
		change(&h)
		f.Add(h.bytes())
	}
	f.Add([]byte{0x10})
	f.Add([]byte{0x10, 0xFF, 0xFF, 0xFF, 0xFF})
	f.Add([]byte{0x20, 2, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		mine, theirs := net.Pipe()
		served := make(chan struct{})
		go func() {
			defer close(served)
			r.srv.ServeConn(theirs)
		}()
		answer := make(chan []byte)
		go func() {
			b, _ := io.ReadAll(mine)
			answer <- b
		}()
		_, _ = mine.Write(b) // it may be closed before it has read everything
		_ = mine.Close()
		<-served
		got := <-answer
		require.NotContains(t, log.String(), "a fault of ours")
		if len(got) > 0 {
			require.True(t, bytes.HasPrefix(got, []byte{0x20, 2}), "%x", got)
			require.Contains(t, []byte{0, 1, 5}, got[3])
		}
	})
}
