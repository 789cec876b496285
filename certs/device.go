package certs

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"github.com/linarite/linarite/iot"
)

const (
	deviceLife = 365 * 24 * time.Hour
	proofLife  = 7 * 24 * time.Hour
)

// Device is a new client certificate, ECDSA P-256, for the device or module with
// an id, `{device}` or `{device}/{module}`, which is its common name. Certificate
// and key are PEM, the key as PKCS #8; the folder keeps neither. Behind the
// certificate stand those of the CA that are below a root, so that whoever trusts
// the root can be shown the way there. It is good for a year from now, unless the
// CA ends before.
//
// Errors: what cannot be an id.
// IoT Hub: contract.md §3.3, authenticate-authorize-x509.md.
func (a *Authority) Device(id string, now time.Time) (certificate, key []byte, err error) {
	device, module, isModule := strings.Cut(id, "/")
	if !iot.ValidID(device) || isModule && !iot.ValidID(module) {
		return nil, nil, fmt.Errorf("%q cannot be the id of a device, nor of a module with its device's before it", id)
	}
	certificate, key, err = a.client(id, deviceLife, now)
	if err != nil {
		return nil, nil, err
	}
	return append(certificate, a.between...), key, nil
}

// Proof is a certificate that proves to a hub that somebody has the CA's key: its
// common name is the hub's verification code. It is good for a week from now.
//
// Errors: an empty code.
// IoT Hub: authenticate-authorize-x509.md.
func (a *Authority) Proof(code string, now time.Time) ([]byte, error) {
	if code == "" {
		return nil, fmt.Errorf("the verification code is missing")
	}
	certificate, _, err := a.client(code, proofLife, now)
	return certificate, err
}

// client is a new certificate for TLS clients, and its key.
func (a *Authority) client(name string, life time.Duration, now time.Time) (certificate, key []byte, err error) {
	if key, err = newKey(); err != nil {
		return nil, nil, err
	}
	signer, err := parseKey(key)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-backdate),
		NotAfter:              a.within(now.Add(life)),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	certificate, err = issue(template, a.cert, signer.Public(), a.key)
	return certificate, key, err
}

// within is an end of validity, but not later than the CA's.
func (a *Authority) within(end time.Time) time.Time {
	if end.After(a.cert.NotAfter) {
		return a.cert.NotAfter
	}
	return end
}

// inPEM is a certificate in PEM.
func inPEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}
