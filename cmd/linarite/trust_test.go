package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/certs"
	"github.com/linarite/linarite/hubtest"
)

func TestTheEnvironmentOfAShell(t *testing.T) {
	t.Parallel()
	h := hubtest.Start(t)
	device := h.DeviceConnectionString("d1")
	folder := t.TempDir()
	r := do(t, nil, "env", "--shell", "sh", "--device", "d1", "--out", folder, "--control", controlOf(h))
	require.Zero(t, r.code, r.errors)
	out, err := exec.Command("sh", "-c", r.out+"env").Output()
	require.NoError(t, err)
	set := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		set[name] = value
	}
	assert.Equal(t, h.ServiceConnectionString(), set["IOTHUB_CONNECTION_STRING"])
	assert.Equal(t, device, set["IOTHUB_DEVICE_CONNECTION_STRING"])
	assert.Equal(t, h.EventsConnectionString(), set["EVENTHUB_CONNECTION_STRING"])
	assert.Equal(t, controlOf(h), set["LINARITE_CONTROL"])
	assert.Equal(t, set["IOTHUB_CA_FILE"], set["NODE_EXTRA_CA_CERTS"])
	assert.Equal(t, set["SSL_CERT_FILE"], set["REQUESTS_CA_BUNDLE"])
	ca, err := os.ReadFile(set["IOTHUB_CA_FILE"])
	require.NoError(t, err)
	assert.Equal(t, string(h.CAPEM()), string(ca))
	all, err := os.ReadFile(set["SSL_CERT_FILE"])
	require.NoError(t, err)
	assert.True(t, strings.HasSuffix(string(all), string(ca)), "the system's, and then the hub's")
	assert.True(t, x509.NewCertPool().AppendCertsFromPEM(all))

	store, err := os.ReadFile(set["IOTHUB_TRUST_STORE"])
	require.NoError(t, err)
	assert.Equal(t, certs.KeyStore(all), store)

	again := do(t, nil, "env", "--shell", "sh", "--device", "d1", "--out", folder, "--control", controlOf(h))
	assert.Equal(t, r.out, again.out, "the files are named after what they hold")
	other := hubtest.Start(t)
	assert.NotEqual(t, r.out, do(t, nil, "env", "--shell", "sh", "--out", folder, "--control", controlOf(other)).out)
	assert.Contains(t, do(t, nil, "env", "--shell", "sh", "--out", folder, "--control", controlOf(h), "--hostname", "hub.example").out,
		"HostName=hub.example;")
	missing := do(t, nil, "env", "--out", folder, "--control", controlOf(h), "--device", "d9")
	assert.Equal(t, exitFailed, missing.code)
	assert.Empty(t, missing.out, "an eval must not do half of it")
}

func TestShells(t *testing.T) {
	t.Parallel()
	s := setting{"NAME", `it's \ here`}
	for shell, want := range map[string]string{
		"sh":         `export NAME='it'\''s \ here'`,
		"fish":       `set -gx NAME 'it\'s \\ here';`,
		"powershell": `$env:NAME = 'it''s \ here'`,
	} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, want, assignment(shell, s))
		})
	}
}

func TestConnectionStringsWithAnotherName(t *testing.T) {
	t.Parallel()
	h := hubtest.Start(t)
	at := []string{"connection-string", "--control", controlOf(h), "--hostname", "hub.example"}
	assert.Equal(t, strings.Replace(h.ServiceConnectionString(), "127.0.0.1", "hub.example", 1)+"\n", do(t, nil, at...).out)
	assert.Equal(t, strings.Replace(h.EventsConnectionString(), "127.0.0.1", "hub.example", 1)+"\n", do(t, nil, append(at, "--events")...).out)
}

func TestTheTrustStore(t *testing.T) {
	t.Parallel()
	h := hubtest.Start(t)
	var did []string
	p := &program{store: trustStore{
		install: func(ca *x509.Certificate, firefox, java bool) error {
			assert.True(t, firefox)
			assert.True(t, java)
			did = append(did, "install "+ca.Subject.CommonName)
			return nil
		},
		uninstall: func(ca *x509.Certificate, _, _ bool) error {
			did = append(did, "uninstall "+ca.Subject.CommonName)
			return nil
		},
	}}
	r := doWith(t, p, "trust", "install", "--control", controlOf(h), "--firefox", "--java")
	assert.Zero(t, r.code, r.errors)
	assert.Regexp(t, `This machine trusts "Linarite development CA", SHA-256 [0-9A-F]{64}\.`, r.errors)
	r = doWith(t, p, "trust", "uninstall", "--control", controlOf(h))
	assert.Contains(t, r.errors, "This machine no longer trusts")
	assert.Equal(t, []string{"install Linarite development CA", "uninstall Linarite development CA"}, did)

	p.store.install = func(*x509.Certificate, bool, bool) error { return errors.New("no privilege") }
	r = doWith(t, p, "trust", "install", "--control", controlOf(h))
	assert.Equal(t, exitFailed, r.code)
	assert.Contains(t, r.errors, "no privilege")
}

