package rest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/rest"
)

func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	f := start(t)
	fill := func(n int) string { return `{"unheardOf":"` + strings.Repeat("x", n-16) + `"}` }
	require.Equal(t, 200, f.do("PUT", "/devices/d1", fill(rest.MaxBody)).status)
	f.do("PUT", "/devices/d2", fill(rest.MaxBody+1)).
		refused(t, 413, "GenericRequestEntityTooLarge", "The body is larger than 524288 bytes.")

	nested := func(n int) string { return `{"a":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `}` }
	require.Equal(t, 200, f.do("PUT", "/devices/d2", nested(rest.MaxDepth)).status)
	f.do("PUT", "/devices/d3", nested(rest.MaxDepth+1)).
		refused(t, 400, "DeserializationError", "The body nests deeper than 100 levels.")
	brackets := `{"a":"` + strings.Repeat(`[\"`, 200) + `"}`
	require.Equal(t, 200, f.do("PUT", "/devices/d3", brackets).status, "brackets in a string are no levels")
}

func TestASectionOfATwinHasABoundedNumberOfValues(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	empty := func(n int) string { return `[` + strings.Repeat("0,", n-3) + `0]` }
	for _, section := range []string{`{"tags":{"a":%s}}`, `{"properties":{"desired":{"a":%s}}}`} {
		f.do("PATCH", "/twins/d1", fmt.Sprintf(section, empty(rest.MaxValues+1))).
			refused(t, 413, "GenericRequestEntityTooLarge", "A section of the twin has more than 10000 values.")
		f.must("PATCH", "/twins/d1", fmt.Sprintf(section, `"`+strings.Repeat(`,[`, 1000)+`"`))
	}
}

func TestABodyThatIsNotJSONIsRefused(t *testing.T) {
	t.Parallel()
	f := start(t)
	for body, text := range map[string]string{
		``:                        "ArgumentNull;The body is missing.",
		` `:                       "ArgumentNull;The body is missing.",
		`null`:                    "ArgumentNull;The body is missing.",
		`[]`:                      "DeserializationError;The body must be a JSON object.",
		`"d1"`:                    "DeserializationError;The body must be a JSON object.",
		`{"status":`:              "DeserializationError;The body is not valid JSON: at byte 10, unexpected end of JSON input.",
		`{"a":1}}`:                "DeserializationError;The body is not valid JSON: at byte 8, invalid character '}' after top-level value.",
		`{"status":{}}`:           "DeserializationError;The member 'status' of the body is of the wrong type.",
		"{\"deviceId\":\"\xff\"}": "DeserializationError;The body is not UTF-8.",
	} {
		r := f.do("PUT", "/devices/d1", body)
		require.Equal(t, 400, r.status, body)
		require.Equal(t, "ErrorCode:"+text, r.member(t, "Message"))
	}
}

func TestTheContentTypeDoesNotMatter(t *testing.T) {
	t.Parallel()
	f := start(t)
	for i, kind := range []string{"application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded", ""} {
		f.must("PUT", "/devices/d"+strings.Repeat("x", i), `{}`, "Content-Type: "+kind)
	}
}

func TestAFaultOfOurOwnIsAServerError(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.serve(rest.Faulty(f.hub, zerolog.New(f.log)))
	for path, reason := range map[string]string{
		"/panic": "out of ink", "/foreign": "the disk is full", "/unwritable": "unsupported type",
	} {
		f.do("GET", path, "").refused(t, 500, "ServerError", "Internal server error.")
		require.Contains(t, f.log.String(), reason)
	}
	require.Contains(t, f.log.String(), `"level":"error"`)
}

func TestAThrottledCallerIsSentAway(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.serve(rest.Faulty(f.hub, zerolog.New(f.log)))
	r := f.record(f.request("GET", "/throttled", ""))
	require.Equal(t, 429, r.status)
	require.Equal(t, "ThrottlingException", r.header.Get("iothub-errorcode"))
	require.Empty(t, r.header.Get("Retry-After"))
	require.Equal(t, "close", r.header.Get("Connection"))
}

func TestTheTrackingIDIsTheRequestsID(t *testing.T) {
	t.Parallel()
	f := start(t)
	r := f.do("GET", "/devices/nobody", "")
	digits := strings.ToUpper(strings.ReplaceAll(r.header.Get("x-ms-request-id"), "-", ""))
	require.Equal(t, "Tracking ID:"+digits+"-G:0-TimeStamp:03/02/2026 08:30:15", r.member(t, "ExceptionMessage"))
	require.Contains(t, f.log.String(), r.header.Get("x-ms-request-id"))
}
