package mqtt_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
)

func TestSubscribing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		id      iot.Identity
		qos     byte
		filters []string
		want    []byte
	}{
		"to messages":           {iot.Device("d"), 1, []string{"devices/d/messages/devicebound/#"}, []byte{1}},
		"to twin answers":       {iot.Device("d"), 0, []string{"$iothub/twin/res/#"}, []byte{0}},
		"to desired properties": {iot.Device("d"), 0, []string{"$iothub/twin/PATCH/properties/desired/#"}, []byte{0}},
		"to methods":            {iot.Device("d"), 0, []string{"$iothub/methods/POST/#"}, []byte{0}},
		"with QoS 2":            {iot.Device("d"), 2, []string{"devices/d/messages/devicebound/#"}, []byte{1}},
		"to all at once, as C does": {iot.Device("d"), 1, []string{
			"devices/d/messages/devicebound/#", "$iothub/twin/res/#", "$iothub/twin/PATCH/properties/desired/#", "$iothub/methods/POST/#",
		}, []byte{1, 1, 1, 1}},
		"as a module, C and C#": {iot.Module("d", "m"), 1, []string{"devices/d/modules/m/#"}, []byte{1}},
		"as a module, Node":     {iot.Module("d", "m"), 1, []string{"devices/d/modules/m/inputs/#"}, []byte{1}},
		"as a module, Java": {iot.Module("d", "m"), 1, []string{
			"devices/d/modules/m/messages/devicebound/#", "devices/d/modules/m/inputs/#", "$iothub/twin/res/#",
			"$iothub/twin/PATCH/properties/desired/#", "$iothub/methods/POST/#",
		}, []byte{1, 1, 1, 1, 1}},
		"to the same twice": {iot.Device("d"), 0, []string{"$iothub/twin/res/#", "$iothub/twin/res/#"}, []byte{0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cl := enter(t).join(c.id)
			cl.send(subscribe(300, c.qos, c.filters...))
			cl.expect(append([]byte{0x90, byte(2 + len(c.want)), 1, 44}, c.want...)...)
		})
	}
}

func TestASubscriptionThatThereIsNot(t *testing.T) {
	t.Parallel()
	module := iot.Module("d", "m")
	for name, c := range map[string]struct {
		id      iot.Identity
		filters []string
	}{
		"everything":                        {iot.Device("d"), []string{"#"}},
		"everything of its own":             {iot.Device("d"), []string{"devices/d/#"}},
		"$SYS":                              {iot.Device("d"), []string{"$SYS/#"}},
		"a shared subscription":             {iot.Device("d"), []string{"$share/g/devices/d/messages/devicebound/#"}},
		"another device's messages":         {iot.Device("d"), []string{"devices/e/messages/devicebound/#"}},
		"its module's":                      {iot.Device("d"), []string{"devices/d/modules/m/#"}},
		"messages, without #":               {iot.Device("d"), []string{"devices/d/messages/devicebound/"}},
		"messages, narrowed":                {iot.Device("d"), []string{"devices/d/messages/devicebound/a=b/#"}},
		"messages, with +":                  {iot.Device("d"), []string{"devices/d/messages/devicebound/+"}},
		"messages, any device's":            {iot.Device("d"), []string{"devices/+/messages/devicebound/#"}},
		"messages, in another case":         {iot.Device("d"), []string{"devices/d/messages/deviceBound/#"}},
		"twin answers, narrowed":            {iot.Device("d"), []string{"$iothub/twin/res/200/#"}},
		"twin answers, narrowed with +":     {iot.Device("d"), []string{"$iothub/twin/res/+/?$rid=1"}},
		"one method":                        {iot.Device("d"), []string{"$iothub/methods/POST/reboot/#"}},
		"desired properties, narrowed":      {iot.Device("d"), []string{"$iothub/twin/PATCH/properties/desired/?$version=1"}},
		"the topic it publishes to":         {iot.Device("d"), []string{"devices/d/messages/events/"}},
		"nothing":                           {iot.Device("d"), []string{""}},
		"one good and one bad":              {iot.Device("d"), []string{"$iothub/twin/res/#", "#"}},
		"a module to its device's messages": {module, []string{"devices/d/messages/devicebound/#"}},
		"a module to another module's":      {module, []string{"devices/d/modules/x/#"}},
		"a module to something of its own":  {module, []string{"devices/d/modules/m/outputs/#"}},
		"a module to six at once": {module, []string{
			"devices/d/modules/m/messages/devicebound/#", "devices/d/modules/m/inputs/#", "$iothub/twin/res/#",
			"$iothub/twin/PATCH/properties/desired/#", "$iothub/methods/POST/#", "devices/d/modules/m/#",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := enter(t)
			cl := r.join(c.id)
			cl.send(subscribe(1, 1, c.filters...))
			cl.closed() // and no SUBACK
			last := r.goodbye(c.id)
			require.Contains(t, last.Reason, "SUBSCRIBE to")
			require.Equal(t, iot.ErrInvalidOperation.Code, last.Code)
		})
	}
}

func TestUnsubscribing(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.resume(iot.Device("d"), 0)
	c.send(subscribe(1, 1, "devices/d/messages/devicebound/#", "$iothub/methods/POST/#"))
	c.expect(0x90, 4, 0, 1, 1, 1)
	c.send(unsubscribe(2, "devices/d/messages/devicebound/#", "$iothub/twin/res/#", "never/heard/of"))
	c.expect(0xB0, 2, 0, 2)
	r.sendText("later")
	c.quiet()
	require.False(t, r.Connections()[0].Listening.Messages)
	require.True(t, r.Connections()[0].Listening.Methods)

	again := r.resume(iot.Device("d"), 1)
	again.quiet()
	again.send(subscribe(3, 1, "devices/d/messages/devicebound/#"))
	again.expect(0x90, 3, 0, 3, 1)
	require.Equal(t, "later", again.message().body)
}

func TestCleanSessionForgetsSubscriptions(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.resume(iot.Device("d"), 0)
	c.send(subscribe(1, 1, "$iothub/methods/POST/#"))
	c.expect(0x90, 3, 0, 1, 1)
	r.join(iot.Device("d"))
	require.False(t, r.Connections()[0].Listening.Methods)
	r.resume(iot.Device("d"), 0)
	require.False(t, r.Connections()[0].Listening.Methods)
}

// Node and Python do not subscribe again after they renewed a token.
func TestSubscriptionsOutliveTheConnection(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.resume(iot.Device("d"), 0)
	c.send(subscribe(1, 0, "$iothub/methods/POST/#", "$iothub/twin/PATCH/properties/desired/#", "$iothub/twin/res/#"),
		subscribe(2, 1, "devices/d/messages/devicebound/#"))
	c.expect(0x90, 5, 0, 1, 0, 0, 0)
	c.expect(0x90, 3, 0, 2, 1)
	c.send(disconnect)
	c.closed()

	c = r.resume(iot.Device("d"), 1)
	r.sendText("hello")
	require.Equal(t, "hello", c.message().body)
	c.send(publish(0, "$iothub/twin/GET/?$rid=1", " "))
	require.Equal(t, "$iothub/twin/res/200/?$rid=1", c.message().topic)
	l := r.Connections()[0].Listening
	require.True(t, l.Messages && l.Methods && l.Desired)
}
