package rest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/rest"
)

// bulk sends a bulk request that has to succeed.
func (f *fixture) bulk(items ...string) {
	f.t.Helper()
	r := f.do("POST", "/devices", "["+strings.Join(items, ",")+"]")
	require.Equal(f.t, 200, r.status, r.body)
	golden(f.t, "bulk_done.json", r.body)
}

func TestDevicesModulesAndTwinsAreMadeInBulk(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.bulk(
		`{"id":"d1","importMode":"create","status":"disabled","statusReason":"new",`+keys+`,
			"tags":{"site":"north"},"properties":{"desired":{"interval":1.0}}}`,
		`{"id":"d2","importMode":"create"}`,
		`{"id":"d2","moduleId":"m1","importMode":"create",`+keys+`,"properties":{"desired":{"user":"userA"}}}`,
		`{"id":"gate","importMode":"create","capabilities":{"iotEdge":true}}`,
	)
	golden(t, "bulk_device.json", f.must("GET", "/devices/d1", "").body)
	golden(t, "bulk_device_twin.json", f.must("GET", "/twins/d1", "").body)
	golden(t, "bulk_module.json", f.must("GET", "/devices/d2/modules/m1", "").body)
	golden(t, "bulk_module_twin.json", f.must("GET", "/twins/d2/modules/m1", "").body)
	f.must("GET", "/twins/gate/modules/$edgeHub", "")
	scope := f.must("GET", "/devices/gate", "").member(t, "deviceScope")
	f.bulk(`{"id":"leaf","deviceScope":"` + scope + `"}`)
	require.Contains(t, f.must("GET", "/devices/leaf", "").body, `"parentScopes":["`+scope+`"]`)
}

func TestEveryImportModeDoesWhatItSays(t *testing.T) {
	t.Parallel()
	stale, twinStale := "MTIz", "AAAAAAAAAAk="
	for _, c := range []struct {
		name, mode  string
		item        string // members of the item; %s is the etag, %t the twin's
		exists      bool
		code        string // of the failure; empty: it is done
		gone        bool
		changed     bool // status and interval are the item's
		twinChanged bool
	}{
		{name: "create", mode: "create", changed: true, twinChanged: true},
		{name: "create what is there", mode: "create", exists: true, code: "DeviceAlreadyExists"},
		{name: "update", mode: "update", exists: true, changed: true, twinChanged: true},
		{name: "update whatever the etag", mode: "update", item: `"eTag":"` + stale + `"`, exists: true, changed: true, twinChanged: true},
		{name: "update, as azure-iothub writes it", mode: "Update", exists: true, changed: true, twinChanged: true},
		{name: "update nothing", mode: "update", code: "DeviceNotFound", gone: true},
		{name: "update the right version", mode: "updateIfMatchETag", item: `"eTag":"%s"`, exists: true, changed: true, twinChanged: true},
		{name: "update a quoted version", mode: "updateIfMatchETag", item: `"eTag":"\"%s\""`, exists: true, changed: true, twinChanged: true},
		{name: "update another version", mode: "updateIfMatchETag", item: `"eTag":"` + stale + `"`, exists: true, code: "PreconditionFailed"},
		{name: "update no version", mode: "updateIfMatchETag", exists: true, code: "PreconditionFailed"},
		{name: "create or update, new", mode: "createOrUpdate", changed: true, twinChanged: true},
		{name: "create or update, old", mode: "createOrUpdate", exists: true, changed: true, twinChanged: true},
		{name: "no mode, new", changed: true, twinChanged: true},
		{name: "no mode, old", exists: true, changed: true, twinChanged: true},
		{name: "create or match, new", mode: "createOrUpdateIfMatchETag", changed: true, twinChanged: true},
		{
			name: "create or match, match", mode: "createOrUpdateIfMatchETag", item: `"eTag":"%s"`,
			exists: true, changed: true, twinChanged: true,
		},
		{name: "create or match, no match", mode: "createOrUpdateIfMatchETag", item: `"eTag":"` + stale + `"`, exists: true, code: "PreconditionFailed"},
		{name: "delete", mode: "delete", exists: true, gone: true},
		{name: "delete whatever the etag", mode: "delete", item: `"eTag":"` + stale + `"`, exists: true, gone: true},
		{name: "delete nothing", mode: "delete", code: "DeviceNotFound", gone: true},
		{name: "delete the right version", mode: "deleteIfMatchETag", item: `"eTag":"%s"`, exists: true, gone: true},
		{name: "delete another version", mode: "deleteIfMatchETag", item: `"eTag":"` + stale + `"`, exists: true, code: "PreconditionFailed"},
		{name: "delete no version", mode: "deleteIfMatchETag", exists: true, code: "PreconditionFailed"},
		{name: "update the twin", mode: "updateTwin", exists: true, twinChanged: true},
		{name: "update no twin", mode: "updateTwin", code: "DeviceNotFound", gone: true},
		{name: "update the right twin", mode: "updateTwinIfMatchETag", item: `"twinETag":"%t"`, exists: true, twinChanged: true},
		{name: "update another twin", mode: "updateTwinIfMatchETag", item: `"twinETag":"` + twinStale + `"`, exists: true, code: "PreconditionFailed"},
		{name: "update a twin of no version", mode: "updateTwinIfMatchETag", exists: true, code: "PreconditionFailed"},
		{name: "an unknown mode", mode: "upsert", exists: true, code: "ArgumentInvalid"},
	} {
		for _, path := range []string{"/devices/d1", "/devices/d1/modules/m1"} {
			t.Run(c.name+" "+path, func(t *testing.T) {
				t.Parallel()
				testImportMode(t, path, c.mode, c.item, c.exists, expected{c.code, c.gone, c.changed, c.twinChanged})
			})
		}
	}
}

