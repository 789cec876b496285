package control_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// sent is the answer to a message.
type sent struct {
	SequenceNumber int
	MessageID      string
}

func (d *desk) tell(device, message string) (s sent) {
	d.t.Helper()
	d.ask("POST", "/v1/devices/"+device+"/messages", message).into(d.t, http.StatusAccepted, &s)
	return s
}

// listens connects a device that takes messages.
func (d *desk) listens(id string) *device {
	v := d.connect(iot.Device(id))
	v.Listen(hub.Listening{Messages: true})
	return v
}

func TestAMessageInFull(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	v := d.listens("d#1")
	s := d.tell("d%231", `{"body":"hi","properties":{"z":"1","a":"","n":null},"messageId":"m1","correlationId":"c1",
		"userId":"u1","contentType":"text/plain","contentEncoding":"utf-8","ack":"full","ttl":"30s"}`)
	assert.Equal(t, sent{1, "m1"}, s)
	m := <-v.messages
	assert.Equal(t, "hi", string(m.Body))
	assert.Equal(t, iot.Properties{{Name: "z", Value: "1"}, {Name: "a"}, {Name: "n", Null: true}}, m.Properties)
	for name, value := range map[string]string{
		iot.MessageID: "m1", iot.CorrelationID: "c1", iot.UserID: "u1", iot.ContentType: "text/plain", iot.ContentEncoding: "utf-8",
	} {
		got, _ := m.System.Get(name)
		assert.Equal(t, value, got, name)
	}
	assert.Equal(t, c2d.AckFull, m.Ack)
	assert.Equal(t, start.Add(30*time.Second), m.Expiry)
}

func TestAMessageWithNothingInIt(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	v := d.listens("d1")
	first, second := d.tell("d1", `{}`), d.tell("d1", `{"properties":null}`)
	assert.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, first.MessageID)
	assert.NotEqual(t, first.MessageID, second.MessageID)
	assert.Equal(t, []int{1, 2}, []int{first.SequenceNumber, second.SequenceNumber})
	m := <-v.messages
	assert.Empty(t, m.Body)
	assert.Empty(t, m.Properties)
	assert.Equal(t, c2d.AckNone, m.Ack)
}

func TestABinaryMessage(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	v := d.listens("d1")
	d.tell("d1", `{"body":"/wA=","bodyEncoding":"base64"}`)
	assert.Equal(t, "\xff\x00", string((<-v.messages).Body))
}

func TestTheLargestMessagePasses(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	v := d.listens("d1")
	d.tell("d1", `{"messageId":"1","body":"`+strings.Repeat(`\u0001`, 64*1024-200)+`"}`)
	assert.Len(t, (<-v.messages).Body, 64*1024-200)
}

func TestMessagesThatAreRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.register(iot.Device("d1"))
	for name, c := range map[string]struct {
		device, message string
		status          int
		code, because   string
	}{
		"an unknown device":       {"d2", `{}`, 404, "DeviceNotFound", `there is no device "d2"`},
		"an unknown member":       {"d1", `{"payload":"x"}`, 400, "DeserializationError", `unknown field "payload"`},
		"not base64":              {"d1", `{"body":"!","bodyEncoding":"base64"}`, 400, "ArgumentInvalid", "not base64"},
		"an unknown encoding":     {"d1", `{"bodyEncoding":"hex"}`, 400, "ArgumentInvalid", "must be utf-8 or base64"},
		"an unknown ack":          {"d1", `{"ack":"maybe"}`, 400, "ArgumentInvalid", "maybe"},
		"a life that is no time":  {"d1", `{"ttl":"soon"}`, 400, "GenericBadRequest", "must be a duration"},
		"a life of nothing":       {"d1", `{"ttl":"0s"}`, 403, "InvalidMessageExpiryTime", "more than nothing"},
		"a life that is too long": {"d1", `{"ttl":"48h1s"}`, 400, "GenericBadRequest", "at most 48h"},
		"properties that are a list": {
			"d1", `{"properties":["a"]}`, 400, "DeserializationError",
			"properties must be an object of strings",
		},
		"a property that is a number": {
			"d1", `{"properties":{"a":1}}`, 400, "DeserializationError",
			`"a" must be a string or null`,
		},
		"too large a message": {"d1", `{"body":"` + strings.Repeat("x", 64*1024+1) + `"}`, 413, "MessageTooLarge", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d.ask("POST", "/v1/devices/"+c.device+"/messages", c.message).refused(t, c.status, c.code, c.because)
		})
	}
	view, err := d.hub.Device("d1")
	require.NoError(t, err)
	assert.Zero(t, view.MessageCount)
}

func TestAFullQueue(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.register(iot.Device("d1"))
	for range 50 {
		d.tell("d1", `{}`)
	}
	d.ask("POST", "/v1/devices/d1/messages", `{}`).refused(t, http.StatusForbidden, "DeviceMaximumQueueDepthExceeded", "")
}

// records are the answer of /v1/feedback.
type records struct {
	Records []struct{ OriginalMessageID, StatusCode, DeviceID string }
}

func (r records) String() string {
	var all []string
	for _, record := range r.Records {
		all = append(all, record.OriginalMessageID+":"+record.StatusCode)
	}
	return strings.Join(all, " ")
}

func (d *desk) feedback(query string) (r records) {
	d.t.Helper()
	d.ask("GET", "/v1/feedback?"+query, "").into(d.t, http.StatusOK, &r)
	return r
}

func TestFeedback(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	assert.Empty(t, d.feedback("").String())
	v := d.listens("d1")
	d.register(iot.Device("d2"))
	d.tell("d1", `{"messageId":"m1","ack":"full"}`)
	d.tell("d2", `{"messageId":"m2","ack":"negative","ttl":"1m"}`)
	d.tell("d2", `{"messageId":"m3","ttl":"1m"}`)

	done := make(chan records)
	go func() { done <- d.feedback("wait=2&timeout=1m") }()
	require.NoError(t, v.Complete(<-v.messages))
	d.hub.Clock().Advance(time.Minute)
	assert.Equal(t, "m1:Success m2:Expired", (<-done).String())
	assert.Equal(t, "m2:Expired", d.feedback("device=d2").String())
	assert.Equal(t, "m1:Success m2:Expired", d.feedback("wait=3&timeout=10ms").String())
	assert.Equal(t, "m1:Success m2:Expired", d.feedback("").String(), "reading takes nothing away")
}

func TestFeedbackQueriesThatAreRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, query := range []string{"wait=1001", "timeout=6m", "after=1"} {
		a := d.ask("GET", "/v1/feedback?"+query, "")
		a.refused(t, http.StatusBadRequest, "GenericBadRequest", "")
	}
}
