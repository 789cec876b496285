package auth

import (
	"encoding/base64"
	"strings"
)

// Events checks the token of a reader of the Event-Hubs-compatible endpoint. It
// is Service for a token that was signed as Event Hubs' SDKs do it: with the
// text of the key, not with the bytes that the text is the base64 of. Resources
// compare without regard to case: the Go SDK signs for them in lower case.
// Errors: 401002.
//
// Event Hubs: authenticate-shared-access-signature.md.
func (a *Authorizer) Events(token string, need Rights, resource string) (Principal, error) {
	text := *a
	text.policies = make(map[string]Policy, len(a.policies))
	for name, p := range a.policies {
		p.PrimaryKey, p.SecondaryKey = textKey(p.PrimaryKey), textKey(p.SecondaryKey)
		text.policies[name] = p
	}
	if t, err := parse(token); err == nil {
		if scope := t.audience().path; covers(strings.ToLower(scope), strings.ToLower(resource)) {
			resource = scope
		}
	}
	return text.Service(token, need, resource)
}

// textKey is the key whose bytes are another key's text. An empty key stays
// empty, so that it signs nothing.
func textKey(key string) string { return base64.StdEncoding.EncodeToString([]byte(key)) }