func TestWhatNoTrustStoreTakes(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	require.Zero(t, do(t, nil, "certs", "device", "--id", "d1", "--data", folder, "--out", folder).code)
	leaf, err := os.ReadFile(filepath.Join(folder, "d1.pem"))
	require.NoError(t, err)
	for name, c := range map[string]struct{ text, because string }{
		"no certificate":      {"hello", "holds no certificate in PEM form"},
		"a damaged one":       {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "is damaged"},
		"one that is no CA's": {string(leaf), `"d1" is no CA`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parseCA([]byte(c.text))
			assert.ErrorContains(t, err, c.because)
		})
	}
}

func TestADevicesCertificateIsIssued(t *testing.T) {
	t.Parallel()
	data, out := filepath.Join(t.TempDir(), "data"), t.TempDir()
	r := do(t, nil, "certs", "device", "--id", "a:b", "--data", data, "--out", out)
	require.Zero(t, r.code, r.errors)
	var made struct{ Certificate, Key, SHA1, SHA256 string }
	require.NoError(t, json.Unmarshal([]byte(r.out), &made))
	assert.Equal(t, filepath.Join(out, "a_b.pem"), made.Certificate)
	pair, err := tls.LoadX509KeyPair(made.Certificate, made.Key)
	require.NoError(t, err)
	assert.Equal(t, "a:b", pair.Leaf.Subject.CommonName)
	assert.Len(t, made.SHA1, 40)
	assert.Len(t, made.SHA256, 64)
	info, err := os.Stat(made.Key)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	r = do(t, nil, "certs", "device", "--id", "a:b", "--data", data, "--out", out)
	assert.Equal(t, exitFailed, r.code)
	assert.Contains(t, r.errors, "a_b-key.pem is there already")
	require.NoError(t, os.Remove(made.Key))
	assert.Equal(t, exitFailed, do(t, nil, "certs", "device", "--id", "a:b", "--data", data, "--out", out).code)
	assert.NoFileExists(t, made.Key, "no key without its certificate")
	assert.Contains(t, do(t, nil, "certs", "device", "--id", "d1", "--data", data, "--out", out, "--table").out, "thumbprint, SHA-256")
	assert.Equal(t, exitUsage, do(t, nil, "certs", "device", "--id", "d 1", "--data", data, "--out", out).code)
}

// A CA of one's own is registered with a hub, and proven.
func TestACAOfOnesOwn(t *testing.T) {
	t.Parallel()
	h, out := byHand(t), t.TempDir()
	at := func(name string) string { return filepath.Join(out, name) }
	h.good("certs ca --name factory --out " + out)
	own := " --ca " + at("factory.pem") + " --ca-key " + at("factory-key.pem")
	h.good("certs device --id camera --out " + out + own)
	h.good("certs device --id camera/lens --out " + out + own)
	assert.FileExists(t, at("camera_lens.pem"))
	h.good("device create camera --x509-ca")

	text, err := os.ReadFile(at("factory.pem"))
	require.NoError(t, err)
	ca, err := auth.ParseCertificate(text)
	require.NoError(t, err)
	trusted := h.Hub.Hub().Authorities()
	_, _, err = trusted.Put("factory", ca, false, "")
	require.NoError(t, err)
	asked, err := trusted.GenerateVerificationCode("factory", "")
	require.NoError(t, err)
	proof, err := auth.ParseCertificate([]byte(h.good("certs proof --code " + asked.VerificationCode + own)))
	require.NoError(t, err)
	_, err = trusted.Verify("factory", proof, "")
	require.NoError(t, err)

	pair, err := tls.LoadX509KeyPair(at("camera.pem"), at("camera-key.pem"))
	require.NoError(t, err)
	assert.NoError(t, pair.Leaf.CheckSignatureFrom(ca))
	assert.Equal(t, exitFailed, h.run("certs device --id x --ca "+at("factory.pem")+" --ca-key "+at("camera-key.pem")).code)
}
