package mqtt_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

func TestTelemetry(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d"))
	c.send(publish(7, "devices/d/messages/events/%24.mid=1&%24.ct=application%2Fjson&$.ce=utf-8&a=b%20c&n&e=", `{"t":20}`))
	c.expect(0x40, 2, 0, 7)
	e := r.journal(1)[0]
	require.Equal(t, `{"t":20}`, string(e.Message.Body))
	require.Equal(t, hub.SourceTelemetry, e.Source)
	require.Equal(t, iot.Device("d"), e.Origin.Identity)
	require.Equal(t, iot.Properties{
		{Name: iot.MessageID, Value: "1"},
		{Name: iot.ContentType, Value: "application/json"},
		{Name: iot.ContentEncoding, Value: "utf-8"},
	}, e.Message.System)
	require.Equal(t, iot.Properties{
		{Name: "a", Value: "b c"}, {Name: "n", Null: true}, {Name: "e"},
	}, e.Message.Properties)
}

// The message is there before the PUBACK is: nobody has to wait for it.
func TestAnAcknowledgedMessageIsInTheLog(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d"))
	for i := uint16(1); i <= 100; i++ {
		c.send(publish(i, "devices/d/messages/events/", "x"))
		c.expect(puback(i)...)
		all, _ := r.Events().ReadAll(r.Events().Start(), 1000)
		require.Len(t, all, int(i))
	}
}

func TestTopicsOfTelemetry(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		id    iot.Identity
		topic string
		want  iot.Properties
	}{
		"a device":                   {iot.Device("d"), "devices/d/messages/events/", nil},
		"without the slash":          {iot.Device("d"), "devices/d/messages/events", nil},
		"with a bag":                 {iot.Device("d"), "devices/d/messages/events/a=b", iot.Properties{{Name: "a", Value: "b"}}},
		"with a bag and a slash":     {iot.Device("d"), "devices/d/messages/events/a=b/", iot.Properties{{Name: "a", Value: "b"}}},
		"with a ? before the bag":    {iot.Device("d"), "devices/d/messages/events/?a=b", iot.Properties{{Name: "a", Value: "b"}}},
		"a module":                   {iot.Module("d", "m"), "devices/d/modules/m/messages/events/", nil},
		"a module without the slash": {iot.Module("d", "m"), "devices/d/modules/m/messages/events", nil},
		"a module with a bag":        {iot.Module("d", "m"), "devices/d/modules/m/messages/events/a=b/", iot.Properties{{Name: "a", Value: "b"}}},
		"a plus and a hash":          {iot.Device("d"), "devices/d/messages/events/a=1+2#3", iot.Properties{{Name: "a", Value: "1+2#3"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := enter(t)
			cl := r.join(c.id)
			cl.send(publish(1, c.topic, ""))
			cl.expect(puback(1)...)
			e := r.journal(1)[0]
			require.Equal(t, c.want, e.Message.Properties)
			require.Equal(t, c.id, e.Origin.Identity)
		})
	}
}

func TestIDsWithEveryCharacter(t *testing.T) {
	t.Parallel()
	r := enter(t)
	const name = "a-:.%_#*?!(),=@;$'+Z"
	r.create(name)
	id := iot.Device(name)
	h := hello(t, id)
	h.password = token(t, "127.0.0.1")
	c := r.enter(h)
	c.send(publish(1, id.Path()+"/messages/events/", ""), subscribe(2, 1, id.Path()+"/messages/devicebound/#"))
	c.expect(puback(1)...)
	c.expect(0x90, 3, 0, 2, 1)
}

func TestQoS0TelemetryIsNotAnswered(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d"))
	c.send(publish(0, "devices/d/messages/events/", "x"))
	c.quiet()
	require.Len(t, r.journal(1), 1)
}

func TestRetainBecomesProperties(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d"))
	c.send(packet(0x31, text(nil, "devices/d/messages/events/x-opt-retain=false")))
	e := r.journal(1)[0]
	require.Equal(t, iot.Properties{{Name: "x-opt-retain", Value: "true"}, {Name: "mqtt-retain", Value: "true"}}, e.Message.Properties)
	c.send(subscribe(1, 1, "devices/d/messages/devicebound/#"))
	c.expect(0x90, 3, 0, 1, 1)
	c.quiet()
}

func TestADeviceCannotPassForAnother(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d"))
	c.send(publish(0, "devices/d/messages/events/iothub-connection-device-id=e&IoTHub-Connection-Auth-Method=x&%24.cdid=e&$.cmid=m&iothub-enqueuedtime=1&dt-dataschema=x&a=b", ""))
	e := r.journal(1)[0]
	require.Empty(t, e.Message.System)
	require.Equal(t, iot.Properties{{Name: "a", Value: "b"}}, e.Message.Properties)
}

