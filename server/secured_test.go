package server_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/server"
)

// shown is a certificate of a client's own, of at least that many bytes, that
// many times over.
func shown(t *testing.T, times, bytes int) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		ExtraExtensions: []pkix.Extension{{Id: []int{1, 2, 3}, Value: make([]byte, bytes)}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	pair := tls.Certificate{PrivateKey: key}
	for range times {
		pair.Certificate = append(pair.Certificate, der)
	}
	return pair
}

// attempts does a handshake and sends something that every port answers or closes
// on. The error is the server's refusal of the handshake, as far as it is told: in
// TLS 1.3 a client learns of it with its first read only.
func attempts(t *testing.T, addr string, cfg *tls.Config) error {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, cfg)
	if err == nil {
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(clock.Wall().Add(10*time.Second)))
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		_, err = conn.Read(make([]byte, 1))
	}
	if err != nil && strings.Contains(err.Error(), "remote error") {
		return err
	}
	return nil
}

// journal is a log that tests wait for.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// await waits for a text, so many times.
func (j *journal) await(t *testing.T, text string, times int) {
	t.Helper()
	require.Eventually(t, func() bool {
		j.mu.Lock()
		defer j.mu.Unlock()
		return strings.Count(j.text.String(), text) == times
	}, 10*time.Second, time.Millisecond, "%d times %s", times, text)
}

func TestChainsThatAreTooLarge(t *testing.T) {
	t.Parallel()
	var log journal
	s := open(t, server.Options{Log: zerolog.New(&log)})
	doors := map[string]string{"MQTT": s.MQTTAddr(), "HTTPS": s.HTTPSAddr(), "AMQPS": s.AMQPSAddr()}
	versions := []uint16{tls.VersionTLS12, tls.VersionTLS13}
	refused := 0
	for name, c := range map[string]struct {
		shown  tls.Certificate
		reason string
	}{
		"ten certificates":          {shown(t, 10, 1), ""},
		"eleven certificates":       {shown(t, 11, 1), "the client shows 11 certificates, 10 are allowed"},
		"10 KB":                     {shown(t, 1, 10<<10), ""},
		"20 KB":                     {shown(t, 1, 20<<10), "more than 16384 bytes, and TLS is not established"},
		"nine certificates of 2 KB": {shown(t, 9, 2<<10), "more than 16384 bytes, and TLS is not established"},
	} {
		for door, addr := range doors {
			for _, version := range versions {
				cfg := trusting(t, s.CA())
				cfg.Certificates, cfg.MaxVersion = []tls.Certificate{c.shown}, version
				err := attempts(t, addr, cfg)
				if c.reason == "" {
					assert.NoError(t, err, "%s, %s, %s", door, name, tls.VersionName(version))
				}
			}
		}
		if c.reason != "" {
			refused += len(doors) * len(versions)
		}
	}
	log.await(t, "the client shows 11 certificates, 10 are allowed", refused/3)
	log.await(t, "more than 16384 bytes, and TLS is not established", 2*refused/3)
}

// What follows the handshake may be as long as it likes.
func TestTheBoundIsTheHandshakes(t *testing.T) {
	t.Parallel()
	s := open(t, server.Options{})
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: trusting(t, s.CA())}}
	defer client.CloseIdleConnections()
	for range 3 {
		resp, err := client.Post(s.HTTPSURL()+"/devices/query", "application/json", strings.NewReader(strings.Repeat(" ", 100<<10)))
		require.NoError(t, err)
		_ = resp.Body.Close()
		assert.NotEqual(t, http.StatusOK, resp.StatusCode)
	}
}

func TestHTTPWithoutTLS(t *testing.T) {
	t.Parallel()
	s := open(t, server.Options{})
	conn, err := net.Dial("tcp", s.HTTPSAddr())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, http.StatusBadRequest, resp.StatusCode)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, "Client sent an HTTP request to an HTTPS server.\n", string(body))
}
