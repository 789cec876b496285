package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Sign makes a token for resource, a host and a path under it in plain text
// (as `host/devices/d`), good until expiry, which is cut to whole seconds. The
// key is base64; keyName is a policy's name, or empty when the key is an
// identity's own. The error says which argument is of no use.
//
// IoT Hub: contract.md §4.1.
func Sign(resource, key, keyName string, expiry time.Time) (string, error) {
	if resource == "" {
		return "", errors.New("sign a token: there is no resource to sign for")
	}
	if len(keyName) > MaxKeyNameLength {
		return "", fmt.Errorf("sign a token: the key name is longer than %d characters", MaxKeyNameLength)
	}
	sr, se := escape(resource), strconv.FormatInt(expiry.Unix(), 10)
	sum, err := mac(key, sr, se)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	token := scheme + " sr=" + sr + "&sig=" + escape(base64.StdEncoding.EncodeToString(sum[:])) + "&se=" + se
	if keyName != "" {
		token += "&skn=" + escape(keyName)
	}
	if len(token) > MaxTokenLength {
		return "", fmt.Errorf("sign a token: it would be longer than %d characters", MaxTokenLength)
	}
	return token, nil
}

// SignedBy says whether key, in base64, made the token's signature. It takes
// the same time wherever the signatures differ. An empty, overlong or malformed
// key signs nothing.
func (t Token) SignedBy(key string) bool {
	sum, err := mac(key, t.Resource, t.expiry)
	return err == nil && hmac.Equal(sum[:], t.sum[:])
}

// mac is the signature that a base64 key gives to a resource and an expiry,
// both as they stand in the token.
func mac(key, resource, expiry string) (sum [sha256.Size]byte, err error) {
	if len(key) > MaxKeyLength {
		return sum, fmt.Errorf("the key is longer than %d characters", MaxKeyLength)
	}
	secret, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return sum, errors.New("the key is not base64")
	}
	if len(secret) == 0 {
		return sum, errors.New("the key is empty")
	}
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(resource + "\n" + expiry))
	h.Sum(sum[:0])
	return sum, nil
}
