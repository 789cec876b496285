package amqp_test

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/iot"
)

const (
	deviceBound = "/messages/devicebound"
	feedback    = "/messages/serviceBound/feedback"
)

func to(address, body string) *codec.Message {
	return &codec.Message{Properties: &codec.Properties{To: address}, Data: [][]byte{[]byte(body)}}
}

func TestMessagesReachTheDevicesQueue(t *testing.T) {
	t.Parallel()
	for _, address := range []string{deviceBound, "/messages/deviceBound", "amqps://127.0.0.1/messages/devicebound"} {
		r := enter(t)
		c := r.join("service")
		link := c.sender(address)
		m := to("/devices/d/messages/deviceBound", "hi")
		m.Properties.MessageID = codec.UUID{1}
		m.Application = codec.Map{{Key: "iothub-ack", Value: "full"}, {Key: "n", Value: int32(5)}}
		assert.Equal(t, &codec.Accepted{}, c.deliver(link, m))
		view, err := r.Device("d")
		require.NoError(t, err)
		assert.Equal(t, 1, view.MessageCount)
		_, err = r.Purge(iot.Device("d"))
		require.NoError(t, err)
		records := r.Feedback().History()
		require.Len(t, records, 1)
		assert.Equal(t, "01000000-0000-0000-0000-000000000000", records[0].OriginalMessageID)
	}
}

func TestMessagesThatAreRejected(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join("service")
	link := c.sender(deviceBound)
	expired, badAck := to("/devices/d/messages/devicebound", "x"), to("/devices/d/messages/devicebound", "x")
	expired.Properties.AbsoluteExpiryTime = codec.Some(r.clock.Now().Add(-time.Hour))
	badAck.Application = codec.Map{{Key: "iothub-ack", Value: "sometimes"}}
	for _, k := range []struct {
		name, condition string
		message         *codec.Message
	}{
		{"an unknown device", "amqp:not-found", to("/devices/x/messages/devicebound", "x")},
		{"a module", "com.microsoft:argument-error", to("/devices/d/modules/m/messages/devicebound", "x")},
		{"too large", "amqp:link:message-size-exceeded", to("/devices/d/messages/devicebound", strings.Repeat("x", 70_000))},
		{"expired", "amqp:not-allowed", expired},
		{"a bad ack", "com.microsoft:argument-error", badAck},
		{"to nobody", "com.microsoft:argument-error", to("", "x")},
		{"without properties", "com.microsoft:argument-error", &codec.Message{Data: [][]byte{{1}}}},
		{"to somewhere else", "com.microsoft:argument-error", to("/devices/d/twin", "x")},
	} {
		rejected, ok := c.deliver(link, k.message).(*codec.Rejected)
		require.True(t, ok, k.name)
		assert.Equal(t, k.condition, string(rejected.Error.Condition), k.name)
	}
	for range 50 {
		require.Equal(t, &codec.Accepted{}, c.deliver(link, to("/devices/d/messages/devicebound", "x")))
	}
	rejected := c.deliver(link, to("/devices/d/messages/devicebound", "x")).(*codec.Rejected)
	assert.Equal(t, "amqp:resource-limit-exceeded", string(rejected.Error.Condition))
	assert.Equal(t, int32(403004), rejected.Error.Info.Get("error-code"))
}

// amenzhinsky/iothub sends empty ids and an expiry in the year 1754.
func TestPitfallEmptyIDsAndAnOldExpiryAreNone(t *testing.T) {
	t.Parallel()
	c := enter(t).join("service")
	m := to("/devices/d/messages/devicebound", "x")
	m.Properties.MessageID, m.Properties.CorrelationID = "", ""
	m.Properties.AbsoluteExpiryTime = codec.Some(time.Date(1754, 8, 30, 0, 0, 0, 0, time.UTC))
	assert.Equal(t, &codec.Accepted{}, c.deliver(c.sender(deviceBound), m))
}

// report makes the feedback of one message, and closes its batch.
func (r *room) report(id string) {
	r.t.Helper()
	_, err := r.Send(iot.Device("d"), c2d.Message{
		Message: iot.Message{System: iot.Properties{{Name: iot.MessageID, Value: id}}}, Ack: c2d.AckFull,
	})
	require.NoError(r.t, err)
	_, err = r.Purge(iot.Device("d"))
	require.NoError(r.t, err)
	r.clock.Advance(15 * time.Second)
}

func TestFeedbackIsOnTheWireAsTheSDKsReadIt(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join("service")
	c.receive(feedback, 1)
	r.report("one")
	tr, m := c.message()
	assert.Len(t, tr.DeliveryTag, 16, "C# makes a Guid of it")
	assert.Equal(t, "application/vnd.microsoft.iothub.feedback.json", string(m.Properties.ContentType.Value))
	assert.Equal(t, "linarite", string(m.Properties.UserID))
	assert.IsType(t, time.Time{}, m.Annotations.Get("iothub-enqueuedtime"))
	var records []map[string]string
	require.NoError(t, json.Unmarshal(m.Body(), &records))
	require.Len(t, records, 1)
	assert.Equal(t, "one", records[0]["originalMessageId"])
	assert.Equal(t, "Purged", records[0]["statusCode"])
	assert.Equal(t, strings.ReplaceAll(m.Properties.MessageID.(string), "-", ""), hex.EncodeToString(tr.DeliveryTag))
}

func TestFeedbackIsSettledAsTheBackEndSays(t *testing.T) {
	t.Parallel()
	for _, k := range []struct {
		name    string
		outcome any
		again   bool
	}{
		{"accepted", &codec.Accepted{}, false},
		{"rejected", &codec.Rejected{}, false},
		{"modified, and not to come here again", &codec.Modified{UndeliverableHere: true}, false},
		{"released", &codec.Released{}, true},
		{"modified", &codec.Modified{DeliveryFailed: true}, true},
		{"settled without an outcome", nil, true},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			r := enter(t)
			c := r.join("service")
			c.receive(feedback, 10)
			r.report("one")
			tr, _ := c.message()
			c.send(&codec.Disposition{Role: codec.RoleReceiver, First: tr.DeliveryID.Value, Settled: true, State: k.outcome})
			if !k.again {
				c.quiet()
				_, ok := r.Feedback().Receive()
				assert.False(t, ok)
				return
			}
			again, m := c.message()
			assert.NotEqual(t, tr.DeliveryTag, again.DeliveryTag)
			assert.Equal(t, uint32(1), m.Header.DeliveryCount)
		})
	}
}

func TestNothingIsLostWhenAConsumerDies(t *testing.T) {
	t.Parallel()
	r := enter(t)
	first := r.join("service")
	first.receive(feedback, 10)
	r.report("one")
	first.message()
	_ = first.conn.Close()
	second := r.join("service")
	second.receive(feedback, 10)
	_, m := second.message()
	assert.Contains(t, string(m.Body()), `"one"`)
	assert.Zero(t, m.Header.DeliveryCount, "that counts for nothing")
}

func TestABatchComesBackWhenItsLockHasRunOut(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join("service")
	c.receive(feedback, 10)
	r.report("one")
	c.message()
	r.clock.Advance(time.Minute)
	c.message()
}

func TestThereAreNoFileNotifications(t *testing.T) {
	t.Parallel()
	c := enter(t).join("service")
	c.receive("/messages/serviceBound/filenotifications", 1)
	handle := c.receive("/messages/servicebound/fileuploadnotifications", 1)
	c.quiet()
	c.drained(handle)
}
