package rest_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/methods"
)

// invoke calls a method in the background.
func (f *fixture) invoke(path, body string) <-chan response {
	done := make(chan response, 1)
	request := f.request("POST", path, body)
	go func() { done <- f.record(request) }()
	return done
}

func TestAMethodIsCalledAndAnswered(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		payload, sent string // as the back end writes it and as the device gets it
		answer        json.RawMessage
		body          string
	}{
		"an object":                      {`,"payload":{"a":[1,2.50]}`, `{"a":[1,2.50]}`, []byte(`{"ok":true}`), `{"status":200,"payload":{"ok":true}}`},
		"a string with markup":           {`,"payload":"<&>"`, `"<&>"`, []byte(`"<&>"`), `{"status":200,"payload":"<&>"}`},
		"null":                           {`,"payload":null`, `null`, []byte(`null`), `{"status":200,"payload":null}`},
		"nothing":                        {``, ``, nil, `{"status":200,"payload":null}`},
		"a number too long for a double": {`,"payload":12345678901234567890`, `12345678901234567890`, []byte(`0.10`), `{"status":200,"payload":0.10}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t)
			f.must("PUT", "/devices/d1", `{}`)
			f.must("PUT", "/devices/d1/modules/m1", `{}`)
			for path, id := range map[string]iot.Identity{
				"/twins/d1/methods": iot.Device("d1"), "/twins/d1/modules/m1/methods": iot.Module("d1", "m1"),
			} {
				l, s := f.connect(id)
				done := f.invoke(path, `{"methodName":"reboot"`+c.payload+`,"responseTimeoutInSeconds":5,"connectTimeoutInSeconds":0}`)
				request := <-l.methods
				require.Equal(t, "reboot", request.Name)
				require.Equal(t, c.sent, string(request.Payload))
				require.True(t, s.Answer(request.RID, methods.Response{Status: 200, Payload: c.answer}))
				r := <-done
				require.Equal(t, 200, r.status)
				require.Equal(t, c.body, r.body)
			}
		})
	}
}

// failed asserts an error in the nested envelope.
func (r response) failed(t *testing.T, file string, status int, name string) {
	t.Helper()
	require.Equal(t, status, r.status, r.body)
	require.Equal(t, name, r.header.Get("iothub-errorcode"))
	require.Equal(t, "application/json; charset=utf-8", r.header.Get("Content-Type"))
	require.True(t, strings.HasPrefix(r.body, `{"Message":"{\"errorCode\":`) && strings.HasSuffix(r.body, `,"ExceptionMessage":""}`), r.body)
	golden(t, file, r.member(t, "Message"))
}

func TestErrorsOfMethodsAreNested(t *testing.T) {
	t.Parallel()
	f := start(t)
	call := `{"methodName":"reboot","responseTimeoutInSeconds":5}`
	f.do("POST", "/twins/d1/methods", call).failed(t, "error_method_device_not_found.json", 404, "DeviceNotFound")
	f.must("PUT", "/devices/d1", `{}`)
	f.do("POST", "/twins/d1/modules/m1/methods", call).failed(t, "error_method_module_not_found.json", 404, "ModuleNotFound")
	f.do("POST", "/twins/d1/methods", call).failed(t, "error_method_not_online.json", 404, "DeviceNotOnline")
	f.do("POST", "/twins/d1/methods", call, "Authorization: ").failed(t, "error_method_unauthorized.json", 401, "IotHubUnauthorizedAccess")
	f.do("POST", "/twins/d1/methods", `{`).failed(t, "error_method_malformed.json", 400, "DeserializationError")

	l, s := f.connect(iot.Device("d1"))
	done := f.invoke("/twins/d1/methods", call)
	<-l.methods
	f.clock.Advance(6 * time.Second)
	(<-done).failed(t, "error_method_timeout.json", 504, "GatewayTimeout")

	done = f.invoke("/twins/d1/methods", call)
	<-l.methods
	s.End(iot.ErrClosedRemotely)
	require.Equal(t, "DeviceNotOnline", (<-done).header.Get("iothub-errorcode"), "dropped while it was waited for")
}

func TestAMethodWaitsForItsDevice(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	done := f.invoke("/twins/d1/methods", `{"methodName":"reboot","connectTimeoutInSeconds":60}`)
	l, s := f.connect(iot.Device("d1"))
	s.Answer((<-l.methods).RID, methods.Response{Status: 204})
	require.Equal(t, `{"status":204,"payload":null}`, (<-done).body)
}

func TestBadMethodsAreRefused(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	for name, c := range map[string]struct {
		body   string
		status int
		code   string
	}{
		"no name":                      {`{}`, 400, "ArgumentInvalid"},
		"a name with a slash":          {`{"methodName":"a/b"}`, 400, "ArgumentInvalid"},
		"a name of 101 characters":     {`{"methodName":"` + strings.Repeat("a", 101) + `"}`, 400, "ArgumentInvalid"},
		"a name that is a number":      {`{"methodName":5}`, 400, "DeserializationError"},
		"no time to answer":            {`{"methodName":"a","responseTimeoutInSeconds":0}`, 400, "ArgumentInvalid"},
		"too little time to answer":    {`{"methodName":"a","responseTimeoutInSeconds":4}`, 400, "ArgumentInvalid"},
		"too much time to answer":      {`{"methodName":"a","responseTimeoutInSeconds":301}`, 400, "ArgumentInvalid"},
		"time that overflows":          {`{"methodName":"a","responseTimeoutInSeconds":18446744104}`, 400, "ArgumentInvalid"},
		"too much time to connect":     {`{"methodName":"a","connectTimeoutInSeconds":301}`, 400, "ArgumentInvalid"},
		"negative time to connect":     {`{"methodName":"a","connectTimeoutInSeconds":-1}`, 400, "ArgumentInvalid"},
		"a fraction of a second":       {`{"methodName":"a","responseTimeoutInSeconds":5.5}`, 400, "DeserializationError"},
		"a payload that is not JSON":   {`{"methodName":"a","payload":{a:1}}`, 400, "DeserializationError"},
		"a body that is an array":      {`[]`, 400, "DeserializationError"},
		"no body":                      {``, 400, "ArgumentNull"},
		"null times, which are absent": {`{"methodName":"a","responseTimeoutInSeconds":null,"connectTimeoutInSeconds":null}`, 404, "DeviceNotOnline"},
		"the longest times":            {`{"methodName":"a","responseTimeoutInSeconds":300,"connectTimeoutInSeconds":0}`, 404, "DeviceNotOnline"},
	} {
		t.Run(name, func(t *testing.T) {
			r := f.do("POST", "/twins/d1/methods", c.body)
			require.Equal(t, c.status, r.status, r.body)
			require.Equal(t, c.code, r.header.Get("iothub-errorcode"))
		})
	}
}

func TestAPayloadHasAtMost128KB(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	l, s := f.connect(iot.Device("d1"))
	payload := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	done := f.invoke("/twins/d1/methods", `{"methodName":"a","payload":`+payload(128<<10)+`}`)
	s.Answer((<-l.methods).RID, methods.Response{Status: 200})
	require.Equal(t, 200, (<-done).status)
	r := f.do("POST", "/twins/d1/methods", `{"methodName":"a","payload":`+payload(128<<10+1)+`}`)
	require.Equal(t, 413, r.status, r.body)
	require.Equal(t, "MessageTooLarge", r.header.Get("iothub-errorcode"))
}

func TestAMethodEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	l, s := f.connect(iot.Device("d1"))
	ctx, hangUp := context.WithCancel(context.Background())
	request := f.request("POST", "/twins/d1/methods", `{"methodName":"a"}`).WithContext(ctx)
	done := make(chan response, 1)
	go func() { done <- f.record(request) }()
	pending := <-l.methods
	hangUp()
	require.Equal(t, 499, (<-done).status)
	require.False(t, s.Answer(pending.RID, methods.Response{Status: 200}), "nobody waits for it any more")
	require.Contains(t, f.log.String(), `"code":499000`)
}
