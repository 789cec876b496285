package wire_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// just sends the same whoever is there.
func just(sent []byte) func(d, e, m identity) []byte {
	return func(identity, identity, identity) []byte { return sent }
}

// brokenRules are what a connected device d must not send, the code under which
// it is filed, and why; e is another device, m a module of d. IoT Hub: §5.3.
var brokenRules = map[string]struct {
	sent func(d, e, m identity) []byte
	code int
	why  string
}{
	// Topics. IoT Hub: §6.1, §6.4.
	"another device's topic":            {func(_, e, _ identity) []byte { return publish(1, e.events(), "x") }, 400003, "another identity's topic"},
	"another device's topic with QoS 0": {func(_, e, _ identity) []byte { return publish(0, e.events()+"a=b", "x") }, 400003, "another identity's topic"},
	"its module's topic":                {func(_, _, m identity) []byte { return publish(1, m.events(), "x") }, 400003, "another identity's topic"},
	"its own id in upper case":          {func(d, _, _ identity) []byte { return publish(1, strings.ToUpper(d.path())+"/messages/events/", "x") }, 400003, "PUBLISH to"},
	"its topic in another case":         {func(d, _, _ identity) []byte { return publish(1, d.path()+"/Messages/Events/", "x") }, 400003, "unknown topic"},
	"nearly its topic":                  {func(d, _, _ identity) []byte { return publish(1, d.path()+"/messages/event/", "x") }, 400003, "unknown topic"},
	"its topic and more":                {func(d, _, _ identity) []byte { return publish(1, d.path()+"/messages/events2/", "x") }, 400003, "PUBLISH to"},
	"its topic with a slash before":     {func(d, _, _ identity) []byte { return publish(1, "/"+d.events(), "x") }, 400003, "unknown topic"},
	"a topic it may only listen to":     {func(d, _, _ identity) []byte { return publish(1, d.path()+"/messages/devicebound/", "x") }, 400003, "unknown topic"},
	"a topic of its own making":         {just(publish(1, "home/kitchen", "x")), 400003, `unknown topic "home/kitchen"`},
	"no topic":                          {just(publish(1, "", "x")), 400003, "unknown topic"},
	"$SYS":                              {just(publish(1, "$SYS/broker/uptime", "x")), 400003, "unknown topic"},
	"a twin verb there is not":          {just(publish(1, "$iothub/twin/PUT/?$rid=1", "{}")), 400003, "invalid twin request"},
	"desired properties": {func(identity, identity, identity) []byte {
		return publish(1, "$iothub/twin/PATCH/properties/desired/?$rid=1", "{}")
	}, 400003, "invalid twin request"},
	"the twin in another case":  {just(publish(1, "$iothub/twin/get/?$rid=1", "")), 400003, "invalid twin request"},
	"a twin answer":             {just(publish(1, "$iothub/twin/res/200/?$rid=1", "{}")), 400003, "invalid twin request"},
	"a method call":             {just(publish(1, "$iothub/methods/POST/m/?$rid=1", "{}")), 400003, "unknown topic"},
	"a topic with a wildcard":   {func(d, _, _ identity) []byte { return publish(1, "devices/+/messages/events/", "x") }, 400003, "PUBLISH to"},
	"a topic that is not UTF-8": {func(d, _, _ identity) []byte { return publish(1, d.events()+"a=\xff", "x") }, 400006, "utf-8"},
	"a topic with a NUL":        {func(d, _, _ identity) []byte { return publish(1, d.events()+"a=\x00", "x") }, 400006, "utf-8"},

	// Twin requests. IoT Hub: §9.1, §9.4.
	"a twin GET without $rid":       {just(publish(1, "$iothub/twin/GET/?x=1", "")), 400004, "twin GET without a $rid"},
	"a twin GET with nothing":       {just(publish(1, "$iothub/twin/GET/?", "")), 400004, "twin GET without a $rid"},
	"a twin GET with an empty $rid": {just(publish(0, "$iothub/twin/GET/?$rid=", "")), 400004, "twin GET with an empty $rid"},
	"a patch without $rid": {func(identity, identity, identity) []byte {
		return publish(1, "$iothub/twin/PATCH/properties/reported/?$version=1", "{}")
	}, 400004, "twin PATCH without a $rid"},
	"a $rid with a slash":         {just(publish(1, "$iothub/twin/GET/?$rid=a/b", "")), 400004, "not allowed"},
	"a $rid with a space":         {just(publish(1, "$iothub/twin/GET/?$rid=a b", "")), 400004, "not allowed"},
	"a $rid with an equals sign":  {just(publish(1, "$iothub/twin/GET/?$rid=a=b", "")), 400004, "not allowed"},
	"a $rid with a question mark": {just(publish(1, "$iothub/twin/GET/?$rid=a?b", "")), 400004, "not allowed"},
	"a $rid that is not ASCII":    {just(publish(1, "$iothub/twin/GET/?$rid=é", "")), 400004, "not allowed"},

	// Packets. IoT Hub: §3.5, §5.3.
	"a second CONNECT":                {func(d, _, _ identity) []byte { return d.hello().bytes() }, 400006, "a second CONNECT"},
	"a CONNACK":                       {just(accepted), 400006, "CONNACK"},
	"a SUBACK":                        {just(packetOf(0x90, 0, 1, 0)), 400006, "SUBACK"},
	"a PINGRESP":                      {just(pingresp), 400006, "PINGRESP"},
	"a PUBREC":                        {just(packetOf(0x50, 0, 1)), 400006, "PUBREC"},
	"a PUBREL":                        {just(packetOf(0x62, 0, 1)), 400006, "PUBREL"},
	"a PUBCOMP":                       {just(packetOf(0x70, 0, 1)), 400006, "PUBCOMP"},
	"MQTT 5's AUTH":                   {just(packetOf(0xF0, 0, 0)), 400006, "AUTH"},
	"a packet of type 0":              {just([]byte{0, 0}), 400006, "packet type"},
	"a PINGREQ with flags":            {just([]byte{0xC1, 0}), 400006, "flags"},
	"a PINGREQ with a body":           {just([]byte{0xC0, 1, 0}), 400006, "PINGREQ"},
	"a DISCONNECT with a body":        {just([]byte{0xE0, 1, 0}), 400006, "DISCONNECT"},
	"a PUBACK that is cut":            {just([]byte{0x40, 1, 0}), 400006, "malformed"},
	"a PUBACK with a reason":          {just([]byte{0x40, 3, 0, 1, 0}), 400006, "PUBACK"},
	"a PUBLISH of QoS 2":              {func(d, _, _ identity) []byte { return packetOf(0x34, text(d.events()), 0, 1) }, 400003, "QoS 2"},
	"a PUBLISH of QoS 3":              {func(d, _, _ identity) []byte { return packetOf(0x36, text(d.events()), 0, 1) }, 400006, "qos"},
	"a PUBLISH of QoS 0 with DUP":     {func(d, _, _ identity) []byte { return packetOf(0x38, text(d.events())) }, 400006, "dup"},
	"a PUBLISH with packet id 0":      {func(d, _, _ identity) []byte { return packetOf(0x32, text(d.events()), 0, 0) }, 400006, "packet id"},
	"a PUBLISH without packet id":     {func(d, _, _ identity) []byte { return packetOf(0x32, text(d.events())) }, 400006, "malformed"},
	"a PUBLISH without a body":        {just([]byte{0x30, 0}), 400006, "malformed"},
	"a topic longer than the packet":  {just([]byte{0x30, 4, 0, 99, 'a', 'b'}), 400006, "malformed"},
	"a length of five bytes":          {just([]byte{0x30, 0xFF, 0xFF, 0xFF, 0xFF, 1}), 400006, "variable byte integer"},
	"a SUBSCRIBE with wrong flags":    {just(packetOf(0x80, 0, 1, text(twinAnswers), 0)), 400006, "flags"},
	"a SUBSCRIBE to nothing":          {just(packetOf(0x82, 0, 1)), 400006, "SUBSCRIBE"},
	"a SUBSCRIBE with packet id 0":    {just(subscribe(0, 0, twinAnswers)), 400006, "SUBSCRIBE"},
	"a SUBSCRIBE with QoS 3":          {just(subscribe(1, 3, twinAnswers)), 400006, "qos"},
	"a SUBSCRIBE without a QoS":       {just(packetOf(0x82, 0, 1, text(twinAnswers))), 400006, "malformed"},
	"a SUBSCRIBE with reserved bits":  {just(subscribe(1, 0x81, twinAnswers)), 400006, ""},
	"an UNSUBSCRIBE from nothing":     {just(packetOf(0xA2, 0, 1)), 400006, "UNSUBSCRIBE"},
	"an UNSUBSCRIBE with wrong flags": {just(packetOf(0xA0, 0, 1, text(twinAnswers))), 400006, "flags"},
}

