package rest_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnEdgeDeviceHasItsSystemModulesAndTheirTwins(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/gate", `{"capabilities":{"iotEdge":true},`+keys+`}`)
	golden(t, "module_list_edge.json", f.must("GET", "/devices/gate/modules", "").body)
	golden(t, "twin_edge.json", f.must("GET", "/twins/gate", "").body)
	golden(t, "twin_edge_agent.json", f.must("GET", "/twins/gate/modules/$edgeAgent", "").body)
	f.must("PATCH", "/twins/gate/modules/$edgeHub", `{"properties":{"desired":{"schemaVersion":"1.1"}}}`)

	f.must("PUT", "/devices/gate", `{"capabilities":{"iotEdge":false}}`, "If-Match: *")
	require.Equal(t, "[]", f.must("GET", "/devices/gate/modules", "").body)
	require.Equal(t, 404, f.do("GET", "/twins/gate/modules/$edgeHub", "").status)
	f.must("PUT", "/devices/gate", `{"capabilities":{"iotEdge":true}}`, "If-Match: *")
	require.NotContains(t, f.must("GET", "/twins/gate/modules/$edgeHub", "").body, "schemaVersion", "a new twin")
}

func TestSystemModulesCannotBeModified(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/gate", `{"capabilities":{"iotEdge":true}}`)
	const path = "/devices/gate/modules/$edgeAgent"
	text := "Module $edgeAgent of device gate is a system module and cannot be modified."
	for _, method := range []string{"PUT", "DELETE"} {
		f.do(method, path, `{}`, "If-Match: *").refused(t, 401, "SystemModuleModifyUnauthorizedAccess", text)
	}
	f.do("PUT", path, `{}`).refused(t, 401, "SystemModuleModifyUnauthorizedAccess", text)
	f.do("PUT", "/devices/gate/modules/$mine", `{}`).flat(t, "error_module_id.json", 400, "ArgumentInvalid")
}

func TestADeviceIsPutBelowAnEdgeDevice(t *testing.T) {
	t.Parallel()
	f := start(t)
	scope := f.must("PUT", "/devices/gate", `{"capabilities":{"iotEdge":true}}`).member(t, "deviceScope")
	leaf := f.must("PUT", "/devices/leaf", `{"deviceScope":"`+scope+`",`+keys+`}`)
	golden(t, "device_child.json", leaf.body)
	golden(t, "twin_child.json", f.must("GET", "/twins/leaf", "").body)

	var edge struct {
		DeviceScope  string
		ParentScopes []string
	}
	lower := f.must("PUT", "/devices/lower", `{"capabilities":{"iotEdge":true},"parentScopes":["`+scope+`"]}`)
	require.NoError(t, json.Unmarshal([]byte(lower.body), &edge))
	require.Equal(t, []string{scope}, edge.ParentScopes)
	require.NotEqual(t, scope, edge.DeviceScope)

	f.do("PUT", "/devices/other", `{"deviceScope":"ms-azure-iot-edge://nobody-1"}`).
		refused(t, 400, "InvalidDeviceScope", "The scope ms-azure-iot-edge://nobody-1 is not the scope of an edge device.")
	f.do("PUT", "/devices/other", `{"capabilities":{"iotEdge":true},"parentScopes":["a","b"]}`).
		refused(t, 400, "ArgumentInvalid", "Device other can have one parent only.")
}
