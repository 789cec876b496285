package rest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
)

const regenerate = "/devices/keys/regenerate?api-version=2024-03-31"

// made is an answer to a request for new keys.
type made struct {
	PolicyKey   string
	RotatedKeys []struct{ ID, ModuleID, PrimaryKey, SecondaryKey string }
	Errors      []struct{ ID, ModuleID, ErrorCode, ErrorStatus string }
}

func (f *fixture) regenerate(status int, body string) made {
	f.t.Helper()
	r := f.do("POST", regenerate, body)
	require.Equal(f.t, status, r.status, r.body)
	var m made
	require.NoError(f.t, json.Unmarshal([]byte(r.body), &m))
	return m
}

func TestKeysAreRegenerated(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{`+keys+`}`)
	f.must("PUT", "/devices/d1/modules/m1", `{`+keys+`}`)
	m := f.regenerate(200, `{"policyKey":"primaryKey","devices":[{"id":"d1"},{"id":"d1","moduleId":"m1"}]}`)
	require.Equal(t, "primaryKey", m.PolicyKey)
	require.Len(t, m.RotatedKeys, 2)
	require.NotNil(t, m.Errors)
	for i, path := range []string{"/devices/d1", "/devices/d1/modules/m1"} {
		r := m.RotatedKeys[i]
		require.Len(t, r.PrimaryKey, 44)
		require.Empty(t, r.SecondaryKey)
		now := f.must("GET", path, "").body
		require.Contains(t, now, `"primaryKey":"`+r.PrimaryKey+`","secondaryKey":"c2Vjb25kYXJ5LWtleS1vZi1kMQ=="`)
	}
	require.NotEqual(t, m.RotatedKeys[0].PrimaryKey, m.RotatedKeys[1].PrimaryKey)

	m = f.regenerate(200, `{"policyKey":"secondaryKey","devices":[{"id":"d1"}]}`)
	require.Empty(t, m.RotatedKeys[0].PrimaryKey)
	require.Contains(t, f.must("GET", "/devices/d1", "").body, m.RotatedKeys[0].SecondaryKey)
	both := f.regenerate(200, `{"policyKey":"both","devices":[{"id":"d1"}]}`).RotatedKeys[0]
	require.NotEqual(t, both.PrimaryKey, both.SecondaryKey)
}

func TestANewKeyOpensAndTheOldOneDoesNot(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	l, _ := f.connect(iot.Device("d1"))
	old := f.deviceToken(iot.Device("d1"))
	f.regenerate(200, `{"policyKey":"primaryKey","devices":[{"id":"d1"}]}`)
	require.Empty(t, l.closed, "who is connected stays so")
	require.Error(t, f.tryConnect("d1", old))
	require.NoError(t, f.tryConnect("d1", f.deviceToken(iot.Device("d1"))))
}

func TestKeysThatCannotBeMadeAreErrors(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	f.must("PUT", "/devices/x", `{"authentication":{"type":"certificateAuthority"}}`)
	f.must("PUT", "/devices/gate", `{"capabilities":{"iotEdge":true}}`)
	some := f.do("POST", regenerate, `{"policyKey":"both","devices":[{"id":"d1"},{"id":"nobody"},{"id":"d1","moduleId":"m"}]}`)
	require.Equal(t, 207, some.status)
	require.Empty(t, some.header.Get("iothub-errorcode"))
	none := f.do("POST", regenerate, `{"policyKey":"both","devices":[{"id":"nobody"},{"id":"d1","moduleId":"m"},{"id":"x"},{"id":"gate","moduleId":"$edgeHub"}]}`)
	require.Equal(t, 400, none.status)
	require.Equal(t, "BulkRegenerateDeviceKeyOperationFailure", none.header.Get("iothub-errorcode"))
	golden(t, "keys_failed.json", none.body)
}

func TestARequestForKeysIsRefused(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	many := strings.TrimSuffix(strings.Repeat(`{"id":"d1"},`, 101), ",")
	for _, c := range []struct {
		body       string
		status     int
		name, text string
	}{
		{`{"devices":[{"id":"d1"}]}`, 400, "InvalidPolicyKey", "'' is not a policy key: it must be primaryKey, secondaryKey or both."},
		{`{"policyKey":"Unknown","devices":[{"id":"d1"}]}`, 400, "InvalidPolicyKey", "'Unknown' is not a policy key: it must be primaryKey, secondaryKey or both."},
		{`{"policyKey":"both"}`, 400, "ArgumentInvalid", "The request names no device."},
		{`{"policyKey":"both","devices":[{"id":"d1"},{"id":"d1"}]}`, 400, "DeviceDefinedMultipleTimes", "d1 is defined multiple times."},
		{`{"policyKey":"both","devices":[` + many + `]}`, 413, "TooManyDevices", "The request names more than 100 devices."},
		{`[]`, 400, "DeserializationError", "The body must be a JSON object."},
	} {
		f.do("POST", regenerate, c.body).refused(t, c.status, c.name, c.text)
	}
	f.do("POST", regenerate, `{}`, "Authorization: "+f.token("registryRead", "")).refused(t, 401, "IotHubUnauthorizedAccess", "Unauthorized")
	require.NotContains(t, f.log.String(), "primaryKey\"", "no key is in the log")
}
