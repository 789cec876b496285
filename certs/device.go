package certs

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"time"

	"github.com/linarite/linarite/iot"
)

const deviceLife = 365 * 24 * time.Hour

// Device is a new client certificate, ECDSA P-256, for the device with an id,
// which is its common name. Certificate and key are PEM, the key as PKCS #8; the
// folder keeps neither. The certificate is good for a year from now, unless the
// CA ends before.
//
// Errors: what cannot be a device's id.
// IoT Hub: contract.md §3.3, iot-hub-devguide-security.md.
func (a *Authority) Device(id string, now time.Time) (certificate, key []byte, err error) {
	if !iot.ValidID(id) {
		return nil, nil, fmt.Errorf("%q cannot be the id of a device", id)
	}
	if key, err = newKey(); err != nil {
		return nil, nil, err
	}
	signer, err := parseKey(key)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: id},
		NotBefore:             now.Add(-backdate),
		NotAfter:              a.within(now.Add(deviceLife)),
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
