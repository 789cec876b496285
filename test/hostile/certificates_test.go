package hostile_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// certified is a device that authenticates by a certificate of the plant, which
// none of the attackers has.
const certified = "certified"

// The keys and certificates of the attackers. The plant is a CA of the hub's; its
// certificate is no secret.
var (
	ownKey    = newKey()
	plantKey  = newKey()
	plant     = certificate(plantKey, plantKey, "Plant", isCA)
	genuine   = certificate(plantKey, newKey(), certified) // as it was once seen on the wire
	foreign   = certificate(ownKey, ownKey, certified)
	namesakes = slicesOf(9, func(int) []byte { return certificate(ownKey, ownKey, "Plant", isCA) })
)

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// certificate is one in DER for a name and a key, signed with another as the
// plant's, unless it is changed.
func certificate(by *ecdsa.PrivateKey, key crypto.Signer, name string, changes ...func(c *x509.Certificate)) []byte {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(years),
	}
	for _, change := range changes {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, &x509.Certificate{Subject: pkix.Name{CommonName: "Plant"}}, key.Public(), by)
	if err != nil {
		panic(err)
	}
	return der
}

func isCA(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
}

// extended has an extension of so many bytes.
func extended(id asn1.ObjectIdentifier, value []byte) func(c *x509.Certificate) {
	return func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: id, Value: value})
	}
}

// manyNames is as many empty names as an extension has place for: taken apart, it
// is the largest certificate there is for its size.
func manyNames(c *x509.Certificate) {
	names := bytes.Repeat([]byte{0x82, 0}, 6500)
	extended([]int{2, 5, 29, 17}, bytesOf(0x30, 0x82, uint16(len(names)), names))(c)
}

// manyExtensions has one thousand.
func manyExtensions(c *x509.Certificate) {
	for i := range 1000 {
		extended([]int{1, 2, i}, nil)(c)
	}
}

// manyAttributes has a subject of 700.
func manyAttributes(c *x509.Certificate) {
	for i := range 700 {
		c.Subject.ExtraNames = append(c.Subject.ExtraNames, pkix.AttributeTypeAndValue{Type: []int{2, 5, 4, i}, Value: "x"})
	}
}

// guesser is an RSA key of 8,192 bits and the slowest exponent, which nobody has:
// what it signs is wrong, and the hub has to find out.
type guesser struct{}

var guessed = &rsa.PublicKey{N: new(big.Int).SetBit(new(big.Int).SetBytes(bytes.Repeat([]byte{0xC5}, 1024)), 0, 1), E: 1<<31 - 1}

func (guesser) Public() crypto.PublicKey { return guessed }
func (guesser) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return bytes.Repeat([]byte{0x55}, guessed.Size()), nil
}

// shown is certificates, and the key that the client says is the first one's.
func shown(key crypto.Signer, chain ...[]byte) tls.Certificate {
	return tls.Certificate{Certificate: chain, PrivateKey: key}
}

// shows does a handshake with certificates.
func (a *attacker) shows(port string, c tls.Certificate) (*peer, error) {
	cfg := a.TLS()
	cfg.Certificates = []tls.Certificate{c}
	return a.tlsWith(port, cfg)
}

// breaks shows what ends the handshake, which in TLS 1.3 is done for the client.
func breaks(port string, c tls.Certificate) input {
	return func(a *attacker) error {
		p, err := a.shows(port, c)
		if err != nil {
			return nil
		}
		defer p.Close()
		return unanswered(p)
	}
}

// knocks shows certificates, and has the certified device ask to be let in.
func knocks(port string, c tls.Certificate) input {
	return func(a *attacker) error {
		p, err := a.shows(port, c)
		if err != nil {
			return err
		}
		defer p.Close()
		switch port {
		case harness.MQTTPort:
			p.send(connect{level: 4, keepAlive: 60, id: certified, user: a.Address + "/" + certified + "/?api-version=" + harness.APIVersion}.bytes())
			return saying(notAuthorized)(p)
		case harness.HTTPSPort:
			p.send([]byte(a.fill(plain("POST", "/devices/"+certified+"/messages/events?api-version="+harness.APIVersion, "{}"))))
			status, err := p.status()
			if err == nil && status != http.StatusUnauthorized {
				err = fmt.Errorf("answered with %d", status)
			}
			return err
		default:
			p.send(attachesCertified)
			return detachedFor("amqp:unauthorized-access")(p)
		}
	}
}

