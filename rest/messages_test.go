package rest_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/iot"
)

func (f *fixture) send(id, messageID string) {
	f.t.Helper()
	_, err := f.hub.Send(iot.Device(id), c2d.Message{
		Message: iot.Message{System: iot.Properties{{Name: iot.MessageID, Value: messageID}}, Body: []byte("x")}, Ack: c2d.AckFull,
	})
	require.NoError(f.t, err)
}

func TestAQueueIsPurged(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	f.send("d1", "a")
	f.send("d1", "b")
	require.Equal(t, `{"totalMessagesPurged":2,"deviceId":"d1","moduleId":null}`, f.must("DELETE", "/devices/d1/commands", "").body)
	require.Equal(t, `{"totalMessagesPurged":0,"deviceId":"d1","moduleId":null}`, f.must("DELETE", "/devices/d1/commands", "").body)
}

func TestFeedbackIsReceivedAbandonedAndCompleted(t *testing.T) {
	t.Parallel()
	const path = "/messages/serviceBound/feedback"
	f := start(t)
	require.Equal(t, 204, f.do("GET", path, "").status)
	f.must("PUT", "/devices/d1", `{}`)
	l, s := f.connect(iot.Device("d1"))
	f.send("d1", "order-7")
	require.NoError(t, s.Complete(<-l.messages))
	f.clock.Advance(20 * time.Second) // feedback is collected for 15 s

	first := f.do("GET", path, "")
	require.Equal(t, 200, first.status)
	require.Equal(t, "application/json; charset=utf-8", first.header.Get("Content-Type"))
	require.Equal(t, "application/vnd.microsoft.iothub.feedback.json", first.header.Get("iothub-contenttype"))
	require.Equal(t, "blue", first.header.Get("iothub-userid"))
	require.NotEmpty(t, first.header.Get("iothub-enqueuedtime"))
	golden(t, "feedback.json", first.body)
	require.Equal(t, 204, f.do("GET", path, "").status, "it is locked")

	lock := strings.Trim(first.header.Get("ETag"), `"`)
	require.Equal(t, 204, f.do("POST", path+"/"+lock+"/abandon", "").status)
	again := f.do("GET", "/Messages/servicebound/FEEDBACK", "")
	require.Equal(t, first.body, again.body)
	f.do("DELETE", path+"/"+lock, "").refused(t, 412, "DeviceMessageLockLost", message(t, f.do("DELETE", path+"/"+lock, "")))

	lock = strings.Trim(again.header.Get("ETag"), `"`)
	require.Equal(t, 204, f.do("DELETE", path+"/"+lock, "").status)
	f.clock.Advance(2 * time.Minute)
	require.Equal(t, 204, f.do("GET", path, "").status)
	require.Equal(t, 412, f.do("POST", path+"/"+lock+"/abandon", "").status)
}

// message is the text of a plain error.
func message(t *testing.T, r response) string {
	t.Helper()
	_, text, ok := strings.Cut(r.member(t, "Message"), ";")
	require.True(t, ok, r.body)
	return text
}

func TestTheBodyOfFeedbackIsAnArrayOfRecords(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	f.send("d1", "a")
	f.send("d1", "b")
	f.must("DELETE", "/devices/d1/commands", "")
	f.clock.Advance(20 * time.Second)
	var records []map[string]string
	require.NoError(t, json.Unmarshal([]byte(f.do("GET", "/messages/serviceBound/feedback", "").body), &records))
	require.Len(t, records, 2)
	require.Equal(t, "Purged", records[0]["statusCode"])
	require.Equal(t, "b", records[1]["originalMessageId"])
}
