package rest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// nested is an object of that many objects inside one another.
func nested(levels int) string {
	return strings.Repeat(`{"a":`, levels) + `1` + strings.Repeat(`}`, levels)
}

// sized is an object that weighs n: names of four characters and strings.
func sized(n int) string {
	var b strings.Builder
	for i := 0; n > 0; i++ {
		part := min(n-4, 4000)
		if left := n - 4 - part; left > 0 && left < 8 {
			part -= 8 // the last member has to weigh more than its name
		}
		fmt.Fprintf(&b, `,"m%03d":"%s"`, i, strings.Repeat("x", part))
		n -= 4 + part
	}
	return "{" + b.String()[1:] + "}"
}

// limits of a section: what is just allowed, what is just too much, and the status
// of that. IoT Hub: contract.md §10.3.
var limits = map[string]struct {
	allowed, refused string
	status           int
}{
	"the length of a name": {
		`{"` + strings.Repeat("n", 1024) + `":1}`, `{"` + strings.Repeat("n", 1025) + `":1}`, 400,
	},
	"a dot in a name":           {`{"a-b":1}`, `{"a.b":1}`, 400},
	"a dollar in a name":        {`{"a_b":1}`, `{"a$b":1}`, 400},
	"a hash in a name":          {`{"a/b":1}`, `{"a#b":1}`, 400},
	"a space in a name":         {`{"a,b":1}`, `{"a b":1}`, 400},
	"a tab in a name":           {`{"a\"b":1}`, `{"a\tb":1}`, 400},
	"a control in a name":       {`{"é":1}`, "{\"a\u0085b\":1}", 400},
	"the length of a string":    {`{"a":"` + strings.Repeat("x", 4096) + `"}`, `{"a":"` + strings.Repeat("x", 4097) + `"}`, 400},
	"the bytes of a string":     {`{"a":"` + strings.Repeat("é", 2048) + `"}`, `{"a":"` + strings.Repeat("é", 2049) + `"}`, 400},
	"the largest integer":       {`{"a":4503599627370495}`, `{"a":4503599627370496}`, 400},
	"the smallest integer":      {`{"a":-4503599627370496}`, `{"a":-4503599627370497}`, 400},
	"the depth of objects":      {`{"a":` + nested(10) + `}`, `{"a":` + nested(11) + `}`, 400},
	"null in an array":          {`{"a":[1,"2",{"b":true}]}`, `{"a":[1,null]}`, 400},
	"null below an array":       {`{"a":[{"b":{}}]}`, `{"a":[{"b":null}]}`, 400},
	"a section is an object":    {`{}`, `[]`, 400},
	"numbers that no double is": {`{"a":1.7976931348623157e308}`, `{"a":1e400}`, 400},
}

func TestEveryLimitOfATwinHasItsStatus(t *testing.T) {
	t.Parallel()
	for name, c := range limits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t)
			for _, id := range f.pair() {
				for _, section := range []string{`{"tags":%s}`, `{"properties":{"desired":%s}}`} {
					f.requireLimit(id, section, c.allowed, c.refused, c.status)
				}
				f.requireReported(id, c.allowed, c.refused, c.status)
			}
		})
	}
}

func TestTheSizeOfASectionHasItsLimit(t *testing.T) {
	t.Parallel()
	const tags, properties = 8 << 10, 32 << 10
	f := start(t)
	for _, id := range f.pair() {
		f.requireLimit(id, `{"tags":%s}`, sized(tags), sized(tags+1), 413)
		f.requireLimit(id, `{"properties":{"desired":%s}}`, sized(properties), sized(properties+1), 413)
		f.requireReported(id, sized(properties), sized(properties+1), 413)
		// A section grows by patches, too.
		f.must("PUT", f.twinPath(id), `{"tags":`+sized(tags)+`}`)
		require.Equal(t, 413, f.do("PATCH", f.twinPath(id), `{"tags":{"b":""}}`).status)
		f.must("PATCH", f.twinPath(id), `{"tags":{"m000":null,"b":""}}`)
	}
}

// pair registers a device and a module.
func (f *fixture) pair() []iot.Identity {
	f.t.Helper()
	f.must("PUT", "/devices/d1", `{}`)
	f.must("PUT", "/devices/d1/modules/m1", `{}`)
	return []iot.Identity{iot.Device("d1"), iot.Module("d1", "m1")}
}

func (f *fixture) twinPath(id iot.Identity) string {
	return strings.Replace("/"+id.Path(), "/devices/", "/twins/", 1)
}

// requireLimit asserts that a section is taken, and that one beyond a limit is
// refused and leaves the twin as it was.
func (f *fixture) requireLimit(id iot.Identity, body, allowed, refused string, status int) {
	f.t.Helper()
	path := f.twinPath(id)
	for _, method := range []string{"PATCH", "PUT"} {
		f.must("PUT", path, `{}`)
		f.must(method, path, fmt.Sprintf(body, allowed))
		before := f.must("GET", path, "").body
		r := f.do(method, path, fmt.Sprintf(body, refused))
		require.Equal(f.t, status, r.status, r.body)
		require.Equal(f.t, before, f.must("GET", path, "").body)
	}
}

// requireReported is requireLimit for the device itself.
func (f *fixture) requireReported(id iot.Identity, allowed, refused string, status int) {
	f.t.Helper()
	_, s := f.connect(id)
	defer s.End(nil)
	_, v := s.Report([]byte(allowed), 0)
	require.Nil(f.t, v.Err)
	before := f.must("GET", f.twinPath(id), "").body
	_, v = s.Report([]byte(refused), 0)
	require.Equal(f.t, hub.Refuse, v.Action)
	require.Equal(f.t, status, v.Err.Status)
	require.Equal(f.t, before, f.must("GET", f.twinPath(id), "").body)
}
