package wire_test

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

func TestTheFormsOfATelemetryTopic(t *testing.T) {
	t.Parallel()
	for name, tail := range map[string]string{
		"with a slash":           "/",
		"without one":            "",
		"with a bag":             "/a=b",
		"with a bag and a slash": "/a=b/",
		"with ? before the bag":  "/?a=b",
		"with ? and a slash":     "/?a=b/",
		"with ? and nothing":     "/?",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			device := newDevice(t)
			for _, who := range []identity{device.module(t), device} {
				c := who.join(t)
				c.send(publish(5, who.path()+"/messages/events"+tail, "a/b"))
				c.expect(puback(5))
				events := hub.WaitEvents(t, 1, harness.Filter{Device: who.DeviceID, Module: who.ModuleID})
				event := events[len(events)-1]
				require.Equal(t, "a/b", event.Body)
				require.Equal(t, who.ModuleID, event.ModuleID)
				want := map[string]any{}
				if strings.Contains(tail, "a=b") {
					want["a"] = "b"
				}
				require.Equal(t, want, event.Properties)
			}
		})
	}
}

func TestWhatTheHubStamps(t *testing.T) {
	t.Parallel()
	method := func(scope string) string {
		return `{"scope":"` + scope + `","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}`
	}
	byPolicy := newDevice(t)
	for name, c := range map[string]struct {
		who      identity
		password string // "": its own token
		model    string // as it is in the user name
		method   string
	}{
		"of a device":     {newDevice(t), "", "", method("device")},
		"of a module":     {newModule(t), "", "", method("module")},
		"under a policy":  {byPolicy, policy("device", byPolicy.Host), "", method("hub")},
		"with a model id": {newDevice(t), "", "dtmi%3Aa%3Bb", method("device")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hello := c.who.hello()
			if c.password != "" {
				hello.password = c.password
			}
			hello.user += "&model-id=" + c.model
			client := c.who.enter(t, hello, accepted)
			client.send(publish(1, c.who.events(), "x"))
			client.expect(puback(1))
			event := c.who.theEvent(t)
			var doc struct{ GenerationID string }
			hub.REST(t, "GET", c.who.restPath("/devices/"), nil).JSON(t, &doc)
			got := event.SystemProperties
			require.Equal(t, c.who.DeviceID, got["iothub-connection-device-id"])
			require.Equal(t, c.who.ModuleID, got["iothub-connection-module-id"])
			require.Equal(t, doc.GenerationID, got["iothub-connection-auth-generation-id"])
			require.Equal(t, c.method, got["iothub-connection-auth-method"])
			require.Equal(t, "Telemetry", got["iothub-message-source"])
			require.NotEmpty(t, got["iothub-enqueuedtime"])
			require.WithinDuration(t, time.Now(), event.EnqueuedTime, time.Minute)
			model, _ := url.PathUnescape(c.model)
			require.Equal(t, model, got["dt-dataschema"])
		})
	}
}

func TestADeviceCannotPassForAnother(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := d.join(t)
	c.send(publish(1, d.events()+"iothub-connection-device-id=boss&iothub-connection-module-id=boss"+
		"&iothub-connection-auth-generation-id=boss&iothub-connection-auth-method=boss&iothub-enqueuedtime=boss"+
		"&iothub-message-source=boss&dt-dataschema=boss&IoTHub-Connection-Device-Id=boss&%69othub-message-source=boss"+
		"&%24.cdid=boss&$.cmid=boss&mine=1", ""))
	c.expect(puback(1))
	event := d.theEvent(t)
	require.Equal(t, map[string]any{"mine": "1"}, event.Properties)
	for name, value := range event.SystemProperties {
		require.NotEqual(t, "boss", value, name)
	}
	require.Equal(t, d.DeviceID, event.DeviceID)
}

