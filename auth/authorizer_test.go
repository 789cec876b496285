package auth_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
)

var (
	thermostat = iot.Device("thermostat-1")
	camera     = iot.Module("thermostat-1", "camera")
	start      = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
)

// registered is a registry of few identities.
type registered map[iot.Identity]iot.Authentication

func (r registered) Authentication(id iot.Identity) (iot.Authentication, error) {
	if id.DeviceID == "disabled" {
		return iot.Authentication{}, iot.ErrDeviceDisabled
	}
	a, ok := r[id]
	switch {
	case ok:
		return a, nil
	case id.IsModule():
		return a, iot.ErrModuleNotFound
	default:
		return a, iot.ErrDeviceNotFound.Because("%s", id.DeviceID)
	}
}

func sas(primary, secondary string) iot.Authentication {
	return iot.Authentication{Type: iot.AuthenticationSAS, PrimaryKey: primary, SecondaryKey: secondary}
}

// known are the identities of the hub under test.
func known() registered {
	return registered{
		thermostat:                         sas(deviceKey, moduleKey),
		camera:                             sas(moduleKey, ""),
		iot.Device("a+b%c"):                sas(deviceKey, ""),
		iot.Device("keyless"):              sas("", ""),
		iot.Device("certified"):            {Type: iot.AuthenticationSelfSigned, PrimaryKey: deviceKey},
		iot.Module("thermostat-1", "test"): {Type: iot.AuthenticationCA},
	}
}

// newAuthorizer is an authorizer of a hub called 127.0.0.1, ::1 and my.hub.
func newAuthorizer(policies ...auth.Policy) (*auth.Authorizer, *clock.Clock) {
	clk := clock.NewManual(start)
	return auth.NewAuthorizer(auth.Options{
		Hostnames: func(host string) bool { return host == "127.0.0.1" || host == "::1" || host == "my.hub" },
		Policies:  policies,
		Keys:      known(),
		Clock:     clk,
		Grace:     5 * time.Minute,
	}), clk
}

// signed is a token good for an hour.
func signed(t *testing.T, resource, key, keyName string) string {
	t.Helper()
	token, err := auth.Sign(resource, key, keyName, start.Add(time.Hour))
	require.NoError(t, err)
	return token
}

func TestDevicesOfEveryClientAreAdmitted(t *testing.T) {
	t.Parallel()
	a, _ := newAuthorizer()
	for name, v := range vectors {
		if v.keyName == "iothubowner" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := thermostat
			if v.key == moduleKey {
				id = camera
			}
			p, err := a.Device(id, v.token)
			require.NoError(t, err)
			assert.Equal(t, v.keyName, p.Policy)
			assert.Equal(t, auth.DeviceConnect, p.Rights)
			assert.Equal(t, time.Unix(1900000000, 0).UTC().Add(5*time.Minute), p.Expires)
		})
	}
}

func TestTheMethodNamesWhoseKeySigned(t *testing.T) {
	t.Parallel()
	a, _ := newAuthorizer()
	for scope, c := range map[string]struct {
		id           iot.Identity
		key, keyName string
	}{
		"device": {thermostat, deviceKey, ""},
		"module": {camera, moduleKey, ""},
		"hub":    {thermostat, auth.WellKnownKey, "device"},
	} {
		t.Run(scope, func(t *testing.T) {
			t.Parallel()
			p, err := a.Device(c.id, signed(t, "127.0.0.1/"+c.id.Path(), c.key, c.keyName))
			require.NoError(t, err)
			assert.Equal(t, `{"scope":"`+scope+`","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}`, p.Method)
		})
	}
}

