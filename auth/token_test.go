package auth_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/iot"
)

const (
	deviceKey = "ZGV2aWNlLWtleS1vZi10aGVybW9zdGF0LTEtMzJieXQ="
	moduleKey = "bW9kdWxlLWtleS1vZi1jYW1lcmEtMC0zMi1ieXRlcyE="

	// goodSignature has the right form and signs nothing.
	goodSignature = "8%2FwCcJ4wmkZ9CVNjQiZEMRxokaRKLY7fvYy3CfdZL%2BI%3D"
)

// vectors are tokens as the clients named make them, for the hub 127.0.0.1,
// device thermostat-1, its module camera and the built-in policies, all good
// until 2030-03-17T17:46:40Z. Python's hmac and urllib computed them.
var vectors = map[string]struct{ token, key, keyName string }{
	"Node device": {
		"SharedAccessSignature sr=127.0.0.1%2Fdevices%2Fthermostat-1&sig=mrI2CbCWnSkkmLKq7kXV9aYScjurvdL%2FMBDHvdRv3ww%3D&se=1900000000",
		deviceKey, "",
	},
	"Node device under a policy": {
		"SharedAccessSignature sr=127.0.0.1%2Fdevices%2Fthermostat-1&sig=g8n6%2Bz6axRYUqCjY6i19WtaAhusGGY%2BSoBWz%2B7%2B36Y0%3D&skn=device&se=1900000000",
		auth.WellKnownKey, "device",
	},
	"Node back end": {
		"SharedAccessSignature sr=127.0.0.1&sig=M8Jh%2BGOWqPyrdcTrkb9Q0SgoYF6EAltkaSw5%2B3qOmXE%3D&skn=iothubowner&se=1900000000",
		auth.WellKnownKey, "iothubowner",
	},
	"Python module": {
		"SharedAccessSignature sr=127.0.0.1%2Fdevices%2Fthermostat-1%2Fmodules%2Fcamera&sig=QLdcYB6wkcQSxaztCEeCbhd6ovWctbf4AW0uAKgjo%2Fo%3D&se=1900000000",
		moduleKey, "",
	},
	"Java device, signature first": {
		"SharedAccessSignature sig=mrI2CbCWnSkkmLKq7kXV9aYScjurvdL%2FMBDHvdRv3ww%3D&se=1900000000&sr=127.0.0.1%2Fdevices%2Fthermostat-1",
		deviceKey, "",
	},
	"C# device, lower-case escapes": {
		"SharedAccessSignature sr=127.0.0.1%2fdevices%2fthermostat-1&sig=0Csmli34ypqIEtPNi6RkjwmyrQjEdtiBiXWh4Fz4NPM%3d&se=1900000000",
		deviceKey, "",
	},
	"Device Explorer": {
		"SharedAccessSignature sr=127.0.0.1%2Fdevices%2Fthermostat-1%2Fapi-version%3D2016-11-14&sig=7aSwfjI6fp%2FfLjTvLCKSKLvTZzROn8wR5oNEAczArPU%3d&se=1900000000",
		deviceKey, "",
	},
	"amenzhinsky device, bare host and empty key name": {
		"SharedAccessSignature sr=127.0.0.1&sig=7aNRdqWzSmxMg6pDzU6k4u3Q3zOpRk56DvF4eaQAppo%3D&se=1900000000&skn=",
		deviceKey, "",
	},
	"amenzhinsky module, encoded twice": {
		"SharedAccessSignature sr=127.0.0.1%252Fdevices%252Fthermostat-1%252Fmodules%252Fcamera&sig=cUxUrq7%2BcPS192KohYbcub%2BlOVwhBwsQwzTJMznUick%3D&se=1900000000&skn=",
		moduleKey, "",
	},
	"handmade, nothing encoded": {
		"SharedAccessSignature sr=127.0.0.1/devices/thermostat-1&sig=8/wCcJ4wmkZ9CVNjQiZEMRxokaRKLY7fvYy3CfdZL+I=&se=1900000000",
		deviceKey, "",
	},
}

