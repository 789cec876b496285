package wire_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// TestTheClock moves the clock of a hub of its own. Its parts run one after the
// other, since they share it.
func TestTheClock(t *testing.T) {
	t.Parallel()
	h := harness.Start(t, harness.Options{Address: clockAddress})
	for _, part := range []struct {
		name string
		run  func(*testing.T, *harness.Hub)
	}{
		{"a message comes back when its lock runs out", lockRunsOut},
		{"a late PUBACK changes nothing", lateAcknowledgement},
		{"a message expires while the device is offline", messageExpires},
		{"a live connection ends when its token has run out", tokenRunsOut},
		{"a connection that was renewed in time goes on", tokenIsRenewed},
		{"a token signed after the clock was moved is welcome", tokenOfLater},
		{"a method times out", methodTimesOut},
		{"a caller does not wait for ever for the device", deviceDoesNotCome},
		{"keep-alive is of the wall's time", keepAliveStays},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, h) })
	}
}

// lockRunsOut: §8.3, one minute; DUP and the same packet id, oldest first.
func lockRunsOut(t *testing.T, h *harness.Hub) {
	d := newDeviceOf(t, h)
	c := d.receiver(t)
	d.tell(t, "a")
	d.tell(t, "b")
	a, b := c.publication(), c.publication()
	h.Advance(t, 59*time.Second)
	c.ping()
	h.Advance(t, 2*time.Second)
	again := c.publication()
	require.Equal(t, publication{topic: a.topic, body: "a", qos: 1, dup: true, id: a.id}, again)
	require.Equal(t, publication{topic: b.topic, body: "b", qos: 1, dup: true, id: b.id}, c.publication())
	c.send(puback(a.id), puback(b.id))
	c.ping()
	require.Zero(t, d.queued(t))
	h.Advance(t, 2*time.Minute)
	c.ping()
}

func lateAcknowledgement(t *testing.T, h *harness.Hub) {
	d := newDeviceOf(t, h)
	c := d.receiver(t)
	d.tell(t, "a")
	first := c.publication()
	c.send(unsubscribe(1, d.deviceBound()))
	c.expect(packetOf(0xB0, 0, 1))
	h.Advance(t, 61*time.Second) // the queue has the message again
	c.send(puback(first.id))
	c.ping()
	require.Equal(t, 1, d.queued(t))
	c.subscribe(1, d.deviceBound())
	again := c.publication()
	require.Equal(t, "a", again.body)
	require.True(t, again.dup)
	c.send(puback(again.id))
	c.ping()
	require.Zero(t, d.queued(t))
}

// messageExpires: §8.5, after its own time to live or an hour.
func messageExpires(t *testing.T, h *harness.Hub) {
	d := newDeviceOf(t, h)
	d.away(t)
	own := h.Send(t, d.DeviceID, harness.CloudMessage{Body: "own", TTL: "2m", Ack: "full"})
	usual := h.Send(t, d.DeviceID, harness.CloudMessage{Body: "usual", Ack: "negative"})
	h.Advance(t, 3*time.Minute)
	record := h.WaitFeedback(t, 1, d.DeviceID)[0]
	require.Equal(t, own, record.OriginalMessageID)
	require.Equal(t, "Expired", record.StatusCode)
	require.Equal(t, 1, d.queued(t))
	h.Advance(t, time.Hour)
	require.Equal(t, usual, h.WaitFeedback(t, 2, d.DeviceID)[1].OriginalMessageID)
	c := d.resume(t, resumed)
	d.tell(t, "next")
	require.Equal(t, "next", c.publication().body)
}

// tokenRunsOut: §4.3, its life and five minutes.
func tokenRunsOut(t *testing.T, h *harness.Hub) {
	d := newDeviceOf(t, h)
	hello := d.hello()
	hello.password = d.Token(20 * time.Minute)
	hello.will = &will{topic: d.events(), body: "gone"}
	c := d.enter(t, hello, accepted)
	h.Advance(t, 24*time.Minute)
	c.ping()
	h.Advance(t, 2*time.Minute)
	d.cutOff(c, 401003, "the token has expired")
	require.Equal(t, "gone", h.WaitEvents(t, 1, harness.Filter{Device: d.DeviceID})[0].Body)

	again := dial(t, h) // with the same token
	again.send(hello.bytes())
	again.turnedAway(notAuthorized, 401003, "the token expired at")
}

