package certs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
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

// keep writes files into a folder of their own and returns their paths.
func keep(t *testing.T, texts ...[]byte) (paths []string) {
	t.Helper()
	dir := t.TempDir()
	for i, text := range texts {
		path := filepath.Join(dir, string(rune('a'+i)))
		require.NoError(t, os.WriteFile(path, text, 0o600))
		paths = append(paths, path)
	}
	return paths
}

func TestACAOfOnesOwn(t *testing.T) {
	t.Parallel()
	made, key, err := certs.Create("Factory CA", now)
	require.NoError(t, err)
	ca := parse(t, made.PEM())
	assert.Equal(t, "Factory CA", ca.Subject.CommonName)
	assert.True(t, ca.IsCA)
	assert.Empty(t, made.Path())

	files := keep(t, made.PEM(), key)
	loaded, err := certs.LoadAuthority(files[0], files[1], now)
	require.NoError(t, err)
	certificate, _, err := loaded.Device("d1", now)
	require.NoError(t, err)
	assert.NoError(t, parse(t, certificate).CheckSignatureFrom(ca), "and nothing behind it")

	proof, err := loaded.Proof("5D00", now)
	require.NoError(t, err)
	assert.Equal(t, "5D00", parse(t, proof).Subject.CommonName)
	assert.NoError(t, parse(t, proof).CheckSignatureFrom(ca))
	_, err = loaded.Proof("", now)
	assert.ErrorContains(t, err, "the verification code is missing")
}

func TestACABelowARoot(t *testing.T) {
	t.Parallel()
	top, topKey, err := certs.Create("Root", now)
	require.NoError(t, err)
	topPair, _ := pem.Decode(topKey)
	signer, err := x509.ParsePKCS8PrivateKey(topPair.Bytes)
	require.NoError(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Middle"}, NotBefore: now.Add(-day), NotAfter: now.Add(day), IsCA: true, BasicConstraintsValid: true,
	}
	root := parse(t, top.PEM())
	der, err := x509.CreateCertificate(rand.Reader, template, root, key.Public(), signer)
	require.NoError(t, err)
	middle := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	files := keep(t, append(middle, top.PEM()...), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))

	loaded, err := certs.LoadAuthority(files[0], files[1], now)
	require.NoError(t, err)
	certificate, _, err := loaded.Device("d1", now)
	require.NoError(t, err)
	leaf, rest := pem.Decode(certificate)
	assert.Equal(t, string(middle), string(rest), "the way to the root, without the root")
	c, err := x509.ParseCertificate(leaf.Bytes)
	require.NoError(t, err)
	assert.Equal(t, now.Add(day), c.NotAfter, "not longer than its CA")
}

func TestCAsOfOnesOwnThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	made, key, err := certs.Create("Factory CA", now)
	require.NoError(t, err)
	other, otherKey, err := certs.Create("Other", now)
	require.NoError(t, err)
	device, deviceKey, err := other.Device("d", now)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		certificate, key []byte
		reason           string
	}{
		"another's key":        {made.PEM(), otherKey, "does not belong to the key"},
		"a device's":           {device, deviceKey, "the certificate is not a CA's"},
		"no certificate":       {key, key, "there is no certificate"},
		"no key":               {made.PEM(), made.PEM(), "there is no private key"},
		"an empty certificate": {nil, key, "there is no certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := keep(t, c.certificate, c.key)
			_, err := certs.LoadAuthority(files[0], files[1], now)
			assert.ErrorContains(t, err, c.reason)
		})
	}
	files := keep(t, made.PEM(), key)
	_, err = certs.LoadAuthority(files[0], files[1], now.AddDate(11, 0, 0))
	assert.ErrorContains(t, err, "the CA expired at")
	_, err = certs.LoadAuthority(files[0]+"x", files[1], now)
	assert.ErrorContains(t, err, "read the CA's certificate")
	_, err = certs.LoadAuthority(files[0], files[1]+"x", now)
	assert.ErrorContains(t, err, "read the CA's private key")
}
