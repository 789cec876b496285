package rest_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/methods"
	"github.com/linarite/linarite/twin"
)

// controller connects a Plug and Play device that has reported its properties.
func (f *fixture) controller() (*link, *hub.Session) {
	f.t.Helper()
	f.must("PUT", "/devices/d1", `{`+keys+`}`)
	l := newLink()
	s, err := f.hub.Connect(hub.ConnectRequest{
		Identity: iot.Device("d1"), Token: f.deviceToken(iot.Device("d1")), Protocol: "Mqtt",
		ModelID: "dtmi:com:example:TemperatureController;1",
	}, l)
	require.NoError(f.t, err)
	s.Listen(hub.Listening{Methods: true, Desired: true})
	_, v := s.Report([]byte(`{"serialNumber":"alwinexlepaho8329","thermostat1":{"__t":"c","maxTempSinceLastReboot":25.30}}`), 0)
	require.Nil(f.t, v.Err)
	return l, s
}

func TestADigitalTwinIsReadPatchedAndAcknowledged(t *testing.T) {
	t.Parallel()
	f := start(t)
	l, s := f.controller()
	read := f.must("GET", "/digitaltwins/d1", "")
	golden(t, "digitaltwin_reported.json", read.body)
	etag := read.header.Get("ETag")
	require.Equal(t, `"AAAAAAAAAAE="`, etag)

	patched := f.do("PATCH", "/digitaltwins/d1", `[{"op":"add","path":"/thermostat1/targetTemperature","value":21.80}]`, "If-Match: "+etag)
	require.Equal(t, 202, patched.status, patched.body)
	require.Empty(t, patched.body)
	require.Equal(t, `"AAAAAAAAAAI="`, patched.header.Get("ETag"))
	require.Equal(t, "https://"+strings.TrimPrefix(f.server.URL, "http://")+"/digitaltwins/d1", patched.header.Get("Location"))
	require.Equal(t, `{"thermostat1":{"__t":"c","targetTemperature":21.80},"$version":2}`, <-l.desired)
	golden(t, "digitaltwin_desired.json", f.must("GET", "/digitaltwins/d1", "").body)

	f.clock.Advance(time.Second)
	_, v := s.Report([]byte(`{"thermostat1":{"__t":"c","targetTemperature":{"value":21.80,"ac":200,"av":2,"ad":"done"}}}`), 0)
	require.Nil(t, v.Err)
	golden(t, "digitaltwin_acknowledged.json", f.must("GET", "/digitaltwins/d1", "").body)
	require.Contains(t, f.must("GET", "/twins/d1", "").body, `"modelId":"dtmi:com:example:TemperatureController;1"`)
}

func TestADigitalTwinIsGuardedByItsEtag(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.controller()
	const patch = `[{"op":"add","path":"/interval","value":1}]`
	stale := f.must("GET", "/digitaltwins/d1", "").header.Get("ETag")
	for _, form := range []string{"", "*", `"*"`, f.must("PATCH", "/digitaltwins/d1", patch).header.Get("ETag")} {
		etag := f.must("GET", "/digitaltwins/d1", "").header.Get("ETag")
		if form != "" && !strings.Contains(form, "*") {
			form = etag
		}
		f.must("PATCH", "/digitaltwins/d1", patch, "If-Match: "+form)
	}
	f.do("PATCH", "/digitaltwins/d1", patch, "If-Match: "+stale).
		refused(t, 412, "PreconditionFailed", "ETag mismatch for device ID 'd1'")
}

func TestAnyDeviceHasADigitalTwin(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	require.Equal(t, `{"$dtId":"d1","$metadata":{"$model":""}}`, f.must("GET", "/digitaltwins/d1", "").body)
	f.do("GET", "/digitaltwins/nobody", "").refused(t, 404, "DeviceNotFound", "nobody")
	f.do("PATCH", "/digitaltwins/nobody", `[{"op":"add","path":"/a","value":1}]`).refused(t, 404, "DeviceNotFound", "nobody")
}