func TestAudiencesThatCoverAConnection(t *testing.T) {
	t.Parallel()
	a, _ := newAuthorizer()
	odd := iot.Device("a+b%c")
	for name, c := range map[string]struct {
		id                     iot.Identity
		resource, key, keyName string
	}{
		"the device":                            {thermostat, "127.0.0.1/devices/thermostat-1", deviceKey, ""},
		"the device, by its secondary key":      {thermostat, "127.0.0.1/devices/thermostat-1", moduleKey, ""},
		"the device, with a slash at the end":   {thermostat, "127.0.0.1/devices/thermostat-1/", deviceKey, ""},
		"the device, with another API version":  {thermostat, "127.0.0.1/devices/thermostat-1/api-version=2020-09-30", deviceKey, ""},
		"the host in capitals, with a port":     {thermostat, "MY.HUB:8883/devices/thermostat-1", deviceKey, ""},
		"the host with a scheme":                {thermostat, "amqps://my.hub/devices/thermostat-1", deviceKey, ""},
		"an IPv6 host":                          {thermostat, "::1/devices/thermostat-1", deviceKey, ""},
		"an IPv6 host in brackets, with a port": {thermostat, "[::1]:8883/devices/thermostat-1", deviceKey, ""},
		"the word devices in capitals":          {thermostat, "127.0.0.1/DEVICES/thermostat-1", deviceKey, ""},
		"the bare host, by the device's key":    {thermostat, "127.0.0.1", deviceKey, ""},
		"the bare host, by a policy":            {thermostat, "127.0.0.1", auth.WellKnownKey, "iothubowner"},
		"all devices, by a policy":              {thermostat, "127.0.0.1/devices", auth.WellKnownKey, "device"},
		"the device, by a policy":               {thermostat, "127.0.0.1/devices/thermostat-1", auth.WellKnownKey, "device"},
		"the module":                            {camera, "127.0.0.1/devices/thermostat-1/modules/camera", moduleKey, ""},
		"the module, twice encoded":             {camera, "127.0.0.1%2Fdevices%2Fthermostat-1%2Fmodules%2Fcamera", moduleKey, ""},
		"the module's device, by the module":    {camera, "127.0.0.1/devices/thermostat-1", moduleKey, ""},
		"the module's device, by a policy":      {camera, "127.0.0.1/devices/thermostat-1", auth.WellKnownKey, "device"},
		"an id with characters of encodings":    {odd, "127.0.0.1/devices/a+b%c", deviceKey, ""},
		"such an id, twice encoded":             {odd, "127.0.0.1%2Fdevices%2Fa%2Bb%25c", deviceKey, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := a.Device(c.id, signed(t, c.resource, c.key, c.keyName))
			assert.NoError(t, err)
		})
	}
}

// refusedConnections are tokens, good for an hour, that do not open a connection.
var refusedConnections = map[string]struct {
	id                     iot.Identity
	resource, key, keyName string
	told                   *iot.Error
	reason                 string
}{
	"a wrong key": {
		thermostat, "127.0.0.1/devices/thermostat-1", auth.WellKnownKey, "",
		iot.ErrUnauthorized, `the signature matches neither key of device "thermostat-1"`,
	},
	"a module by its device's key": {
		camera, "127.0.0.1/devices/thermostat-1/modules/camera", deviceKey, "",
		iot.ErrUnauthorized, `the signature matches neither key of module "camera" of device "thermostat-1"`,
	},
	"a device without keys": {
		iot.Device("keyless"), "127.0.0.1/devices/keyless", deviceKey, "",
		iot.ErrUnauthorized, `the signature matches neither key of device "keyless"`,
	},
	"another device": {
		thermostat, "127.0.0.1/devices/thermostat-2", deviceKey, "",
		iot.ErrUnauthorized, `the token is for "devices/thermostat-2", not for devices/thermostat-1`,
	},
	"a device whose id only begins alike": {
		thermostat, "127.0.0.1/devices/thermostat", deviceKey, "",
		iot.ErrUnauthorized, `the token is for "devices/thermostat", not for devices/thermostat-1`,
	},
	"the device's id in another case": {
		thermostat, "127.0.0.1/devices/Thermostat-1", deviceKey, "",
		iot.ErrUnauthorized, `the token is for "devices/Thermostat-1", not for devices/thermostat-1`,
	},
	"one operation of the device": {
		thermostat, "127.0.0.1/devices/thermostat-1/messages/events", deviceKey, "",
		iot.ErrUnauthorized, `the token is for "devices/thermostat-1/messages/events", not for devices/thermostat-1`,
	},
	"a module of the device": {
		thermostat, "127.0.0.1/devices/thermostat-1/modules/camera", deviceKey, "",
		iot.ErrUnauthorized, `not for devices/thermostat-1`,
	},
	"a back end's path": {
		thermostat, "127.0.0.1/twins/thermostat-1", auth.WellKnownKey, "iothubowner",
		iot.ErrUnauthorized, `the token is for "twins/thermostat-1", not for devices/thermostat-1`,
	},
	"an empty segment": {
		thermostat, "127.0.0.1//devices/thermostat-1", deviceKey, "",
		iot.ErrUnauthorized, `the token is for "/devices/thermostat-1", not for devices/thermostat-1`,
	},
	"an API version and nothing else": {
		camera, "127.0.0.1/devices/thermostat-1/camera/api-version=2016-11-14", moduleKey, "",
		iot.ErrUnauthorized, `the token is for "devices/thermostat-1/camera", not for`,
	},
	"another hub": {
		thermostat, "other.hub/devices/thermostat-1", deviceKey, "",
		iot.ErrUnauthorized, `sr names host "other.hub", which is not one of this hub's names`,
	},
	"no host": {
		thermostat, "/devices/thermostat-1", deviceKey, "",
		iot.ErrUnauthorized, `sr names host ""`,
	},
	"a policy that is not there": {
		thermostat, "127.0.0.1", auth.WellKnownKey, "gateway",
		iot.ErrUnauthorized, `the hub has no policy "gateway"`,
	},
	"a policy's name and the device's key": {
		thermostat, "127.0.0.1", deviceKey, "device",
		iot.ErrUnauthorized, `the signature matches neither key of policy "device"`,
	},
	"a policy without DeviceConnect": {
		thermostat, "127.0.0.1", auth.WellKnownKey, "service",
		iot.ErrUnauthorized, `policy "service" lacks DeviceConnect`,
	},
	"a device that uses certificates": {
		iot.Device("certified"), "127.0.0.1/devices/certified", deviceKey, "",
		iot.ErrUnauthorized, `device "certified" authenticates by "selfSigned", not by shared access signatures`,
	},
	"a module that uses certificates, by a policy": {
		iot.Module("thermostat-1", "test"), "127.0.0.1", auth.WellKnownKey, "device",
		iot.ErrUnauthorized, `authenticates by "certificateAuthority"`,
	},
	"a device that is not registered": {
		iot.Device("stranger"), "127.0.0.1/devices/stranger", deviceKey, "",
		iot.ErrDeviceNotFound, `device "stranger" may not connect`,
	},
	"a module that is not registered": {
		iot.Module("thermostat-1", "stranger"), "127.0.0.1", auth.WellKnownKey, "device",
		iot.ErrModuleNotFound, `module "stranger" of device "thermostat-1" may not connect`,
	},
	"a device that is disabled": {
		iot.Device("disabled"), "127.0.0.1/devices/disabled", deviceKey, "",
		iot.ErrDeviceDisabled, `device "disabled" may not connect`,
	},
}

