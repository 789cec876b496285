package rest_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/events"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/rest"
)

const batch = "Content-Type: application/vnd.microsoft.iothub.json"

// at is a device that speaks HTTPS: do with its own token.
func (f *fixture) at(id iot.Identity, method, path, body string, headers ...string) response {
	f.t.Helper()
	return f.do(method, "/"+id.Path()+"/messages/"+path, body, append([]string{"Authorization: " + f.deviceToken(id)}, headers...)...)
}

// journal is all events so far.
func (f *fixture) journal() []events.Event {
	f.t.Helper()
	all, _ := f.hub.Events().ReadAll(nil, 0)
	return all
}

func TestAMessageWithAllThereIs(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	// Names of headers lose their spelling here; the server keeps it.
	r := f.at(iot.Device("d1"), "POST", "events", "\x00body\xff",
		"iothub-app-size: 5", "IoTHub-App-place: roof = top", "iothub-app-empty:", "iothub-app-: x",
		"iothub-app-iothub-connection-device-id: spoofed", "iothub-connection-device-id: spoofed",
		"IoTHub-MessageId: m1", "IoTHub-CorrelationId: c1", "IoTHub-UserId: u1", "iothub-to: /devices/d1/messages/events",
		"iothub-expiry: 2030-01-01T00:00:00Z", "iothub-contenttype: application/json", "iothub-contentencoding: utf-8",
		"iothub-messageschema: s", "iothub-creationtimeutc: 2026-03-02T08:00:00Z", "iothub-interface-id: i", "dt-subject: thermostat",
		"Content-Type: text/plain", "Accept-Language: en")
	require.Equal(t, 204, r.status, r.body)
	require.Empty(t, r.body)
	all := f.journal()
	require.Len(t, all, 1)
	m := all[0].Message
	assert.Equal(t, "\x00body\xff", string(m.Body))
	assert.Equal(t, iot.Properties{{Name: "Place", Value: "roof = top"}, {Name: "Size", Value: "5"}}, m.Properties)
	assert.ElementsMatch(t, iot.Properties{
		{Name: iot.MessageID, Value: "m1"},
		{Name: iot.CorrelationID, Value: "c1"},
		{Name: iot.UserID, Value: "u1"},
		{Name: iot.ExpiryTime, Value: "2030-01-01T00:00:00Z"},
		{Name: iot.ContentType, Value: "application/json"},
		{Name: iot.ContentEncoding, Value: "utf-8"},
		{Name: iot.MessageSchema, Value: "s"},
		{Name: iot.CreationTime, Value: "2026-03-02T08:00:00Z"},
		{Name: iot.InterfaceID, Value: "i"},
		{Name: iot.Subject, Value: "thermostat"},
	}, m.System)
	assert.Equal(t, iot.Device("d1"), all[0].Origin.Identity)
	assert.Equal(t, `{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}`, all[0].Origin.AuthMethod)
	assert.Equal(t, "Telemetry", all[0].Source)
}

func TestAModuleSends(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	f.must("PUT", "/devices/d1/modules/m1", `{}`)
	require.Equal(t, 204, f.at(iot.Module("d1", "m1"), "POST", "events", "x", "iothub-outputname: alerts").status)
	require.Equal(t, 204, f.at(iot.Module("d1", "m1"), "POST", "EVENTS/", "y").status, "words compare without case")
	all := f.journal()
	require.Len(t, all, 2)
	assert.Equal(t, iot.Module("d1", "m1"), all[0].Origin.Identity)
	assert.Equal(t, iot.Properties{{Name: iot.OutputName, Value: "alerts"}}, all[0].Message.System)
}

