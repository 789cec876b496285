package rest_test

import (
	"encoding/base64"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/iot"
)

// keys is an authentication whose keys are known.
const keys = `"authentication":{"type":"sas","symmetricKey":{"primaryKey":"cHJpbWFyeS1rZXktb2YtZDE=","secondaryKey":"c2Vjb25kYXJ5LWtleS1vZi1kMQ=="}}`

func TestADeviceIsCreatedReadChangedAndDeleted(t *testing.T) {
	t.Parallel()
	f := start(t)
	created := f.do("PUT", "/devices/d1", `{"deviceId":"d1",`+keys+`}`)
	require.Equal(t, 200, created.status)
	golden(t, "device_created.json", created.body)
	etag := created.header.Get("ETag")
	require.Equal(t, `"`+created.member(t, "etag")+`"`, etag)

	read := f.do("GET", "/devices/d1", "")
	golden(t, "device_read.json", read.body)
	require.Equal(t, etag, read.header.Get("ETag"))

	l, _ := f.connect(iot.Device("d1"))
	f.clock.Advance(time.Second)
	changed := f.do("PUT", "/devices/d1", `{"status":"disabled","statusReason":"stolen",`+keys+`}`, "If-Match: "+etag)
	require.Equal(t, 200, changed.status)
	golden(t, "device_disabled.json", changed.body)
	require.ErrorIs(t, <-l.closed, iot.ErrDeviceDisabled)

	deleted := f.do("DELETE", "/devices/d1", "", `If-Match: "*"`)
	require.Equal(t, 204, deleted.status)
	require.Empty(t, deleted.body)
	require.Empty(t, deleted.header.Get("Content-Type"))
	f.do("GET", "/devices/d1", "").refused(t, 404, "DeviceNotFound", "d1")
}

func TestADeletedDeviceIsDisconnected(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	l, _ := f.connect(iot.Device("d1"))
	f.must("DELETE", "/devices/d1", "", "If-Match: *")
	require.ErrorIs(t, <-l.closed, iot.ErrDeviceNotFound)
}

func TestAnEdgeDeviceShowsItsScope(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/gate", `{"capabilities":{"iotEdge":true},`+keys+`}`)
	golden(t, "device_edge.json", f.do("GET", "/devices/gate", "").body)
}

func TestADeviceOfOurOwnCertificatesHasNoKeys(t *testing.T) {
	t.Parallel()
	f := start(t)
	print := strings.Repeat("AB", 20)
	f.must("PUT", "/devices/x", `{"authentication":{"type":"selfSigned","x509Thumbprint":{"primaryThumbprint":"`+print+`"}}}`)
	golden(t, "device_x509.json", f.do("GET", "/devices/x", "").body)
	golden(t, "twin_x509.json", f.do("GET", "/twins/x", "").body)
}

func TestAnAnswerHasTheHeadersOfALiveHub(t *testing.T) {
	t.Parallel()
	f := start(t)
	first, second := f.must("PUT", "/devices/d1", `{}`), f.must("GET", "/twins/d1", "")
	for _, r := range []response{first, second, f.do("GET", "/devices/nobody", "")} {
		require.Equal(t, "application/json; charset=utf-8", r.header.Get("Content-Type"))
		require.Equal(t, "Microsoft-HTTPAPI/2.0", r.header.Get("Server"))
		require.Equal(t, "Origin", r.header.Get("Vary"))
		require.NotEmpty(t, r.header.Get("Date"))
		require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, r.header.Get("x-ms-request-id"))
	}
	require.NotEqual(t, first.header.Get("x-ms-request-id"), second.header.Get("x-ms-request-id"))
	require.Empty(t, second.header.Get("ETag"), "twins carry their etag in the body only")
	require.Empty(t, second.header.Get("iothub-errorcode"))
}

func TestHeadersAreSpelledAsALiveHubSpellsThem(t *testing.T) {
	t.Parallel()
	f := start(t)
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, f.request("PUT", "/devices/d1", `{}`))
	require.Contains(t, w.Header(), "ETag")
	require.Contains(t, w.Header(), "x-ms-request-id")
}

