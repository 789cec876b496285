package certs_test

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestADevicesCertificate(t *testing.T) {
	t.Parallel()
	a := authority(t, "")
	certificate, key, err := a.Device("thermostat:1", now)
	require.NoError(t, err)
	leaf := parse(t, certificate)
	assert.Equal(t, "thermostat:1", leaf.Subject.CommonName)
	assert.False(t, leaf.IsCA)
	assert.Equal(t, x509.KeyUsageDigitalSignature, leaf.KeyUsage)
	assert.Equal(t, now.Add(-day), leaf.NotBefore)
	assert.Equal(t, now.Add(365*day), leaf.NotAfter)

	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(a.PEM()))
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	assert.NoError(t, err)
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	assert.Error(t, err, "it is no server's")
	_, err = tls.X509KeyPair(certificate, key)
	assert.NoError(t, err, "the key is its own")
}

func TestAModulesCertificate(t *testing.T) {
	t.Parallel()
	certificate, _, err := authority(t, "").Device("d1/m1", now)
	require.NoError(t, err)
	assert.Equal(t, "d1/m1", parse(t, certificate).Subject.CommonName)
}

func TestEachDevicesCertificateIsNew(t *testing.T) {
	t.Parallel()
	a := authority(t, "")
	first, firstKey, err := a.Device("d1", now)
	require.NoError(t, err)
	second, secondKey, err := a.Device("d1", now)
	require.NoError(t, err)
	assert.NotEqual(t, firstKey, secondKey)
	assert.NotEqual(t, parse(t, first).SerialNumber, parse(t, second).SerialNumber)
}

func TestADevicesCertificateEndsWithTheCA(t *testing.T) {
	t.Parallel()
	a := authority(t, "")
	certificate, _, err := a.Device("d1", now.AddDate(9, 6, 0))
	require.NoError(t, err)
	assert.Equal(t, parse(t, a.PEM()).NotAfter, parse(t, certificate).NotAfter)
}

func TestIDsThatNoDeviceCanHave(t *testing.T) {
	t.Parallel()
	a := authority(t, "")
	for name, id := range map[string]string{
		"none": "", "half a module's": "d1/", "of three parts": "d1/m1/x", "with a space": "d 1", "too long": strings.Repeat("x", 129),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := a.Device(id, now)
			assert.ErrorContains(t, err, "cannot be the id of a device")
		})
	}
}
