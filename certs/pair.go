package certs

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
)

// LoadPair is a server certificate that somebody brings along: certFile holds
// it in PEM, followed by the certificates above it if there are any; keyFile
// holds its private key in PEM, not encrypted. Errors say which of the files is
// of no use and why. Validity is not looked at: clients do that.
func LoadPair(certFile, keyFile string) (tls.Certificate, error) {
	certText, err := os.ReadFile(certFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read the server certificate: %w", err)
	}
	keyText, err := os.ReadFile(keyFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read the server's private key: %w", err)
	}
	chain, err := parseCertificates(certText)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s: %w", certFile, err)
	}
	key, err := parseKey(keyText)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s: %w", keyFile, err)
	}
	if !belongs(chain[0], key) {
		return tls.Certificate{}, fmt.Errorf("the first certificate in %s does not belong to the key in %s", certFile, keyFile)
	}
	pair := tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, cert := range chain {
		pair.Certificate = append(pair.Certificate, cert.Raw)
	}
	return pair, nil
}

// parseCertificates is every certificate in a PEM text, at least one.
func parseCertificates(text []byte) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	var other string
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			other = block.Type
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("the certificate is damaged: %w", err)
		}
		chain = append(chain, cert)
	}
	switch {
	case len(chain) > 0:
		return chain, nil
	case other != "":
		return nil, fmt.Errorf("there is no certificate, only %q", other)
	}
	return nil, errors.New("there is no certificate in PEM form")
}

// parseKey is the first private key in a PEM text: PKCS #8, PKCS #1 or SEC 1.
func parseKey(text []byte) (crypto.Signer, error) {
	var other string
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			other = block.Type // as EC PARAMETERS, which openssl puts before a key
			continue
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
			return nil, errors.New("the private key is encrypted: decrypt it, as with openssl pkey")
		}
		key, err := parseKeyBlock(block)
		if err != nil {
			return nil, fmt.Errorf("the private key is damaged: %w", err)
		}
		signer, ok := key.(crypto.Signer)
		if !ok {
			return nil, fmt.Errorf("a private key of type %T signs nothing", key)
		}
		return signer, nil
	}
	if other != "" {
		return nil, fmt.Errorf("there is no private key, only %q", other)
	}
	return nil, errors.New("there is no private key in PEM form")
}

func parseKeyBlock(block *pem.Block) (any, error) {
	switch block.Type {
	case "RSA PRIVATE KEY":
		return x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		return x509.ParseECPrivateKey(block.Bytes)
	default:
		return x509.ParsePKCS8PrivateKey(block.Bytes)
	}
}
