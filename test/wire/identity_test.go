package wire_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// identity is a device or module, registered with a hub.
type identity struct {
	harness.Identity
	hub *harness.Hub
}

// registered counts the devices, which are called d1, d2 and so on.
var registered atomic.Int64

// newDevice registers a device of the test's own with the shared hub.
func newDevice(t testing.TB) identity { return newDeviceOf(t, hub) }

func newDeviceOf(t testing.TB, h *harness.Hub) identity {
	t.Helper()
	return identity{h.CreateDevice(t, fmt.Sprintf("d%d", registered.Add(1))), h}
}

// newModule registers a module m of a new device.
func newModule(t testing.TB) identity {
	t.Helper()
	return newDevice(t).module(t)
}

// module registers a module m of the device.
func (i identity) module(t testing.TB) identity {
	t.Helper()
	return identity{i.hub.CreateModule(t, i.DeviceID, "m"), i.hub}
}

// path is what the identity's own topics begin with.
func (i identity) path() string {
	if i.ModuleID == "" {
		return "devices/" + i.DeviceID
	}
	return "devices/" + i.DeviceID + "/modules/" + i.ModuleID
}

// events is the topic of the identity's telemetry, with the slash.
func (i identity) events() string { return i.path() + "/messages/events/" }

// deviceBound is the filter of the device's messages.
func (i identity) deviceBound() string { return i.path() + "/messages/devicebound/#" }

// restPath is the identity's path in the service API under a prefix, such as
// /twins/. Ids are percent-encoded there, and nowhere else.
func (i identity) restPath(prefix string) string {
	path := prefix + url.PathEscape(i.DeviceID)
	if i.ModuleID != "" {
		path += "/modules/" + url.PathEscape(i.ModuleID)
	}
	return path
}

// The filters that all identities share.
const (
	twinAnswers = "$iothub/twin/res/#"
	desired     = "$iothub/twin/PATCH/properties/desired/#"
	methods     = "$iothub/methods/POST/#"
)

// hello is a CONNECT that nothing is wrong with, with CleanSession 1.
func (i identity) hello() connect {
	return connect{clean: true, keepAlive: 60, id: i.ClientID(), user: i.UserName(), password: i.Token(time.Hour)}
}

// join connects with CleanSession 1.
func (i identity) join(t testing.TB) *client {
	t.Helper()
	return i.enter(t, i.hello(), accepted)
}

// resume connects with CleanSession 0 and compares the CONNACK.
func (i identity) resume(t testing.TB, connack []byte) *client {
	t.Helper()
	hello := i.hello()
	hello.clean = false
	return i.enter(t, hello, connack)
}

// away leaves a session behind that is subscribed to messages: the device has
// been here, and the hub knows that it is gone.
func (i identity) away(t testing.TB) {
	t.Helper()
	i.receiver(t).leave()
	require.Eventually(t, func() bool { return !i.connection(t).Connected }, harness.Deadline, time.Millisecond)
}

// enter connects with a CONNECT of the test's own and compares the CONNACK.
func (i identity) enter(t testing.TB, hello connect, connack []byte) *client {
	t.Helper()
	c := dial(t, i.hub)
	c.send(hello.bytes())
	c.expect(connack)
	return c
}

// connection is what /v1/connections says of the identity.
func (i identity) connection(t testing.TB) harness.Connection {
	t.Helper()
	connections, _ := i.hub.Connections(t)
	for _, c := range connections {
		if c.DeviceID == i.DeviceID && c.ModuleID == i.ModuleID {
			return c
		}
	}
	require.FailNow(t, "/v1/connections does not know "+i.ClientID())
	return harness.Connection{}
}

// twin is the identity's document in the service API.
func (i identity) twin(t testing.TB) (doc map[string]any) {
	t.Helper()
	r := i.hub.REST(t, "GET", i.restPath("/twins/"), nil)
	require.Equal(t, 200, r.Status, "%s", r.Body)
	r.JSON(t, &doc)
	return doc
}

// want changes the twin as a back end does; body is a JSON object with tags,
// properties or both.
func (i identity) want(t testing.TB, method, body string) {
	t.Helper()
	r := i.hub.REST(t, method, i.restPath("/twins/"), body)
	require.Equal(t, 200, r.Status, "%s", r.Body)
}

// theEvent is the identity's only event, which has to be there already.
func (i identity) theEvent(t testing.TB) harness.Event {
	t.Helper()
	events, _ := i.hub.Events(t, harness.Filter{Device: i.DeviceID, Module: i.ModuleID})
	require.Len(t, events, 1, "PUBACK says that the message is in the log")
	return events[0]
}

// entry is a line of the hub's log.
type entry struct {
	Level, Device, Op, Protocol, Remote, Message string
	Code                                         int
}

// entries are the lines of the log that hold a text and are of an operation.
func entries(t testing.TB, h *harness.Hub, holding, op string) (found []entry) {
	t.Helper()
	for line := range strings.Lines(h.Log()) {
		if !strings.Contains(line, holding) {
			continue
		}
		var e entry
		require.NoError(t, json.Unmarshal([]byte(line), &e), "%s", line)
		if e.Op == op {
			found = append(found, e)
		}
	}
	return found
}

// quoted is a value as it stands in the log.
func quoted(key, value string) string { return fmt.Sprintf("%q:%q", key, value) }

// cutOff expects the hub to close a live connection without a word, and to say
// why in one line of its log and in /v1/connections.
func (i identity) cutOff(c *client, code int, why string) {
	c.t.Helper()
	c.closed()
	i.ended(c.t, code, why)
}

// ended expects the identity's only connection so far to have ended for a
// reason; code 0 is a goodbye.
func (i identity) ended(t testing.TB, code int, why string) {
	t.Helper()
	me := quoted("device", i.ClientID())
	i.hub.WaitLog(t, me, quoted("op", "disconnect"))
	lines := entries(t, i.hub, me, "disconnect")
	require.Len(t, lines, 1, "one line says why")
	require.Equal(t, code, lines[0].Code)
	require.Contains(t, lines[0].Message, why)
	last := i.connection(t)
	require.False(t, last.Connected)
	require.NotNil(t, last.LastDisconnect)
	require.Equal(t, code, last.LastDisconnect.Code)
	if code != 0 {
		require.Contains(t, last.LastDisconnect.Reason, why)
	}
}

// turnedAway expects the hub to close a connection that never was let in, having
// sent no more than the CONNACK given (nil for none), and to say why in one line
// of its log and in /v1/connections.
func (c *client) turnedAway(connack []byte, code int, why string) {
	c.t.Helper()
	if connack != nil {
		c.expect(connack)
	}
	c.closed()
	me := quoted("remote", c.remote())
	c.hub.WaitLog(c.t, me, "refused: ")
	lines := entries(c.t, c.hub, me, "connect")
	require.Len(c.t, lines, 1, "one line says why")
	require.Equal(c.t, "warn", lines[0].Level)
	require.Equal(c.t, code, lines[0].Code, "%s", lines[0].Message)
	require.Contains(c.t, lines[0].Message, why)
	_, refused := c.hub.Connections(c.t)
	for _, r := range refused {
		if r.RemoteAddress == c.remote() {
			require.Equal(c.t, code, r.Code)
			require.Contains(c.t, r.Reason, why)
			return
		}
	}
	require.FailNow(c.t, "/v1/connections does not show the refusal")
}