func TestConnectionsThatAreRefused(t *testing.T) {
	t.Parallel()
	a, _ := newAuthorizer()
	for name, c := range refusedConnections {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := a.Device(c.id, signed(t, c.resource, c.key, c.keyName))
			require.ErrorIs(t, err, c.told)
			assert.ErrorContains(t, err, c.reason)
			assert.Zero(t, p)
		})
	}
}

func TestAMalformedTokenIsRefusedEverywhere(t *testing.T) {
	t.Parallel()
	a, _ := newAuthorizer()
	_, err := a.Device(thermostat, "nonsense")
	require.ErrorIs(t, err, iot.ErrUnauthorized)
	_, err = a.DeviceWithKeys(thermostat, "nonsense", thermostat.Path(), sas(deviceKey, ""))
	require.ErrorIs(t, err, iot.ErrUnauthorized)
	_, err = a.Service("nonsense", auth.ServiceConnect, "")
	require.ErrorIs(t, err, iot.ErrUnauthorizedAccess)
	assert.NotErrorIs(t, err, iot.ErrUnauthorized)
}

func TestAnIdentityWithGivenKeys(t *testing.T) {
	t.Parallel()
	a, _ := newAuthorizer()
	stranger := iot.Device("stranger")
	token := signed(t, "127.0.0.1/devices/stranger", auth.WellKnownKey, "")
	p, err := a.DeviceWithKeys(stranger, token, stranger.Path(), sas(auth.WellKnownKey, ""))
	require.NoError(t, err)
	assert.Equal(t, start.Add(time.Hour+5*time.Minute), p.Expires)

	_, err = a.DeviceWithKeys(stranger, token, stranger.Path(), sas(deviceKey, ""))
	require.ErrorIs(t, err, iot.ErrUnauthorized)
	_, err = a.DeviceWithKeys(iot.Device("other"), token, "devices/other", sas(auth.WellKnownKey, ""))
	require.ErrorIs(t, err, iot.ErrUnauthorized)
}

func TestBackEndsThatAreAdmitted(t *testing.T) {
	t.Parallel()
	a, _ := newAuthorizer()
	for name, c := range map[string]struct {
		resource, policy string
		need             auth.Rights
		target           string
	}{
		"the owner for the whole hub":        {"127.0.0.1", "iothubowner", auth.RegistryWrite, ""},
		"the owner for a device":             {"127.0.0.1", "iothubowner", auth.RegistryWrite, "devices/d"},
		"a scope as wide as what is done":    {"127.0.0.1/twins/d", "service", auth.ServiceConnect, "twins/d"},
		"a scope wider than what is done":    {"127.0.0.1/twins/d", "service", auth.ServiceConnect, "twins/d/modules/m/methods"},
		"a writer that reads":                {"127.0.0.1", "registryReadWrite", auth.RegistryRead, "devices/d"},
		"the host in capitals":               {"MY.HUB:443", "service", auth.ServiceConnect, ""},
		"a scheme and a slash at the end":    {"sb://my.hub/", "service", auth.ServiceConnect, "messages/events"},
		"a back end that needs nothing more": {"127.0.0.1", "registryRead", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := a.Service(signed(t, c.resource, auth.WellKnownKey, c.policy), c.need, c.target)
			require.NoError(t, err)
			policy, ok := a.Policy(c.policy)
			require.True(t, ok)
			assert.Equal(t, auth.Principal{
				Policy: c.policy, Rights: policy.Rights, Expires: start.Add(time.Hour + 5*time.Minute),
				Method:         `{"scope":"hub","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}`,
				Authentication: iot.AuthenticationSAS,
			}, p)
		})
	}
}

