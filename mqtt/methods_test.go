package mqtt_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/methods"
)

// called is what a back end gets from a method call.
type called struct {
	methods.Response
	err error
}

// invoke calls a method in the background.
func (r *room) invoke(id iot.Identity, name, payload string) <-chan called {
	done := make(chan called, 1)
	call := hub.MethodCall{Name: name}
	if payload != "" {
		call.Payload = json.RawMessage(payload)
	}
	go func() {
		response, err := r.Invoke(context.Background(), id, call)
		done <- called{response, err}
	}()
	return done
}

// listenMethods subscribes to direct methods.
func (c *client) listenMethods() *client {
	c.t.Helper()
	c.send(subscribe(1, 0, "$iothub/methods/POST/#"))
	c.expect(0x90, 3, 0, 1, 0)
	return c
}

// call reads a method request and returns its rid.
func (c *client) call(name, payload string) string {
	c.t.Helper()
	m := c.message()
	rid, ok := strings.CutPrefix(m.topic, "$iothub/methods/POST/"+name+"/?$rid=")
	require.True(c.t, ok, m.topic)
	require.NotEmpty(c.t, rid)
	require.Equal(c.t, payload, m.body)
	require.Zero(c.t, m.qos)
	return rid
}

func TestADirectMethod(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]iot.Identity{"of a device": iot.Device("d"), "of a module": iot.Module("d", "m")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := enter(t)
			c := r.join(id).listenMethods()
			done := r.invoke(id, "reboot", `{"in":3}`)
			rid := c.call("reboot", `{"in":3}`)
			c.send(publish(2, "$iothub/methods/res/201/?$rid="+rid, `{"ok":true}`))
			c.expect(puback(2)...)
			answer := <-done
			require.NoError(t, answer.err)
			require.Equal(t, 201, answer.Status)
			require.JSONEq(t, `{"ok":true}`, string(answer.Payload))
		})
	}
}

func TestEmptyBodiesBothWays(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d")).listenMethods()
	done := r.invoke(iot.Device("d"), "m", "")
	c.send(publish(0, "$iothub/methods/res/-1/?$rid="+c.call("m", ""), ""))
	require.Equal(t, called{Response: methods.Response{Status: -1}}, <-done)
}

func TestAnAnswerThatIsNoJSONFailsTheCall(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d")).listenMethods()
	done := r.invoke(iot.Device("d"), "m", "")
	c.send(publish(3, "$iothub/methods/res/200/?$rid="+c.call("m", ""), "{"))
	c.expect(puback(3)...)
	require.ErrorIs(t, (<-done).err, iot.ErrDeserialization)
	c.quiet()
}

func TestAnAnswerThatIsTooLongFailsTheCall(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d")).listenMethods()
	done := r.invoke(iot.Device("d"), "m", "")
	long := `"` + strings.Repeat("x", methods.MaxPayload-1) + `"`
	c.send(publish(0, "$iothub/methods/res/200/?$rid="+c.call("m", ""), long))
	require.ErrorIs(t, (<-done).err, iot.ErrMessageTooLarge)
	c.quiet()

	done = r.invoke(iot.Device("d"), "m", "")
	c.send(publish(0, "$iothub/methods/res/200/?$rid="+c.call("m", ""), long[1:len(long)-2]+`0`))
	require.Error(t, (<-done).err, "no JSON")
}

func TestAnAnswerThatNobodyWaitsForIsDropped(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d")).listenMethods()
	other := r.join(iot.Device("e"))
	done := r.invoke(iot.Device("d"), "m", "")
	rid := c.call("m", "")
	other.send(publish(0, "$iothub/methods/res/200/?$rid="+rid, `"stolen"`), publish(0, "$iothub/methods/res/200/?$rid=nobodys", ""))
	other.quiet()
	c.send(publish(0, "$iothub/methods/res/200/?$rid="+rid, `"mine"`), publish(0, "$iothub/methods/res/200/?$rid="+rid, `"again"`))
	require.JSONEq(t, `"mine"`, string((<-done).Payload))
	c.quiet()
}

// The caller is not left to wait for its timeout.
func TestAnAnswerThatClosesTheConnectionFailsTheCall(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ topic, why string }{
		"status that is no integer": {"$iothub/methods/res/ok/?$rid=", "is no integer"},
		"status that is too large":  {"$iothub/methods/res/99999999999/?$rid=", "is no integer"},
		"no status":                 {"$iothub/methods/res//?$rid=", "is no integer"},
		"status with a plus":        {"$iothub/methods/res/+200/?$rid=", "is no integer"},
		"no rid":                    {"$iothub/methods/res/200/?rid=", "method answer without a $rid"},
		"no query":                  {"$iothub/methods/res/200/", "method answer without a $rid"},
		"an empty rid":              {"$iothub/methods/res/200/?$rid=&x=", "method answer with an empty $rid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := enter(t)
			cl := r.join(iot.Device("d")).listenMethods()
			done := r.invoke(iot.Device("d"), "m", "")
			cl.send(publish(0, c.topic+cl.call("m", ""), "{}"))
			cl.closed()
			require.ErrorIs(t, (<-done).err, iot.ErrDeviceNotOnline)
			require.Contains(t, r.goodbye(iot.Device("d")).Reason, c.why)
		})
	}
}

func TestADeviceThatDoesNotListenToMethods(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d"))
	require.ErrorIs(t, (<-r.invoke(iot.Device("d"), "m", "")).err, iot.ErrDeviceNotOnline)
	c.listenMethods().quiet()
}
