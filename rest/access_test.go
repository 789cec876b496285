package rest_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
)

// operations are one request for each, and the policies that may make it.
var operations = []struct{ operation, policies string }{
	{"GET /devices", "iothubowner registryRead registryReadWrite"},
	{"GET /devices/d1", "iothubowner registryRead registryReadWrite"},
	{"PUT /devices/d1", "iothubowner registryReadWrite"},
	{"DELETE /devices/d1", "iothubowner registryReadWrite"},
	{"DELETE /devices/d1/commands", "iothubowner service"},
	{"GET /devices/d1/modules", "iothubowner registryRead registryReadWrite"},
	{"GET /devices/d1/modules/m1", "iothubowner registryRead registryReadWrite"},
	{"PUT /devices/d1/modules/m1", "iothubowner registryReadWrite"},
	{"DELETE /devices/d1/modules/m1", "iothubowner registryReadWrite"},
	{"GET /statistics/devices", "iothubowner registryRead registryReadWrite"},
	{"GET /statistics/service", "iothubowner registryRead registryReadWrite"},
	{"GET /twins/d1", "iothubowner service"},
	{"PATCH /twins/d1", "iothubowner service"},
	{"PUT /twins/d1", "iothubowner service"},
	{"GET /twins/d1/modules/m1", "iothubowner service"},
	{"PATCH /twins/d1/modules/m1", "iothubowner service"},
	{"PUT /twins/d1/modules/m1", "iothubowner service"},
	{"POST /twins/d1/methods", "iothubowner service"},
	{"POST /twins/d1/modules/m1/methods", "iothubowner service"},
	{"GET /messages/serviceBound/feedback", "iothubowner service"},
	{"DELETE /messages/serviceBound/feedback/token", "iothubowner service"},
	{"POST /messages/serviceBound/feedback/token/abandon", "iothubowner service"},
}

func TestEachOperationTakesItsRight(t *testing.T) {
	t.Parallel()
	for _, c := range operations {
		t.Run(c.operation, func(t *testing.T) {
			t.Parallel()
			f := start(t)
			method, path, _ := strings.Cut(c.operation, " ")
			for _, p := range auth.BuiltinPolicies() {
				r := f.do(method, path, "", "Authorization: "+f.token(p.Name, ""))
				may := strings.Contains(" "+c.policies+" ", " "+p.Name+" ")
				require.Equal(t, may, r.status != 401, "%s: %d %s", p.Name, r.status, r.body)
				require.NotEqual(t, 405, r.status)
			}
		})
	}
}

func TestATokenForAPathIsGoodBelowItOnly(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	f.must("PUT", "/devices/d1/modules/m1", `{}`)
	for _, c := range []struct {
		token, path string
		status      int
	}{
		{"devices", "/devices/d1", 200},
		{"Devices", "/DEVICES/d1", 200},
		{"devices/d1", "/devices/d1", 200},
		{"devices/d1", "/devices/d1/modules/m1", 200},
		{"devices/d1", "/devices/D1", 401},
		{"devices/d1", "/devices/d11", 401},
		{"devices/d1", "/devices", 401},
		{"devices/d1", "/twins/d1", 401},
		{"twins/d1", "/twins/d1", 200},
		{"twins/d1/modules/m1", "/twins/d1", 401},
		{"messages/serviceBound", "/messages/serviceBound/feedback", 204},
	} {
		r := f.do("GET", c.path, "", "Authorization: "+f.token("iothubowner", c.token))
		require.Equal(t, c.status, r.status, "%s with a token for %s", c.path, c.token)
	}
}

