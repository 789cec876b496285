package rest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
)

var d1 = iot.Device("d1")

func deviceOf(id string) registry.Device { return registry.Device{ID: id} }

// lockOf is the lock token that an answer holds.
func lockOf(r response) string { return strings.Trim(r.header.Get("ETag"), `"`) }

func TestADeviceReceivesAMessage(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	require.Equal(t, 204, f.at(d1, "GET", "deviceBound", "").status, "there is none")
	_, err := f.hub.Send(d1, c2d.Message{
		Message: iot.Message{
			System: iot.Properties{
				{Name: iot.MessageID, Value: "m1"},
				{Name: iot.CorrelationID, Value: "c1"},
				{Name: iot.UserID, Value: "u1"},
				{Name: iot.ContentType, Value: "application/json"},
				{Name: iot.ContentEncoding, Value: "utf-8"},
			},
			Properties: iot.Properties{{Name: "Size", Value: "5"}, {Name: "bad name", Value: "x"}, {Name: "nothing", Null: true}},
			Body:       []byte("\x00\xff"),
		},
		Expiry: morning.Add(5 * time.Hour), Ack: c2d.AckFull,
	})
	require.NoError(t, err)
	r := f.at(d1, "GET", "devicebound", "")
	require.Equal(t, 200, r.status)
	assert.Equal(t, "\x00\xff", r.body)
	assert.Regexp(t, `^"[0-9a-f]{8}-[0-9a-f-]{27}"$`, r.header.Get("ETag"))
	for name, value := range map[string]string{
		"iothub-messageid": "m1", "iothub-correlationid": "c1", "iothub-userid": "u1", "iothub-to": "/devices/d1/messages/deviceBound",
		"iothub-expiry": "3/2/2026 1:30:15 PM", "iothub-ack": "full", "iothub-enqueuedtime": "3/2/2026 8:30:15 AM",
		"iothub-sequencenumber": "1", "iothub-deliverycount": "0", "iothub-contenttype": "application/json", "ContentType": "application/json",
		"iothub-contentencoding": "utf-8", "ContentEncoding": "utf-8", "iothub-app-Size": "5", "iothub-app-nothing": "",
		"Content-Type": "application/octet-stream", "iothub-app-bad name": "",
	} {
		assert.Equal(t, value, r.header.Get(name), name)
	}
	require.Equal(t, 204, f.at(d1, "GET", "deviceBound", "").status, "it is locked")
	require.Equal(t, "1", f.count("d1"))
	require.Equal(t, 204, f.at(d1, "DELETE", "deviceBound/"+lockOf(r), "").status)
	require.Equal(t, "0", f.count("d1"))
	again := f.at(d1, "DELETE", "deviceBound/"+lockOf(r), "")
	again.refused(t, 412, "DeviceMessageLockLost", message(t, again))
	assert.Equal(t, "Success", f.hub.Feedback().History()[0].StatusCode)
}

// count is how many messages wait for a device, as its document says.
func (f *fixture) count(id string) string {
	f.t.Helper()
	_, rest, _ := strings.Cut(f.must("GET", "/devices/"+id, "").body, `"cloudToDeviceMessageCount":`)
	n, _, _ := strings.Cut(rest, ",")
	return n
}

func TestAMessageWithLittle(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	_, err := f.hub.Send(d1, c2d.Message{})
	require.NoError(t, err)
	r := f.at(d1, "GET", "deviceBound", "")
	require.Equal(t, 200, r.status)
	require.Empty(t, r.body)
	for _, name := range []string{"Iothub-Messageid", "Iothub-Expiry", "Iothub-Userid"} {
		assert.Equal(t, []string{""}, r.header[name], "it is there and empty")
	}
	assert.Equal(t, "none", r.header.Get("iothub-ack"))
	assert.NotContains(t, r.header, "Contenttype")
}

func TestAMessageIsRejectedOrAbandoned(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	f.send("d1", "a")
	first := f.at(d1, "GET", "deviceBound", "")
	require.Equal(t, 204, f.at(d1, "POST", "deviceBound/"+lockOf(first)+"/abandon", "", "If-Match: "+lockOf(first)).status)
	second := f.at(d1, "GET", "deviceBound", "")
	assert.Equal(t, "1", second.header.Get("iothub-deliverycount"))
	assert.NotEqual(t, lockOf(first), lockOf(second))
	require.Equal(t, 412, f.at(d1, "POST", "deviceBound/"+lockOf(first)+"/abandon", "").status)
	require.Equal(t, 204, f.at(d1, "DELETE", "deviceBound/"+lockOf(second)+version+"&reject", "").status)
	require.Equal(t, 204, f.at(d1, "GET", "deviceBound", "").status)
	assert.Equal(t, "Rejected", f.hub.Feedback().History()[0].StatusCode)
	require.Equal(t, 412, f.at(d1, "DELETE", "deviceBound/%22nonsense%22", "").status)
}

