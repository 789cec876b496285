package certs_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/certs"
)

const (
	day = 24 * time.Hour

	// starterEnv makes the test binary a start of the hub in the folder it names.
	starterEnv = "LINARITE_TEST_STARTER"
)

var now = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

func TestMain(m *testing.M) {
	if dir := os.Getenv(starterEnv); dir != "" {
		start(dir)
		return
	}
	os.Exit(m.Run())
}

// start does what a hub does when it starts and prints the CA it ended with.
func start(dir string) {
	a, err := certs.LoadOrCreate(dir, now)
	if err == nil {
		_, err = a.Server([]string{"localhost", "127.0.0.1"}, now)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Stdout.Write(a.PEM())
}

func authority(t *testing.T, dir string) *certs.Authority {
	t.Helper()
	a, err := certs.LoadOrCreate(dir, now)
	require.NoError(t, err)
	return a
}

func parse(t *testing.T, text []byte) *x509.Certificate {
	t.Helper()
	block, rest := pem.Decode(text)
	require.NotNil(t, block)
	assert.Empty(t, rest)
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return cert
}

func TestTheCA(t *testing.T) {
	t.Parallel()
	ca := parse(t, authority(t, "").PEM())
	assert.Equal(t, "Linarite development CA", ca.Subject.CommonName)
	assert.True(t, ca.IsCA)
	assert.True(t, ca.BasicConstraintsValid)
	assert.True(t, ca.MaxPathLenZero)
	assert.Equal(t, x509.KeyUsageCertSign|x509.KeyUsageCRLSign, ca.KeyUsage)
	assert.Equal(t, now.Add(-day), ca.NotBefore)
	assert.Equal(t, now.AddDate(10, 0, 0), ca.NotAfter)
	assert.NotEmpty(t, ca.SubjectKeyId)
	require.IsType(t, &ecdsa.PublicKey{}, ca.PublicKey)
	assert.Equal(t, elliptic.P256(), ca.PublicKey.(*ecdsa.PublicKey).Curve)
	assert.NoError(t, ca.CheckSignatureFrom(ca))
}

func TestACAKeptNowhere(t *testing.T) {
	t.Parallel()
	a, b := authority(t, ""), authority(t, "")
	assert.NotEqual(t, a.PEM(), b.PEM())
	assert.Empty(t, a.Path())
}

func TestTheFilesAndTheirModes(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "data")
	a := authority(t, dir)
	_, err := a.Server([]string{"localhost"}, now)
	require.NoError(t, err)

	modes := map[string]os.FileMode{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		modes[e.Name()] = info.Mode()
	}
	assert.Equal(t, map[string]os.FileMode{
		"ca.pem": 0o644, "ca-key.pem": 0o600, "server.pem": 0o644, "server-key.pem": 0o600,
	}, modes, "and nothing half-written")
	info, err := os.Stat(dir)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())

	assert.Equal(t, filepath.Join(dir, "ca.pem"), a.Path())
	text, err := os.ReadFile(a.Path())
	require.NoError(t, err)
	assert.Equal(t, a.PEM(), text)
}

func TestACASurvivesARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := authority(t, dir)
	later, err := certs.LoadOrCreate(dir, now.AddDate(9, 11, 0))
	require.NoError(t, err)
	assert.Equal(t, first.PEM(), later.PEM())
}

func TestAStartThatWasKilledIsTakenUp(t *testing.T) {
	t.Parallel()
	for name, left := range map[string][]string{
		"with the CA's key written":          {"ca-key.pem"},
		"with the CA written":                {"ca-key.pem", "ca.pem"},
		"with the server's key written too":  {"ca-key.pem", "ca.pem", "server-key.pem"},
		"with a file half-written":           {".ca-key.pem.123"},
		"with a certificate and its old key": {"ca-key.pem", "ca.pem", "server.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole, dir := t.TempDir(), t.TempDir()
			_, err := authority(t, whole).Server([]string{"localhost"}, now)
			require.NoError(t, err)
			for _, file := range left {
				text, err := os.ReadFile(filepath.Join(whole, file))
				if err != nil {
					text = []byte("-----BEGIN PRIV")
				}
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), text, 0o600))
			}
			a := authority(t, dir)
			server, err := a.Server([]string{"localhost"}, now)
			require.NoError(t, err)
			assert.NoError(t, server.Leaf.CheckSignatureFrom(parse(t, a.PEM())))
			if len(left) > 1 {
				assert.Equal(t, a.PEM(), authority(t, whole).PEM())
			}
		})
	}
}