func TestTokensOfEveryClientAreUnderstood(t *testing.T) {
	t.Parallel()
	for name, v := range vectors {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token, err := auth.ParseToken(v.token)
			require.NoError(t, err)
			assert.Equal(t, v.keyName, token.KeyName)
			assert.Equal(t, time.Unix(1900000000, 0).UTC(), token.Expiry)
			assert.True(t, token.SignedBy(v.key))
			for _, other := range []string{deviceKey, moduleKey, auth.WellKnownKey} {
				assert.Equal(t, other == v.key, token.SignedBy(other))
			}
		})
	}
}

func TestATokensResourceIsKeptAsSent(t *testing.T) {
	t.Parallel()
	token, err := auth.ParseToken(vectors["C# device, lower-case escapes"].token)
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1%2fdevices%2fthermostat-1", token.Resource)
	assert.Equal(t, "0Csmli34ypqIEtPNi6RkjwmyrQjEdtiBiXWh4Fz4NPM=", token.Signature)
}

func TestWhatATokenMayLookLike(t *testing.T) {
	t.Parallel()
	const signature = "8/wCcJ4wmkZ9CVNjQiZEMRxokaRKLY7fvYy3CfdZL+I="
	for name, token := range map[string]string{
		"names in capitals":            "SharedAccessSignature SR=h&SIG=" + goodSignature + "&Se=1&SkN=p",
		"fields in another order":      "SharedAccessSignature skn=p&se=1&sig=" + goodSignature + "&sr=h",
		"an unknown field":             "SharedAccessSignature sr=h&sig=" + goodSignature + "&se=1&skn=p&x=y",
		"empty pairs":                  "SharedAccessSignature &sr=h&&sig=" + goodSignature + "&se=1&skn=p&",
		"a tab after the first word":   "SharedAccessSignature\tsr=h&sig=" + goodSignature + "&se=1&skn=p",
		"an exotic space":              "SharedAccessSignature\u00a0sr=h&sig=" + goodSignature + "&se=1&skn=p",
		"a raw signature":              "SharedAccessSignature sr=h&sig=" + signature + "&se=1&skn=p",
		"a raw signature, no padding":  "SharedAccessSignature sr=h&sig=" + strings.TrimRight(signature, "=") + "&se=1&skn=p",
		"a plus that became a space":   "SharedAccessSignature sr=h&sig=" + strings.Replace(signature, "+", "%20", 1) + "&se=1&skn=p",
		"an expiry with an exponent":   "SharedAccessSignature sr=h&sig=" + goodSignature + "&se=1e0&skn=p",
		"an expiry with a plus":        "SharedAccessSignature sr=h&sig=" + goodSignature + "&se=+1.0&skn=p",
		"an encoded key name":          "SharedAccessSignature sr=h&sig=" + goodSignature + "&se=1&skn=%70",
		"an empty key name, then one":  "SharedAccessSignature skn=&sr=h&sig=" + goodSignature + "&se=1&skn=p",
		"an encoded signature, padded": "SharedAccessSignature sr=h&sig=" + goodSignature + "=&se=1&skn=p",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parsed, err := auth.ParseToken(token)
			require.NoError(t, err)
			assert.Equal(t, "h", parsed.Resource)
			assert.Equal(t, signature, parsed.Signature)
			assert.Equal(t, "p", parsed.KeyName)
			assert.Equal(t, time.Unix(1, 0).UTC(), parsed.Expiry)
		})
	}
}

