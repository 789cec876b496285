package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"time"
)

// certificate is a self-signed one of the hub's kind, ECDSA P-256.
type certificate struct {
	certPEM, keyPEM []byte
	trusted         *x509.CertPool
}

func makeCertificate(address string) (certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return certificate{}, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: address},
		IPAddresses:           []net.IP{net.ParseIP(address)},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return certificate{}, err
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return certificate{}, err
	}
	c := certificate{
		certPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		keyPEM:  pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}),
		trusted: x509.NewCertPool(),
	}
	c.trusted.AppendCertsFromPEM(c.certPEM)
	return c, nil
}

// save writes both parts beside each other.
func (c certificate) save(prefix string) (certFile, keyFile string, err error) {
	certFile, keyFile = prefix+".pem", prefix+"-key.pem"
	return certFile, keyFile, errors.Join(os.WriteFile(certFile, c.certPEM, 0o600), os.WriteFile(keyFile, c.keyPEM, 0o600))
}
