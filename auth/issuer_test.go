package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
)

const year = 365 * 24 * time.Hour

// issuer is a certificate with its key.
type issuer struct {
	*x509.Certificate
	key crypto.Signer
}

// change is what is out of the ordinary about a certificate.
type change func(*x509.Certificate)

// selfSigned is a certificate that signed itself, good for a year around start.
func selfSigned(t testing.TB, name string, changes ...change) issuer {
	t.Helper()
	return (*issuer)(nil).issues(t, name, changes...)
}

// ca is a certificate that may issue others.
func ca(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
}

// root is a CA's certificate that signed itself.
func root(t testing.TB, name string, changes ...change) issuer {
	t.Helper()
	return selfSigned(t, name, append([]change{ca}, changes...)...)
}

// issues makes a certificate, which a nil issuer has signed with its own key.
func (i *issuer) issues(t testing.TB, name string, changes ...change) issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: name},
		NotBefore: start.Add(-year / 2), NotAfter: start.Add(year / 2),
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

// between sets a certificate's validity.
func between(from, to time.Time) change {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = from, to }
}

// usable sets what a certificate may be used for.
func usable(usages ...x509.ExtKeyUsage) change {
	return func(c *x509.Certificate) { c.ExtKeyUsage = usages }
}

// chain is certificates as a client shows them.
func chain(shown ...issuer) auth.Chain {
	var all auth.Chain
	for _, i := range shown {
		all = append(all, i.Raw)
	}
	return all
}
