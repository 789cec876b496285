package server_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/certs"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/server"
)

// shake connects with cfg and returns what was agreed on.
func shake(t *testing.T, addr string, cfg *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	c, err := tls.Dial("tcp", addr, cfg)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer c.Close()
	return c.ConnectionState(), nil
}

func TestTLS(t *testing.T) {
	t.Parallel()
	s := open(t, server.Options{})
	machine, err := os.Hostname()
	require.NoError(t, err)
	for door, addr := range map[string]string{"MQTT": s.MQTTAddr(), "HTTPS": s.HTTPSAddr()} {
		for _, name := range []string{"127.0.0.1", "localhost", "::1", machine} {
			t.Run(door+" has the name "+name, func(t *testing.T) {
				t.Parallel()
				cfg := trusting(t, s.CA())
				cfg.ServerName = name
				_, err := shake(t, addr, cfg)
				assert.NoError(t, err)
			})
		}
		t.Run(door+" speaks TLS 1.2 and 1.3", func(t *testing.T) {
			t.Parallel()
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				cfg := trusting(t, s.CA())
				cfg.MinVersion, cfg.MaxVersion = version, version
				state, err := shake(t, addr, cfg)
				require.NoError(t, err)
				assert.Equal(t, version, state.Version)
			}
		})
		t.Run(door+" speaks nothing older", func(t *testing.T) {
			t.Parallel()
			cfg := trusting(t, s.CA())
			cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
			_, err := shake(t, addr, cfg)
			assert.Error(t, err)
		})
		t.Run(door+" asks for a client certificate and needs none", func(t *testing.T) {
			t.Parallel()
			asked := make(chan bool, 1)
			cfg := trusting(t, s.CA())
			cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				asked <- true
				return &tls.Certificate{}, nil
			}
			_, err := shake(t, addr, cfg)
			require.NoError(t, err)
			assert.Len(t, asked, 1)
		})
	}
	t.Run("HTTPS is HTTP/1.1, for WebSocket", func(t *testing.T) {
		t.Parallel()
		cfg := trusting(t, s.CA())
		cfg.NextProtos = []string{"h2", "http/1.1"}
		state, err := shake(t, s.HTTPSAddr(), cfg)
		require.NoError(t, err)
		assert.Equal(t, "http/1.1", state.NegotiatedProtocol)
	})
}

func TestTheCASurvivesARestart(t *testing.T) {
	t.Parallel()
	o := server.Options{DataDir: filepath.Join(t.TempDir(), "data")}
	first := open(t, o)
	require.NoError(t, first.Close())
	o.Hostnames = []string{"hub.example"}
	second := open(t, o)
	assert.Equal(t, first.CA(), second.CA())
	assert.Equal(t, filepath.Join(o.DataDir, "ca.pem"), second.CAPath())
	cfg := trusting(t, first.CA())
	cfg.ServerName = "hub.example"
	_, err := shake(t, second.HTTPSAddr(), cfg)
	assert.NoError(t, err, "a new leaf under the same CA")
}

// issued writes a certificate and its key for hosts, with the issuer when the
// chain is whole.
func issued(t *testing.T, whole bool, hosts ...string) (o server.Options, ca []byte) {
	t.Helper()
	authority, err := certs.LoadOrCreate("", clock.Wall())
	require.NoError(t, err)
	pair, err := authority.Server(hosts, clock.Wall())
	require.NoError(t, err)
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	require.NoError(t, err)
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})
	if whole {
		chain = append(chain, authority.PEM()...)
	}
	dir := t.TempDir()
	o.TLSCert, o.TLSKey = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(o.TLSCert, chain, 0o600))
	require.NoError(t, os.WriteFile(o.TLSKey, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
	return o, authority.PEM()
}

func TestACertificateOfYourOwn(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	o, ca := issued(t, true, "127.0.0.1")
	o.Hostnames = []string{"127.0.0.1", "hub.example"}
	o.Log = zerolog.New(zerolog.SyncWriter(&log))
	s := open(t, o)
	assert.Equal(t, string(ca), string(s.CA()), "the chain has the issuer")
	assert.Empty(t, s.CAPath())
	_, err := s.DeviceCertificate("d1")
	require.ErrorContains(t, err, "no CA of its own")
	_, err = shake(t, s.MQTTAddr(), trusting(t, ca))
	assert.NoError(t, err)
	require.NoError(t, s.Close()) // the log is complete, and nobody writes it any more
	assert.Contains(t, log.String(), `"hostname":"hub.example"`)
	assert.Contains(t, log.String(), "does not cover the hub's name")
	assert.NotContains(t, log.String(), `"hostname":"127.0.0.1"`)
}

func TestACertificateOfYourOwnWithoutItsIssuer(t *testing.T) {
	t.Parallel()
	o, _ := issued(t, false, "127.0.0.1")
	o.MQTT, o.HTTPS, o.AMQPS, o.Control = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	s, err := server.Start(o)
	require.NoError(t, err)
	assert.Empty(t, s.CA())
	assert.NoError(t, s.Close())
}

func TestCertificatesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	one, _ := issued(t, false, "127.0.0.1")
	other, _ := issued(t, false, "127.0.0.1")
	for name, c := range map[string]struct{ cert, key, because string }{
		"a file that is not there":          {"nowhere.pem", one.TLSKey, "no such file"},
		"a key that belongs to another one": {one.TLSCert, other.TLSKey, "does not belong to the key"},
		"files in the wrong order":          {one.TLSKey, one.TLSCert, one.TLSKey},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := server.Start(server.Options{
				MQTT: "127.0.0.1:0", HTTPS: "127.0.0.1:0", AMQPS: "127.0.0.1:0", Control: "127.0.0.1:0", TLSCert: c.cert, TLSKey: c.key,
			})
			assert.ErrorContains(t, err, c.because)
		})
	}
}

func TestADataFolderThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := server.Start(server.Options{
		MQTT: "127.0.0.1:0", HTTPS: "127.0.0.1:0", AMQPS: "127.0.0.1:0", Control: "127.0.0.1:0", DataDir: file,
	})
	assert.ErrorContains(t, err, "certificate authority: ")
}