func TestMalformedTokens(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ token, reason string }{
		"nothing":                      {"", "there is no token"},
		"too long":                     {"SharedAccessSignature sr=" + strings.Repeat("x", auth.MaxTokenLength), "longer than 4096"},
		"a bearer token":               {"Bearer eyJ0eXAi.e30.c2ln", "Bearer token of Entra ID"},
		"a long bearer token":          {"bearer eyJ0eXAi." + strings.Repeat("x", 5000), "Bearer token of Entra ID"},
		"a web token":                  {"eyJ0eXAi.e30.c2ln", "Bearer token of Entra ID"},
		"the first word in lower case": {"sharedaccesssignature sr=h&sig=" + goodSignature + "&se=1", "begin with the word"},
		"another first word":           {"Basic c2VjcmV0", "begin with the word"},
		"the first word alone":         {"SharedAccessSignature", "not two words"},
		"the first word and a space":   {"SharedAccessSignature ", "not two words"},
		"two spaces":                   {"SharedAccessSignature  sr=h&sig=" + goodSignature + "&se=1", "not two words"},
		"a space at the start":         {" SharedAccessSignature sr=h&sig=" + goodSignature + "&se=1", "begin with the word"},
		"a newline at the end":         {"SharedAccessSignature sr=h&sig=" + goodSignature + "&se=1\n", "not two words"},
		"a space inside":               {"SharedAccessSignature sr=h&sig=" + goodSignature + "&se=1 &skn=p", "not two words"},
		"no resource":                  {"SharedAccessSignature sig=" + goodSignature + "&se=1", "lacks the field sr"},
		"an empty resource":            {"SharedAccessSignature sr=&sig=" + goodSignature + "&se=1", "lacks the field sr"},
		"no signature":                 {"SharedAccessSignature sr=h&se=1", "lacks the field sig"},
		"no expiry":                    {"SharedAccessSignature sr=h&sig=" + goodSignature, "lacks the field se"},
		"a field without =":            {"SharedAccessSignature sr=h&sig&se=1", "has no ="},
		"a resource twice":             {"SharedAccessSignature sr=h&sig=" + goodSignature + "&se=1&SR=i", "field sr twice"},
		"an expiry twice":              {"SharedAccessSignature sr=h&sig=" + goodSignature + "&se=1&se=2", "field se twice"},
		"a signature that is text":     {"SharedAccessSignature sr=h&sig=topsecret!&se=1", "not the base64 of 32 bytes"},
		"a signature that is short":    {"SharedAccessSignature sr=h&sig=dG9wc2VjcmV0&se=1", "not the base64 of 32 bytes"},
		"a signature with bad escapes": {"SharedAccessSignature sr=h&sig=%zz&se=1", "not the base64 of 32 bytes"},
		"an expiry that is text":       {"SharedAccessSignature sr=h&sig=" + goodSignature + "&se=soon", "not a number"},
		"an expiry that is a date":     {"SharedAccessSignature sr=h&sig=" + goodSignature + "&se=2030-01-01", "not a number"},
		"an infinite expiry":           {"SharedAccessSignature sr=h&sig=" + goodSignature + "&se=Infinity", "not a number"},
		"an expiry that is no number":  {"SharedAccessSignature sr=h&sig=" + goodSignature + "&se=NaN", "not a number"},
		"a hexadecimal expiry":         {"SharedAccessSignature sr=h&sig=" + goodSignature + "&se=0x70000000", "not a number"},
		"an expiry in milliseconds":    {"SharedAccessSignature sr=h&sig=" + goodSignature + "&se=1900000000000", "not a number"},
		"an expiry out of all bounds":  {"SharedAccessSignature sr=h&sig=" + goodSignature + "&se=1e308", "not a number"},
		"a long key name":              {"SharedAccessSignature sr=h&sig=" + goodSignature + "&se=1&skn=" + strings.Repeat("k", 257), "longer than 256"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := auth.ParseToken(c.token)
			require.ErrorIs(t, err, iot.ErrUnauthorized)
			assert.ErrorContains(t, err, c.reason)
			for _, secret := range []string{"topsecret", "dG9wc2VjcmV0", "c2VjcmV0", "8/wC", "8%2FwC", "eyJ0"} {
				assert.NotContains(t, err.Error(), secret)
			}
		})
	}
}

func TestAnExpiryMayHaveAFraction(t *testing.T) {
	t.Parallel()
	token, err := auth.ParseToken("SharedAccessSignature sr=127.0.0.1%2Fdevices%2Fthermostat-1&sig=rxeqwJZsbZsVhHWq7rcFLaXSKLoGempZ03A9TxGhtsE%3D&se=1900000000.5")
	require.NoError(t, err)
	assert.Equal(t, time.Unix(1900000000, 5e8).UTC(), token.Expiry)
	assert.True(t, token.SignedBy(deviceKey), "the text of the expiry is signed, not its value")
}