// attachesCertified is the way to a link of the certified device's over AMQP.
var attachesCertified = bytesOf(saslHeader, saslInit("EXTERNAL", ""), amqpHeader,
	amqpFrame(0, performative(amqpOpen, 1, words("a"))), begin(), sendsOn(0, "out", "/devices/"+certified+"/messages/events"))

// certificateInputs are inputs that have to do with clients' certificates.
func certificateInputs() map[string]input {
	mine := func(chain ...[]byte) tls.Certificate { return shown(ownKey, chain...) }
	all := map[string]input{}
	for port, name := range map[string]string{harness.MQTTPort: "MQTT", harness.HTTPSPort: "HTTPS", harness.AMQPSPort: "AMQPS"} {
		for what, in := range map[string]input{
			"a foreign certificate":              knocks(port, mine(foreign)),
			"a foreign one before the genuine":   knocks(port, mine(foreign, genuine)),
			"a foreign one before the plant's":   knocks(port, mine(foreign, plant)),
			"nine that pass for the plant":       knocks(port, mine(append([][]byte{foreign}, namesakes...)...)),
			"the same nine times":                knocks(port, mine(slicesOf(9, func(int) []byte { return foreign })...)),
			"a certificate of 6,500 names":       knocks(port, mine(certificate(ownKey, ownKey, certified, manyNames))),
			"a certificate of 1,000 extensions":  knocks(port, mine(certificate(ownKey, ownKey, certified, manyExtensions))),
			"a certificate of 700 attributes":    knocks(port, mine(certificate(ownKey, ownKey, certified, manyAttributes))),
			"a certificate with a name of 12 KB": knocks(port, mine(certificate(ownKey, ownKey, long(12<<10)))),
			"a certificate that was stolen":      breaks(port, mine(genuine)),
			"a key that was guessed":             breaks(port, shown(guesser{}, certificate(ownKey, guesser{}, certified))),
			"a certificate that is none":         breaks(port, mine([]byte(long(1000)))),
			"a certificate of no bytes":          breaks(port, mine([]byte{})),
			"a certificate that is cut":          breaks(port, mine(foreign[:100])),
			"a certificate with more behind it":  breaks(port, mine(append(bytes.Clone(foreign), 0))),
			"ten thousand certificates":          breaks(port, mine(slicesOf(10_000, func(int) []byte { return []byte{0x30, 0} })...)),
			"eleven certificates":                breaks(port, mine(append([][]byte{foreign, plant}, namesakes...)...)),
			"a certificate of 20 KB":             breaks(port, mine(certificate(ownKey, ownKey, certified, extended([]int{1, 2}, make([]byte, 20<<10))))),
		} {
			all[what+" on the "+name+" port"] = in
		}
	}
	return all
}

// showOffs is how many connections of testShowOffs there are on each port.
const showOffs = 600

// testShowOffs has more connections than the hub keeps of their kind show certificates
// that take as much memory as can be, and say no more.
func testShowOffs(t *testing.T) {
	v := start(t, showOffAddress)
	v.welcome(t)
	before := v.vitals(t)
	n := newNeighbour(t, v)
	stop := v.watch(t)
	largest := shown(ownKey, certificate(ownKey, ownKey, certified, manyNames))
	for _, port := range []string{harness.MQTTPort, harness.HTTPSPort, harness.AMQPSPort} {
		n.undisturbed(t, "show-offs on port "+port, attackers, func() {
			for range showOffs {
				p, err := (&attacker{victim: v}).shows(port, largest)
				if err == nil {
					defer p.Close()
				}
			}
		})
	}
	cost := stop() - before.memory
	t.Logf("they cost %s", megabytes(cost))
	v.affords(t, cost, maxStrangers*perStranger)
	v.recovers(t, before)
}

// certify registers the certified device, and the plant as the CA of its
// certificate.
func (v *victim) certify(t *testing.T) {
	t.Helper()
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: plant}))
	v.Control(t, http.MethodPut, "/v1/certificates/plant", map[string]any{"properties": map[string]any{"certificate": text, "isVerified": true}}, nil)
	device := map[string]any{"deviceId": certified, "authentication": map[string]string{"type": "certificateAuthority"}}
	require.Equal(t, 200, v.REST(t, http.MethodPut, "/devices/"+certified, device).Status)
}

// slicesOf is so many of something.
func slicesOf(n int, one func(i int) []byte) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		all[i] = one(i)
	}
	return all
}
