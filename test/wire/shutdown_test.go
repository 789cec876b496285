package wire_test

import (
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// TestSIGTERMDrains ends a hub that everybody is connected with, in the middle of
// everything: what is under way may finish, and is told so where it cannot; then
// all go, and the hub exits with 0 within five seconds.
func TestSIGTERMDrains(t *testing.T) {
	t.Parallel()
	h, err := harness.Launch(harness.Options{Address: shutdownAddress})
	require.NoError(t, err)
	t.Cleanup(func() { _ = h.Kill() })
	answers, mute := newDeviceOf(t, h), newDeviceOf(t, h)
	device, caller := answers.listener(t), mute.listener(t)
	surfer := dialWebSocket(t, h, "/$iothub/websocket", "mqtt")
	surfing := newDeviceOf(t, h)
	surfer.send(surfing.hello().bytes())
	surfer.expect(accepted)
	strangers := []net.Conn{
		dialRaw(t, h, harness.MQTTPort), dialRaw(t, h, harness.HTTPSPort), dialRaw(t, h, harness.AMQPSPort), dialRaw(t, h, harness.ControlPort),
	}
	over := peersOf(t, h)
	polled := make(chan string, 1)
	go func() {
		text, err := h.Call(http.MethodGet, "/v1/events?wait=1000&timeout=5m", nil)
		if err != nil {
			text = []byte(err.Error())
		}
		polled <- string(text)
	}()
	answered := answers.invoke(t, `{"methodName":"now","payload":1,"responseTimeoutInSeconds":60}`)
	rid := device.methodCall("now", "1")
	unanswered := mute.invoke(t, `{"methodName":"never","payload":2,"responseTimeoutInSeconds":60}`)
	caller.methodCall("never", "2")

	require.NoError(t, h.Terminate())
	h.WaitLog(t, "stopping")
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", h.Addr(harness.MQTTPort))
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, harness.Deadline, time.Millisecond, "nobody is let in any more")
	device.send(publish(0, "$iothub/methods/res/200/?$rid="+rid, `"in time"`))

	r := answered.answer(t)
	require.Equal(t, http.StatusOK, r.Status, "a call under way is answered: %s", r.Body)
	require.JSONEq(t, `{"status":200,"payload":"in time"}`, string(r.Body))
	require.Contains(t, <-polled, "shutting down", "who waits for events is told")
	unanswered.failed(t, http.StatusNotFound, 404103)
	device.closed()
	caller.closed()
	surfer.closed()
	for _, p := range over {
		p.gone()
	}
	for _, conn := range strangers {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(harness.Deadline)))
		_, err := conn.Read(make([]byte, 1))
		require.NotErrorIs(t, err, errTimeout, "a connection that said nothing is closed")
	}
	require.NoError(t, h.Ended(), "exit code 0")
	require.NoError(t, clean(h.Log()))
	took := logged(t, h, "stopped").Sub(logged(t, h, "stopping"))
	require.LessOrEqual(t, took, 5*time.Second)
	require.GreaterOrEqual(t, took, 3*time.Second, "a call that is not answered may take as long as there is")
}

// peersOf are a device and a reader of events, over each way to AMQP.
func peersOf(t *testing.T, h *harness.Hub) (all []*peer) {
	t.Helper()
	for _, open := range []func() *peer{
		func() *peer { return dialAMQP(t, h) },
		func() *peer { return dialAMQPWebSocket(t, h, "/$iothub/websocket") },
	} {
		d := newDeviceOf(t, h)
		p := open()
		require.Zero(t, p.sasl("PLAIN", d.plain(d.Token(time.Hour))))
		p.enter()
		p.receiver(d.address("messages/devicebound"), 10, terms{})
		p.sender(d.address("messages/events"))
		all = append(all, p)
		p = open()
		require.Zero(t, p.sasl("PLAIN", "\x00iothubowner\x00"+harness.WellKnownKey))
		p.enter()
		p.receiver(partition("linarite", "$Default", 0), 1000, terms{})
		all = append(all, p)
	}
	return all
}

// logged is when the hub logged the first line with a text.
func logged(t *testing.T, h *harness.Hub, text string) time.Time {
	t.Helper()
	var line struct{ Time time.Time }
	require.NoError(t, json.Unmarshal([]byte(h.WaitLog(t, `"message":"`+text)), &line))
	return line.Time
}

// TestAHubThatWasKilledComesBackEmptyAndTrusted kills a hub and starts another on
// the same data: what it knew is gone, but clients trust it as before.
func TestAHubThatWasKilledComesBackEmptyAndTrusted(t *testing.T) {
	t.Parallel()
	o := harness.Options{Address: restartAddress, Data: filepath.Join(t.TempDir(), "data")}
	first, err := harness.Launch(o)
	require.NoError(t, err)
	d := newDeviceOf(t, first)
	c := d.join(t)
	c.send(publish(1, d.events(), "before"))
	c.expect(puback(1))
	require.Len(t, first.WaitEvents(t, 1, harness.Filter{Device: d.DeviceID}), 1)
	require.NoError(t, first.Kill())
	c.closed()

	second, err := harness.Launch(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, second.Stop()) })
	require.Equal(t, string(first.CAPEM), string(second.CAPEM))
	for _, port := range []string{harness.MQTTPort, harness.HTTPSPort, harness.AMQPSPort} {
		conn, err := tls.Dial("tcp", second.Addr(port), first.TLS())
		require.NoError(t, err, "who trusted the first trusts the second")
		_ = conn.Close()
	}
	require.Equal(t, http.StatusNotFound, second.REST(t, http.MethodGet, "/devices/"+d.DeviceID, nil).Status)
	events, _ := second.Events(t, harness.Filter{})
	require.Empty(t, events)
	again := identity{second.CreateDevice(t, d.DeviceID), second}
	require.NotEqual(t, d.Key, again.Key)
	again.join(t).ping()
	d.hub = second
	d.enter(t, d.hello(), notAuthorized).closed()
	require.False(t, strings.Contains(second.Log(), "panic"))
}
