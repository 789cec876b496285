package certs_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/certs"
)

// block is one PEM block.
func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// selfSigned is a certificate for key, in PEM.
func selfSigned(t *testing.T, key crypto.Signer) string {
	t.Helper()
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "own"}, DNSNames: []string{"own.example"}, NotBefore: now, NotAfter: now.Add(day)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return block("CERTIFICATE", der)
}

func pkcs8(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return block("PRIVATE KEY", der)
}

// pair writes a certificate and a key to files.
func pair(t *testing.T, cert, key string) (certFile, keyFile string) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "tls.crt", cert)
	write(t, dir, "tls.key", key)
	return filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
}

func TestAPairOfOnesOwn(t *testing.T) {
	t.Parallel()
	ec := server(t, authority(t, ""), now, "other").PrivateKey.(*ecdsa.PrivateKey)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	sec1, err := x509.MarshalECPrivateKey(ec)
	require.NoError(t, err)
	for name, c := range map[string]struct{ cert, key string }{
		"an EC key":                     {selfSigned(t, ec), pkcs8(t, ec)},
		"an EC key as openssl wrote it": {selfSigned(t, ec), block("EC PARAMETERS", []byte{1}) + block("EC PRIVATE KEY", sec1)},
		"an RSA key":                    {selfSigned(t, rsaKey), pkcs8(t, rsaKey)},
		"an RSA key, old form":          {selfSigned(t, rsaKey), block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey))},
		"an Ed25519 key":                {selfSigned(t, edKey), pkcs8(t, edKey)},
		"the same file twice":           {selfSigned(t, ec) + pkcs8(t, ec), pkcs8(t, ec) + selfSigned(t, ec)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loaded, err := certs.LoadPair(pair(t, c.cert, c.key))
			require.NoError(t, err)
			assert.Equal(t, "own", loaded.Leaf.Subject.CommonName)
			_, err = tls.X509KeyPair([]byte(c.cert), []byte(c.key))
			assert.NoError(t, err)
		})
	}
}

func TestAChainIsLoadedWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := authority(t, dir)
	leaf := server(t, a, now, "localhost")
	text, err := os.ReadFile(filepath.Join(dir, "server.pem"))
	require.NoError(t, err)
	write(t, dir, "chain.pem", string(text)+string(a.PEM()))
	loaded, err := certs.LoadPair(filepath.Join(dir, "chain.pem"), filepath.Join(dir, "server-key.pem"))
	require.NoError(t, err)
	assert.Equal(t, [][]byte{leaf.Leaf.Raw, parse(t, a.PEM()).Raw}, loaded.Certificate)
	_, err = handshake(t, a, loaded, "localhost", tls.VersionTLS12)
	assert.NoError(t, err)
}

func TestPairsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	key := server(t, authority(t, ""), now, "other").PrivateKey.(*ecdsa.PrivateKey)
	other := server(t, authority(t, ""), now, "other").PrivateKey.(*ecdsa.PrivateKey)
	exchange, err := ecdh.X25519().GenerateKey(rand.Reader)
	require.NoError(t, err)
	cert, good := selfSigned(t, key), pkcs8(t, key)
	for name, c := range map[string]struct{ cert, key, file, reason string }{
		"two files swapped":               {good, cert, "tls.crt", `there is no certificate, only "PRIVATE KEY"`},
		"a certificate in place of a key": {cert, cert, "tls.key", `there is no private key, only "CERTIFICATE"`},
		"a certificate that is no PEM":    {"der", good, "tls.crt", "there is no certificate in PEM form"},
		"a key that is no PEM":            {cert, "der", "tls.key", "there is no private key in PEM form"},
		"a damaged certificate":           {block("CERTIFICATE", []byte("x")), good, "tls.crt", "the certificate is damaged"},
		"a damaged key":                   {cert, block("PRIVATE KEY", []byte("x")), "tls.key", "the private key is damaged"},
		"an encrypted key":                {cert, block("ENCRYPTED PRIVATE KEY", []byte("x")), "tls.key", "the private key is encrypted: decrypt it"},
		"an encrypted key, old form": {
			cert, "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n",
			"tls.key", "the private key is encrypted",
		},
		"a key that cannot sign":           {cert, pkcs8(t, exchange), "tls.key", "signs nothing"},
		"a certificate of another key":     {cert, pkcs8(t, other), "tls.crt", "does not belong to the key in"},
		"a chain that begins with another": {selfSigned(t, other) + cert, good, "tls.crt", "the first certificate in"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := certs.LoadPair(pair(t, c.cert, c.key))
			require.ErrorContains(t, err, c.reason)
			assert.ErrorContains(t, err, c.file)
		})
	}
}

func TestPairsThatAreNotThere(t *testing.T) {
	t.Parallel()
	certFile, keyFile := pair(t, "", "")
	_, err := certs.LoadPair(certFile+".old", keyFile)
	require.ErrorContains(t, err, "read the server certificate: open "+certFile+".old")
	_, err = certs.LoadPair(certFile, keyFile+".old")
	require.ErrorContains(t, err, "read the server's private key: open "+keyFile+".old")
}
