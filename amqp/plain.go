package amqp

import (
	"strings"
	"time"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
)

// keyLife is how long a key that was shown instead of a token is good for.
const keyLife = 10 * 365 * 24 * time.Hour

// credentials are what SASL PLAIN carries, taken apart.
type credentials struct {
	policy   string       // a back end's; or
	identity iot.Identity // a device's or module's
	secret   string       // a token or, for a policy, one of its keys
}

// parsePlain takes the response of PLAIN apart:
//
//	response = [ authzid ] NUL user NUL secret
//	user     = policy "@sas.root." hub | device [ "/" module ] "@sas." hub | policy
//
// The hub in the user name is not looked at: SDKs cut it off the host name in
// ways that make nothing of an IP address.
//
// IoT Hub: contract.md §4.4, sdk-wire.md 0.6; RFC 4616.
func parsePlain(response string) (credentials, bool) {
	parts := strings.Split(response, "\x00")
	if len(parts) != 3 || parts[1] == "" || parts[2] == "" {
		return credentials{}, false
	}
	c := credentials{secret: parts[2]}
	if policy, _, ok := strings.Cut(parts[1], "@sas.root."); ok {
		c.policy = policy
		return c, policy != ""
	}
	i := strings.LastIndex(parts[1], "@sas.")
	if i < 0 {
		c.policy = parts[1]
		return c, true
	}
	device, module, isModule := strings.Cut(parts[1][:i], "/")
	c.identity = iot.Module(device, module)
	return c, iot.ValidID(device) && (!isModule || iot.ValidID(module))
}

// path is what the credentials are for, under the hub.
func (c *credentials) path() string {
	if c.policy != "" {
		return ""
	}
	return c.identity.Path()
}

// token is the secret as a token: one that is signed with the key that the
// secret is, if it is none yet.
func (c *credentials) token(host string) (string, error) {
	if c.policy == "" || strings.HasPrefix(c.secret, "SharedAccessSignature") {
		return c.secret, nil
	}
	return auth.Sign(host, c.secret, c.policy, clock.Wall().Add(keyLife))
}

// plain admits a peer by PLAIN, or says why not, and what it wanted.
func (p *peer) plain(response []byte) (path string, err error) {
	c, ok := parsePlain(string(response))
	if !ok {
		return "", iot.ErrUnauthorized.Because("malformed PLAIN credentials")
	}
	token, err := c.token(p.srv.hub.Hostnames()[0])
	if err != nil {
		return c.path(), iot.ErrUnauthorized.Because("the password is neither a token nor a key")
	}
	proof, err := p.claims.check(c.path(), token)
	if err != nil {
		return c.path(), err
	}
	if c.policy != "" && proof.policy != c.policy {
		return c.path(), iot.ErrUnauthorized.Because("the user is policy %s and the token is signed by policy %s", iot.Printable(c.policy), iot.Printable(proof.policy))
	}
	return c.path(), p.claims.add(c.path(), proof)
}