func TestABrokenRuleClosesTheConnection(t *testing.T) {
	t.Parallel()
	for name, c := range brokenRules {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, e := newDevice(t), newDevice(t)
			m := d.module(t)
			client := d.join(t)
			client.send(c.sent(d, e, m))
			d.cutOff(client, c.code, c.why)
		})
	}
}

func TestAModuleIsNotItsDevice(t *testing.T) {
	t.Parallel()
	for name, topic := range map[string]func(d, m identity) string{
		"its device's topic":       func(d, _ identity) string { return d.events() },
		"another module's topic":   func(d, _ identity) string { return d.path() + "/modules/other/messages/events/" },
		"an output's topic":        func(_, m identity) string { return m.path() + "/outputs/out" },
		"an input's topic":         func(_, m identity) string { return m.path() + "/inputs/in" },
		"its id with more behind":  func(_, m identity) string { return m.path() + "x/messages/events/" },
		"its topic and a wildcard": func(_, m identity) string { return m.path() + "/messages/#" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDevice(t)
			m := d.module(t)
			c := m.join(t)
			c.send(publish(1, topic(d, m), "x"))
			m.cutOff(c, 400003, "PUBLISH to")
		})
	}
}

// TestWhatCameBeforeABrokenRuleIsAnswered: the packets before it are done, those
// after it are not.
func TestWhatCameBeforeABrokenRuleIsAnswered(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := d.join(t)
	c.send(publish(1, d.events(), "before"), publish(2, "a/b", ""), publish(3, d.events(), "after"), pingreq)
	c.expect(puback(1))
	d.cutOff(c, 400003, `"a/b"`)
	require.Equal(t, "before", d.theEvent(t).Body)
}