// expected is what an import mode is to lead to.
type expected struct {
	code                       string
	gone, changed, twinChanged bool
}

func testImportMode(t *testing.T, path, mode, item string, exists bool, want expected) {
	f := start(t)
	module := strings.Contains(path, "modules")
	twin := strings.Replace(path, "/devices", "/twins", 1)
	if module {
		f.must("PUT", "/devices/d1", `{}`)
	}
	if exists {
		f.must("PUT", path, `{`+keys+`}`)
		f.must("PATCH", twin, `{"tags":{"kept":true},"properties":{"desired":{"interval":1}}}`)
		item = strings.ReplaceAll(item, "%s", f.must("GET", path, "").member(t, "etag"))
		item = strings.ReplaceAll(item, "%t", f.must("GET", twin, "").member(t, "etag"))
	}
	before := f.do("GET", path, "").body + f.do("GET", twin, "").body

	id := `"id":"d1"`
	if module {
		id += `,"moduleId":"m1"`
	}
	if mode != "" {
		id += `,"importMode":"` + mode + `"`
	}
	if item != "" {
		id += `,` + item
	}
	r := f.do("POST", "/devices", `[{`+id+`,"statusReason":"bulk","properties":{"desired":{"interval":2}}}]`)

	after, afterTwin := f.do("GET", path, ""), f.do("GET", twin, "")
	if want.code != "" {
		require.Equal(t, 400, r.status, r.body)
		code := want.code
		if module {
			code = strings.NewReplacer("DeviceAlreadyExists", "ModuleAlreadyExistsOnDevice").Replace(code)
			if want.gone && mode != "updateTwin" {
				code = "ModuleNotFound"
			}
		}
		require.Contains(t, r.body, `"errorCode":"`+code+`"`)
		if exists {
			require.Equal(t, before, after.body+afterTwin.body, "nothing has changed")
		}
	} else {
		require.Equal(t, 200, r.status, r.body)
	}
	require.Equal(t, want.gone, after.status == 404)
	require.Equal(t, want.gone, afterTwin.status == 404)
	if want.gone {
		return
	}
	if exists {
		require.Equal(t, want.changed, !strings.Contains(after.body, "cHJpbWFyeS1rZXktb2YtZDE="), "no keys are new keys")
		require.Contains(t, afterTwin.body, `"kept":true`, "a twin is merged")
	}
	if !module {
		require.Equal(t, want.changed, after.member(t, "statusReason") == "bulk")
	}
	require.Equal(t, want.twinChanged, strings.Contains(afterTwin.body, `"interval":2`))
}