func TestAPatchOfADigitalTwinIsRefused(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.controller()
	for _, c := range []struct{ body, name, text string }{
		{`{}`, "DeserializationError", "The body must be a JSON array."},
		{`[1]`, "DeserializationError", "The body must be a JSON object."},
		{`[]`, "InvalidDigitalTwinJsonPatch", "A patch has 1 to 1000 operations."},
		{`[{"op":"copy","path":"/a"}]`, "InvalidDigitalTwinJsonPatch", `The operation "copy" is not one of add, replace and remove.`},
		{`[{"op":"add","path":"/a.b","value":1}]`, "InvalidDigitalTwinPatchPath", `"/a.b" is not the path of a component or property.`},
		{`[{"op":"add","path":"/a","value":[]}]`, "InvalidDigitalTwinPayload", "A property cannot have an array."},
		{`[{"op":"remove","path":"/a"}]`, "InvalidDigitalTwinPatch", "There is nothing at /a."},
	} {
		f.do("PATCH", "/digitaltwins/d1", c.body).refused(t, 400, c.name, c.text)
	}
	many := strings.Repeat(`{"op":"add","path":"/a","value":1},`, twin.MaxOperations)
	f.do("PATCH", "/digitaltwins/d1", "["+many+`{"op":"add","path":"/a","value":1}]`).
		refused(t, 400, "InvalidDigitalTwinJsonPatch", "A patch has 1 to 1000 operations.")
	f.do("PATCH", "/digitaltwins/d1", `[{"op":"add","path":"/a","value":"`+strings.Repeat("x", 4097)+`"}]`).
		refused(t, 400, "ArgumentInvalid", "Value associated with property name a has length 4097 that exceeds maximum length of 4096")
	require.Equal(t, `"AAAAAAAAAAE="`, f.must("GET", "/digitaltwins/d1", "").header.Get("ETag"), "nothing has changed")
}

func TestCommandsAreDirectMethods(t *testing.T) {
	t.Parallel()
	f := start(t)
	l, s := f.controller()
	const query = version + "&connectTimeoutInSeconds=1&responseTimeoutInSeconds=5"
	for _, c := range []struct {
		path, argument, method, payload string
		status                          int
		answer                          json.RawMessage
		body                            string
	}{
		{"commands/reboot", `{"delay":1.0}`, "reboot", `{"delay":1.0}`, 200, []byte(`{"ok":true}`), `{"ok":true}`},
		{"commands/reboot", ` "now" `, "reboot", `"now"`, 404, []byte(`"no"`), `"no"`},
		{"commands/reboot", ``, "reboot", ``, 200, nil, `null`},
		{"components/thermostat1/commands/getMaxMinReport", `null`, "thermostat1*getMaxMinReport", `null`, 201, []byte(`[1]`), `[1]`},
	} {
		done := f.invoke("/digitaltwins/d1/"+c.path+query, c.argument)
		request := <-l.methods
		require.Equal(t, c.method, request.Name)
		require.Equal(t, c.payload, string(request.Payload))
		require.True(t, s.Answer(request.RID, methods.Response{Status: c.status, Payload: c.answer}))
		r := <-done
		require.Equal(t, 200, r.status, "the status is the device's affair")
		require.Equal(t, c.body, r.body)
		require.JSONEq(t, r.header.Get("x-ms-command-statuscode"), string(mustJSON(t, c.status)))
		require.Len(t, r.header.Get("x-ms-request-id"), 36)
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return b
}

func TestCommandsFailAsMethodsDo(t *testing.T) {
	t.Parallel()
	f := start(t)
	const path = "/digitaltwins/d1/components/thermostat1/commands/reset"
	f.do("POST", path, `{}`).failed(t, "error_command_device_not_found.json", 404, "DeviceNotFound")
	f.must("PUT", "/devices/d1", `{}`)
	f.do("POST", path, `{}`).failed(t, "error_method_not_online.json", 404, "DeviceNotOnline")
	f.do("POST", path, `{`).failed(t, "error_command_malformed.json", 400, "DeserializationError")
	for _, bad := range []string{"responseTimeoutInSeconds=4", "responseTimeoutInSeconds=x", "connectTimeoutInSeconds=301"} {
		r := f.do("POST", path+version+"&"+bad, `{}`)
		require.Equal(t, 400, r.status, bad)
		require.Equal(t, "ArgumentInvalid", r.header.Get("iothub-errorcode"))
	}
	require.Equal(t, 400, f.do("POST", "/digitaltwins/d1/commands/a%20b", `{}`).status)
	require.Equal(t, 413, f.do("POST", path, `"`+strings.Repeat("x", 128<<10)+`"`).status)
}

func TestDigitalTwinsTakeTheRightToTheService(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	for _, operation := range []string{"GET /digitaltwins/d1", "PATCH /digitaltwins/d1"} {
		method, path, _ := strings.Cut(operation, " ")
		f.do(method, path, `[]`, "Authorization: "+f.token("registryReadWrite", "")).refused(t, 401, "IotHubUnauthorizedAccess", "Unauthorized")
	}
	require.Equal(t, 401, f.do("POST", "/digitaltwins/d1/commands/c", `{}`, "Authorization: "+f.token("device", "")).status)
	require.Equal(t, 200, f.do("GET", "/digitaltwins/d1", "", "Authorization: "+f.token("service", "")).status)
}