func TestQoSOfTelemetry(t *testing.T) {
	t.Parallel()
	t.Run("0 is not answered", func(t *testing.T) {
		t.Parallel()
		d := newDevice(t)
		c := d.join(t)
		c.send(publish(0, d.events(), "x"))
		c.ping()
		require.Equal(t, "x", d.theEvent(t).Body)
	})
	t.Run("1 is answered when the message is in the log", func(t *testing.T) {
		t.Parallel()
		d := newDevice(t)
		c := d.join(t)
		for i := range 20 {
			c.send(publish(uint16(i+1), d.events(), "x"))
			c.expect(puback(uint16(i + 1)))
			events, _ := hub.Events(t, harness.Filter{Device: d.DeviceID})
			require.Len(t, events, i+1)
		}
	})
	t.Run("2 closes the connection", func(t *testing.T) {
		t.Parallel()
		d := newDevice(t)
		c := d.join(t)
		c.send(packetOf(0x34, text(d.events()), 0, 1, "x"))
		d.cutOff(c, 400003, "PUBLISH with QoS 2")
		events, _ := hub.Events(t, harness.Filter{Device: d.DeviceID})
		require.Empty(t, events)
	})
	t.Run("DUP means nothing", func(t *testing.T) {
		t.Parallel()
		d := newDevice(t)
		c := d.join(t)
		c.send(packetOf(0x3A, text(d.events()), 0, 7, "x"))
		c.expect(puback(7))
		require.Empty(t, d.theEvent(t).Properties)
	})
	t.Run("every packet id is echoed", func(t *testing.T) {
		t.Parallel()
		d := newDevice(t)
		c := d.join(t)
		for _, id := range []uint16{1, 255, 256, 0x8000, 65535, 1} {
			c.send(publish(id, d.events(), ""))
			c.expect(puback(id))
		}
	})
}

func TestRetainIsAProperty(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := d.join(t)
	c.send(packetOf(0x33, text(d.events()+"a=b&mqtt-retain=no"), 0, 1, "x"))
	c.expect(puback(1))
	require.Equal(t, map[string]any{"a": "b", "mqtt-retain": "true", "x-opt-retain": "true"}, d.theEvent(t).Properties)
	c.subscribe(1, d.deviceBound(), twinAnswers, desired, methods)
	c.ping() // nothing was kept for subscribers
}

func TestTheSizeOfAMessage(t *testing.T) {
	t.Parallel()
	const limit = 256 * 1024
	for name, c := range map[string]struct {
		bag  string
		body int
		fits bool
	}{
		"256 KB":                                {"", limit, true},
		"a byte more":                           {"", limit + 1, false},
		"256 KB with properties":                {"key=value&%24.mid=12345", limit - len("keyvalue12345"), true},
		"a byte more with properties":           {"key=value&%24.mid=12345", limit - len("keyvalue12345") + 1, false},
		"properties count as they are, decoded": {"%6bey=v%61lue", limit - len("keyvalue"), true},
		"60 KB of properties":                   {"a=" + strings.Repeat("x", 60*1024), limit - 60*1024 - 1, true},
		"60 KB of properties and a byte more":   {"a=" + strings.Repeat("x", 60*1024), limit - 60*1024, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDevice(t)
			client := d.join(t)
			client.trySend(publish(1, d.events()+c.bag, strings.Repeat("x", c.body)))
			if !c.fits {
				d.cutOff(client, 413001, "262144 are allowed")
				events, _ := hub.Events(t, harness.Filter{Device: d.DeviceID})
				require.Empty(t, events)
				return
			}
			client.expect(puback(1))
			require.Len(t, d.theEvent(t).Body, c.body)
		})
	}
	t.Run("a packet that cannot be one is not waited for", func(t *testing.T) {
		t.Parallel()
		d := newDevice(t)
		client := d.join(t)
		client.trySend([]byte{0x30, 0xFF, 0xFF, 0xFF, 0x7F}) // 256 MB are to follow
		d.cutOff(client, 413001, "a packet of more than")
	})
}

func TestBodiesOfAnyKind(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := d.join(t)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	c.send(publish(1, d.events(), ""), publish(2, d.events(), string(all)), publish(3, d.events(), "ünï"))
	c.expect(puback(1), puback(2), puback(3))
	events := hub.WaitEvents(t, 3, harness.Filter{Device: d.DeviceID})
	require.Empty(t, events[0].Body)
	require.Equal(t, "base64", events[1].BodyEncoding)
	require.Equal(t, base64.StdEncoding.EncodeToString(all), events[1].Body)
	require.Equal(t, "ünï", events[2].Body)
}

func TestMessagesStayInOrder(t *testing.T) {
	t.Parallel()
	const count = 200
	d := newDevice(t)
	c := d.join(t)
	var packets, answers [][]byte
	for i := range count {
		packets = append(packets, publish(uint16(i+1), d.events(), fmt.Sprint(i)))
		answers = append(answers, puback(uint16(i+1)))
	}
	c.send(packets...)
	c.expect(answers...)
	events := hub.WaitEvents(t, count, harness.Filter{Device: d.DeviceID})
	require.Len(t, events, count)
	for i, e := range events {
		require.Equal(t, fmt.Sprint(i), e.Body)
		require.Equal(t, events[0].Partition, e.Partition)
		if i > 0 {
			require.Greater(t, e.SequenceNumber, events[i-1].SequenceNumber)
		}
	}
}
