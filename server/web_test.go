package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/server"
)

// short is how long a body may take here.
const short = 30 * time.Millisecond

// web serves h and returns its address and what ends it.
func web(t *testing.T, h http.HandlerFunc, log zerolog.Logger) (addr string, end func()) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	end = server.ServeWeb(h, ln, log, short)
	t.Cleanup(end)
	return ln.Addr().String(), end
}

func TestABodyThatDoesNotCome(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	addr, _ := web(t, func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		ended <- err
	}, zerolog.Nop())
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer c.Close()
	_, err = fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly so much")
	require.NoError(t, err)
	assert.ErrorIs(t, <-ended, os.ErrDeadlineExceeded)
}

func TestARequestMayTakeLongOnceItsBodyIsThere(t *testing.T) {
	t.Parallel()
	addr, _ := web(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		ctx, cancel := context.WithTimeout(r.Context(), 4*short)
		defer cancel()
		<-ctx.Done()
		_, _ = fmt.Fprint(w, r.Context().Err())
	}, zerolog.Nop())
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for name, body := range map[string]io.Reader{
		"of known length":   strings.NewReader("hello"),
		"of unknown length": io.MultiReader(strings.NewReader("hello")),
		"of no length":      http.NoBody,
	} {
		resp, err := client.Post("http://"+addr, "text/plain", body)
		require.NoError(t, err)
		said, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		_ = resp.Body.Close()
		assert.Equal(t, "<nil>", string(said), name)
	}
}

func TestAnAnswerThatIsNotTaken(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	addr, _ := web(t, func(w http.ResponseWriter, _ *http.Request) {
		_, err := w.Write(make([]byte, 64<<20))
		ended <- err
	}, zerolog.Nop())
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer c.Close()
	_, err = fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	assert.ErrorIs(t, <-ended, os.ErrDeadlineExceeded)
}

func TestAnAnswerMayTakeLongToBeMade(t *testing.T) {
	t.Parallel()
	addr, _ := web(t, func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 4*short)
		defer cancel()
		<-ctx.Done()
		_, _ = w.Write(make([]byte, 1<<20))
	}, zerolog.Nop())
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for range 3 { // over one connection
		resp, err := client.Get("http://" + addr)
		require.NoError(t, err)
		n, err := io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		require.EqualValues(t, 1<<20, n)
		_ = resp.Body.Close()
	}
}

// TestARefusalDoesNotWaitForTheBody: what http.Server does by itself, it must do
// with a body that is timed as well.
func TestARefusalDoesNotWaitForTheBody(t *testing.T) {
	t.Parallel()
	addr, _ := web(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, zerolog.Nop())
	for name, headers := range map[string]string{
		"that is too long to be read": "Content-Length: 9223372036854775807",
		"that waits for a word":       "Content-Length: 10\r\nExpect: 100-continue",
	} {
		c, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		_, err = fmt.Fprintf(c, "PUT / HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", headers)
		require.NoError(t, err)
		said, err := io.ReadAll(c)
		require.NoError(t, err)
		assert.True(t, strings.HasPrefix(string(said), "HTTP/1.1 401"), "%s: %s", name, said)
		_ = c.Close()
	}
}

func TestLinesOfTheHTTPServerHaveALevel(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	addr, end := web(t, func(http.ResponseWriter, *http.Request) { panic("of ours") }, zerolog.New(zerolog.SyncWriter(&log)))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	_, err := client.Get("http://" + addr)
	require.Error(t, err)
	end()
	assert.Contains(t, log.String(), `"level":"error"`)
	assert.Contains(t, log.String(), "panic serving")
}

// A client that does not like the certificate says so with an alert: encrypted, as
// Go does, or in the clear, as OpenSSL does in TLS 1.3.
func TestAClientThatDoesNotTrustUs(t *testing.T) {
	t.Parallel()
	inTheClear := []byte{21, 3, 3, 0, 2, 2, 42} // alert, TLS 1.2, 2 bytes: fatal, bad certificate
	for name, alert := range map[string][]byte{"encrypted": nil, "in the clear": inTheClear} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines := make(lineByLine, 16)
			s := open(t, server.Options{Log: zerolog.New(lines).Level(zerolog.WarnLevel)})
			raw, err := net.Dial("tcp", s.HTTPSAddr())
			require.NoError(t, err)
			defer raw.Close()
			c := tls.Client(raw, &tls.Config{
				InsecureSkipVerify: true,
				VerifyPeerCertificate: func([][]byte, [][]*x509.Certificate) error {
					_, _ = raw.Write(alert)
					return errors.New("not you")
				},
			})
			require.Error(t, c.Handshake())
			assert.Contains(t, <-lines, "does it trust the CA, and is the name it uses on the certificate?")
		})
	}
}

// lineByLine is a log that is read while it is written.
type lineByLine chan string

func (l lineByLine) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}