func TestBackEndsThatAreRefused(t *testing.T) {
	t.Parallel()
	a, _ := newAuthorizer()
	for name, c := range map[string]struct {
		resource, key, policy string
		need                  auth.Rights
		target, reason        string
	}{
		"a device's token":      {"127.0.0.1/devices/thermostat-1", deviceKey, "", 0, "devices/thermostat-1", "names no policy"},
		"an unknown policy":     {"127.0.0.1", auth.WellKnownKey, "root", 0, "", `no policy "root"`},
		"a policy misspelled":   {"127.0.0.1", auth.WellKnownKey, "Service", 0, "", `no policy "Service"`},
		"a wrong key":           {"127.0.0.1", deviceKey, "service", 0, "", `neither key of policy "service"`},
		"a reader that writes":  {"127.0.0.1", auth.WellKnownKey, "registryRead", auth.RegistryWrite, "", `policy "registryRead" lacks RegistryWrite`},
		"a narrower scope":      {"127.0.0.1/devices/d", auth.WellKnownKey, "iothubowner", auth.RegistryRead, "", `for "devices/d", not for the whole hub`},
		"a scope beside it":     {"127.0.0.1/devices/d", auth.WellKnownKey, "iothubowner", auth.RegistryRead, "devices/e", `not for devices/e`},
		"a scope of other case": {"127.0.0.1/devices/D", auth.WellKnownKey, "iothubowner", auth.RegistryRead, "devices/d", `for "devices/D", not for devices/d`},
		"another hub":           {"other.hub", auth.WellKnownKey, "service", auth.ServiceConnect, "", `sr names host "other.hub"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := a.Service(signed(t, c.resource, c.key, c.policy), c.need, c.target)
			assert.ErrorContains(t, err, c.reason)
			assert.Zero(t, p)
			var told *iot.Error
			require.True(t, errors.As(err, &told))
			assert.Equal(t, iot.ErrUnauthorizedAccess, told)
			assert.Equal(t, "Unauthorized", told.Message, "the reason is for the log alone")
		})
	}
}

func TestNoRefusalHoldsASecret(t *testing.T) {
	t.Parallel()
	a, clk := newAuthorizer()
	old := signed(t, "127.0.0.1", auth.WellKnownKey, "service")
	clk.Advance(24 * time.Hour)
	_, signature, _ := strings.Cut(old, "sig=")
	signature, _, _ = strings.Cut(signature, "%")
	for _, token := range []string{old, old + "x", old + "&sr=i", strings.Replace(old, "sr=", "sr=x", 1), signature} {
		for _, err := range []error{
			second(a.Device(thermostat, token)), second(a.Device(iot.Device("certified"), token)),
			second(a.Service(token, auth.ServiceConnect, "")), second(a.Service(token, auth.RegistryRead, "")),
		} {
			if err == nil {
				continue
			}
			for _, secret := range []string{signature, deviceKey, moduleKey, auth.WellKnownKey} {
				assert.NotContains(t, err.Error(), secret)
			}
		}
	}
}

func second(_ auth.Principal, err error) error { return err }

func TestAPolicyOfOnesOwn(t *testing.T) {
	t.Parallel()
	a, _ := newAuthorizer(auth.Policy{Name: "gateway", PrimaryKey: deviceKey, SecondaryKey: moduleKey, Rights: auth.DeviceConnect})
	for _, key := range []string{deviceKey, moduleKey} {
		p, err := a.Device(thermostat, signed(t, "127.0.0.1/devices", key, "gateway"))
		require.NoError(t, err)
		assert.Equal(t, "gateway", p.Policy)
	}
	_, ok := a.Policy("iothubowner")
	assert.False(t, ok, "policies that are given replace the built-in ones")
}

// BenchmarkDeviceToken is what a CONNECT costs in here.
func BenchmarkDeviceToken(b *testing.B) {
	a, _ := newAuthorizer()
	token, err := auth.Sign("127.0.0.1/devices/thermostat-1", deviceKey, "", start.Add(time.Hour))
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Device(thermostat, token); err != nil {
			b.Fatal(err)
		}
	}
}
