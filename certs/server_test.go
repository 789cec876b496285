package certs_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/certs"
)

func server(t *testing.T, a *certs.Authority, at time.Time, hosts ...string) tls.Certificate {
	t.Helper()
	cert, err := a.Server(hosts, at)
	require.NoError(t, err)
	return cert
}

func TestTheServerCertificate(t *testing.T) {
	t.Parallel()
	a := authority(t, "")
	leaf := server(t, a, now, "LocalHost", "127.0.0.1", "my_hub.", "*.hub", "[::1]", "localhost", "::1").Leaf
	assert.Equal(t, []string{"localhost", "my_hub", "*.hub"}, leaf.DNSNames)
	require.Len(t, leaf.IPAddresses, 2)
	assert.True(t, leaf.IPAddresses[0].Equal(net.IPv4(127, 0, 0, 1)))
	assert.True(t, leaf.IPAddresses[1].Equal(net.IPv6loopback))
	assert.False(t, leaf.IsCA)
	assert.Equal(t, x509.KeyUsageDigitalSignature, leaf.KeyUsage)
	assert.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, leaf.ExtKeyUsage)
	assert.Equal(t, parse(t, a.PEM()).SubjectKeyId, leaf.AuthorityKeyId)
	assert.Equal(t, now.Add(-day), leaf.NotBefore)
	assert.LessOrEqual(t, leaf.NotAfter.Sub(leaf.NotBefore), 825*day)
}

func TestClientsThatTrustTheCAConnect(t *testing.T) {
	t.Parallel()
	a := authority(t, "")
	cert := server(t, a, now, "localhost", "hub.example", "127.0.0.1", "::1")
	for version, v := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		for _, name := range []string{"localhost", "hub.example", "127.0.0.1", "::1"} {
			t.Run(version+" to "+name, func(t *testing.T) {
				t.Parallel()
				state, err := handshake(t, a, cert, name, v)
				require.NoError(t, err)
				assert.Equal(t, v, state.Version)
			})
		}
		t.Run(version+" to a name that is not there", func(t *testing.T) {
			t.Parallel()
			_, err := handshake(t, a, cert, "other.example", v)
			assert.ErrorAs(t, err, &x509.HostnameError{})
		})
	}
	t.Run("but not those that trust another CA", func(t *testing.T) {
		t.Parallel()
		_, err := handshake(t, authority(t, ""), cert, "localhost", tls.VersionTLS13)
		assert.ErrorAs(t, err, &x509.UnknownAuthorityError{})
	})
}

// handshake connects a client that trusts a to a server with cert.
func handshake(t *testing.T, a *certs.Authority, cert tls.Certificate, name string, version uint16) (tls.ConnectionState, error) {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if conn, err := listener.Accept(); err == nil {
			conn.(*tls.Conn).Handshake()
			conn.Close()
		}
	}()
	near, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(a.PEM()))
	client := tls.Client(near, &tls.Config{
		RootCAs: roots, ServerName: name, MinVersion: version, MaxVersion: version,
		Time: func() time.Time { return now },
	})
	err = client.Handshake()
	state := client.ConnectionState()
	near.Close()
	<-done
	listener.Close()
	return state, err
}

func TestTheServerCertificateIsKeptWhileItWillDo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := authority(t, dir)
	first := server(t, a, now, "localhost", "127.0.0.1")
	for name, c := range map[string]struct {
		at    time.Time
		hosts []string
	}{
		"for the same names":            {now, []string{"localhost", "127.0.0.1"}},
		"for the names in other forms":  {now, []string{"LOCALHOST.", "::ffff:127.0.0.1"}},
		"for fewer names":               {now, []string{"127.0.0.1"}},
		"until 30 days before its end":  {first.Leaf.NotAfter.Add(-30 * day), []string{"localhost"}},
		"when the clock is a bit early": {now.Add(-day), []string{"localhost"}},
	} {
		t.Run(name, func(t *testing.T) {
			again, err := certs.LoadOrCreate(dir, now)
			require.NoError(t, err)
			assert.Equal(t, first.Certificate, server(t, again, c.at, c.hosts...).Certificate)
		})
	}
}