// tokenIsRenewed is what Node and Python do: a new connection with a new token,
// and no SUBSCRIBE.
func tokenIsRenewed(t *testing.T, h *harness.Hub) {
	d := newDeviceOf(t, h)
	hello := d.hello()
	hello.clean = false
	hello.password = d.Token(10 * time.Minute)
	c := d.enter(t, hello, accepted)
	c.subscribe(1, d.deviceBound())
	h.Advance(t, 9*time.Minute)
	c.leave()
	hello.password = d.Token(30 * time.Minute)
	c = d.enter(t, hello, resumed)
	h.Advance(t, 20*time.Minute)
	d.tell(t, "still here")
	require.Equal(t, "still here", c.publication().body)
}

func tokenOfLater(t *testing.T, h *harness.Hub) {
	h.Advance(t, 48*time.Hour)
	d := newDeviceOf(t, h)
	c := d.join(t) // its token is good for an hour of the wall's time
	h.Advance(t, 64*time.Minute)
	c.ping()
	h.Advance(t, 2*time.Minute)
	d.cutOff(c, 401003, "the token has expired")
}

// methodTimesOut: §11.2, 504101.
func methodTimesOut(t *testing.T, h *harness.Hub) {
	d := newDeviceOf(t, h)
	c := d.listener(t)
	call := d.invoke(t, `{"methodName":"m","responseTimeoutInSeconds":120}`)
	rid := c.methodCall("m", "")
	h.Advance(t, 121*time.Second)
	call.failed(t, 504, 504101)
	c.send(publish(1, "$iothub/methods/res/200/?$rid="+rid, `"late"`))
	c.expect(puback(1))
	usual := d.invoke(t, `{"methodName":"m"}`)
	c.methodCall("m", "")
	h.Advance(t, 31*time.Second) // 30 is the default
	usual.failed(t, 504, 504101)
}

func deviceDoesNotCome(t *testing.T, h *harness.Hub) {
	d := newDeviceOf(t, h)
	call := d.invoke(t, `{"methodName":"m","connectTimeoutInSeconds":100}`)
	for {
		// The call may not have begun to wait when the clock is moved.
		h.Advance(t, 101*time.Second)
		select {
		case o := <-call.done:
			require.NoError(t, o.err)
			require.Equal(t, 404, o.response.Status)
			require.Contains(t, string(o.response.Body), "404103")
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func keepAliveStays(t *testing.T, h *harness.Hub) {
	d := newDeviceOf(t, h)
	hello := d.hello()
	hello.keepAlive = 30
	c := d.enter(t, hello, accepted)
	h.Advance(t, 30*time.Minute)
	c.ping()
}

func TestWithoutGraceATokenEndsWhenItSays(t *testing.T) {
	t.Parallel()
	h := harness.Start(t, harness.Options{Address: graceAddress, Args: []string{"--sas-grace", "0s"}})
	d := newDeviceOf(t, h)
	hello := d.hello()
	hello.password = d.Token(10 * time.Minute)
	c := d.enter(t, hello, accepted)
	h.Advance(t, 9*time.Minute)
	c.ping()
	h.Advance(t, 61*time.Second)
	d.cutOff(c, 401003, "the token has expired")
	late := dial(t, h)
	hello.password = d.Token(-time.Second)
	late.send(hello.bytes())
	late.turnedAway(notAuthorized, 401003, "the token expired at")
}

func TestAResetClosesEverything(t *testing.T) {
	t.Parallel()
	h := harness.Start(t, harness.Options{Address: resetAddress})
	d := newDeviceOf(t, h)
	c := d.receiver(t)
	d.tell(t, "x")
	c.publication()
	h.Reset(t)
	c.closed()
	refused := dial(t, h) // the CA stays
	refused.send(d.hello().bytes())
	refused.turnedAway(notAuthorized, 404001, "DeviceNotFound")
}

// A reader of events stays, and gets all that comes after the reset.
func TestAReaderReadsOnAfterAReset(t *testing.T) {
	t.Parallel()
	h := harness.Start(t, harness.Options{Address: readOnAddress})
	d := newDeviceOf(t, h)
	e := d.tells(t, "before")[0]
	p := backEnd(t, h, "service")
	l := p.receiver(partition("linarite", "$Default", e.Partition), 1, terms{})
	_, m := p.transfer()
	require.Equal(t, "before", string(m.body))
	h.Reset(t)
	d = identity{h.CreateDevice(t, d.DeviceID), h} // of the same partition
	d.tells(t, "1", "2", "3")
	l.grant(4)
	for _, body := range []string{"1", "2", "3"} {
		_, m = p.transfer()
		require.Equal(t, body, string(m.body))
	}
}