func TestABadTokenIsRefusedAndTheLogSaysWhy(t *testing.T) {
	t.Parallel()
	wrongKey, err := auth.Sign(host, "d3Jvbmcga2V5IG9mIDMyIGJ5dGVzIGluIGFsbCE=", "service", morning.Add(time.Hour))
	require.NoError(t, err)
	expired, err := auth.Sign(host, auth.WellKnownKey, "service", morning.Add(-time.Hour))
	require.NoError(t, err)
	elsewhere, err := auth.Sign("other.azure-devices.net", auth.WellKnownKey, "service", morning.Add(time.Hour))
	require.NoError(t, err)
	stranger, err := auth.Sign(host, auth.WellKnownKey, "nobody", morning.Add(time.Hour))
	require.NoError(t, err)
	for name, c := range map[string]struct{ token, reason string }{
		"none":               {"", "there is no token"},
		"not a signature":    {"Basic dTpw", "does not begin with the word SharedAccessSignature"},
		"of Entra ID":        {"Bearer eyJhbGciOi", "Bearer token of Entra ID"},
		"with a wrong key":   {wrongKey, "matches neither key"},
		"expired":            {expired, "expired"},
		"for another hub":    {elsewhere, "other.azure-devices.net"},
		"of no policy":       {stranger, "no policy"},
		"without a right":    {"device", "lacks ServiceConnect"},
		"of a device's own":  {"own", "names no policy"},
		"without its expiry": {"SharedAccessSignature sr=x&sig=y", "lacks the field se"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t)
			token := c.token
			switch token {
			case "device":
				token = f.token("device", "")
			case "own":
				token = f.token("", "")
			}
			f.do("GET", "/twins/d1", "", "Authorization: "+token).refused(t, 401, "IotHubUnauthorizedAccess", "Unauthorized")
			line := f.log.String()
			require.Contains(t, line, c.reason)
			require.Contains(t, line, `"level":"warn"`)
			require.Contains(t, line, `"device":"d1"`)
			require.Contains(t, line, `"op":"GET twins/{device}"`)
			if _, signature, ok := strings.Cut(token, "sig="); ok {
				signature, _, _ = strings.Cut(signature, "&")
				require.NotContains(t, line, "sig=")
				require.True(t, len(signature) < 2 || !strings.Contains(line, signature), line)
			}
		})
	}
}

// unread is a body that must not be read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read before the token was checked")
	return 0, errors.New("unread")
}

func TestNoBodyIsReadBeforeTheTokenIsChecked(t *testing.T) {
	t.Parallel()
	f := start(t)
	for _, operation := range []string{"PUT /devices/d1", "PUT /devices/d1/modules/m", "PATCH /twins/d1", "PUT /twins/d1", "POST /twins/d1/methods"} {
		method, path, _ := strings.Cut(operation, " ")
		require.Equal(t, 401, f.record(httptest.NewRequest(method, path+version, unread{t})).status)
	}
}

func TestAnyDateIsAnApiVersion(t *testing.T) {
	t.Parallel()
	f := start(t)
	for query, status := range map[string]int{
		"?api-version=2021-04-12":          200,
		"?api-version=2018-06-30":          200,
		"?api-version=2020-05-31-preview":  200,
		"?api-version=2020-05-31-Preview":  200,
		"?api-version=2024-03-31":          200,
		"?API-VERSION=2021-04-12":          200,
		"?Api-Version=2021-04-12&top=5":    200,
		"?top=5&api-version=2021-04-12":    200,
		"?":                                400,
		"?api-version=":                    400,
		"?api-version=2021-4-12":           400,
		"?api-version=2021-13-12":          400,
		"?api-version=2021-04-12-previews": 400,
		"?api-version=latest":              400,
		"?apiversion=2021-04-12":           400,
	} {
		r := f.do("GET", "/devices"+query, "")
		require.Equal(t, status, r.status, query)
		if status == 400 {
			require.Equal(t, "InvalidProtocolVersion", r.header.Get("iothub-errorcode"), query)
			require.Contains(t, r.member(t, "Message"), "api-version")
		}
	}
}

// doorkeeper is a response writer that notes who is let in.
type doorkeeper struct {
	http.ResponseWriter
	admitted int
}

func (k *doorkeeper) Admit() { k.admitted++ }

func TestTheServerIsToldWhoIsAuthorized(t *testing.T) {
	t.Parallel()
	f := start(t)
	for token, admitted := range map[string]int{f.token("iothubowner", ""): 1, f.token("device", ""): 0, "": 0} {
		k := &doorkeeper{ResponseWriter: httptest.NewRecorder()}
		r := httptest.NewRequest(http.MethodGet, "/devices/nobody"+version, nil)
		r.Header.Set("Authorization", token)
		f.handler.ServeHTTP(k, r)
		require.Equal(t, admitted, k.admitted)
	}
}

func TestATokenInThePathIsNotLogged(t *testing.T) {
	t.Parallel()
	f := start(t)
	token := f.token("iothubowner", "")
	for _, path := range []string{
		"/devices/" + url.PathEscape(token), "/" + url.PathEscape(token), "/devices/d/modules/" + url.QueryEscape(token),
		"/devices/d?api-version=" + url.QueryEscape(token),
	} {
		f.do("GET", path, "")
	}
	f.do(url.QueryEscape(token), "/devices/d", "")
	_, signature, _ := strings.Cut(token, "sig=")
	signature, _, _ = strings.Cut(signature, "&")
	require.Contains(t, f.log.String(), "(a token)")
	require.NotContains(t, f.log.String(), signature)
	require.NotContains(t, f.log.String(), url.QueryEscape(signature))
}
