package harness

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// WellKnownKey is the published key of the built-in policies.
const WellKnownKey = "bGluYXJpdGUtd2VsbC1rbm93bi1rZXktMzItYnl0ZXM="

// Sign makes a SAS token. resource is plain, such as `127.0.0.11/devices/d1`;
// key is base64; policy is "" for a device's or module's own key.
func Sign(resource, key, policy string, expiry time.Time) string {
	return SignRaw(url.QueryEscape(resource), key, policy, strconv.FormatInt(expiry.Unix(), 10))
}

// SignRaw is Sign with `sr` and `se` exactly as given, for the spellings that
// some SDKs use.
func SignRaw(sr, key, policy, se string) string {
	secret, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		panic(fmt.Sprintf("the key %q is not base64", key))
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(sr + "\n" + se))
	token := "SharedAccessSignature sr=" + sr +
		"&sig=" + url.QueryEscape(base64.StdEncoding.EncodeToString(mac.Sum(nil))) + "&se=" + se
	if policy != "" {
		token += "&skn=" + url.QueryEscape(policy)
	}
	return token
}