func TestEachItemFailsForItself(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.bulk(`{"id":"d1"}`, `{"id":"gate","capabilities":{"iotEdge":true}}`)
	r := f.do("POST", "/devices", `[
		{"id":"d1","importMode":"create"},
		{"id":"d2","importMode":"create"},
		{"id":"d1","moduleId":"m1","importMode":"delete"},
		{"id":"gate","moduleId":"$edgeAgent","importMode":"delete"},
		{"id":"no body","importMode":"create"},
		{"importMode":"create"},
		{"id":"d3","importMode":"create","properties":{"desired":{"a.b":1}}},
		{"id":"d4","importMode":"create","tags":{"a":"`+strings.Repeat("x", 4000)+`","b":"`+strings.Repeat("x", 4090)+`","c":"`+strings.Repeat("x", 200)+`"}},
		{"id":"d5","authentication":{"type":"none"}},
		{"id":"d6","deviceScope":"x"},
		{"id":"d7","status":"asleep"}
	]`)
	require.Equal(t, 400, r.status)
	require.Equal(t, "BulkRegistryOperationFailure", r.header.Get("iothub-errorcode"))
	golden(t, "bulk_failed.json", r.body)
	f.must("GET", "/devices/d2", "")
	for _, id := range []string{"d3", "d4", "d5", "d6", "d7"} {
		require.Equal(t, 404, f.do("GET", "/devices/"+id, "").status, id)
		require.Equal(t, 404, f.do("GET", "/twins/"+id, "").status, id)
	}
	require.Contains(t, f.log.String(), "A device with ID 'd1' is already registered.")
}

func TestAnUpdateInBulkIsWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.bulk(`{"id":"d1",`+keys+`}`, `{"id":"d1","moduleId":"m1"}`)
	for _, item := range []string{
		`{"id":"d1","importMode":"update","status":"disabled","properties":{"desired":{"a":[null]}}}`,
		`{"id":"d1","importMode":"update","status":"asleep","properties":{"desired":{"a":1}}}`,
		`{"id":"d1","importMode":"updateIfMatchETag","eTag":"MQ==","tags":{"a":1}}`,
		`{"id":"d1","moduleId":"m1","importMode":"update","tags":{"a":"` + strings.Repeat("x", 4097) + `"}}`,
	} {
		documents := func() (all string) {
			for _, path := range []string{"/devices/d1", "/twins/d1", "/devices/d1/modules/m1", "/twins/d1/modules/m1"} {
				all += f.must("GET", path, "").body
			}
			return all
		}
		before := documents()
		require.Equal(t, 400, f.do("POST", "/devices", "["+item+"]").status)
		require.Equal(t, before, documents(), item)
	}
}

func TestABulkUpdateTellsTheDeviceAndDisconnectsTheDisabled(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.bulk(`{"id":"d1",` + keys + `}`)
	l, _ := f.connect(iot.Device("d1"))
	f.bulk(`{"id":"d1","importMode":"updateTwin","properties":{"desired":{"a":null,"b":2}}}`)
	require.JSONEq(t, `{"a":null,"b":2,"$version":2}`, <-l.desired)
	f.bulk(`{"id":"d1","importMode":"update","status":"disabled",` + keys + `}`)
	require.ErrorIs(t, <-l.closed, iot.ErrDeviceDisabled)
}

func TestABulkUpdateKeepsWhoManagesAModule(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	f.must("PUT", "/devices/d1/modules/m1", `{"managedBy":"me"}`)
	f.bulk(`{"id":"d1","moduleId":"m1","importMode":"update"}`)
	require.Equal(t, "me", f.must("GET", "/devices/d1/modules/m1", "").member(t, "managedBy"))
}