func TestTheServerCertificateIsRenewed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string)
		at    time.Time
		hosts []string
	}{
		"for a new name":               {hosts: []string{"localhost", "hub.example"}},
		"for a new address":            {hosts: []string{"localhost", "10.0.0.1"}},
		"29 days before its end":       {at: now.Add(820*day - day - 29*day), hosts: []string{"localhost"}},
		"after its end":                {at: now.AddDate(5, 0, 0), hosts: []string{"localhost"}},
		"when it is not valid yet":     {at: now.Add(-2 * day), hosts: []string{"localhost"}},
		"when it is damaged":           {spoil: func(t *testing.T, dir string) { cutShort(t, dir, "server.pem") }, hosts: []string{"localhost"}},
		"when it is gone":              {spoil: func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, "server.pem"))) }, hosts: []string{"localhost"}},
		"when its key was deleted":     {spoil: func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, "server-key.pem"))) }, hosts: []string{"localhost"}},
		"when it comes from elsewhere": {spoil: func(t *testing.T, dir string) { write(t, dir, "server.pem", string(authority(t, "").PEM())) }, hosts: []string{"localhost"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			a := authority(t, dir)
			first := server(t, a, now, "localhost")
			at := now
			if !c.at.IsZero() {
				at = c.at
			}
			if c.spoil != nil {
				c.spoil(t, dir)
			}
			second := server(t, a, at, c.hosts...)
			assert.NotEqual(t, first.Certificate, second.Certificate)
			assert.NoError(t, second.Leaf.CheckSignatureFrom(parse(t, a.PEM())))
			for _, host := range c.hosts {
				assert.NoError(t, second.Leaf.VerifyHostname(host))
			}
			assert.Equal(t, second.Certificate, server(t, a, at, c.hosts...).Certificate, "and then kept")
		})
	}
}

func TestACAThatWasMadeAnewRenewsTheServerCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server(t, authority(t, dir), now, "localhost")
	require.NoError(t, os.Remove(filepath.Join(dir, "ca.pem")))
	require.NoError(t, os.Remove(filepath.Join(dir, "ca-key.pem")))
	a := authority(t, dir)
	_, err := handshake(t, a, server(t, a, now, "localhost"), "localhost", tls.VersionTLS13)
	assert.NoError(t, err)
}

func TestAServerCertificateEndsWithItsCA(t *testing.T) {
	t.Parallel()
	a := authority(t, t.TempDir())
	leaf := server(t, a, now.AddDate(9, 6, 0), "localhost").Leaf
	assert.Equal(t, parse(t, a.PEM()).NotAfter, leaf.NotAfter)
}

func TestNamesThatCannotStandOnACertificate(t *testing.T) {
	t.Parallel()
	a := authority(t, "")
	for name, host := range map[string]string{
		"an empty name":        "",
		"a name with a port":   "localhost:443",
		"an address with one":  "127.0.0.1:443",
		"a URL":                "https://localhost",
		"a space":              "my hub",
		"letters beyond ASCII": "müller.example",
		"an empty label":       "my..hub",
		"a star alone":         "*",
		"a star inside":        "my.*.hub",
		"a long label":         strings.Repeat("x", 64),
		"a long name":          strings.Repeat("x.", 127) + "x",
		"a zone":               "fe80::1%eth0",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := a.Server([]string{"localhost", host}, now)
			assert.ErrorContains(t, err, "cannot stand on a certificate")
		})
	}
	_, err := a.Server(nil, now)
	assert.ErrorContains(t, err, "there is no name")
}

func TestServerKeysThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil  func(t *testing.T, dir string)
		reason string
	}{
		"others can read the key": {
			func(t *testing.T, dir string) {
				require.NoError(t, os.Chmod(filepath.Join(dir, "server-key.pem"), 0o604))
			},
			"server-key.pem is open to other users (mode 0604): run chmod 600 on it",
		},
		"the key is damaged": {
			func(t *testing.T, dir string) { cutShort(t, dir, "server-key.pem") },
			"delete it and its certificate to have new ones made",
		},
		"the certificate cannot be read": {
			func(t *testing.T, dir string) {
				require.NoError(t, os.Remove(filepath.Join(dir, "server.pem")))
				require.NoError(t, os.Mkdir(filepath.Join(dir, "server.pem"), 0o700))
			},
			"server.pem: is a directory: make it readable",
		},
		"the folder is gone": {
			func(t *testing.T, dir string) { require.NoError(t, os.RemoveAll(dir)) },
			"keep server-key.pem: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			a := authority(t, dir)
			server(t, a, now, "localhost")
			c.spoil(t, dir)
			_, err := a.Server([]string{"localhost"}, now)
			assert.ErrorContains(t, err, c.reason)
		})
	}
}
