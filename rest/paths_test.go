package rest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/rest"
)

func TestFixedSegmentsMatchInAnyCase(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/DEVICES/d1", `{}`)
	f.must("PUT", "/Devices/d1/Modules/m1", `{}`)
	f.must("GET", "/devices/d1/", "")
	f.must("GET", "/twins/d1/MODULES/m1", "")
	f.must("GET", "/Statistics/Devices", "")
	f.must("DELETE", "/devices/d1/COMMANDS", "")
	f.must("GET", "/messages/servicebound/feedback", "")
	require.Equal(t, "DeviceNotOnline", f.do("POST", "/Twins/d1/Methods", `{"methodName":"a"}`).header.Get("iothub-errorcode"))
	f.do("GET", "/devices/D1", "").refused(t, 404, "DeviceNotFound", "D1")
}

// encoded is s with every character percent-encoded.
func encoded(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}

func TestIdsMayHaveEveryLegalCharacter(t *testing.T) {
	t.Parallel()
	f := start(t)
	ids := []string{
		"aZ0-:.%_#*?!(),=@;$'+", "d#1", "50%", "a+b", "%2F", "%23", "..", ".", "query", "modules", strings.Repeat("x", 128),
	}
	for _, id := range ids {
		for name, escaped := range map[string]string{"as SDKs do": url.PathEscape(id), "all": encoded(id)} {
			t.Run(name+" "+id, func(t *testing.T) {
				body, err := json.Marshal(map[string]string{"deviceId": id})
				require.NoError(t, err)
				if id == "." || id == ".." {
					escaped = encoded(id) // clients drop such segments otherwise
				}
				require.Equal(t, id, f.must("PUT", "/devices/"+escaped, string(body)).member(t, "deviceId"))
				require.Equal(t, id, f.must("GET", "/devices/"+escaped, "").member(t, "deviceId"))
				require.Equal(t, id, f.must("GET", "/twins/"+escaped, "").member(t, "deviceId"))
				module := escaped
				require.Equal(t, id, f.must("PUT", "/devices/"+escaped+"/modules/"+module, `{}`).member(t, "moduleId"))
				require.Equal(t, id, f.must("PATCH", "/twins/"+escaped+"/modules/"+module, `{}`).member(t, "moduleId"))
				f.must("DELETE", "/devices/"+escaped+"/modules/"+module, "", "If-Match: *")
				f.must("DELETE", "/devices/"+escaped, "", "If-Match: *")
			})
		}
	}
}

func TestIdsThatNothingCanHaveAreRefused(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	f.must("PUT", "/devices/d1/modules/m1", `{}`)
	for _, path := range []string{
		"/devices/d1%2Fmodules", "/devices/d1%2fmodules%2fm1", "/devices/a%20b", "/devices/%C3%A9", "/devices/%00",
		"/devices/%22d1%22", "/devices/" + strings.Repeat("x", 129), "/twins/d1%2Fmodules%2Fm1", "/devices/d1/modules/m%2F1",
	} {
		r := f.do("GET", path, "")
		require.Equal(t, 400, r.status, path)
		require.Equal(t, "ArgumentInvalid", r.header.Get("iothub-errorcode"))
	}
}

func TestUnknownPathsAreNotFound(t *testing.T) {
	t.Parallel()
	f := start(t)
	for _, path := range []string{
		"/", "//", "/devices//d1", "//devices/d1", "/devices/d1//", "/devices//modules", "/device", "/devices/d1/modules/m1/x",
		"/twins", "/twins/d1/methods/x", "/messages", "/messages/serviceBound", "/$iothub/websocket", "/statistics/other", "/devices%2Fd1",
	} {
		f.do("GET", path, "", "Authorization: ").refused(t, 404, "GenericNotFound", "There is nothing at this path.")
	}
}

func TestOperationsToComeAreNotFoundYet(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/query", `{}`)
	for _, operation := range []string{
		"POST /devices/d1/applyConfigurationContent",
		"GET /configurations", "POST /configurations/testQueries", "GET /configurations/c", "PUT /configurations/c", "DELETE /configurations/c",
		"GET /jobs", "POST /jobs/create", "GET /jobs/j", "DELETE /jobs/j",
		"GET /jobs/v2/query", "GET /jobs/v2/j", "PUT /jobs/v2/j", "POST /jobs/v2/j/cancel",
		"POST /devices/d/files",
	} {
		method, path, _ := strings.Cut(operation, " ")
		r := f.do(method, path, "")
		require.Equal(t, 404, r.status, operation)
		require.Regexp(t, `^ErrorCode:GenericNotFound;`+method+` /.* is not offered yet\.$`, r.member(t, "Message"))
	}
	require.Equal(t, "query", f.must("GET", "/devices/query", "").member(t, "deviceId"))
}

func TestOtherMethodsAreNotAllowed(t *testing.T) {
	t.Parallel()
	f := start(t)
	for operation, allow := range map[string]string{
		"PUT /devices":                        "GET, POST",
		"PATCH /devices/d1":                   "GET, PUT, DELETE",
		"POST /devices/d1":                    "GET, PUT, DELETE",
		"GET /devices/d1/commands":            "DELETE",
		"POST /devices/d1/modules/m1":         "GET, PUT, DELETE",
		"DELETE /twins/d1":                    "GET, PATCH, PUT",
		"GET /twins/d1/methods":               "POST",
		"PUT /messages/serviceBound/feedback": "GET",
		"OPTIONS /statistics/devices":         "GET",
	} {
		method, path, _ := strings.Cut(operation, " ")
		r := f.do(method, path, "", "Authorization: ")
		r.refused(t, 405, "GenericMethodNotAllowed", method+" is not allowed here.")
		require.Equal(t, allow, r.header.Get("Allow"), operation)
	}
}

func FuzzPath(f *testing.F) {
	for _, path := range []string{
		"/", "", "*", "//", "/devices", "/devices/", "/devices/d1", "/DEVICES/d%231", "/devices/d1%2Fmodules", "/devices/%", "/devices/%zz",
		"/twins/d1/modules/m1/methods", "/messages/serviceBound/feedback/x/abandon", "/devices/%2e%2e/modules", "/devices/%00", "/jobs/v2/query",
	} {
		f.Add(path)
	}
	h, err := hub.New(hub.Options{Clock: clock.NewManual(morning)})
	require.NoError(f, err)
	f.Cleanup(h.Close)
	api := rest.Handler(h, zerolog.Nop())
	f.Fuzz(func(t *testing.T, path string) {
		segments, err := rest.Segments(path)
		if err != nil {
			require.Contains(t, path, "%")
			return
		}
		// What was decoded, encoded again, is the same path.
		again := make([]string, len(segments))
		for i, s := range segments {
			again[i] = url.PathEscape(s)
		}
		twice, err := rest.Segments("/" + strings.Join(again, "/") + "/")
		require.NoError(t, err)
		require.Equal(t, segments, twice)
		answered(t, api, path)
	})
}

// answered asserts that a stranger is refused in an envelope, whatever the path.
func answered(t *testing.T, api http.Handler, path string) {
	u, err := url.ParseRequestURI(path)
	if err != nil || u.Host != "" {
		return
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.URL = u
	r.URL.RawQuery = strings.TrimPrefix(version, "?")
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	require.Contains(t, []int{401, 404, 405}, w.Code)
	require.True(t, json.Valid(w.Body.Bytes()))
	require.Contains(t, w.Header(), "iothub-errorcode")
}