func TestKeysAreMadeWhereThereAreNone(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"no authentication":     `{}`,
		"null":                  `{"authentication":null}`,
		"null keys":             `{"authentication":{"type":"sas","symmetricKey":{"primaryKey":null,"secondaryKey":null}}}`,
		"a null pair":           `{"authentication":{"type":"sas","symmetricKey":null,"x509Thumbprint":null}}`,
		"empty keys, as Node's": `{"authentication":{"type":"sas","symmetricKey":{"primaryKey":"","secondaryKey":""}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t)
			f.must("PUT", "/devices/d1", body)
			d, err := f.hub.Device("d1")
			require.NoError(t, err)
			require.Equal(t, iot.AuthenticationSAS, d.Authentication.Type)
			require.Len(t, d.Authentication.PrimaryKey, 44)
			require.NotEqual(t, d.Authentication.PrimaryKey, d.Authentication.SecondaryKey)
			f.must("PUT", "/devices/d1", `{}`, "If-Match: *")
			again, err := f.hub.Device("d1")
			require.NoError(t, err)
			require.NotEqual(t, d.Authentication, again.Authentication, "an update without authentication makes new keys")
		})
	}
}

func TestAPutWithoutConditionOnlyCreates(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	f.do("PUT", "/devices/d1", `{}`).refused(t, 409, "DeviceAlreadyExists", "A device with ID 'd1' is already registered.")
	for _, ifMatch := range []string{`*`, `"*"`, `"MTIz"`} {
		f.do("PUT", "/devices/d2", `{}`, "If-Match: "+ifMatch).refused(t, 404, "DeviceNotFound", "d2")
	}
}

// Azure.IoT.Hub.Service sends `""` where it knows no etag, as for what is new.
func TestAnEmptyEtagCreatesWhatIsMissing(t *testing.T) {
	t.Parallel()
	f := start(t)
	for _, path := range []string{"/devices/d1", "/devices/d1/modules/m1"} {
		created := f.do("PUT", path, `{`+keys+`}`, `If-Match: ""`)
		require.Equal(t, 200, created.status, created.body)
		require.Contains(t, created.body, `"lastActivityTime":"0001-01-01T00:00:00"`)
		again := f.do("PUT", path, `{`+keys+`}`, `If-Match: ""`)
		require.Equal(t, 200, again.status, again.body)
		require.NotEqual(t, created.member(t, "etag"), again.member(t, "etag"))
		require.Contains(t, again.body, `"lastActivityTime":"0001-01-01T00:00:00Z"`)
	}
	f.do("PUT", "/devices/d2", `{"status":"asleep"}`, `If-Match: ""`).
		refused(t, 400, "ArgumentInvalid", "'asleep' is not a status: it must be enabled or disabled.")
	require.Equal(t, 404, f.do("PUT", "/devices/d2/modules/m1", `{}`, `If-Match: ""`).status)
}

func TestEveryFormOfIfMatchIsUnderstood(t *testing.T) {
	t.Parallel()
	stale := base64.StdEncoding.EncodeToString([]byte("7"))
	for name, c := range map[string]struct {
		form string // %s is the etag of the moment
		text string // of the refusal; empty: it holds
	}{
		"any":                            {form: `*`},
		"any, quoted":                    {form: `"*"`},
		"the etag":                       {form: `%s`},
		"the etag, quoted":               {form: `"%s"`},
		"an empty string":                {form: `""`},
		"an etag that was once":          {form: `"` + stale + `"`, text: "Precondition failed: Device version did not match, existingVersion:"},
		"an etag that was once, bare":    {form: stale, text: "Precondition failed: Device version did not match, existingVersion:"},
		"something that is not an etag":  {form: `"?"`, text: "PreconditionFailed, ETag may be invalid."},
		"none, which deletes nothing":    {form: ``, text: "Etag missing"},
		"blanks, which are none as well": {form: `  `, text: "Etag missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, path := range []string{"/devices/d1", "/devices/d1/modules/m1"} {
				f := start(t)
				f.must("PUT", "/devices/d1", `{}`)
				f.must("PUT", "/devices/d1/modules/m1", `{}`)
				condition := func() string {
					return "If-Match: " + strings.ReplaceAll(c.form, "%s", f.must("GET", path, "").member(t, "etag"))
				}
				if c.text != "Etag missing" {
					expect(t, f.do("PUT", path, `{}`, condition()), 200, c.text)
				}
				expect(t, f.do("DELETE", path, "", condition()), 204, c.text)
			}
		})
	}
}

// expect asserts success, or a failed precondition with a text that starts so.
func expect(t *testing.T, r response, status int, text string) {
	t.Helper()
	if text == "" {
		require.Equal(t, status, r.status, r.body)
		return
	}
	require.Equal(t, 412, r.status, r.body)
	require.Equal(t, "PreconditionFailed", r.header.Get("iothub-errorcode"))
	require.Contains(t, r.body, text)
}

func TestADeviceThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	f := start(t)
	for name, c := range map[string]struct{ body, text string }{
		"another id in the body": {`{"deviceId":"D1"}`, "The deviceId of the body, D1, is not the one of the path, d1."},
		"a bad thumbprint": {
			`{"authentication":{"type":"selfSigned","x509Thumbprint":{"primaryThumbprint":"zz"}}}`,
			"'zz' is not a valid X.509 thumbprint",
		},
		"a short key": {
			`{"authentication":{"symmetricKey":{"primaryKey":"YQ==","secondaryKey":"YQ=="}}}`,
			"Invalid device key length",
		},
		"one key only": {
			`{"authentication":{"symmetricKey":{"primaryKey":"cHJpbWFyeS1rZXktb2YtZDE="}}}`,
			"Either no keys or both keys can be set",
		},
		"a status that is none": {`{"status":"asleep"}`, "'asleep' is not a status: it must be enabled or disabled."},
		"a reason too long": {
			`{"statusReason":"` + strings.Repeat("é", 129) + `"}`,
			"The status reason has 129 characters, more than 128.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f.do("PUT", "/devices/d1", c.body).refused(t, 400, "ArgumentInvalid", c.text)
		})
	}
	f.do("GET", "/devices/d1", "").refused(t, 404, "DeviceNotFound", "d1")
}

func TestWhatADeviceCannotSetIsIgnored(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{"etag":"x","generationId":"1","connectionState":"Connected","lastActivityTime":"2020-01-01T00:00:00Z",
		"cloudToDeviceMessageCount":9,"unheardOf":{"a":[1]},`+keys+`}`)
	golden(t, "device_read.json", f.do("GET", "/devices/d1", "").body)
}

