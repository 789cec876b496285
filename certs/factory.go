package certs

import (
	"bytes"
	"fmt"
	"os"
	"time"
)

// Create is a new CA of any name, ECDSA P-256, good for ten years from now (the
// machine's time), with its key in PEM. It is kept nowhere.
func Create(name string, now time.Time) (a *Authority, key []byte, err error) {
	if key, err = newKey(); err != nil {
		return nil, nil, err
	}
	a = &Authority{}
	if a.key, err = parseKey(key); err != nil {
		return nil, nil, err
	}
	if a.pem, err = newCA(name, a.key, now); err != nil {
		return nil, nil, err
	}
	a.cert, err = a.check(now)
	return a, key, err
}

// LoadAuthority is a CA that somebody brings along: certFile holds its certificate
// in PEM, perhaps followed by those above it; keyFile holds its private key in
// PEM, not encrypted. Errors say which of the files is of no use and why.
func LoadAuthority(certFile, keyFile string, now time.Time) (*Authority, error) {
	certText, err := os.ReadFile(certFile)
	if err != nil {
		return nil, fmt.Errorf("read the CA's certificate: %w", err)
	}
	keyText, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("read the CA's private key: %w", err)
	}
	chain, err := parseCertificates(certText)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", certFile, err)
	}
	key, err := parseKey(keyText)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", keyFile, err)
	}
	a := &Authority{cert: chain[0], pem: certText, key: key}
	switch {
	case !a.cert.IsCA:
		return nil, fmt.Errorf("%s: the certificate is not a CA's", certFile)
	case !belongs(a.cert, key):
		return nil, fmt.Errorf("the first certificate in %s does not belong to the key in %s", certFile, keyFile)
	case now.After(a.cert.NotAfter):
		return nil, fmt.Errorf("%s: the CA expired at %s", certFile, a.cert.NotAfter.Format(time.RFC3339))
	}
	for _, c := range chain {
		if !bytes.Equal(c.RawIssuer, c.RawSubject) { // a root is for those who trust it
			a.between = append(a.between, inPEM(c)...)
		}
	}
	return a, nil
}