func TestEverySpellingOfRejectRejects(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	for i, form := range []string{"&reject", "&reject=", "&reject=true", "&Reject=true", "&%3Freject=true"} { // the last is Java's
		f.send("d1", "a")
		lock := lockOf(f.at(d1, "GET", "deviceBound", ""))
		require.Equal(t, 204, f.at(d1, "DELETE", "deviceBound/"+lock+version+form, "").status, form)
		assert.Equal(t, "Rejected", f.hub.Feedback().History()[i].StatusCode, form)
	}
}

func TestHowLongAMessageIsLocked(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	f.send("d1", "a")
	for _, c := range []struct {
		path, header string
		lasts        time.Duration
	}{
		{"deviceBound", "", time.Minute},
		{"deviceBound", "IotHub-MessageLockTimeout: 5", 5 * time.Second},
		{"deviceBound" + version + "&iothub-messagelocktimeout=120", "", 2 * time.Minute},
	} {
		r := f.at(d1, "GET", c.path, "", c.header)
		require.Equal(t, 200, r.status)
		f.clock.Advance(c.lasts - time.Millisecond)
		require.Equal(t, 204, f.at(d1, "GET", "deviceBound", "").status, "it is locked")
		f.clock.Advance(2 * time.Millisecond)
		require.Equal(t, 412, f.at(d1, "DELETE", "deviceBound/"+lockOf(r), "").status, "the lock has run out")
	}
	for _, bad := range []string{"0", "301", "-1", "1.5", "a minute"} {
		f.at(d1, "GET", "deviceBound", "", "IotHub-MessageLockTimeout: "+bad).
			refused(t, 400, "ArgumentInvalid", "iothub-messagelocktimeout must be a number of seconds from 1 to 300.")
	}
}

// Both receive from one queue: what one has locked the other does not get.
func TestADeviceOnHTTPSBesideItsConnection(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	f.send("d1", "a")
	r := f.at(d1, "GET", "deviceBound", "")
	require.Equal(t, 200, r.status)
	l, s := f.connect(d1)
	f.send("d1", "b")
	b := <-l.messages
	require.Equal(t, 204, f.at(d1, "GET", "deviceBound", "").status)
	assert.Empty(t, l.messages, "a is locked by the request")

	require.Equal(t, 204, f.at(d1, "POST", "deviceBound/"+lockOf(r)+"/abandon", "").status)
	a := <-l.messages
	id, _ := a.System.Get(iot.MessageID)
	assert.Equal(t, "a", id, "abandoned, it goes to who listens")
	require.NoError(t, s.Complete(b))
	s.End(nil)
	again := f.at(d1, "GET", "deviceBound", "")
	assert.Equal(t, "a", again.header.Get("iothub-messageid"), "the connection's end gives it back")

	// A connection's end does not touch what a request has locked.
	_, s = f.connect(d1)
	s.End(nil)
	require.Equal(t, 204, f.at(d1, "DELETE", "deviceBound/"+lockOf(again), "").status)
}

func TestPurgeTakesALockedMessage(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	f.send("d1", "a")
	r := f.at(d1, "GET", "deviceBound", "")
	f.must("DELETE", "/devices/d1/commands", "")
	require.Equal(t, 412, f.at(d1, "DELETE", "deviceBound/"+lockOf(r), "").status)
}

// A device that is deleted, and made anew, between its authentication and what it
// wanted, has done nothing.
func TestADeviceThatIsDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	v, err := f.hub.Visit(hub.ConnectRequest{Identity: d1, Token: f.deviceToken(d1), Protocol: "Https"})
	require.NoError(t, err)
	f.must("DELETE", "/devices/d1", "", "If-Match: *")
	for range 2 {
		assert.ErrorIs(t, v.Telemetry([]iot.Message{{}}).Err, iot.ErrDeviceNotFound)
		_, _, err = v.Receive(0)
		require.ErrorIs(t, err, iot.ErrDeviceNotFound)
		assert.ErrorIs(t, v.Complete("x"), iot.ErrDeviceNotFound)
		f.do("PUT", "/devices/d1", `{}`)
	}
	assert.Empty(t, f.journal())
	f.hub.Close()
	_, err = f.hub.Visit(hub.ConnectRequest{Identity: d1, Token: f.deviceToken(d1)})
	require.ErrorIs(t, err, iot.ErrServiceUnavailable)
	assert.ErrorIs(t, v.Abandon("x"), iot.ErrServiceUnavailable)
}