func TestTheLargestMessage(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d"))
	body := strings.Repeat("x", hub.MaxTelemetry-len("av"))
	c.send(publish(1, "devices/d/messages/events/a=v", body))
	c.expect(puback(1)...)
	c.send(publish(2, "devices/d/messages/events/a=vv", body))
	c.closed()
	require.Equal(t, iot.ErrMessageTooLarge.Code, r.goodbye(iot.Device("d")).Code)
	require.Len(t, r.journal(1), 1)
}

func TestMessagesStayInOrderHoweverTheyArrive(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d"))
	var all []byte
	const n = 500
	for i := uint16(1); i <= n; i++ {
		all = append(all, publish(i, "devices/d/messages/events/", strings.Repeat("x", int(i)%700)+string(rune('a'+i%26)))...)
	}
	go func() { // in pieces that cut packets anywhere
		for len(all) > 0 {
			k := min(len(all), 1+len(all)%1371)
			if _, err := c.conn.Write(all[:k]); err != nil {
				return
			}
			all = all[k:]
		}
	}()
	for i := uint16(1); i <= n; i++ {
		c.expect(puback(i)...)
	}
	for i, e := range r.journal(n) {
		require.Len(t, e.Message.Body, (i+1)%700+1)
	}
}

func TestTheWillBecomesTelemetry(t *testing.T) {
	t.Parallel()
	lastWill := &will{topic: "devices/d/messages/events/%24.ct=text%2Fplain&a=b", body: "gone", qos: 1, retain: true}
	for name, end := range map[string]func(*testing.T, *room, *client){
		"when the client vanishes": func(t *testing.T, _ *room, c *client) { require.NoError(t, c.conn.Close()) },
		"when it is replaced":      func(_ *testing.T, r *room, _ *client) { r.join(iot.Device("d")) },
		"when it breaks a rule":    func(_ *testing.T, _ *room, c *client) { c.send(publish(1, "hello", "")) },
		"when it is malformed":     func(_ *testing.T, _ *room, c *client) { c.send([]byte{0x00, 0x00}) },
		"when it is kicked":        func(t *testing.T, r *room, _ *client) { require.True(t, r.Kick(iot.Device("d"))) },
		"when its keep-alive ends": func(*testing.T, *room, *client) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := enter(t)
			h := hello(t, iot.Device("d"))
			h.will, h.keepAlive = lastWill, 1
			end(t, r, r.enter(h))
			e := r.journal(1)[0]
			require.Equal(t, "gone", string(e.Message.Body))
			require.Equal(t, hub.SourceTelemetry, e.Source)
			require.Equal(t, iot.Properties{{Name: iot.ContentType, Value: "text/plain"}}, e.Message.System)
			require.Equal(t, iot.Properties{
				{Name: "a", Value: "b"},
				{Name: "mqtt-retain", Value: "true"},
				{Name: "x-opt-retain", Value: "true"},
				{Name: "iothub-MessageType", Value: "Will"},
			}, e.Message.Properties)
		})
	}
}

func TestTheWillIsNotSent(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testing.T, *room, *client){
		"after DISCONNECT":              func(_ *testing.T, _ *room, c *client) { c.send(disconnect) },
		"for a device that was deleted": func(t *testing.T, r *room, _ *client) { require.NoError(t, r.DeleteDevice("d", "*")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := enter(t)
			h := hello(t, iot.Device("d"))
			h.will = &will{topic: "devices/d/messages/events", body: "gone"}
			c := r.enter(h)
			end(t, r, c)
			c.closed()
			require.NoError(t, r.srv.Close()) // every reader has ended
			all, _ := r.Events().ReadAll(r.Events().Start(), 10)
			require.Empty(t, all)
		})
	}
}

func TestAModulesWill(t *testing.T) {
	t.Parallel()
	r := enter(t)
	h := hello(t, iot.Module("d", "m"))
	h.will = &will{topic: "devices/d/modules/m/messages/events/"}
	require.NoError(t, r.enter(h).conn.Close())
	require.Equal(t, iot.Module("d", "m"), r.journal(1)[0].Origin.Identity)
}

func TestAPublishOfManyProperties(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d"))
	var bag strings.Builder
	for i := range uint16(4000) {
		b := binary.BigEndian.AppendUint16(nil, i%2000)
		bag.WriteString("k" + string(rune('a'+b[0])) + string(rune(0x100+int(b[1]))) + "=v&")
	}
	c.send(publish(1, "devices/d/messages/events/"+bag.String(), ""))
	c.expect(puback(1)...)
	require.Len(t, r.journal(1)[0].Message.Properties, 2000)
}
