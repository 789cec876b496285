package wire_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

func TestWhatMayBeSubscribedTo(t *testing.T) {
	t.Parallel()
	device := []string{"DEVICE/messages/devicebound/#", twinAnswers, desired, methods}
	module := []string{"MODULE/#", "MODULE/inputs/#", "MODULE/messages/devicebound/#", twinAnswers, desired, methods}
	for who, filters := range map[string][]string{"a device": device, "a module": module} {
		for _, filter := range filters {
			t.Run(who+" to "+filter, func(t *testing.T) {
				t.Parallel()
				me := newDevice(t)
				if who == "a module" {
					me = me.module(t)
				}
				c := me.join(t)
				for asked, granted := range []byte{0, 1, 1} { // QoS 2 is granted as 1
					c.send(subscribe(uint16(asked+1), byte(asked), me.own(filter)))
					c.expect(packetOf(0x90, 0, asked+1, granted))
				}
				c.ping()
			})
		}
	}
}

// own is a filter in which DEVICE and MODULE stand for the identity's path.
func (i identity) own(filter string) string {
	for _, word := range []string{"DEVICE", "MODULE"} {
		if rest, ok := strings.CutPrefix(filter, word); ok {
			return i.path() + rest
		}
	}
	return filter
}

func TestSeveralFiltersInOneSubscribe(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := d.join(t)
	c.send(packetOf(0x82, 0x12, 0x34, text(d.deviceBound()), 1, text(twinAnswers), 0, text(desired), 2, text(methods), 1))
	c.expect(packetOf(0x90, 0x12, 0x34, 1, 0, 1, 1))
	listening := d.connection(t).Listening
	require.True(t, listening.Messages && listening.Methods && listening.Desired)
	c.send(unsubscribe(2, d.deviceBound(), methods))
	c.expect(packetOf(0xB0, 0, 2))
	listening = d.connection(t).Listening
	require.True(t, listening.Desired)
	require.False(t, listening.Messages || listening.Methods)
}

func TestUnsubscribingFromWhatThereIsNot(t *testing.T) {
	t.Parallel()
	c := newDevice(t).join(t)
	c.send(unsubscribe(1, methods), unsubscribe(2, "a/b", "#"))
	c.expect(packetOf(0xB0, 0, 1), packetOf(0xB0, 0, 2))
	c.ping()
}

// forbidden are filters that close the connection without a SUBACK; DEVICE and
// MODULE stand for the identity's path, OTHER for another device's.
// IoT Hub: §6.2, §6.4.
var forbidden = map[string][]string{
	"DEVICE": {
		"#", "+", "+/#", "/#", "devices/#", "DEVICE/#", "DEVICE/messages/#", "DEVICE/messages/events/#", "DEVICE/messages/devicebound",
		"DEVICE/messages/devicebound/", "DEVICE/messages/devicebound/+", "DEVICE/messages/devicebound/a=b/#",
		"DEVICE/messages/devicebound/?a=b", "DEVICE/messages/devicebound/%24.to=#", "DEVICE/messages/deviceBound/#",
		"devices/+/messages/devicebound/#", "OTHER/messages/devicebound/#", "DEVICE/modules/m/#", "DEVICE/modules/m/inputs/#",
		"$iothub/#", "$iothub/twin/#", "$iothub/twin/res", "$iothub/twin/res/+", "$iothub/twin/res/200/#", "$iothub/twin/res/?$rid=1",
		"$iothub/twin/GET/#", "$iothub/twin/PATCH/properties/reported/#", "$iothub/twin/PATCH/#",
		"$iothub/methods/#", "$iothub/methods/POST/reboot/#", "$iothub/methods/POST/+", "$iothub/methods/res/#", "$IOTHUB/methods/POST/#",
		"$SYS/#", "$SYS/broker/uptime", "$share/group/DEVICE/messages/devicebound/#", "$share/group/#", "home/kitchen",
	},
	"MODULE": {
		"MODULE/outputs/#", "MODULE/inputs/in/#", "MODULE/inputs/+", "MODULE/messages/devicebound/+", "OTHER/modules/m/#",
		"OTHER/messages/devicebound/#", "$share/group/MODULE/#", "MODULEx/#",
	},
}

func TestAForbiddenFilterClosesTheConnection(t *testing.T) {
	t.Parallel()
	for kind, filters := range forbidden {
		for _, filter := range filters {
			t.Run(kind+" "+filter, func(t *testing.T) {
				t.Parallel()
				me, other := newDevice(t), newDevice(t)
				if kind == "MODULE" {
					me = me.module(t)
				}
				filter := me.spelled(filter, other)
				c := me.join(t)
				c.send(subscribe(1, 0, filter))
				me.cutOff(c, 400003, "SUBSCRIBE to")
			})
		}
	}
	t.Run("an empty filter", func(t *testing.T) {
		t.Parallel()
		d := newDevice(t)
		c := d.join(t)
		c.send(subscribe(1, 0, ""))
		c.closed()
	})
}

// spelled writes a forbidden filter out.
func (i identity) spelled(filter string, other identity) string {
	if rest, ok := strings.CutPrefix(filter, "$share/group/"); ok {
		return "$share/group/" + i.own(rest)
	}
	if rest, ok := strings.CutPrefix(filter, "OTHER"); ok {
		return other.path() + rest
	}
	return i.own(filter)
}

func TestOneForbiddenFilterSpoilsTheOthers(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := d.resume(t, accepted)
	c.subscribe(1, twinAnswers)
	c.send(subscribe(2, 1, d.deviceBound(), methods, "a/b"))
	d.cutOff(c, 400003, `"a/b"`)
	c = d.resume(t, resumed)
	listening := d.connection(t).Listening
	require.False(t, listening.Messages || listening.Methods)
	c.send(publish(0, "$iothub/twin/GET/?$rid=1", ""))
	require.Equal(t, "$iothub/twin/res/200/?$rid=1", c.publication().topic, "what was granted before stays")
}

func TestMoreThanFiveSubscriptions(t *testing.T) {
	t.Parallel()
	m := newModule(t)
	c := m.join(t)
	c.subscribe(1, twinAnswers, desired, methods, m.path()+"/#", m.path()+"/inputs/#")
	c.subscribe(0, twinAnswers, m.path()+"/#") // the same again are no more
	c.send(subscribe(2, 1, m.deviceBound()))
	m.cutOff(c, 400003, "more than 5")
}

func TestSubscribingAgainChangesTheQoS(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := d.join(t)
	c.subscribe(0, d.deviceBound())
	c.subscribe(1, d.deviceBound())
	hub.Send(t, d.DeviceID, harness.CloudMessage{Body: "one"})
	p := c.publication()
	require.Equal(t, byte(1), p.qos)
	c.send(puback(p.id))
	c.subscribe(0, d.deviceBound())
	hub.Send(t, d.DeviceID, harness.CloudMessage{Body: "none"})
	require.Equal(t, byte(0), c.publication().qos)
}
