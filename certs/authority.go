// Package certs is a development CA and the certificates it issues, as values,
// kept in a folder so that clients go on trusting a hub that was restarted.
//
// The folder holds ca.pem, ca-key.pem, server.pem and server-key.pem. Each file
// appears whole or not at all, and a key before the certificate that is made
// for it; so a start that was killed leaves nothing the next one cannot use, and
// of several starts at once all end with the same CA.
package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"time"
)

const (
	caFile    = "ca.pem"
	caKeyFile = "ca-key.pem"

	caName = "Linarite development CA"
	caLife = 10 // years

	// backdate lets clients whose clock is behind accept what is new.
	backdate = 24 * time.Hour
)

// Authority is a CA that clients are told to trust.
type Authority struct {
	folder  folder
	cert    *x509.Certificate
	pem     []byte
	key     crypto.Signer
	between []byte // the certificates from the CA's own up to a root, in PEM, where it is none itself
}

// LoadOrCreate is the CA kept in the folder dir, which is made with mode 0700 if
// it is not there, and so is the CA: ECDSA P-256, for ten years from now (the
// machine's time). With dir empty it is a new CA that is kept nowhere.
//
// A CA that is damaged, expired, or whose key others can read is an error that
// says what to do about it; nothing of it is ever replaced, since clients trust
// it.
func LoadOrCreate(dir string, now time.Time) (*Authority, error) {
	f := folder(dir)
	if err := f.prepare(); err != nil {
		return nil, err
	}
	// A key is written before its certificate, so this is no start under way.
	if f.has(caFile) && !f.has(caKeyFile) {
		return nil, fmt.Errorf("%s is missing beside %s: put it back, or delete the latter to have a new CA made, which clients must then trust",
			f.path(caKeyFile), f.path(caFile))
	}
	a := &Authority{folder: f}
	var err error
	if a.key, err = f.key(caKeyFile); err != nil {
		return nil, err
	}
	if a.pem, err = f.keep(caFile, public, func() ([]byte, error) { return newCA(caName, a.key, now) }); err != nil {
		return nil, err
	}
	if a.cert, err = a.check(now); err != nil {
		return nil, fmt.Errorf("%s: %w", f.path(caFile), err)
	}
	return a, nil
}

// PEM is the CA's certificate, for clients to trust. The caller must not change
// it.
func (a *Authority) PEM() []byte { return a.pem }

// Path is the file that holds PEM, empty when the CA is kept nowhere.
func (a *Authority) Path() string { return a.folder.path(caFile) }

// check parses the CA's certificate and says why it cannot be used.
func (a *Authority) check(now time.Time) (*x509.Certificate, error) {
	remake := fmt.Sprintf("delete it and %s to have a new CA made, which clients must then trust", caKeyFile)
	chain, err := parseCertificates(a.pem)
	if err != nil {
		return nil, fmt.Errorf("%w: restore it, or %s", err, remake)
	}
	cert := chain[0]
	switch {
	case !cert.IsCA:
		return nil, fmt.Errorf("the certificate is not a CA's: %s", remake)
	case !belongs(cert, a.key):
		return nil, fmt.Errorf("the CA's certificate does not belong to the key in %s: restore the pair, or %s", caKeyFile, remake)
	case now.After(cert.NotAfter):
		return nil, fmt.Errorf("the CA expired at %s: %s", cert.NotAfter.Format(time.RFC3339), remake)
	case now.Before(cert.NotBefore):
		return nil, fmt.Errorf("the CA is valid from %s, but the machine's clock says %s: set the clock, or %s",
			cert.NotBefore.Format(time.RFC3339), now.UTC().Format(time.RFC3339), remake)
	}
	return cert, nil
}

// newCA is a self-signed certificate for key. It issues end-entity certificates
// only.
func newCA(name string, key crypto.Signer, now time.Time) ([]byte, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.AddDate(caLife, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	return issue(template, template, key.Public(), key)
}

// issue signs a certificate and puts it into PEM.
func issue(template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) ([]byte, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, fmt.Errorf("issue the certificate of %s: %w", template.Subject.CommonName, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// newKey is a private key in PEM.
func newKey() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// belongs says whether a certificate was made for a key.
func belongs(cert *x509.Certificate, key crypto.Signer) bool {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(cert.PublicKey)
}