func TestKeysThatSignNothing(t *testing.T) {
	t.Parallel()
	token, err := auth.ParseToken(vectors["Node device"].token)
	require.NoError(t, err)
	for name, key := range map[string]string{
		"empty":              "",
		"decoding to empty":  "\n",
		"not base64":         "not base64!",
		"longer than 256":    strings.Repeat("QUFB", 65),
		"a character beyond": deviceKey + "A",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.False(t, token.SignedBy(key))
			_, err := auth.Sign("h", key, "", time.Unix(1900000000, 0))
			require.ErrorContains(t, err, "sign a token: the key")
			if key != "" {
				assert.NotContains(t, err.Error(), key)
			}
		})
	}
	assert.False(t, auth.Token{}.SignedBy(deviceKey), "nothing signed the zero token")
}

func TestSignMakesWhatTheClientsMake(t *testing.T) {
	t.Parallel()
	token, err := auth.Sign("127.0.0.1/devices/thermostat-1", deviceKey, "", time.Unix(1900000000, 7e8))
	require.NoError(t, err)
	assert.Equal(t, vectors["Node device"].token, token)
}

func TestSignEncodesWhatItIsGiven(t *testing.T) {
	t.Parallel()
	token, err := auth.Sign("h/devices/a b+c%&d", deviceKey, "my key&", time.Unix(1900000000, 0))
	require.NoError(t, err)
	assert.Contains(t, token, "sr=h%2Fdevices%2Fa%20b%2Bc%25%26d&")
	assert.Contains(t, token, "&skn=my%20key%26")
	parsed, err := auth.ParseToken(token)
	require.NoError(t, err)
	assert.Equal(t, "my key&", parsed.KeyName)
	assert.True(t, parsed.SignedBy(deviceKey))
}

func TestSignRefusesWhatNoHubTakes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ resource, keyName, reason string }{
		"no resource":     {"", "", "no resource"},
		"a long key name": {"h", strings.Repeat("k", 257), "longer than 256"},
		"a long resource": {strings.Repeat("x", auth.MaxTokenLength), "", "longer than 4096"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := auth.Sign(c.resource, deviceKey, c.keyName, time.Unix(1, 0))
			assert.ErrorContains(t, err, c.reason)
		})
	}
}

func TestPrintingATokenHidesItsSignature(t *testing.T) {
	t.Parallel()
	token, err := auth.ParseToken(vectors["Node device"].token)
	require.NoError(t, err)
	assert.Equal(t, "SharedAccessSignature sr=127.0.0.1%2Fdevices%2Fthermostat-1&se=1900000000&skn=", token.String())
}

// FuzzParseToken: nothing panics, a refusal holds no signature, and what parses
// can be signed again and says the same.
func FuzzParseToken(f *testing.F) {
	for _, v := range vectors {
		f.Add(v.token)
	}
	f.Add("SharedAccessSignature SR=h&sig=" + goodSignature + "&SE=1e3&skn=%70")
	f.Add("Bearer x")
	f.Add("SharedAccessSignature sr=%zz&sig=%&se=-1&skn=%")
	f.Fuzz(func(t *testing.T, s string) {
		token, err := auth.ParseToken(s)
		if err != nil {
			require.ErrorIs(t, err, iot.ErrUnauthorized)
			return
		}
		signed, err := auth.Sign(token.Resource, deviceKey, token.KeyName, token.Expiry)
		if err != nil {
			require.ErrorContains(t, err, "longer than "+strconv.Itoa(auth.MaxTokenLength))
			return
		}
		again, err := auth.ParseToken(signed)
		require.NoError(t, err)
		require.True(t, again.SignedBy(deviceKey))
		require.False(t, again.SignedBy(moduleKey))
		require.Equal(t, token.KeyName, again.KeyName)
		require.Equal(t, token.Expiry.Unix(), again.Expiry.Unix())
	})
}
