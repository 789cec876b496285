package wire_test

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// TestAMQPsClock moves the clock of a hub of its own. Its parts run one after the
// other, since they share it.
func TestAMQPsClock(t *testing.T) {
	t.Parallel()
	h := harness.Start(t, harness.Options{Address: amqpClockAddress})
	for _, part := range []struct {
		name string
		run  func(*testing.T, *harness.Hub)
	}{
		{"a batch of feedback", feedbackBatch},
		{"a batch comes back when its lock has run out", feedbackLock},
		{"nothing is lost when a consumer dies", feedbackConsumerDies},
		{"a reader's link ends with its token", readerTokenRunsOut},
		{"a reader whose token was renewed goes on", readerTokenRenewed},
		{"a device's links end with its token", deviceTokenRunsOut},
		{"a device whose token was renewed goes on", deviceTokenRenewed},
		{"PLAIN's token runs out, its key does not", plainRunsOut},
		{"a message comes again when its lock has run out", messageLock},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, h) })
	}
}

// feedbackOf makes the feedback of a message, and closes its batch.
func feedbackOf(t *testing.T, h *harness.Hub, d identity) (messageID string) {
	id := h.Send(t, d.DeviceID, harness.CloudMessage{Body: "x", Ack: "full"})
	require.Equal(t, 200, h.REST(t, "DELETE", "/devices/"+d.DeviceID+"/commands", nil).Status)
	h.Advance(t, 15*time.Second)
	return id
}

const feedbackAddress = "/messages/serviceBound/feedback"

func feedbackBatch(t *testing.T, h *harness.Hub) {
	d := newDeviceOf(t, h)
	p := backEnd(t, h, "service")
	l := p.receiver(feedbackAddress, 0, terms{})
	id := feedbackOf(t, h, d)
	p.quiet() // as long as there is no credit
	l.grant(1)
	f, m := p.transfer()
	require.Equal(t, symbol("application/vnd.microsoft.iothub.feedback.json"), m.properties[propertyContentType])
	require.NotEmpty(t, m.properties[propertyUserID])
	require.IsType(t, time.Time{}, m.annotations.get("iothub-enqueuedtime"))
	lock := strings.ReplaceAll(m.properties[propertyID].(string), "-", "")
	require.Equal(t, lock, hex.EncodeToString(f.at(2).([]byte)), "C# makes a Guid of the delivery tag")
	var records []map[string]string
	require.NoError(t, json.Unmarshal(m.body, &records))
	require.Len(t, records, 1)
	require.Equal(t, id, records[0]["originalMessageId"])
	require.Equal(t, "Purged", records[0]["statusCode"])
	require.Equal(t, "Purged", records[0]["description"])
	require.Equal(t, d.DeviceID, records[0]["deviceId"])
	require.NotEmpty(t, records[0]["deviceGenerationId"])
	require.NotEmpty(t, records[0]["enqueuedTimeUtc"])

	p.settle(f, releasedOutcome)
	l.grant(2)
	f, m = p.transfer()
	require.EqualValues(t, 1, m.header[4], "released is abandoned, and comes again")
	p.settle(f, acceptedOutcome)
	l.grant(10)
	p.quiet()

	feedbackOf(t, h, d)
	f, _ = p.transfer()
	p.settle(f, rejectedOutcome)
	p.quiet()
	l.detach()
}

func feedbackLock(t *testing.T, h *harness.Hub) {
	p := backEnd(t, h, "service")
	l := p.receiver(feedbackAddress, 10, terms{})
	id := feedbackOf(t, h, newDeviceOf(t, h))
	_, m := p.transfer()
	require.Contains(t, string(m.body), id)
	h.Advance(t, time.Minute)
	f, m := p.transfer()
	require.Contains(t, string(m.body), id)
	p.settle(f, acceptedOutcome)
	p.quiet()
	l.detach()
}

func feedbackConsumerDies(t *testing.T, h *harness.Hub) {
	first := backEnd(t, h, "service")
	first.receiver(feedbackAddress, 10, terms{})
	id := feedbackOf(t, h, newDeviceOf(t, h))
	first.transfer()
	require.NoError(t, first.conn.Close())
	second := backEnd(t, h, "service")
	l := second.receiver(feedbackAddress, 10, terms{})
	f, m := second.transfer()
	require.Contains(t, string(m.body), id)
	require.EqualValues(t, 0, m.header[4], "that counts for nothing")
	second.settle(f, acceptedOutcome)
	second.quiet()
	l.detach()
}

