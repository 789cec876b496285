package wire_test

import (
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// expiry is an `se` that far ahead.
func expiry(ahead time.Duration) string { return strconv.FormatInt(time.Now().Add(ahead).Unix(), 10) }

// signed is a token of the identity's own key for an `sr` as it stands.
func (i identity) signed(sr string) string {
	return harness.SignRaw(sr, i.Key, "", expiry(time.Hour))
}

// policy is a token of one of the hub's policies.
func policy(name, resource string) string {
	return harness.Sign(resource, harness.WellKnownKey, name, time.Now().Add(time.Hour))
}

// fields takes a token apart.
func fields(token string) map[string]string {
	found := map[string]string{}
	for pair := range strings.SplitSeq(strings.TrimPrefix(token, "SharedAccessSignature "), "&") {
		name, value, _ := strings.Cut(pair, "=")
		found[name] = value
	}
	return found
}

// goodTokens are tokens with which device d is let in.
var goodTokens = map[string]func(d identity) string{
	"as the documents have it": func(d identity) string { return d.Token(time.Hour) },
	"fields as Java orders them": func(d identity) string {
		f := fields(d.Token(time.Hour))
		return "SharedAccessSignature sig=" + f["sig"] + "&se=" + f["se"] + "&sr=" + f["sr"]
	},
	"fields as Node orders them, an empty skn": func(d identity) string {
		f := fields(d.Token(time.Hour))
		return "SharedAccessSignature sr=" + f["sr"] + "&sig=" + f["sig"] + "&skn=&se=" + f["se"]
	},
	"names in upper case": func(d identity) string {
		f := fields(d.Token(time.Hour))
		return "SharedAccessSignature SR=" + f["sr"] + "&SIG=" + f["sig"] + "&SE=" + f["se"]
	},
	"sr in lower-case escapes": func(d identity) string { return d.signed(d.Host + "%2fdevices%2f" + d.DeviceID) },
	"sr not encoded at all":    func(d identity) string { return d.signed(d.Host + "/devices/" + d.DeviceID) },
	"sr with a slash behind":   func(d identity) string { return d.signed(d.Host + "%2Fdevices%2F" + d.DeviceID + "%2F") },
	"sr with Devices":          func(d identity) string { return d.signed(d.Host + "%2FDevices%2F" + d.DeviceID) },
	"sr of another of the hub's names, in upper case": func(d identity) string {
		return d.signed("LOCALHOST%2Fdevices%2F" + d.DeviceID)
	},
	"sr as Device Explorer writes it": func(d identity) string {
		return d.signed(d.Host + "%2fdevices%2f" + d.DeviceID + "%2fapi-version%3d2016-11-14")
	},
	"sr is the host, as amenzhinsky's": func(d identity) string { return d.signed(d.Host) },
	"se with a fraction": func(d identity) string {
		return harness.SignRaw(d.Host+"%2Fdevices%2F"+d.DeviceID, d.Key, "", expiry(time.Hour)+".5")
	},
	"a signature that is not encoded": func(d identity) string {
		f := fields(d.Token(time.Hour))
		sig, _ := url.PathUnescape(f["sig"])
		return "SharedAccessSignature sr=" + f["sr"] + "&se=" + f["se"] + "&sig=" + sig
	},
	"expired, within the grace":     func(d identity) string { return d.Token(-4 * time.Minute) },
	"iothubowner for the hub":       func(d identity) string { return policy("iothubowner", d.Host) },
	"policy device for the hub":     func(d identity) string { return policy("device", d.Host) },
	"policy device for all devices": func(d identity) string { return policy("device", d.Host+"/devices") },
	"policy device for the device":  func(d identity) string { return policy("device", d.Resource()) },
}

func TestATokenThatIsGood(t *testing.T) {
	t.Parallel()
	for name, token := range goodTokens {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDevice(t)
			hello := d.hello()
			hello.password = token(d)
			d.enter(t, hello, accepted).ping()
		})
	}
}

func TestBothKeysOpen(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	var doc struct {
		Authentication struct{ SymmetricKey struct{ SecondaryKey string } }
	}
	hub.REST(t, "GET", "/devices/"+d.DeviceID, nil).JSON(t, &doc)
	second := d
	second.Key = doc.Authentication.SymmetricKey.SecondaryKey
	require.NotEqual(t, d.Key, second.Key)
	second.join(t).ping()
	d.join(t).ping()
}

func TestAModulesTokens(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		token func(d, m identity) string
		why   string // "" when the module is let in
	}{
		"its own key":                        {func(_, m identity) string { return m.Token(time.Hour) }, ""},
		"its own key, encoded twice":         {func(_, m identity) string { return m.signed(url.QueryEscape(url.QueryEscape(m.Resource()))) }, ""},
		"its own key for the device's path":  {func(d, m identity) string { return m.signed(url.QueryEscape(d.Resource())) }, ""},
		"a policy":                           {func(_, m identity) string { return policy("device", m.Host+"/devices") }, ""},
		"its device's key":                   {func(d, _ identity) string { return d.Token(time.Hour) }, "the signature matches neither key"},
		"its device's key for its own path":  {func(d, m identity) string { return d.signed(url.QueryEscape(m.Resource())) }, "the signature matches neither key"},
		"its own key for another module":     {func(d, m identity) string { return m.signed(url.QueryEscape(d.Resource() + "/modules/other")) }, "the token is for"},
		"its own key for a module of length": {func(_, m identity) string { return m.signed(url.QueryEscape(m.Resource() + "x")) }, "the token is for"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDevice(t)
			m := d.module(t)
			hello := m.hello()
			hello.password = c.token(d, m)
			client := dial(t, hub)
			client.send(hello.bytes())
			if c.why != "" {
				client.turnedAway(notAuthorized, 401003, c.why)
				return
			}
			client.expect(accepted)
		})
	}
}

