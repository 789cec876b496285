package rest_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
)

func TestAModuleIsCreatedReadChangedAndDeleted(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	require.Equal(t, "[]", f.must("GET", "/devices/d1/modules", "").body)
	created := f.do("PUT", "/devices/d1/modules/m1", `{"moduleId":"m1","deviceId":"d1","managedBy":null,`+keys+`}`)
	require.Equal(t, 200, created.status)
	require.Empty(t, created.header.Get("ETag"), "modules carry their etag in the body only")
	golden(t, "module_created.json", created.body)
	golden(t, "module_read.json", f.must("GET", "/devices/d1/modules/m1", "").body)

	changed := f.do("PUT", "/devices/d1/modules/m1", `{"managedBy":"me",`+keys+`}`, `If-Match: "`+created.member(t, "etag")+`"`)
	require.Equal(t, 200, changed.status)
	require.Equal(t, "me", changed.member(t, "managedBy"))
	require.NotEqual(t, created.member(t, "etag"), changed.member(t, "etag"))
	golden(t, "module_list.json", f.must("GET", "/devices/d1/modules", "").body)

	l, _ := f.connect(iot.Module("d1", "m1"))
	require.Equal(t, 204, f.do("DELETE", "/devices/d1/modules/m1", "", "If-Match: *").status)
	require.Error(t, <-l.closed)
	require.Equal(t, 404, f.do("GET", "/devices/d1/modules/m1", "").status)
}

// flat is the envelope of module identities.
func (r response) flat(t *testing.T, file string, status int, name string) {
	t.Helper()
	require.Equal(t, status, r.status, r.body)
	require.Equal(t, name, r.header.Get("iothub-errorcode"))
	golden(t, file, r.body)
}

func TestErrorsOfModulesAreFlat(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.do("PUT", "/devices/d1/modules/m1", `{}`).flat(t, "error_module_device_not_found.json", 404, "DeviceNotFound")
	f.must("PUT", "/devices/d1", `{}`)
	f.do("GET", "/devices/d1/modules/m1", "").flat(t, "error_module_not_found.json", 404, "ModuleNotFound")
	f.must("PUT", "/devices/d1/modules/m1", `{}`)
	f.do("PUT", "/devices/d1/modules/m1", `{}`).flat(t, "error_module_exists.json", 409, "ModuleAlreadyExistsOnDevice")
	f.do("PUT", "/devices/d1/modules/m1", `{"moduleId":"m2"}`).flat(t, "error_module_other_id.json", 400, "ArgumentInvalid")
	require.Equal(t, 400, f.do("PUT", "/devices/d1/modules/m1", `{"deviceId":"d2"}`).status)
	require.Equal(t, 400, f.do("PUT", "/devices/d1/modules/$edgeAgent", `{}`).status, "the hub's own modules")
	require.Equal(t, 404, f.do("GET", "/devices/nobody/modules", "").status)
	require.Equal(t, 404, f.do("PUT", "/devices/d1/modules/m2", `{}`, "If-Match: *").status)
}

func TestSomeErrorsOfModulesAreInThePlainEnvelope(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.do("GET", "/devices/d1/modules", "", "Authorization: ").refused(t, 401, "IotHubUnauthorizedAccess", "Unauthorized")
	f.must("PUT", "/devices/d1", `{}`)
	f.must("PUT", "/devices/d1/modules/m1", `{}`)
	f.do("DELETE", "/devices/d1/modules/m1", "").refused(t, 412, "PreconditionFailed", "Etag missing")
	f.do("PUT", "/devices/d1/modules/m1", `{}`, `If-Match: "x"`).refused(t, 412, "PreconditionFailed", "PreconditionFailed, ETag may be invalid.")
}

func TestADeviceHasAtMostFiftyModules(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	for i := range 50 {
		f.must("PUT", "/devices/d1/modules/m"+strings.Repeat("x", i), `{}`)
	}
	r := f.do("PUT", "/devices/d1/modules/onemore", `{}`)
	require.Equal(t, 413, r.status)
	require.Equal(t, "TooManyModulesOnDevice", r.header.Get("iothub-errorcode"))
}
