package mqtt_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/certs"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/mqtt"
	"github.com/linarite/linarite/registry"
)

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
	r := open(t, hub.Options{Log: zerolog.Nop(), CA: authority.PEM()}, mqtt.Options{Log: zerolog.Nop()})
	own, err := authority.Server([]string{"127.0.0.1"}, clock.Wall())
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r.srv.Serve(ln, &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert})
	r.addr = ln.Addr().String()
	f := &factory{room: r, authority: authority, trust: x509.NewCertPool()}
	f.trust.AppendCertsFromPEM(authority.PEM())
	return f
}

// certificate is a new one for a device.
func (f *factory) certificate(id string) tls.Certificate {
	f.t.Helper()
	certificate, key, err := f.authority.Device(id, clock.Wall())
	require.NoError(f.t, err)
	pair, err := tls.X509KeyPair(certificate, key)
	require.NoError(f.t, err)
	return pair
}

// register registers a device that authenticates so.
func (f *factory) register(id string, how iot.Authentication) {
	f.t.Helper()
	_, err := f.CreateDevice(registry.Device{ID: id, Authentication: how})
	require.NoError(f.t, err)
}

// shows is a client's configuration.
func (f *factory) shows(certificates ...tls.Certificate) *tls.Config {
	return &tls.Config{RootCAs: f.trust, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12, Certificates: certificates}
}

func (f *factory) dialTLS(cfg *tls.Config) (*client, *tls.Conn) {
	f.t.Helper()
	conn, err := tls.Dial("tcp", f.addr, cfg)
	require.NoError(f.t, err)
	return newClient(f.t, conn), conn
}

// bare is the CONNECT of a device without a password.
func bare(t *testing.T, id string) connect {
	t.Helper()
	h := hello(t, iot.Device(id))
	h.password = ""
	return h
}

func TestDevicesWithCertificates(t *testing.T) {
	t.Parallel()
	f := newFactory(t)
	own := f.certificate("whatever")
	_, thumbprint := auth.Thumbprints(own.Leaf)
	f.register("pump", iot.Authentication{Type: iot.AuthenticationCA})
	f.register("lamp", iot.Authentication{Type: iot.AuthenticationSelfSigned, PrimaryThumbprint: thumbprint})
	for name, c := range map[string]struct {
		id    string
		shown tls.Certificate
		kind  string
	}{
		"by an authority": {"pump", f.certificate("pump"), "certificateAuthority"},
		"by thumbprint":   {"lamp", own, "selfSigned"},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(name+" with "+tls.VersionName(version), func(t *testing.T) {
				cfg := f.shows(c.shown)
				cfg.MaxVersion = version
				cfg.ClientSessionCache = tls.NewLRUClientSessionCache(1)
				for _, resumed := range []bool{false, true} {
					dev, conn := f.dialTLS(cfg)
					dev.send(bare(t, c.id).bytes())
					dev.expect(0x20, 2, 0, 0)
					require.Equal(t, resumed, conn.ConnectionState().DidResume)
					dev.send(publish(1, "devices/"+c.id+"/messages/events/", "hello"))
					dev.expect(puback(1)...)
					for _, known := range f.Connections() {
						if known.Identity.DeviceID == c.id {
							require.Equal(t, c.kind, known.Authentication)
						}
					}
					dev.send(disconnect)
					dev.closed()
				}
			})
		}
	}
	for _, e := range f.journal(8) {
		require.Equal(t, `{"scope":"device","type":"x509Certificate","issuer":"external","acceptingIpFilterRule":null}`, e.Origin.AuthMethod)
	}
}

func TestCertificatesThatOpenNothing(t *testing.T) {
	t.Parallel()
	f := newFactory(t)
	f.register("pump", iot.Authentication{Type: iot.AuthenticationCA})
	pump := f.certificate("pump")
	empty, sas := bare(t, "pump"), hello(t, iot.Device("pump"))
	empty.empty = true
	for _, c := range []struct {
		name   string
		shown  []tls.Certificate
		hello  connect
		reason string
	}{
		{"an authority's device without one", nil, bare(t, "pump"), "showed no certificate"},
		{"an authority's device with another's", []tls.Certificate{f.certificate("lamp")}, bare(t, "pump"), `the certificate's common name is "lamp", not "pump"`},
		{"an authority's device with a token too", []tls.Certificate{pump}, sas, `authenticates by "certificateAuthority", not by shared access signatures`},
		{"a device that has a key and shows none", []tls.Certificate{f.certificate("d")}, bare(t, "d"), `authenticates by "sas", and there is no token`},
	} {
		dev, _ := f.dialTLS(f.shows(c.shown...))
		dev.send(c.hello.bytes())
		dev.expect(0x20, 2, 0, 5)
		dev.closed()
		last := f.Refusals()[len(f.Refusals())-1]
		require.Contains(t, last.Reason, c.reason, c.name)
		require.Equal(t, 401003, last.Code, c.name)
	}
	// A password of no bytes is none.
	dev, _ := f.dialTLS(f.shows(pump))
	dev.send(empty.bytes())
	dev.expect(0x20, 2, 0, 0)
	// A certificate that counts for nothing is no harm.
	dev, _ = f.dialTLS(f.shows(pump))
	dev.send(hello(t, iot.Device("d")).bytes())
	dev.expect(0x20, 2, 0, 0)
}