func TestABatch(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	f.clock.Advance(time.Minute)
	r := f.at(iot.Device("d1"), "POST", "events", `[
		{"body":"`+base64.StdEncoding.EncodeToString([]byte("one\xff"))+`","properties":{"iothub-app-Size":"5","iothub-messageid":"m1","other":"ignored"}},
		{"body":"dHdv","base64Encoded":true},
		{"body":"three","base64Encoded":false,"properties":{"iothub-app-nothing":null,"iothub-app-iothub-creation-time-utc":"2026-03-02T08:00:00Z"}},
		{}
	]`, batch+";charset=utf-8")
	require.Equal(t, 204, r.status, r.body)
	all := f.journal()
	require.Len(t, all, 4)
	assert.Equal(t, iot.Message{
		Body: []byte("one\xff"), Properties: iot.Properties{{Name: "Size", Value: "5"}}, System: iot.Properties{{Name: iot.MessageID, Value: "m1"}},
	}, all[0].Message)
	assert.Equal(t, "two", string(all[1].Message.Body))
	assert.Equal(t, "three", string(all[2].Message.Body))
	assert.Equal(t, iot.Properties{{Name: "nothing", Null: true}}, all[2].Message.Properties)
	assert.Equal(t, iot.Properties{{Name: iot.CreationTime, Value: "2026-03-02T08:00:00Z"}}, all[2].Message.System)
	assert.Empty(t, all[3].Message.Body)

	require.Equal(t, 204, f.at(iot.Device("d1"), "POST", "events", `[]`, batch).status)
	assert.Len(t, f.journal(), 4)
}

func TestMessagesThatAreRefused(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	half := base64.StdEncoding.EncodeToString(make([]byte, 140<<10))
	for name, c := range map[string]struct {
		body, kind string
		status     int
		code, text string
	}{
		"a body too large":       {strings.Repeat("x", 256<<10+1), "", 413, "MessageTooLarge", "The message is larger than 262144 bytes."},
		"a batch too large":      {`[{"body":"` + half + `"},{"body":"` + half + `"}]`, batch, 413, "MessageTooLarge", "the messages have 286720 bytes, 262144 are allowed"},
		"a batch far too large":  {strings.Repeat(" ", 512<<10+1), batch, 413, "MessageTooLarge", "The batch is larger than 524288 bytes."},
		"a batch of too many":    {"[" + strings.Repeat("{},", 10_000) + "{}]", batch, 413, "MessageTooLarge", "The batch has more than 10000 messages."},
		"a batch of nothing":     {"", batch, 400, "ArgumentNull", "The body is missing."},
		"a batch that is none":   {`{"body":""}`, batch, 400, "DeserializationError", "The body must be a JSON array."},
		"a batch of text":        {`["x"]`, batch, 400, "DeserializationError", "The body must be a JSON object."},
		"a batch cut short":      {`[{"body":""}`, batch, 400, "DeserializationError", "The body is not valid JSON: unexpected end."},
		"a body without base64":  {`[{"body":"eA=="},{"body":"x!"}]`, batch, 400, "DeserializationError", "The body of message 1 is not base64."},
		"a property of a number": {`[{"properties":{"iothub-app-a":1}}]`, batch, 400, "DeserializationError", "The member 'properties' of the body is of the wrong type."},
	} {
		r := f.at(iot.Device("d1"), "POST", "events", c.body, c.kind)
		require.Equal(t, c.status, r.status, "%s: %s", name, r.body)
		assert.Equal(t, c.code, r.header.Get("iothub-errorcode"), name)
		assert.Equal(t, "ErrorCode:"+c.code+";"+c.text, r.member(t, "Message"), name)
	}
	assert.Empty(t, f.journal(), "a batch is taken whole or not at all")
}

func TestTheLargestMessage(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	r := f.at(iot.Device("d1"), "POST", "events", strings.Repeat("x", 256<<10))
	require.Equal(t, 204, r.status, r.body)
	r = f.at(iot.Device("d1"), "POST", "events", strings.Repeat("x", 256<<10-1), "iothub-app-ab: c")
	require.Equal(t, 413, r.status, "properties count")
}

