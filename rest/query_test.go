package rest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func (f *fixture) query(text string, headers ...string) response {
	f.t.Helper()
	body, err := json.Marshal(map[string]string{"query": text})
	require.NoError(f.t, err)
	return f.do("POST", "/devices/query", string(body), headers...)
}

// Source: contract.md §14.1.
func TestAQueryIsReadPageByPage(t *testing.T) {
	t.Parallel()
	f := start(t)
	for i := range 5 {
		f.must("PUT", fmt.Sprintf("/devices/d%d", i), `{`+keys+`}`)
	}
	f.must("PATCH", "/twins/d1", `{"tags":{"site":"x"},"properties":{"desired":{"rate":1.50}}}`)
	var pages []string
	token := ""
	for len(pages) < 10 {
		headers := []string{"x-ms-max-item-count: 2"}
		if token != "" {
			headers = append(headers, "x-ms-continuation: "+token)
		}
		page := f.query("SELECT deviceId FROM devices", headers...)
		require.Equal(t, 200, page.status, page.body)
		require.Equal(t, "Raw", page.header.Get("x-ms-item-type"))
		require.Equal(t, "application/json; charset=utf-8", page.header.Get("Content-Type"))
		pages = append(pages, page.body)
		if token = page.header.Get("x-ms-continuation"); token == "" {
			break
		}
	}
	require.Equal(t, []string{
		`[{"deviceId":"d0"},{"deviceId":"d1"}]`, `[{"deviceId":"d2"},{"deviceId":"d3"}]`, `[{"deviceId":"d4"}]`,
	}, pages)

	one := f.query("SELECT * FROM devices WHERE tags.site = 'x' AND properties.desired.rate > 1")
	require.Equal(t, "Twin", one.header.Get("x-ms-item-type"))
	require.Equal(t, "["+f.do("GET", "/twins/d1", "").body+"]", one.body, "the twin is what GET shows")
	none := f.query("SELECT * FROM devices WHERE tags.site = 'y'")
	require.Equal(t, "[]", none.body)
	require.Empty(t, none.header.Values("x-ms-continuation"))
	require.Equal(t, "DeviceJob", f.query("SELECT * FROM devices.jobs").header.Get("x-ms-item-type"))
}

// The Swagger: the service may use another size where it does not accept one.
func TestAPageSizeThatIsNoneIsIgnored(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	for _, size := range []string{"0", "-1", "101", "many", "99999999999999999999"} {
		require.Equal(t, `[{"deviceId":"d1"}]`, f.query("SELECT deviceId FROM devices", "x-ms-max-item-count: "+size).body)
	}
}

func TestQueriesThatAreRefused(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.query("SELECT * FROM devices WHERE deviceId == 'x'").
		refused(t, 400, "ArgumentInvalid", "Error at column 39: unexpected '='")
	f.query("SELECT * FROM devices"+strings.Repeat(" ", 8192)).
		refused(t, 400, "ArgumentInvalid", "Error at column 1: the text is longer than 8192 characters")
	f.query("").refused(t, 400, "ArgumentInvalid", "Error at column 1: SELECT is expected")
	f.query("SELECT * FROM devices", "x-ms-continuation: AAAA").
		refused(t, 400, "ArgumentInvalid", "The continuation token is malformed, or not one of this query.")
	f.do("POST", "/devices/query", `{}`).refused(t, 400, "ArgumentNull", "The query is missing.")
	f.do("POST", "/devices/query", `{"query":null}`).refused(t, 400, "ArgumentNull", "The query is missing.")
	require.Equal(t, 400, f.do("POST", "/devices/query", `{"query":5}`).status)
	require.Equal(t, 400, f.do("POST", "/devices/query", ``).status)
	require.Equal(t, 200, f.query("SELECT * FROM devices", "Authorization: "+f.token("service", "")).status)
	for _, policy := range []string{"device", "registryRead", "registryReadWrite"} {
		f.query("SELECT * FROM devices", "Authorization: "+f.token(policy, "")).
			refused(t, 401, "IotHubUnauthorizedAccess", "Unauthorized")
	}
}