func TestUnknownDevicesAreNotFound(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.do("GET", "/devices/nobody", "").refused(t, 404, "DeviceNotFound", "nobody")
	f.do("DELETE", "/devices/nobody", "", "If-Match: *").refused(t, 404, "DeviceNotFound", "nobody")
	f.do("DELETE", "/devices/nobody/commands", "").refused(t, 404, "DeviceNotFound", "nobody")
	f.do("GET", "/twins/nobody", "").refused(t, 404, "DeviceNotFound", "nobody")
	f.do("PATCH", "/twins/nobody", `{}`).refused(t, 404, "DeviceNotFound", "nobody")
}

func TestDevicesAreListed(t *testing.T) {
	t.Parallel()
	f := start(t)
	require.Equal(t, "[]", f.must("GET", "/devices", "").body)
	f.must("PUT", "/devices/d1", `{`+keys+`}`)
	f.must("PUT", "/devices/d2", `{}`)
	golden(t, "device_list.json", f.must("GET", "/devices?top=1&api-version=2021-04-12", "").body)
	for _, path := range []string{"/devices", "/devices/", "/devices?Top=1000&API-Version=2021-04-12", "/devices?top=&api-version=2021-04-12"} {
		r := f.must("GET", path, "")
		require.Equal(t, 2, strings.Count(r.body, `"deviceId"`), path)
		require.Empty(t, r.header.Get("ETag"))
	}
	for _, top := range []string{"0", "-1", "1001", "many", "1.5"} {
		f.do("GET", "/devices?api-version=2021-04-12&top="+top, "").refused(t, 400, "ArgumentInvalid", "top must be a number from 1 to 1000.")
	}
}

func TestStatisticsCount(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	f.must("PUT", "/devices/d2", `{"status":"disabled"}`)
	f.must("PUT", "/devices/d3", `{}`)
	require.Equal(t, `{"totalDeviceCount":3,"enabledDeviceCount":2,"disabledDeviceCount":1}`, f.must("GET", "/statistics/devices", "").body)
	require.Equal(t, `{"connectedDeviceCount":0}`, f.must("GET", "/statistics/service", "").body)
	f.connect(iot.Device("d1"))
	require.Equal(t, `{"connectedDeviceCount":1}`, f.must("GET", "/statistics/service", "").body)
}

func TestADeviceShowsItsConnectionAndItsQueue(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{`+keys+`}`)
	for i := range 2 {
		_, err := f.hub.Send(iot.Device("d1"), c2d.Message{Message: iot.Message{Body: fmt.Append(nil, i)}})
		require.NoError(t, err)
	}
	f.clock.Advance(time.Minute)
	f.connect(iot.Device("d1"))
	golden(t, "device_connected.json", f.must("GET", "/devices/d1", "").body)
}
