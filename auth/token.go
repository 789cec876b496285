package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/linarite/linarite/iot"
)

// Limits. IoT Hub: contract.md §4.1, SharedAccessSignatureConstants.cs; the
// length of a whole token is our own.
const (
	MaxTokenLength   = 4096 // bytes
	MaxKeyNameLength = 256  // bytes, decoded
	MaxKeyLength     = 256  // bytes, in base64
)

// scheme is the first word of every token, spelled exactly so.
const scheme = "SharedAccessSignature"

// Token is a shared access signature, taken apart and not yet believed.
type Token struct {
	Resource  string    // the field sr as sent, not decoded: that is what was signed
	Signature string    // the field sig: base64 of 32 bytes, no longer URL-encoded
	Expiry    time.Time // the field se
	KeyName   string    // the field skn, decoded; empty when an identity's own key signed

	expiry string // the field se as sent
	sum    [sha256.Size]byte
}

// ParseToken takes a token apart:
//
//	token = "SharedAccessSignature" SP pairs   ; SP is one white-space character
//	pairs = pair *( "&" pair )                 ; in any order; other names are ignored
//	pair  = ( "sr" | "sig" | "se" | "skn" ) "=" value   ; names in any case
//	sr    = URL-encoded resource, kept as sent
//	sig   = URL-encoded base64
//	se    = seconds since 1970 in UTC, decimal, perhaps with a fraction
//	skn   = URL-encoded policy name; empty is the same as absent
//
// A sig that was not URL-encoded, or that lost its padding, is understood too.
// The error is iot.ErrUnauthorized with the reason around it; the reason holds
// no part of the token.
//
// IoT Hub: contract.md §4.1, SharedAccessSignature.cs.
func ParseToken(s string) (Token, error) {
	t, err := parse(s)
	if err != nil {
		return Token{}, refusal(err, iot.ErrUnauthorized)
	}
	return t, nil
}

// String is the token without its signature, so that printing one by accident
// tells nobody a secret.
func (t Token) String() string {
	return fmt.Sprintf("%s sr=%s&se=%s&skn=%s", scheme, t.Resource, t.expiry, t.KeyName)
}

// parse is ParseToken with the bare reason as its error.
func parse(s string) (Token, error) {
	pairs, err := body(s)
	if err != nil {
		return Token{}, err
	}
	var t Token
	var sig, skn string
	for pairs != "" {
		var pair string
		if pair, pairs, _ = strings.Cut(pairs, "&"); pair == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return Token{}, errors.New("a field of the token has no =")
		}
		var kept *string
		switch name = strings.ToLower(name); name {
		case "sr":
			kept = &t.Resource
		case "sig":
			kept = &sig
		case "se":
			kept = &t.expiry
		case "skn":
			kept = &skn
		default:
			continue
		}
		if *kept != "" {
			return Token{}, fmt.Errorf("the token has the field %s twice", name)
		}
		*kept = value
	}
	if err := t.decode(sig, skn); err != nil {
		return Token{}, err
	}
	return t, nil
}

// body checks a token's length and first word and returns its second.
func body(s string) (string, error) {
	if s == "" {
		return "", errors.New("there is no token")
	}
	if isEntra(s) {
		// Differs: the service takes Entra ID's tokens from back ends.
		return "", errors.New("the token is a Bearer token of Entra ID, which this hub does not take: use a shared access signature")
	}
	if len(s) > MaxTokenLength {
		return "", fmt.Errorf("the token is longer than %d characters", MaxTokenLength)
	}
	word, rest := s, ""
	if i := strings.IndexFunc(s, unicode.IsSpace); i >= 0 {
		_, width := utf8.DecodeRuneInString(s[i:])
		word, rest = s[:i], s[i+width:]
	}
	if word != scheme {
		return "", errors.New("the token does not begin with the word " + scheme)
	}
	if rest == "" || strings.IndexFunc(rest, unicode.IsSpace) >= 0 {
		return "", errors.New("the token is not two words with one white-space character between them")
	}
	return rest, nil
}

// isEntra says whether a token looks like one of Entra ID: the word Bearer, as in
// HTTP, or the JSON Web Token alone, as in AMQP's put-token.
func isEntra(s string) bool {
	const bearer, jwt = "Bearer", "eyJ" // base64 of `{"`
	return strings.HasPrefix(s, jwt) || len(s) > len(bearer) && strings.EqualFold(s[:len(bearer)], bearer) && s[len(bearer)] == ' '
}

// decode completes a token whose fields have been told apart.
func (t *Token) decode(sig, skn string) (err error) {
	for _, field := range [...]struct{ name, value string }{{"sr", t.Resource}, {"sig", sig}, {"se", t.expiry}} {
		if field.value == "" {
			return errors.New("the token lacks the field " + field.name)
		}
	}
	if t.sum, err = decodeSignature(sig); err != nil {
		return err
	}
	t.Signature = base64.StdEncoding.EncodeToString(t.sum[:])
	if t.Expiry, err = parseExpiry(t.expiry); err != nil {
		return err
	}
	if t.KeyName = unescape(skn); len(t.KeyName) > MaxKeyNameLength {
		return fmt.Errorf("the token's key name (skn) is longer than %d characters", MaxKeyNameLength)
	}
	return nil
}

// decodeSignature understands URL-encoded base64 as well as plain base64 whose
// + became a space on the way or whose padding was lost.
func decodeSignature(sig string) (sum [sha256.Size]byte, err error) {
	text := strings.ReplaceAll(unescape(sig), " ", "+")
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil || len(raw) != len(sum) {
		return sum, fmt.Errorf("the token's signature (sig) is not the base64 of %d bytes", len(sum))
	}
	copy(sum[:], raw)
	return sum, nil
}

// parseExpiry reads seconds since 1970 as the service does, as a floating-point
// number, between the years 1 and 9999.
func parseExpiry(se string) (time.Time, error) {
	const first, last = -62135596800, 253402300799
	seconds, err := strconv.ParseFloat(se, 64)
	// The characters rule out what only Go takes for a number: 0x10, Inf.
	if err != nil || strings.Trim(se, "0123456789+-.eE") != "" || seconds < first || seconds > last {
		return time.Time{}, errors.New("the token's expiry (se) is not a number of seconds since 1970")
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*float64(time.Second))).UTC(), nil
}

// escape percent-encodes all that is not unreserved, spaces included.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// unescape undoes percent-encoding. Text that is not well-formed stays as it
// is, and so does +, which is a character of ids and of base64.
func unescape(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}