func TestAHundredIdentitiesAreTheMost(t *testing.T) {
	t.Parallel()
	f := start(t)
	items := make([]string, 101)
	for i := range items {
		items[i] = fmt.Sprintf(`{"id":"d%d"}`, i)
	}
	f.do("POST", "/devices", "["+strings.Join(items, ",")+"]").
		refused(t, 413, "TooManyDevices", "The request names more than 100 devices.")
	require.Empty(t, f.hub.Devices(1))
	f.bulk(items[:100]...)
	f.do("POST", "/devices", `[]`).refused(t, 400, "ArgumentInvalid", "The request names no device.")
}

func TestAnIdentityIsNamedOnce(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.do("POST", "/devices", `[{"id":"d1"},{"id":"d2"},{"id":"d1","importMode":"delete"}]`).
		refused(t, 400, "DeviceDefinedMultipleTimes", "d1 is defined multiple times.")
	f.do("POST", "/devices", `[{"id":"d1","moduleId":"m"},{"id":"d1","moduleId":"m"}]`).
		refused(t, 400, "DeviceDefinedMultipleTimes", "d1/m is defined multiple times.")
	require.Empty(t, f.hub.Devices(1), "nothing was done")
}

func TestABulkRequestIsAnArrayOfObjects(t *testing.T) {
	t.Parallel()
	f := start(t)
	for body, text := range map[string]string{
		``:                         "ArgumentNull;The body is missing.",
		`{"devices":[]}`:           "DeserializationError;The body must be a JSON array.",
		`[1]`:                      "DeserializationError;The body must be a JSON object.",
		`[{"id":"d1"}`:             "DeserializationError;The body is not valid JSON: unexpected end.",
		`[{"id":"d1"}]]`:           "DeserializationError;The body is not valid JSON: there is more behind its end.",
		`[{"id":1}]`:               "DeserializationError;The member 'id' of the body is of the wrong type.",
		`[{"id":"d","status":{}}]`: "DeserializationError;The member 'status' of the body is of the wrong type.",
		`[{"id":"d","tags":{]}]`:   "DeserializationError;The body is not valid JSON: at byte 19, invalid character ']' looking for beginning of object key string.",
	} {
		r := f.do("POST", "/devices", body)
		require.Equal(t, 400, r.status, body)
		require.Equal(t, "ErrorCode:"+text, r.member(t, "Message"), body)
	}
	values := `[` + strings.Repeat("0,", rest.MaxValues-1) + `0]`
	f.do("POST", "/devices", `[{"id":"d1","tags":{"a":`+values+`}}]`).
		refused(t, 413, "GenericRequestEntityTooLarge", "A section of the twin has more than 10000 values.")
	require.Empty(t, f.hub.Devices(1))
}

func TestABulkRequestMayBeLargerThanOthers(t *testing.T) {
	t.Parallel()
	f := start(t)
	items := make([]string, 100)
	for i := range items {
		items[i] = fmt.Sprintf(`{"id":"d%d","properties":{"desired":{"a":"%[2]s","b":"%[2]s"}}}`, i, strings.Repeat("x", 4000))
	}
	f.bulk(items...)
	f.do("POST", "/devices", `[{"id":"e","unheardOf":"`+strings.Repeat("x", rest.MaxBulk)+`"}]`).
		refused(t, 413, "GenericRequestEntityTooLarge", "The body is larger than 8388608 bytes.")
}

func TestBulkTakesTheRightToWrite(t *testing.T) {
	t.Parallel()
	f := start(t)
	for _, policy := range []string{"registryRead", "service", "device"} {
		f.do("POST", "/devices", `[{"id":"d1"}]`, "Authorization: "+f.token(policy, "")).
			refused(t, 401, "IotHubUnauthorizedAccess", "Unauthorized")
	}
	require.Equal(t, 200, f.do("POST", "/devices", `[{"id":"d1"}]`, "Authorization: "+f.token("registryReadWrite", "")).status)
}