func TestDevicesAreAuthenticated(t *testing.T) {
	t.Parallel()
	f := start(t)
	for _, id := range []string{"d1", "d2"} {
		f.must("PUT", "/devices/"+id, `{}`)
	}
	f.must("PUT", "/devices/off", `{"status":"disabled"}`)
	f.must("PUT", "/devices/cert", `{"authentication":{"type":"certificateAuthority"}}`)
	d1 := iot.Device("d1")
	key, err := f.hub.Device("d1")
	require.NoError(t, err)
	own := func(path string, life time.Duration) string {
		token, err := auth.Sign(host+path, key.Authentication.SecondaryKey, "", f.clock.Now().Add(life))
		require.NoError(t, err)
		return token
	}
	for name, c := range map[string]struct {
		device, token string
		status        int
		reason        string
	}{
		"by its own key":              {"d1", f.deviceToken(d1), 204, ""},
		"for the operation alone":     {"d1", own("/devices/d1/messages/events", time.Hour), 204, ""},
		"for the bare host":           {"d1", own("", time.Hour), 204, ""},
		"by a policy":                 {"d1", f.token("device", ""), 204, ""},
		"by a policy, for the device": {"d1", f.token("iothubowner", "devices/d1"), 204, ""},
		"for another operation":       {"d1", own("/devices/d1/messages/deviceBound", time.Hour), 401, "the token is for"},
		"for another device":          {"d2", f.deviceToken(d1), 401, "matches neither key"},
		"expired":                     {"d1", own("/devices/d1", -time.Hour), 401, "the token expired"},
		"without a token":             {"d1", "", 401, `authenticates by \"sas\", and there is no token`},
		"nonsense":                    {"d1", "x", 401, "does not begin with the word"},
		"of Entra ID":                 {"d1", "Bearer eyJ0", 401, "Bearer token of Entra ID"},
		"by a policy without right":   {"d1", f.token("service", ""), 401, "lacks DeviceConnect"},
		"an unknown device":           {"d3", f.deviceToken(d1), 401, "may not connect"},
		"a device with certificates":  {"cert", own("/devices/cert", time.Hour), 401, "not by shared access signatures"},
		"a disabled device":           {"off", f.token("device", ""), 403, "is disabled"},
		"an unknown device, asked for by who may know": {"d3", f.token("device", ""), 404, "may not connect"},
	} {
		r := f.do("POST", "/devices/"+c.device+"/messages/events", "x", "Authorization: "+c.token)
		require.Equal(t, c.status, r.status, "%s: %s", name, r.body)
		switch c.status {
		case 401:
			assert.Equal(t, "ErrorCode:IotHubUnauthorizedAccess;Unauthorized", r.member(t, "Message"), name)
		case 404:
			assert.Equal(t, "ErrorCode:DeviceNotFound;d3", r.member(t, "Message"), name)
		case 204:
			continue
		}
		assert.Contains(t, f.log.String(), c.reason, name)
		refusals := f.hub.Refusals()
		last := refusals[len(refusals)-1]
		assert.Equal(t, "Https", last.Protocol)
		assert.Equal(t, c.device, last.Identity.DeviceID)
	}
	assert.Len(t, f.journal(), 5)
	assert.NotContains(t, f.log.String(), "sig=")
	f.do("POST", "/devices/d1/modules/m9/messages/events", "x", "Authorization: "+f.token("device", "")).
		refused(t, 404, "ModuleNotFound", "Device d1 does not contain Module m9.")
	f.do("POST", "/devices/d1/messages/events?api-version=", "x", "Authorization: "+f.deviceToken(d1)).
		refused(t, 400, "InvalidProtocolVersion", "The api-version is missing.")
}

func TestADeviceOnHTTPSIsNeverConnected(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	d1 := iot.Device("d1")
	f.clock.Advance(time.Minute)
	require.Equal(t, 204, f.at(d1, "POST", "events", "x").status)
	doc := f.must("GET", "/devices/d1", "")
	assert.Equal(t, "Disconnected", doc.member(t, "connectionState"))
	assert.Equal(t, "2026-03-02T08:31:15.1234567Z", doc.member(t, "lastActivityTime"))
	assert.Equal(t, "0001-01-01T00:00:00Z", doc.member(t, "connectionStateUpdatedTime"))
	assert.Empty(t, f.hub.Connections())
	assert.Zero(t, f.hub.ConnectedDevices())

	// Beside a connection it is the connection's activity.
	_, s := f.connect(d1)
	f.clock.Advance(time.Minute)
	require.Equal(t, 204, f.at(d1, "GET", "deviceBound", "").status)
	assert.Equal(t, "2026-03-02T08:32:15.1234567Z", f.must("GET", "/devices/d1", "").member(t, "lastActivityTime"))
	assert.Equal(t, "Connected", f.must("GET", "/devices/d1", "").member(t, "connectionState"))
	s.End(nil)
	assert.Equal(t, "2026-03-02T08:32:15.1234567Z", f.must("GET", "/devices/d1", "").member(t, "lastActivityTime"))
}

