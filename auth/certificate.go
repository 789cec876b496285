package auth

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // IoT Hub's thumbprints may be SHA-1
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/linarite/linarite/iot"
)

// MaxChain is how many certificates a client may show of itself, its own
// included. Differs: the service's bound is not published.
const MaxChain = 10

// methodsX509 are the values of iothub-connection-auth-method for certificates.
// A hub was recorded to say so of a device with a CA-signed certificate; for
// thumbprints and modules there is no source.
// IoT Hub: contract.md §4.4.
const (
	methodDeviceX509 = `{"scope":"device","type":"x509Certificate","issuer":"external","acceptingIpFilterRule":null}`
	methodModuleX509 = `{"scope":"module","type":"x509Certificate","issuer":"external","acceptingIpFilterRule":null}`
)

// maxExponent is that of all RSA keys there are. With the largest that Go takes, a
// signature takes four times as long to check.
const maxExponent = 1<<16 + 1

// rsaEncryption is the OID of RSA keys in DER.
var rsaEncryption = []byte{0x06, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 1}

// commonName is the attribute of a subject.
var commonName = asn1.ObjectIdentifier{2, 5, 4, 3}

// Chain is the certificates that a client showed in its TLS handshake, each in DER,
// its own first, whose key it has proven to have. Taken apart, a certificate that
// was made for it is fifteen times as large; so connections keep them like this.
type Chain [][]byte

// ChainOf is the chain of a connection, by ConnectionState.PeerCertificates.
func ChainOf(shown []*x509.Certificate) Chain {
	var c Chain
	for _, one := range shown {
		c = append(c, one.Raw)
	}
	return c
}

// TakeChain takes the chain off its connection, which would keep it for as long as
// it lasts: of ConnectionState.PeerCertificates nothing but the length is left.
func TakeChain(shown []*x509.Certificate) Chain {
	ThinChain(shown)
	c := ChainOf(shown)
	clear(shown)
	return c
}

// ThinChain leaves no more of the certificates on a connection than ChainOf needs.
func ThinChain(shown []*x509.Certificate) {
	for i, c := range shown {
		shown[i] = &x509.Certificate{Raw: bytes.Clone(c.Raw)} // not the message it came in
	}
}

// parse takes the certificates apart.
func (c Chain) parse() ([]*x509.Certificate, error) {
	parsed := make([]*x509.Certificate, len(c))
	for i, der := range c {
		var err error
		if parsed[i], err = x509.ParseCertificate(der); err != nil {
			return nil, fmt.Errorf("certificate %d of the chain: %w", i, err)
		}
	}
	return parsed, nil
}

// DeviceWithCertificate checks a device or module that shows no token. Its
// certificate is good when its thumbprint is one of the identity's (selfSigned), or
// when an Authority vouches for it and its common name is the identity's
// (certificateAuthority); and as long as it is valid by the hub's clock, so that
// tests can let it run out. Errors: 401003, and those of Keys.
//
// The principal's Expires is zero: a certificate that runs out ends no
// connection, which has no source.
// IoT Hub: contract.md §3.3; authenticate-authorize-x509.md;
// DeviceScopeCertificateAuthenticator.cs (iotedge).
func (a *Authorizer) DeviceWithCertificate(id iot.Identity, chain Chain) (Principal, error) {
	known, err := a.keys.Authentication(id)
	if err != nil {
		return Principal{}, fmt.Errorf("%s may not connect: %w", describe(id), err)
	}
	if err := a.certified(id, chain, known); err != nil {
		return Principal{}, refusal(err, iot.ErrUnauthorized)
	}
	p := Principal{Rights: DeviceConnect, Authentication: known.Type, Method: methodDeviceX509}
	if id.IsModule() {
		p.Method = methodModuleX509
	}
	return p, nil
}

