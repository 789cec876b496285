package wire_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// issuer is a certificate with its key.
type issuer struct {
	*x509.Certificate
	key crypto.Signer
}

// change is what is out of the ordinary about a certificate.
type change func(*x509.Certificate)

// issues makes a certificate, which a nil issuer has signed with its own key.
func (i *issuer) issues(t testing.TB, name string, changes ...change) issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	for _, c := range changes {
		c(template)
	}
	parent, signer := template, crypto.Signer(key)
	if i != nil {
		parent, signer = i.Certificate, i.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	require.NoError(t, err)
	made, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return issuer{made, key}
}

// selfSigned is a certificate that signed itself.
func selfSigned(t testing.TB, name string, changes ...change) issuer {
	t.Helper()
	return (*issuer)(nil).issues(t, name, changes...)
}

// ca is a certificate that may issue others.
func ca(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
}

// expired is a certificate that was good an hour ago, early one that will be.
func expired(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }
func early(c *x509.Certificate)   { c.NotBefore = time.Now().Add(time.Hour) }

// inPEM is the certificate in PEM.
func (i issuer) inPEM() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.Raw}))
}

// shown is a client's certificate with those behind it.
func shown(own issuer, behind ...issuer) []tls.Certificate {
	pair := tls.Certificate{Certificate: [][]byte{own.Raw}, PrivateKey: own.key}
	for _, b := range behind {
		pair.Certificate = append(pair.Certificate, b.Raw)
	}
	return []tls.Certificate{pair}
}

// factory is a CA that is registered with the shared hub.
var factory struct {
	once sync.Once
	issuer
}

func theFactory(t testing.TB) *issuer {
	t.Helper()
	factory.once.Do(func() {
		factory.issuer = selfSigned(t, "Wire factory", ca)
		body := map[string]any{"properties": map[string]any{"certificate": factory.inPEM(), "isVerified": true}}
		hub.Control(t, "PUT", "/v1/certificates/wire-factory", body, nil)
	})
	return &factory.issuer
}