func TestStartsAtOnceEndWithOneCA(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	outputs := make([][]byte, 8)
	var starts sync.WaitGroup
	for i := range outputs {
		starts.Go(func() {
			var stderr bytes.Buffer
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), starterEnv+"="+dir)
			cmd.Stderr = &stderr
			output, err := cmd.Output()
			assert.NoError(t, err, stderr.String())
			outputs[i] = output
		})
	}
	starts.Wait()
	a := authority(t, dir)
	for _, output := range outputs {
		assert.Equal(t, string(a.PEM()), string(output))
	}
	onDisk, err := os.ReadFile(filepath.Join(dir, "server.pem"))
	require.NoError(t, err)
	server, err := a.Server([]string{"localhost", "127.0.0.1"}, now)
	require.NoError(t, err)
	assert.Equal(t, parse(t, onDisk).Raw, server.Leaf.Raw, "the pair on the disk belongs together")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 4)
}

func TestStartsAtOnceInOneProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var starts sync.WaitGroup
	var mu sync.Mutex
	seen := map[string]bool{}
	for range 16 {
		starts.Go(func() {
			a, err := certs.LoadOrCreate(dir, now)
			if assert.NoError(t, err) {
				mu.Lock()
				defer mu.Unlock()
				seen[string(a.PEM())] = true
			}
		})
	}
	starts.Wait()
	assert.Len(t, seen, 1)
}

func TestCAsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil  func(t *testing.T, dir string)
		at     time.Time
		reason string
	}{
		"the key is gone": {
			func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, "ca-key.pem"))) }, now,
			"ca-key.pem is missing beside ",
		},
		"others can read the key": {
			func(t *testing.T, dir string) { require.NoError(t, os.Chmod(filepath.Join(dir, "ca-key.pem"), 0o640)) }, now,
			"ca-key.pem is open to other users (mode 0640): run chmod 600 on it",
		},
		"the key is damaged": {
			func(t *testing.T, dir string) { cutShort(t, dir, "ca-key.pem") }, now,
			"ca-key.pem: there is no private key in PEM form: restore it, or delete it and its certificate",
		},
		"the key is empty": {
			func(t *testing.T, dir string) { write(t, dir, "ca-key.pem", "") }, now,
			"there is no private key in PEM form",
		},
		"the key is a folder": {
			func(t *testing.T, dir string) {
				require.NoError(t, os.Remove(filepath.Join(dir, "ca-key.pem")))
				require.NoError(t, os.Mkdir(filepath.Join(dir, "ca-key.pem"), 0o700))
			}, now,
			"make it readable",
		},
		"the certificate is damaged": {
			func(t *testing.T, dir string) { cutShort(t, dir, "ca.pem") }, now,
			"ca.pem: there is no certificate in PEM form: restore it, or delete it and ca-key.pem to have a new CA made, which clients must then trust",
		},
		"the certificate is of another key": {
			func(t *testing.T, dir string) { write(t, dir, "ca.pem", string(authority(t, "").PEM())) }, now,
			"the CA's certificate does not belong to the key in ca-key.pem: restore the pair, or delete it and ca-key.pem",
		},
		"the certificate is a server's": {
			func(t *testing.T, dir string) {
				_, err := authority(t, dir).Server([]string{"localhost"}, now)
				require.NoError(t, err)
				require.NoError(t, os.Rename(filepath.Join(dir, "server.pem"), filepath.Join(dir, "ca.pem")))
			}, now,
			"the certificate is not a CA's: delete it and ca-key.pem",
		},
		"the CA has expired": {
			func(*testing.T, string) {}, now.AddDate(10, 0, 1),
			"the CA expired at 2036-11-24T10:00:00Z: delete it and ca-key.pem",
		},
		"the machine's clock is far behind": {
			func(*testing.T, string) {}, time.Unix(0, 0),
			"the CA is valid from 2026-11-23T10:00:00Z, but the machine's clock says 1970-01-01T00:00:00Z: set the clock",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			authority(t, dir)
			c.spoil(t, dir)
			_, err := certs.LoadOrCreate(dir, c.at)
			require.ErrorContains(t, err, c.reason)
			assert.ErrorContains(t, err, dir, "the error names the file")
			assert.NotContains(t, err.Error(), "BEGIN")
		})
	}
}

func TestAFolderThatCannotBeMade(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := certs.LoadOrCreate(filepath.Join(file, "data"), now)
	assert.ErrorContains(t, err, "make the folder for certificates: ")
}

func write(t *testing.T, dir, file, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
}

// cutShort leaves the first half of a file.
func cutShort(t *testing.T, dir, file string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, file))
	require.NoError(t, err)
	write(t, dir, file, strings.TrimSpace(string(text[:len(text)/2])))
}