// certified says why a chain is no proof of an identity.
func (a *Authorizer) certified(id iot.Identity, shown Chain, known iot.Authentication) error {
	x509Type := known.Type == iot.AuthenticationSelfSigned || known.Type == iot.AuthenticationCA
	switch {
	case !x509Type && len(shown) == 0:
		return fmt.Errorf("%s authenticates by %q, and there is no token", describe(id), known.Type)
	case !x509Type:
		return fmt.Errorf("%s authenticates by %q, and there is no token; its certificate counts for nothing", describe(id), known.Type)
	case len(shown) == 0:
		return fmt.Errorf("%s authenticates by %q, and showed no certificate", describe(id), known.Type)
	case len(shown) > MaxChain:
		return fmt.Errorf("%s showed %d certificates, %d are allowed", describe(id), len(shown), MaxChain)
	}
	chain, err := shown.parse()
	if err != nil {
		return err
	}
	now := a.clock.Now()
	if err := valid(chain[0], "the certificate", now); err != nil {
		return err
	}
	if known.Type == iot.AuthenticationSelfSigned {
		return matches(chain[0], known)
	}
	if err := named(chain[0], id); err != nil {
		return err
	}
	return a.authorities.vouch(chain, now)
}

// valid says why a certificate is not valid at a time.
func valid(c *x509.Certificate, what string, now time.Time) error {
	switch {
	case now.After(c.NotAfter):
		return fmt.Errorf("%s expired at %s, and the hub's clock says %s", what,
			c.NotAfter.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case now.Before(c.NotBefore):
		return fmt.Errorf("%s is valid from %s, and the hub's clock says %s", what,
			c.NotBefore.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return nil
}

// matches says why a certificate has neither of an identity's thumbprints. The
// one it has may be said aloud: it is what to register.
func matches(c *x509.Certificate, known iot.Authentication) error {
	first, second := Thumbprints(c)
	for _, registered := range []string{known.PrimaryThumbprint, known.SecondaryThumbprint} {
		if strings.EqualFold(registered, first) || strings.EqualFold(registered, second) {
			return nil
		}
	}
	return fmt.Errorf("the certificate's thumbprint (SHA-256 %s) is neither the primary nor the secondary one", second)
}

// Thumbprints are the SHA-1 and the SHA-256 of a certificate, in hexadecimal
// capitals as IoT Hub's tools write them.
func Thumbprints(c *x509.Certificate) (first, second string) {
	one := sha1.Sum(c.Raw) //nolint:gosec // as above
	two := sha256.Sum256(c.Raw)
	return strings.ToUpper(hex.EncodeToString(one[:])), strings.ToUpper(hex.EncodeToString(two[:]))
}

// named says why a certificate is not made out to an identity: its common name,
// of which there must be one, is `{device}` or `{device}/{module}`, in this
// case. IoT Hub: authenticate-authorize-x509.md.
func named(c *x509.Certificate, id iot.Identity) error {
	names := 0
	for _, attribute := range c.Subject.Names {
		if attribute.Type.Equal(commonName) {
			names++
		}
	}
	switch {
	case names > 1:
		return fmt.Errorf("the certificate has %d common names", names)
	case c.Subject.CommonName != id.String():
		return fmt.Errorf("the certificate's common name is %s, not %q", brief(c.Subject.CommonName), id)
	}
	return nil
}

// brief is a text out of a certificate for the log.
func brief(s string) string {
	const longest = 200
	if len(s) > longest {
		s = s[:longest] + "…"
	}
	return fmt.Sprintf("%q", s)
}

// CheckChain is a tls.Config's VerifyPeerCertificate: it ends the handshake of a
// client that shows more certificates than anybody has, or a key that was made to
// keep us busy.
func CheckChain(shown [][]byte, _ [][]*x509.Certificate) error {
	if n := len(shown); n > MaxChain {
		return fmt.Errorf("the client shows %d certificates, %d are allowed", n, MaxChain)
	}
	if len(shown) == 0 || !bytes.Contains(shown[0], rsaEncryption) {
		return nil
	}
	c, err := x509.ParseCertificate(shown[0])
	if err != nil {
		return err
	}
	if key, ok := c.PublicKey.(*rsa.PublicKey); ok && key.E > maxExponent {
		return fmt.Errorf("the client's RSA key has the exponent %d, %d is the largest allowed", key.E, maxExponent)
	}
	return nil
}
