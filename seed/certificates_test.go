package seed_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/seed"
)

func TestCertificatesVouchForDevices(t *testing.T) {
	t.Parallel()
	file, err := seed.ReadFile(example)
	require.NoError(t, err)
	h, err := hub.New(hub.Options{Seed: file.Apply, OpenSink: openSink})
	require.NoError(t, err)
	defer h.Close()
	list := h.Authorities().List()
	require.Len(t, list, 2)
	for i, want := range []struct{ name, subject string }{{"factory", "Factory CA"}, {"plant", "Plant CA"}} {
		assert.Equal(t, want.name, list[i].Name)
		assert.Equal(t, want.subject, list[i].Certificate.Subject.CommonName)
		assert.True(t, list[i].Verified, "whoever wrote the file vouches for it")
	}
	require.NoError(t, file.Apply(h))
	assert.Equal(t, list, h.Authorities().List(), "applied again, nothing changes")
	assert.NotContains(t, file.StartOnly(), "certificates")
}

func TestACertificateInAFile(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	name := filepath.Join(folder, "linarite.yaml")
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	write("linarite.yaml", "certificates:\n- name: a\n  file: ca.b64\n")
	_, err := seed.ReadFile(name)
	require.ErrorContains(t, err, "linarite.yaml:3:9: certificates[0].file: no such file or directory")
	write("ca.b64", notACA)
	_, err = seed.ReadFile(name)
	require.ErrorContains(t, err, "linarite.yaml:3:9: certificates[0].file: the certificate \"CN=Factory CA\" is not a CA's")
	write("ca.b64", aCA)
	file, err := seed.ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, aCA, file.Certificates[0].Certificate)

	write("linarite.yaml", "certificates:\n- name: a\n  file: "+filepath.Join(folder, "ca.b64")+"\n")
	_, err = seed.ReadFile(name)
	assert.NoError(t, err, "an absolute path")
	write("linarite.yaml", "certificates:\n- name: a\n  file: .\n")
	_, err = seed.ReadFile(name)
	assert.ErrorContains(t, err, "is a directory")
}

func TestTooManyCertificates(t *testing.T) {
	t.Parallel()
	h, err := hub.New(hub.Options{})
	require.NoError(t, err)
	defer h.Close()
	c, err := auth.ParseCertificate([]byte(aCA))
	require.NoError(t, err)
	for i := range auth.MaxAuthorities - 1 {
		_, _, err := h.Authorities().Put(fmt.Sprint(i), c, true, "")
		require.NoError(t, err)
	}
	file := seed.File{
		Certificates: []seed.Certificate{{Name: "0", Certificate: aCA}, {Name: "x", Certificate: aCA}, {Name: "y", Certificate: aCA}},
		Devices:      []seed.Device{{ID: "d"}},
	}
	require.ErrorIs(t, file.Apply(h), iot.ErrForbidden)
	_, err = h.Device("d")
	require.Error(t, err, "nothing is done")
	file.Certificates = file.Certificates[:2]
	assert.NoError(t, file.Apply(h))
}
