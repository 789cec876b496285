package amqp_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/amqp"
	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/certs"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
)

// pump and lamp authenticate by certificates of an authority's.
var pump, lamp = iot.Device("pump"), iot.Device("lamp")

// factory is a room behind TLS, whose hub trusts an authority.
type factory struct {
	*room
	authority *certs.Authority
	trust     *x509.CertPool
}

func newFactory(t *testing.T) *factory {
	t.Helper()
	authority, err := certs.LoadOrCreate("", clock.Wall())
	require.NoError(t, err)
	r := open(t, hub.Options{Log: zerolog.Nop(), CA: authority.PEM()}, amqp.Options{Log: zerolog.Nop()})
	for _, id := range []iot.Identity{pump, lamp} {
		_, err = r.CreateDevice(registry.Device{ID: id.DeviceID, Authentication: iot.Authentication{Type: iot.AuthenticationCA}})
		require.NoError(t, err)
	}
	own, err := authority.Server([]string{host}, clock.Wall())
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r.srv.Serve(ln, &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert})
	r.addr = ln.Addr().String()
	f := &factory{room: r, authority: authority, trust: x509.NewCertPool()}
	f.trust.AppendCertsFromPEM(authority.PEM())
	return f
}

// secure opens a connection under TLS, whose client shows the certificate of a
// device, or none.
func (f *factory) secure(shown ...iot.Identity) *client {
	f.t.Helper()
	cfg := &tls.Config{RootCAs: f.trust, ServerName: host, MinVersion: tls.VersionTLS12}
	for _, id := range shown {
		certificate, key, err := f.authority.Device(id.DeviceID, clock.Wall())
		require.NoError(f.t, err)
		pair, err := tls.X509KeyPair(certificate, key)
		require.NoError(f.t, err)
		cfg.Certificates = append(cfg.Certificates, pair)
	}
	conn, err := tls.Dial("tcp", f.addr, cfg)
	require.NoError(f.t, err)
	f.t.Cleanup(func() { _ = conn.Close() })
	return &client{t: f.t, conn: conn, in: bufio.NewReader(conn)}
}

// sasl chooses a mechanism and returns the outcome.
func (c *client) sasl(mechanism codec.Symbol) uint8 {
	c.t.Helper()
	c.raw("AMQP\x03\x01\x00\x00")
	c.header()
	expect[*codec.Mechanisms](c)
	c.raw(frameOf(1, &codec.Init{Mechanism: mechanism}, nil))
	return expect[*codec.Outcome](c).Code
}

// begin goes on after SASL, or without it.
func (c *client) begin() *client {
	c.t.Helper()
	c.raw("AMQP\x00\x01\x00\x00")
	c.header()
	c.establish()
	return c
}

func TestADeviceWithACertificate(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []codec.Symbol{"EXTERNAL", "ANONYMOUS", ""} {
		t.Run("SASL "+string(mechanism), func(t *testing.T) {
			t.Parallel()
			f := newFactory(t)
			c := f.secure(pump)
			if mechanism != "" {
				require.Equal(t, codec.SASLOK, c.sasl(mechanism))
			}
			c.begin()
			link := c.sender(address(pump, "messages/events"))
			require.Equal(t, &codec.Accepted{}, c.deliver(link, &codec.Message{Data: [][]byte{[]byte("x")}}))
			evs, _ := f.Events().ReadAll(nil, 0)
			require.Len(t, evs, 1)
			assert.Equal(t, `{"scope":"device","type":"x509Certificate","issuer":"external","acceptingIpFilterRule":null}`, evs[0].Origin.AuthMethod)
			f.clock.Advance(time.Hour)
			assert.True(t, f.connected(pump), "there is no token to run out")

			// Links come and go, and each time the certificate is looked at.
			c.send(&codec.Detach{Handle: link, Closed: true})
			expect[*codec.Detach](c)
			f.awaitGone(pump)
			c.sender(address(pump, "messages/events"))
			require.True(t, f.connected(pump))
			require.NoError(t, f.Authorities().Delete(hub.DevelopmentAuthority, ""))
			assert.True(t, f.connected(pump))
			f.Kick(pump)
			expect[*codec.Detach](c)
			assert.Equal(t, codec.Symbol("amqp:unauthorized-access"), c.refused(codec.RoleSender, address(pump, "messages/events")).Condition)
		})
	}
}

func TestCertificatesThatOpenNothing(t *testing.T) {
	t.Parallel()
	f := newFactory(t)
	c := f.secure(lamp).begin()
	for id, reason := range map[iot.Identity]string{
		pump: `the certificate's common name is "lamp", not "pump"`,
		d:    `authenticates by "sas", and there is no token`,
	} {
		refusal := c.refused(codec.RoleSender, address(id, "messages/events"))
		assert.Equal(t, codec.Symbol("amqp:unauthorized-access"), refusal.Condition)
		assert.Contains(t, f.Refusals()[len(f.Refusals())-1].Reason, reason)
	}
	// A token is no good for such a device, and does not stand in the way of its
	// certificate.
	c = f.secure(lamp).begin()
	c.requests("$cbs")
	audience := host + "/" + lamp.Path()
	assert.Equal(t, int32(401), c.putToken(audience, token(t, audience, "", time.Hour)))
	assert.Equal(t, int32(200), c.putToken(host, token(t, host, "service", time.Hour)))
	c.sender(address(lamp, "messages/events"))
	assert.True(t, f.connected(lamp))

	c = f.secure().begin()
	assert.Equal(t, codec.Symbol("amqp:unauthorized-access"), c.refused(codec.RoleSender, address(pump, "messages/events")).Condition)
}

func TestEXTERNALNeedsACertificate(t *testing.T) {
	t.Parallel()
	f := newFactory(t)
	assert.Equal(t, codec.SASLAuth, f.secure().sasl("EXTERNAL"))
	assert.Equal(t, codec.SASLOK, f.secure().sasl("ANONYMOUS"))
	assert.Equal(t, codec.SASLOK, f.secure(pump).sasl("EXTERNAL"))
}
