package wire_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

func TestSessionPresent(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	d.join(t).leave()
	d.resume(t, accepted).leave() // CleanSession 1 left nothing behind
	d.resume(t, resumed).leave()
	d.resume(t, resumed).vanish() // without a goodbye
	d.resume(t, resumed)
	d.resume(t, resumed).leave() // while the older one lives
	d.join(t).leave()            // deletes the session
	d.resume(t, accepted).leave()
}

func TestASessionBelongsToItsIdentity(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	m := d.module(t)
	d.resume(t, accepted).leave()
	m.resume(t, accepted).leave()
	m.join(t).leave()
	d.resume(t, resumed).leave()

	require.Equal(t, 204, hub.REST(t, "DELETE", "/devices/"+d.DeviceID, nil, "If-Match", "*").Status)
	again := identity{hub.CreateDevice(t, d.DeviceID), hub}
	again.resume(t, accepted).leave() // a device that was made anew starts anew
}

// TestSubscriptionsSurvive is what Node and Python rest on: after they renewed a
// token they do not subscribe again (sdk-wire.md 0.3).
func TestSubscriptionsSurvive(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*client){
		"a goodbye":          (*client).leave,
		"a broken line":      (*client).vanish,
		"a newer connection": func(*client) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDevice(t)
			c := d.resume(t, accepted)
			c.subscribe(1, d.deviceBound())
			c.subscribe(0, twinAnswers, desired, methods)
			end(c)
			c = d.resume(t, resumed)
			d.hearsEverything(t, c)
		})
	}
	t.Run("a module's too", func(t *testing.T) {
		t.Parallel()
		m := newModule(t)
		c := m.resume(t, accepted)
		c.subscribe(1, twinAnswers, desired, methods)
		c.leave()
		m.hearsEverything(t, m.resume(t, resumed))
	})
}

// hearsEverything checks that a client is subscribed to whatever its identity
// can be sent.
func (i identity) hearsEverything(t *testing.T, c *client) {
	t.Helper()
	c.send(publish(0, "$iothub/twin/GET/?$rid=1", ""))
	require.Equal(t, "$iothub/twin/res/200/?$rid=1", c.publication().topic)
	i.want(t, "PATCH", `{"properties":{"desired":{"a":1}}}`)
	require.Equal(t, "$iothub/twin/PATCH/properties/desired/?$version=2", c.publication().topic)
	call := i.invoke(t, `{"methodName":"m"}`)
	rid := c.methodCall("m", "")
	c.send(publish(0, "$iothub/methods/res/200/?$rid="+rid, ""))
	require.Equal(t, 200, call.answer(t).Status)
	if i.ModuleID != "" {
		return
	}
	hub.Send(t, i.DeviceID, harness.CloudMessage{Body: "hello"})
	p := c.publication()
	require.Equal(t, "hello", p.body)
	require.Equal(t, byte(1), p.qos)
}

func TestSubscriptionsDoNotSurviveCleanSession1(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := d.resume(t, accepted)
	c.subscribe(1, d.deviceBound(), twinAnswers, desired, methods)
	c.leave()
	c = d.join(t)
	require.Equal(t, 404, d.invoke(t, `{"methodName":"m"}`).answer(t).Status)
	d.want(t, "PATCH", `{"properties":{"desired":{"a":1}}}`)
	c.send(publish(0, "$iothub/twin/GET/?$rid=1", ""))
	c.ping()
	c.subscribe(0, twinAnswers)
	c.send(publish(0, "$iothub/twin/GET/?$rid=2", ""))
	require.Equal(t, "$iothub/twin/res/200/?$rid=2", c.publication().topic)
	listening := d.connection(t).Listening
	require.False(t, listening.Messages || listening.Methods || listening.Desired)
	c.leave()
	d.resume(t, accepted).leave()
}

func TestAnUnsubscriptionSurvivesToo(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := d.resume(t, accepted)
	c.subscribe(0, twinAnswers, desired, methods)
	c.send(unsubscribe(9, methods))
	c.expect(packetOf(0xB0, 0, 9))
	c.leave()
	d.resume(t, resumed)
	require.True(t, d.connection(t).Listening.Desired)
	require.False(t, d.connection(t).Listening.Methods)
}

func TestTheNewerConnectionWins(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	m := d.module(t)
	older, module := d.join(t), m.join(t)
	newer := d.join(t)
	older.closed()
	newer.ping()
	module.ping() // a module is somebody else

	line := hub.WaitLog(t, quoted("device", d.DeviceID), quoted("op", "disconnect"))
	require.Contains(t, line, "400027")
	now := d.connection(t)
	require.True(t, now.Connected)
	require.Equal(t, newer.remote(), now.RemoteAddress)
	require.Equal(t, 400027, now.LastDisconnect.Code)
	require.Contains(t, now.LastDisconnect.Reason, "ConnectionForcefullyClosedOnNewConnection")
}

func TestARefusedConnectionTakesNothingOver(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := d.join(t)
	hello := d.hello()
	hello.password = newDevice(t).Token(time.Hour)
	d.enter(t, hello, notAuthorized).closed()
	c.ping()
}

func TestOfManyConnectionsAtOnceOneLives(t *testing.T) {
	t.Parallel()
	const crowd = 12
	d := newDevice(t)
	hello := d.hello()
	var clients []*client
	for range crowd {
		clients = append(clients, dial(t, hub))
	}
	for _, c := range clients {
		c.trySend(hello.bytes())
	}
	// Each is let in, and all but one are closed.
	closed := make(chan *client, crowd)
	for _, c := range clients {
		go func() {
			first, err := c.read(harness.Deadline)
			if err == nil && string(first) == string(accepted) {
				_, err = c.read(harness.Deadline)
			}
			if errors.Is(err, errTimeout) {
				t.Error("two connections live")
			}
			if err != nil {
				closed <- c
			}
		}()
	}
	gone := map[*client]bool{}
	for range crowd - 1 {
		gone[<-closed] = true
	}
	require.Len(t, gone, crowd-1)
	require.True(t, d.connection(t).Connected)
	for _, c := range clients {
		if !gone[c] {
			require.Equal(t, c.remote(), d.connection(t).RemoteAddress)
			c.trySend(pingreq) // the reader above takes the answer
		}
	}
}

func TestOneAfterTheOtherTakesOver(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	var older *client
	for n := range 40 {
		newer := d.join(t)
		newer.send(publish(1, d.events(), fmt.Sprint(n)))
		newer.expect(puback(1))
		newer.subscribe(1, d.deviceBound(), methods)
		if older != nil {
			older.closed()
		}
		older = newer
	}
	require.Len(t, hub.WaitEvents(t, 40, harness.Filter{Device: d.DeviceID}), 40)
	listening := d.connection(t).Listening
	require.True(t, listening.Messages && listening.Methods, "the end of the older ones takes nothing from the newest")
	d.tell(t, "still here")
	require.Equal(t, "still here", older.publication().body)
}

func TestAKick(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := d.join(t)
	hub.Kick(t, d.DeviceID, "")
	c.closed()
	require.False(t, d.connection(t).Connected)
}
