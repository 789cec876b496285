package rest_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/iot"
)

// The documents that no other test compares key by key.
func TestDocumentsOfTheService(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	f.must("PUT", "/devices/d2", `{"status":"disabled"}`)
	_, err := f.hub.Send(iot.Device("d1"), c2d.Message{Message: iot.Message{Body: []byte("hello")}})
	require.NoError(t, err)
	f.connect(iot.Device("d1"))
	golden(t, "statistics_devices.json", f.must("GET", "/statistics/devices", "").body)
	golden(t, "statistics_service.json", f.must("GET", "/statistics/service", "").body)
	_, err = f.hub.Send(iot.Device("d2"), c2d.Message{Message: iot.Message{Body: []byte("hello")}})
	require.NoError(t, err)
	golden(t, "purged.json", f.must("DELETE", "/devices/d2/commands", "").body)
	f.must("PUT", "/devices/d1/modules/m1", `{}`)
	keys := f.do("POST", regenerate, `{"policyKey":"both","devices":[{"id":"d1"},{"id":"d1","moduleId":"m1"}]}`)
	golden(t, "keys_made.json", keyless(keys.body))
}

// keyless is a document with its keys, which are random, left out.
func keyless(body string) string {
	return regexp.MustCompile(`[A-Za-z0-9+/]{43}=`).ReplaceAllString(body, "KEY")
}

// One error of each kind in the plain envelope; the flat one and the nested one are
// compared where modules and methods are tested.
func TestEnvelopesOfErrors(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	for file, r := range map[string]response{
		"error_argument.json":     f.do("PUT", "/devices/d2", `{"status":"asleep"}`),
		"error_body.json":         f.do("PUT", "/devices/d2", `{`),
		"error_unauthorized.json": f.do("GET", "/devices/d1", "", "Authorization: "),
		"error_not_found.json":    f.do("GET", "/devices/nobody", ""),
		"error_path.json":         f.do("GET", "/nothing", ""),
		"error_method.json":       f.do("PATCH", "/devices/d1", ""),
		"error_exists.json":       f.do("PUT", "/devices/d1", `{}`),
		"error_etag.json":         f.do("PUT", "/devices/d1", `{}`, `If-Match: "MTIz"`),
		"error_twin_etag.json":    f.do("PATCH", "/twins/d1", `{}`, `If-Match: "AAAAAAAAAAk="`),
		"error_too_large.json":    f.do("PUT", "/twins/d1", `{"tags":`+sized(8193)+`}`),
		"error_version.json":      f.do("GET", "/devices/d1?api-version=new", ""),
	} {
		golden(t, file, r.body)
	}
}