// short is a token of a policy's for ten minutes, which with the grace are
// fifteen.
func short(h *harness.Hub, policy string) string {
	return harness.Sign(h.Address, harness.WellKnownKey, policy, time.Now().Add(10*time.Minute))
}

func readerTokenRunsOut(t *testing.T, h *harness.Hub) {
	p := dialAMQP(t, h).enter()
	require.EqualValues(t, 200, p.rpc("$cbs").putToken(sasToken, h.Address, short(h, "service")))
	l := p.receiver(partition("linarite", "$Default", 0), 10, terms{filter: selector("amqp.annotation.x-opt-offset > '@latest'")})
	h.Advance(t, 14*time.Minute)
	p.quiet()
	h.Advance(t, 2*time.Minute)
	require.Equal(t, "amqp:unauthorized-access (401002)", l.ended().String())
	require.Equal(t, "amqp:unauthorized-access (401002)", p.refused(true, feedbackAddress, terms{}).String())
}

func readerTokenRenewed(t *testing.T, h *harness.Hub) {
	p := dialAMQP(t, h).enter()
	r := p.rpc("$cbs")
	require.EqualValues(t, 200, r.putToken(sasToken, h.Address, short(h, "service")))
	d := newDeviceOf(t, h)
	e := d.tells(t, "before")[0]
	l := p.receiver(partition("linarite", "$Default", e.Partition), 10, terms{filter: from(e)})
	_, m := p.transfer()
	require.Equal(t, "before", string(m.body))
	for range 3 {
		h.Advance(t, 14*time.Minute)
		require.EqualValues(t, 200, r.putToken(sasToken, h.Address, short(h, "service")))
	}
	d.tells(t, "after")
	_, m = p.transfer()
	require.Equal(t, "after", string(m.body))
	l.detach()
}

func deviceTokenRunsOut(t *testing.T, h *harness.Hub) {
	d := newDeviceOf(t, h)
	p := dialAMQP(t, h).enter()
	require.EqualValues(t, 200, p.rpc("$cbs").putToken(sasToken, d.Resource(), d.Token(10*time.Minute)))
	l := p.sender(d.address("messages/events"))
	l.accepts(message{body: []byte("x")})
	h.Advance(t, 16*time.Minute)
	require.Equal(t, "amqp:unauthorized-access (401003)", l.ended().String())
	d.ended(t, 401003, "the token has expired")
}

func deviceTokenRenewed(t *testing.T, h *harness.Hub) {
	d := newDeviceOf(t, h)
	p := dialAMQP(t, h).enter()
	r := p.rpc("$cbs")
	require.EqualValues(t, 200, r.putToken(sasToken, d.Resource(), d.Token(10*time.Minute)))
	l := p.sender(d.address("messages/events"))
	since := d.connection(t).Since
	for n := range time.Duration(3) {
		h.Advance(t, 14*time.Minute)
		// Another second makes another token.
		require.EqualValues(t, 200, r.putToken(sasToken, d.Resource(), d.Token(10*time.Minute+(n+1)*time.Second)))
	}
	l.accepts(message{body: []byte("x")})
	require.Equal(t, since, d.connection(t).Since, "it never left")
}

func plainRunsOut(t *testing.T, h *harness.Hub) {
	token, key := dialAMQP(t, h), dialAMQP(t, h)
	require.Zero(t, token.sasl("PLAIN", "\x00service@sas.root.127\x00"+short(h, "service")))
	require.Zero(t, key.sasl("PLAIN", "\x00service\x00"+harness.WellKnownKey))
	l := token.enter().sender("/messages/devicebound")
	key.enter().sender("/messages/devicebound")
	h.Advance(t, 16*time.Minute)
	require.Equal(t, "amqp:unauthorized-access (401002)", l.ended().String())
	h.Advance(t, 24*time.Hour)
	key.quiet()
}

func messageLock(t *testing.T, h *harness.Hub) {
	d := newDeviceOf(t, h)
	p := d.amqp(t)
	p.receiver(d.address("messages/devicebound"), 10, terms{})
	h.Send(t, d.DeviceID, harness.CloudMessage{Body: "x"})
	first, _ := p.transfer()
	h.Advance(t, 61*time.Second)
	again, m := p.transfer()
	require.NotEqual(t, first.at(2), again.at(2), "another lock")
	require.EqualValues(t, 0, m.header[4])
	p.settle(first, acceptedOutcome) // too late
	p.quiet()
	require.Equal(t, 1, d.queued(t))
	p.settle(again, acceptedOutcome)
	p.quiet()
	require.Zero(t, d.queued(t))
}