// badTokens are tokens with which device d is refused, and why; e is another
// device.
var badTokens = map[string]struct {
	token func(d, e identity) string
	why   string
}{
	"another device's":                {func(_, e identity) string { return e.Token(time.Hour) }, "the signature matches neither key"},
	"another device's key":            {func(d, e identity) string { return e.signed(url.QueryEscape(d.Resource())) }, "the signature matches neither key"},
	"a key nobody has":                {func(d, _ identity) string { return policy("", d.Resource()) }, "the signature matches neither key"},
	"signed for another device":       {func(d, e identity) string { return d.signed(url.QueryEscape(e.Resource())) }, "the token is for"},
	"signed for another hub":          {func(d, _ identity) string { return d.signed("other.example%2Fdevices%2F" + d.DeviceID) }, "not one of this hub's names"},
	"signed for an id that is longer": {func(d, _ identity) string { return d.signed(url.QueryEscape(d.Resource() + "0")) }, "the token is for"},
	"signed for an id in upper case": {func(d, _ identity) string {
		return d.signed(d.Host + "%2Fdevices%2F" + strings.ToUpper(d.DeviceID))
	}, "the token is for"},
	"signed for its telemetry only": {func(d, _ identity) string { return d.signed(url.QueryEscape(d.Resource() + "/messages/events")) }, "the token is for"},
	"signed for something, sent for another": {func(d, _ identity) string {
		return strings.Replace(d.Token(time.Hour), "%2F", "%2f", 1)
	}, "the signature matches neither key"},
	"expired, beyond the grace": {func(d, _ identity) string { return d.Token(-6 * time.Minute) }, "the token expired at"},
	"expired in 1970":           {func(d, _ identity) string { return harness.SignRaw(d.Host, d.Key, "", "1") }, "the token expired at"},
	"an expiry that was changed": {func(d, _ identity) string {
		f := fields(d.Token(-time.Hour))
		return "SharedAccessSignature sr=" + f["sr"] + "&sig=" + f["sig"] + "&se=" + expiry(time.Hour)
	}, "the signature matches neither key"},
	"policy service":                  {func(d, _ identity) string { return policy("service", d.Host) }, "lacks DeviceConnect"},
	"policy registryRead":             {func(d, _ identity) string { return policy("registryRead", d.Host) }, "lacks DeviceConnect"},
	"policy registryReadWrite":        {func(d, _ identity) string { return policy("registryReadWrite", d.Host) }, "lacks DeviceConnect"},
	"a policy that there is not":      {func(d, _ identity) string { return policy("gateway", d.Host) }, `no policy "gateway"`},
	"a policy's name in another case": {func(d, _ identity) string { return policy("Device", d.Host) }, `no policy "Device"`},
	"a policy, signed by the device":  {func(d, _ identity) string { return harness.Sign(d.Host, d.Key, "device", time.Now().Add(time.Hour)) }, "the signature matches neither key of policy"},
	"a policy for another device":     {func(_, e identity) string { return policy("device", e.Resource()) }, "the token is for"},
	"a word":                          {func(identity, identity) string { return "hello" }, "does not begin with the word"},
	"the key itself":                  {func(d, _ identity) string { return d.Key }, "does not begin with the word"},
	"the scheme alone":                {func(identity, identity) string { return "SharedAccessSignature" }, "not two words"},
	"the scheme in lower case":        {func(d, _ identity) string { return strings.ToLower(d.Token(time.Hour)[:21]) + d.Token(time.Hour)[21:] }, "does not begin with the word"},
	"a third word":                    {func(d, _ identity) string { return d.Token(time.Hour) + " x" }, "not two words"},
	"two spaces":                      {func(d, _ identity) string { return strings.Replace(d.Token(time.Hour), " ", "  ", 1) }, "not two words"},
	"no sr": {func(d, _ identity) string {
		return "SharedAccessSignature sig=" + fields(d.Token(1))["sig"] + "&se=9999999999"
	}, "lacks the field sr"},
	"no sig": {func(d, _ identity) string { return "SharedAccessSignature sr=" + d.Host + "&se=9999999999" }, "lacks the field sig"},
	"no se": {func(d, _ identity) string {
		f := fields(d.Token(1))
		return "SharedAccessSignature sr=" + f["sr"] + "&sig=" + f["sig"]
	}, "lacks the field se"},
	"a field twice":        {func(d, _ identity) string { return d.Token(time.Hour) + "&se=9999999999" }, "twice"},
	"an se that is a date": {func(d, _ identity) string { return harness.SignRaw(d.Host, d.Key, "", "2030-01-01T00:00:00Z") }, "not a number of seconds"},
	"a signature of other bytes": {func(d, _ identity) string {
		return "SharedAccessSignature sr=" + d.Host + "&sig=" + base64.StdEncoding.EncodeToString([]byte("short")) + "&se=9999999999"
	}, "not the base64 of 32 bytes"},
	"5,000 characters": {func(d, _ identity) string { return d.Token(time.Hour) + "&x=" + strings.Repeat("x", 5000) }, "longer than"},
}

func TestATokenThatIsBad(t *testing.T) {
	t.Parallel()
	for name, c := range badTokens {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, e := newDevice(t), newDevice(t)
			hello := d.hello()
			hello.password = c.token(d, e)
			stranger := dial(t, hub)
			stranger.send(hello.bytes())
			stranger.turnedAway(notAuthorized, 401003, c.why)
			log := hub.Log()
			require.NotContains(t, log, d.Key)
			require.NotContains(t, log, "sig=")
		})
	}
}
