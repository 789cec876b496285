package wire_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

func ask(t *testing.T, text string, headers ...string) harness.Response {
	t.Helper()
	return hub.REST(t, "POST", "/devices/query", map[string]string{"query": text}, headers...)
}

func requireRefused(t *testing.T, r harness.Response, status int, name, text string) {
	t.Helper()
	require.Equal(t, status, r.Status, "%s", r.Body)
	require.Equal(t, name, r.Header.Get("iothub-errorcode"))
	var body struct{ Message string }
	r.JSON(t, &body)
	require.Equal(t, "ErrorCode:"+name+";"+text, body.Message)
}

// Source: contract.md §14.1; the texts are Linarite's own.
func TestQueriesThatAreRefused(t *testing.T) {
	t.Parallel()
	requireRefused(t, ask(t, "SELECT * FROM devices WHERE tags.a == 1"), 400, "ArgumentInvalid", "Error at column 37: unexpected '='")
	requireRefused(t, ask(t, "SELECT *\nFROM devices\nWHERE é = 'x"), 400, "ArgumentInvalid", "Error at line 3, column 11: unterminated string")
	requireRefused(t, ask(t, strings.Repeat("(", 10_000)), 400, "ArgumentInvalid", "Error at column 1: the text is longer than 8192 characters")
	requireRefused(t, ask(t, "SELECT * FROM devices WHERE "+strings.Repeat("(", 8000)), 400, "ArgumentInvalid", "Error at column 129: nested more than 100 deep")
	requireRefused(t, ask(t, "SELECT jobId FROM devices.jobs"), 400, "ArgumentInvalid", "Error at column 1: from devices.jobs only * can be selected, and nothing grouped")
	requireRefused(t, hub.REST(t, "POST", "/devices/query", `{}`), 400, "ArgumentNull", "The query is missing.")
	requireRefused(t, ask(t, "SELECT * FROM devices", "x-ms-continuation", strings.Repeat("A", 2000)), 400, "ArgumentInvalid",
		"The continuation token is malformed, or not one of this query.")
	require.Equal(t, 400, hub.REST(t, "POST", "/devices/query", `["SELECT * FROM devices"]`).Status)
	require.Equal(t, 413, hub.REST(t, "POST", "/devices/query", `{"query":"`+strings.Repeat("x", 1<<20)+`"}`).Status)
	for _, policy := range []string{"device", "registryRead", "registryReadWrite"} {
		token := harness.Sign(hub.Address, harness.WellKnownKey, policy, time.Now().Add(time.Hour))
		requireRefused(t, ask(t, "SELECT * FROM devices", "Authorization", token), 401, "IotHubUnauthorizedAccess", "Unauthorized")
	}
}

// Source: contract.md §14.1, §10.1; query-twins.md.
func TestQueriesOverTheWire(t *testing.T) {
	t.Parallel()
	var ids []string
	for n := range 3 {
		d := newDevice(t)
		ids = append(ids, d.DeviceID)
		r := hub.REST(t, "PATCH", "/twins/"+d.DeviceID, fmt.Sprintf(`{"tags":{"wire":%q,"n":%d.50}}`, t.Name(), n))
		require.Equal(t, 200, r.Status, "%s", r.Body)
	}
	where := " FROM devices WHERE tags.wire = '" + t.Name() + "'"
	first := ask(t, "SELECT DeviceId, tags.n"+where, "x-ms-max-item-count", "2")
	require.Equal(t, fmt.Sprintf(`[{"deviceId":%q,"n":0.50},{"deviceId":%q,"n":1.50}]`, ids[0], ids[1]), string(first.Body), "numbers keep their text")
	require.Equal(t, "Raw", first.Header.Get("x-ms-item-type"))
	token := first.Header.Get("x-ms-continuation")
	require.NotEmpty(t, token)
	hub.REST(t, "DELETE", "/devices/"+ids[0], nil, "If-Match", "*")
	second := ask(t, "SELECT DeviceId, tags.n"+where, "x-ms-continuation", token)
	require.Equal(t, fmt.Sprintf(`[{"deviceId":%q,"n":2.50}]`, ids[2]), string(second.Body))
	require.Empty(t, second.Header.Values("x-ms-continuation"))
	requireRefused(t, ask(t, "SELECT deviceId"+where, "x-ms-continuation", token), 400, "ArgumentInvalid",
		"The continuation token is malformed, or not one of this query.")

	whole := ask(t, "SELECT *"+where+" AND tags.n > 2")
	require.Equal(t, "Twin", whole.Header.Get("x-ms-item-type"))
	require.Equal(t, "["+string(hub.REST(t, "GET", "/twins/"+ids[2], nil).Body)+"]", string(whole.Body))
	var counted []struct{ N int }
	ask(t, "SELECT COUNT() AS n"+where).JSON(t, &counted)
	require.Equal(t, 2, counted[0].N)
	var none []json.RawMessage
	ask(t, "SELECT *"+where+" AND false").JSON(t, &none)
	require.Empty(t, none)
}