func TestVerdictsOnMessages(t *testing.T) {
	t.Parallel()
	var verdict hub.Verdict
	clk := clock.NewManual(morning)
	h, err := hub.New(hub.Options{Hostnames: []string{host}, Clock: clk, Verdicts: func(op hub.Operation, _ iot.Identity) hub.Verdict {
		if op == hub.OpTelemetry {
			return verdict
		}
		return hub.Verdict{}
	}})
	require.NoError(t, err)
	t.Cleanup(h.Close)
	f := &fixture{t: t, clock: clk, log: &logged{}, hub: h}
	f.serve(rest.Handler(h, zerolog.New(f.log)))
	f.must("PUT", "/devices/d1", `{}`)
	d1 := iot.Device("d1")

	verdict = hub.Verdict{Action: hub.Refuse, Err: iot.ErrThrottled}
	require.Equal(t, 429, f.at(d1, "POST", "events", "x").status)
	require.Empty(t, f.journal())

	verdict = hub.Verdict{Action: hub.CutBefore}
	r := f.request("POST", "/devices/d1/messages/events", "x", "Authorization: "+f.deviceToken(d1))
	_, err = (&http.Client{Transport: &http.Transport{}}).Do(r)
	require.Error(t, err)
	require.Len(t, f.journal(), 1, "it was carried out")

	verdict = hub.Verdict{Action: hub.CutAfter}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, f.request("POST", "/devices/d1/messages/events", "x", "Authorization: "+f.deviceToken(d1)))
	assert.Equal(t, 204, w.Code)
	assert.Equal(t, "close", w.Header().Get("Connection"))

	verdict = hub.Verdict{Delay: time.Minute}
	answered := make(chan int, 1)
	go func() { answered <- f.at(d1, "POST", "events", "x").status }()
	require.Eventually(t, func() bool { return len(f.journal()) == 3 }, 10*time.Second, time.Millisecond)
	for len(answered) == 0 {
		clk.Advance(time.Minute)
	}
	assert.Equal(t, 204, <-answered)
}

// FuzzBatch: whatever the body, it is refused in words, or taken whole.
func FuzzBatch(f *testing.F) {
	for _, text := range []string{
		`[{"body":"eA==","properties":{"iothub-app-a":"b","iothub-messageid":"1"}},{"body":"x","base64Encoded":false}]`,
		`[]`, `[{}]`, `[{"body":null,"properties":null}]`, `[{"BODY":"eA"}`, `{}`, `[[[`, "[{\"body\":\"\xff\"}]",
	} {
		f.Add(text)
	}
	clk := clock.NewManual(morning)
	h, err := hub.New(hub.Options{Hostnames: []string{host}, Clock: clk})
	require.NoError(f, err)
	f.Cleanup(h.Close)
	handler := rest.Handler(h, zerolog.Nop())
	made, err := h.CreateDevice(deviceOf("d1"))
	require.NoError(f, err)
	token, err := auth.Sign(host+"/devices/d1", made.Authentication.PrimaryKey, "", morning.Add(24*time.Hour))
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text string) {
		r := httptest.NewRequest(http.MethodPost, "/devices/d1/messages/events"+version, strings.NewReader(text))
		r.Header.Set("Authorization", token)
		r.Header.Set("Content-Type", "application/vnd.microsoft.iothub.json")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.Contains(t, []int{204, 400, 413}, w.Code, w.Body.String())
	})
}
