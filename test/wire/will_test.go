package wire_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// TestAWillBecomesTelemetry however the connection ends without a goodbye.
// IoT Hub: §3.4.
func TestAWillBecomesTelemetry(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, c *client, d identity){
		"the client vanishes":      func(_ *testing.T, c *client, _ identity) { c.vanish() },
		"the client breaks a rule": func(_ *testing.T, c *client, _ identity) { c.send(publish(1, "a/b", "")) },
		"the client sends junk":    func(_ *testing.T, c *client, _ identity) { c.send([]byte{0xFF, 0xFF}) },
		"a newer connection comes": func(t *testing.T, _ *client, d identity) { d.join(t) },
		"somebody kicks it":        func(t *testing.T, _ *client, d identity) { hub.Kick(t, d.DeviceID, "") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDevice(t)
			hello := d.hello()
			hello.will = &will{topic: d.events() + "a=b&%24.mid=7", body: "gone"}
			end(t, d.enter(t, hello, accepted), d)
			event := hub.WaitEvents(t, 1, harness.Filter{Device: d.DeviceID})[0]
			require.Equal(t, "gone", event.Body)
			require.Equal(t, "Telemetry", event.Source)
			require.Equal(t, map[string]any{"a": "b", "iothub-MessageType": "Will"}, event.Properties)
			require.Equal(t, "7", event.SystemProperties["message-id"])
			require.Equal(t, d.DeviceID, event.SystemProperties["iothub-connection-device-id"])
		})
	}
}

func TestTheFormsOfAWill(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		will       func(d identity) will
		body       string
		properties map[string]any
	}{
		"QoS 1":                 {func(d identity) will { return will{topic: d.events(), body: "x", qos: 1} }, "x", map[string]any{"iothub-MessageType": "Will"}},
		"no payload":            {func(d identity) will { return will{topic: d.events()} }, "", map[string]any{"iothub-MessageType": "Will"}},
		"no slash":              {func(d identity) will { return will{topic: d.path() + "/messages/events", body: "x"} }, "x", map[string]any{"iothub-MessageType": "Will"}},
		"C#'s slash at the end": {func(d identity) will { return will{topic: d.events() + "a=b/", body: "x"} }, "x", map[string]any{"a": "b", "iothub-MessageType": "Will"}},
		"retained": {
			func(d identity) will { return will{topic: d.events(), body: "x", retain: true} },
			"x",
			map[string]any{"iothub-MessageType": "Will", "mqtt-retain": "true", "x-opt-retain": "true"},
		},
		"its own idea of its type": {
			func(d identity) will { return will{topic: d.events() + "iothub-MessageType=x", body: "x"} },
			"x",
			map[string]any{"iothub-MessageType": "Will"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			device := newDevice(t)
			for _, who := range []identity{device.module(t), device} {
				hello := who.hello()
				w := c.will(who)
				hello.will = &w
				who.enter(t, hello, accepted).vanish()
				who.ended(t, 404104, "without DISCONNECT")
				events := hub.WaitEvents(t, 1, harness.Filter{Device: who.DeviceID, Module: who.ModuleID})
				event := events[len(events)-1]
				require.Equal(t, who.ModuleID, event.ModuleID)
				require.Equal(t, c.body, event.Body)
				require.Equal(t, c.properties, event.Properties)
			}
		})
	}
}

func TestAGoodbyeTakesTheWillBack(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	hello := d.hello()
	hello.will = &will{topic: d.events(), body: "gone"}
	d.enter(t, hello, accepted).leave()
	d.ended(t, 0, "disconnected by the device")
	events, _ := hub.Events(t, harness.Filter{Device: d.DeviceID})
	require.Empty(t, events)
}
