package auth_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
)

// connectionStrings are the forms, each as we print it.
var connectionStrings = map[string]struct {
	text   string
	parsed auth.ConnectionString
}{
	"a back end": {
		"HostName=127.0.0.1;SharedAccessKeyName=service;SharedAccessKey=" + auth.WellKnownKey,
		auth.ConnectionString{HostName: "127.0.0.1", SharedAccessKeyName: "service", SharedAccessKey: auth.WellKnownKey},
	},
	"a back end with a token": {
		"HostName=127.0.0.1;SharedAccessKeyName=service;SharedAccessSignature=SharedAccessSignature sr=h&sig=s%3D&se=1&skn=service",
		auth.ConnectionString{
			HostName: "127.0.0.1", SharedAccessKeyName: "service",
			SharedAccessSignature: "SharedAccessSignature sr=h&sig=s%3D&se=1&skn=service",
		},
	},
	"a device": {
		"HostName=my.hub:8883;DeviceId=a=b;SharedAccessKey=" + deviceKey,
		auth.ConnectionString{HostName: "my.hub:8883", DeviceID: "a=b", SharedAccessKey: deviceKey},
	},
	"a module": {
		"HostName=my.hub;DeviceId=d;ModuleId=m;SharedAccessKey=" + moduleKey,
		auth.ConnectionString{HostName: "my.hub", DeviceID: "d", ModuleID: "m", SharedAccessKey: moduleKey},
	},
	"a device under a policy": {
		"HostName=my.hub;DeviceId=d;SharedAccessKeyName=device;SharedAccessKey=" + auth.WellKnownKey,
		auth.ConnectionString{
			HostName: "my.hub", DeviceID: "d", SharedAccessKeyName: "device", SharedAccessKey: auth.WellKnownKey,
		},
	},
	"a device with a token, as Device Explorer prints it": {
		"HostName=my.hub;DeviceId=d;SharedAccessSignature=SharedAccessSignature sr=my.hub%2Fdevices%2Fd&sig=s%3D&se=1",
		auth.ConnectionString{
			HostName: "my.hub", DeviceID: "d",
			SharedAccessSignature: "SharedAccessSignature sr=my.hub%2Fdevices%2Fd&sig=s%3D&se=1",
		},
	},
	"a device with a certificate": {
		"HostName=my.hub;DeviceId=d;x509=true",
		auth.ConnectionString{HostName: "my.hub", DeviceID: "d", X509: true},
	},
	"a reader of events": {
		"Endpoint=sb://127.0.0.1/;SharedAccessKeyName=service;SharedAccessKey=" + auth.WellKnownKey + ";EntityPath=linarite",
		auth.ConnectionString{
			Endpoint: "sb://127.0.0.1/", SharedAccessKeyName: "service", SharedAccessKey: auth.WellKnownKey,
			EntityPath: "linarite",
		},
	},
}

func TestConnectionStringsAreReadAndPrinted(t *testing.T) {
	t.Parallel()
	for name, c := range connectionStrings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parsed, err := auth.ParseConnectionString(c.text)
			require.NoError(t, err)
			assert.Equal(t, c.parsed, parsed)
			assert.Equal(t, c.text, parsed.String())
		})
	}
}

func TestAConnectionStringInAnotherDress(t *testing.T) {
	t.Parallel()
	parsed, err := auth.ParseConnectionString(" sharedaccesskey=a2V5; DEVICEID=d ;;HostName=my.hub;GatewayHostName=edge;x509=false;")
	require.NoError(t, err)
	assert.Equal(t, auth.ConnectionString{HostName: "my.hub", DeviceID: "d", SharedAccessKey: "a2V5"}, parsed)
}

func TestMalformedConnectionStrings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, reason string }{
		"nothing":                       {"", "either HostName or Endpoint"},
		"a part without =":              {"HostName=h;topsecret", "a part has no ="},
		"a part twice":                  {"HostName=h;DeviceId=d;SharedAccessKey=topsecret;sharedAccessKey=topsecret", "SharedAccessKey twice"},
		"a host and an endpoint":        {"HostName=h;Endpoint=sb://h/;SharedAccessKeyName=p;SharedAccessKey=k", "either HostName or Endpoint"},
		"no credential":                 {"HostName=h;DeviceId=d", "either SharedAccessKey or SharedAccessSignature"},
		"a misspelled credential":       {"HostName=h;DeviceId=d;SharedAccesKey=topsecret", "either SharedAccessKey or SharedAccessSignature"},
		"two credentials":               {"HostName=h;DeviceId=d;SharedAccessKey=k;SharedAccessSignature=s", "either SharedAccessKey or SharedAccessSignature"},
		"a key and a certificate":       {"HostName=h;DeviceId=d;SharedAccessKey=topsecret;x509=true", "x509 goes with neither"},
		"a certificate of nobody":       {"HostName=h;x509=TRUE", "x509 needs DeviceId"},
		"a module without a device":     {"HostName=h;ModuleId=m;SharedAccessKeyName=p;SharedAccessKey=k", "ModuleId needs DeviceId"},
		"a key of nobody":               {"HostName=h;SharedAccessKey=topsecret", "needs SharedAccessKeyName or DeviceId"},
		"a device at an event endpoint": {"Endpoint=sb://h/;DeviceId=d;SharedAccessKey=k", "DeviceId goes with HostName"},
		"an event hub at a hub's host":  {"HostName=h;SharedAccessKeyName=p;SharedAccessKey=k;EntityPath=e", "EntityPath goes with Endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parsed, err := auth.ParseConnectionString(c.text)
			require.ErrorContains(t, err, "connection string: ")
			assert.ErrorContains(t, err, c.reason)
			assert.NotContains(t, err.Error(), "topsecret")
			assert.Zero(t, parsed)
		})
	}
}

// FuzzParseConnectionString: nothing panics, and what was read is printed so
// that it reads the same again.
func FuzzParseConnectionString(f *testing.F) {
	for _, c := range connectionStrings {
		f.Add(c.text)
	}
	f.Add("hostname= h ;DEVICEID==;;SharedAccessKey=k=;x509=true; ")
	f.Fuzz(func(t *testing.T, s string) {
		parsed, err := auth.ParseConnectionString(s)
		if err != nil {
			return
		}
		again, err := auth.ParseConnectionString(parsed.String())
		require.NoError(t, err)
		require.Equal(t, parsed, again)
	})
}
