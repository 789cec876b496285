package rest_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
)

func TestATwinIsReadPatchedAndReplaced(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{`+keys+`}`)
	golden(t, "twin_new.json", f.must("GET", "/twins/d1", "").body)

	l, s := f.connect(iot.Device("d1"))
	f.clock.Advance(time.Second)
	_, v := s.Report([]byte(`{"firmware":"1.2 <beta>"}`), 0)
	require.Nil(t, v.Err)
	patched := f.must("PATCH", "/twins/d1", `{"deviceId":"someone","etag":"x","tags":{"site":"north"},
		"properties":{"desired":{"zone":{"b":1.10,"a":12345678901},"$version":7},"reported":{"firmware":"2"}}}`)
	golden(t, "twin_patched.json", patched.body)
	require.JSONEq(t, `{"zone":{"b":1.10,"a":12345678901},"$version":2}`, <-l.desired)

	f.must("PATCH", "/twins/d1", `{"properties":{"desired":{"zone":{"b":null}}}}`)
	golden(t, "twin_replaced.json", f.must("PUT", "/twins/d1", `{"properties":{"desired":{"only":true}}}`).body)
}

func TestAModuleHasATwin(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	f.must("PUT", "/devices/d1/modules/m1", `{`+keys+`}`)
	f.must("PATCH", "/twins/d1/modules/m1", `{"properties":{"desired":{"a":1}}}`)
	golden(t, "twin_module.json", f.must("GET", "/twins/d1/modules/m1", "").body)
	require.NotContains(t, f.must("PUT", "/twins/d1/modules/m1", `{}`).body, `"a":1`)
	f.do("GET", "/twins/d1/modules/m2", "").refused(t, 404, "DeviceNotFound", "d1/m2")
}

func TestATwinIsGuardedByItsEtag(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	stale := f.must("GET", "/twins/d1", "").member(t, "etag")
	for _, method := range []string{"PATCH", "PUT"} {
		for _, form := range []string{``, `*`, `"*"`, `""`, `%s`, `"%s"`} {
			etag := f.must("GET", "/twins/d1", "").member(t, "etag")
			r := f.must(method, "/twins/d1", `{"tags":{"a":1}}`, "If-Match: "+strings.ReplaceAll(form, "%s", etag))
			require.NotEqual(t, etag, r.member(t, "etag"))
			require.Empty(t, r.header.Get("ETag"))
		}
		for _, form := range []string{`%s`, `"%s"`} {
			f.do(method, "/twins/d1", `{}`, "If-Match: "+strings.ReplaceAll(form, "%s", stale)).
				refused(t, 412, "PreconditionFailed", "ETag mismatch for device ID 'd1'")
		}
	}
}

func TestASectionThatIsNullCountsAsAbsent(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	f.must("PATCH", "/twins/d1", `{"tags":{"a":1},"properties":{"desired":{"b":2}}}`)
	for _, body := range []string{`{"tags":null,"properties":null}`, `{"properties":{"desired":null}}`, `{}`} {
		r := f.must("PATCH", "/twins/d1", body)
		require.Contains(t, r.body, `"tags":{"a":1}`)
		require.Contains(t, r.body, `"desired":{"b":2,`)
	}
	r := f.must("PUT", "/twins/d1", `{"tags":null}`)
	require.NotContains(t, r.body, `"tags"`)
	require.NotContains(t, r.body, `"b":2`)
}

func TestWhatATwinCannotHoldIsRefused(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	deep := strings.Repeat(`{"a":`, 12) + `1` + strings.Repeat(`}`, 12)
	for name, body := range map[string]string{
		"tags that are no object":     `{"tags":5}`,
		"desired that is no object":   `{"properties":{"desired":[1]}}`,
		"a name with a dot":           `{"tags":{"a.b":1}}`,
		"a null in an array":          `{"properties":{"desired":{"a":[null]}}}`,
		"twelve levels":               `{"tags":` + deep + `}`,
		"a string of more than 4 KB":  `{"tags":{"a":"` + strings.Repeat("x", 4097) + `"}}`,
		"an integer beyond 2 to 52":   `{"tags":{"a":4503599627370496}}`,
		"properties that are a list":  `{"properties":[]}`,
		"desired that is cut off":     `{"properties":{"desired":{"a":`,
		"two documents in one":        `{} {}`,
		"a body that is not there":    ``,
		"a body that is a bare null":  `null`,
		"a body that is a bare array": `[]`,
	} {
		t.Run(name, func(t *testing.T) {
			before := f.must("GET", "/twins/d1", "").body
			r := f.do("PATCH", "/twins/d1", body)
			require.Equal(t, 400, r.status, r.body)
			require.True(t, strings.HasPrefix(r.member(t, "Message"), "ErrorCode:"+r.header.Get("iothub-errorcode")+";"), r.body)
			require.Equal(t, before, f.must("GET", "/twins/d1", "").body)
		})
	}
	big := strings.Repeat(`x`, 4000)
	r := f.do("PATCH", "/twins/d1", `{"tags":{"a":"`+big+`","b":"`+big+`","c":"`+big+`"}}`)
	require.Equal(t, 413, r.status, r.body)
}

func TestJavaPatchesByPost(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	f.must("PUT", "/devices/d1/modules/m1", `{}`)
	for _, path := range []string{"/twins/d1", "/twins/d1/modules/m1"} {
		require.Contains(t, f.must("POST", path, `{"tags":{"a":1}}`, "X-HTTP-Method-Override: PATCH").body, `"tags":{"a":1}`)
		require.Equal(t, 405, f.do("POST", path, `{"tags":{"a":1}}`).status)
		require.Equal(t, 405, f.do("POST", path, `{}`, "X-HTTP-Method-Override: DELETE").status)
	}
	require.Equal(t, 200, f.do("GET", "/twins/d1", "", "X-HTTP-Method-Override: PATCH").status, "only a POST stands for another method")
}

func TestATwinKeepsTheOrderOfItsMembers(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	r := f.must("PATCH", "/twins/d1", `{"tags":{"z":1,"a":{"y":"&","b":2}}}`)
	var twin struct{ Tags json.RawMessage }
	require.NoError(t, json.Unmarshal([]byte(r.body), &twin))
	require.Equal(t, `{"z":1,"a":{"y":"&","b":2}}`, string(twin.Tags))
}
