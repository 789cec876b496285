package wire_test

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// authenticates has a new device or module authenticate in a way.
func authenticates(t testing.TB, who identity, how map[string]any) identity {
	t.Helper()
	body := map[string]any{"deviceId": who.DeviceID, "authentication": how}
	if who.ModuleID != "" {
		body["moduleId"] = who.ModuleID
	}
	r := who.hub.REST(t, "PUT", who.restPath("/devices/"), body, "If-Match", "*")
	require.Equal(t, 200, r.Status, "%s", r.Body)
	return who
}

// certified is a new device that authenticates through a CA.
func certified(t testing.TB) identity {
	t.Helper()
	return authenticates(t, newDevice(t), map[string]any{"type": "certificateAuthority"})
}

// pinned is a new device that authenticates by a thumbprint.
func pinned(t testing.TB, thumbprint string) identity {
	t.Helper()
	return authenticates(t, newDevice(t), map[string]any{
		"type": "selfSigned", "x509Thumbprint": map[string]string{"primaryThumbprint": thumbprint},
	})
}

// dialShowing opens a connection whose client shows certificates.
func dialShowing(t testing.TB, h *harness.Hub, port string, cfg *tls.Config) *client {
	t.Helper()
	conn := tls.Client(dialRaw(t, h, port), cfg)
	require.NoError(t, conn.HandshakeContext(t.Context()))
	return newClient(t, h, conn)
}

// bare is a CONNECT without a password.
func (i identity) bare() connect {
	h := i.hello()
	h.password = ""
	return h
}

func TestCertificatesOfACA(t *testing.T) {
	t.Parallel()
	top := theFactory(t)
	middle := top.issues(t, "Middle", ca)
	lower := middle.issues(t, "Lower", ca)
	for name, chain := range map[string]func(id string) []tls.Certificate{
		"issued by it":           func(id string) []tls.Certificate { return shown(top.issues(t, id)) },
		"issued two below":       func(id string) []tls.Certificate { return shown(lower.issues(t, id), lower, middle) },
		"in another order":       func(id string) []tls.Certificate { return shown(lower.issues(t, id), middle, lower, *top) },
		"with a stranger's":      func(id string) []tls.Certificate { return shown(top.issues(t, id), selfSigned(t, "x", ca)) },
		"for clients explicitly": func(id string) []tls.Certificate { return shown(top.issues(t, id, usable(x509.ExtKeyUsageClientAuth))) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := certified(t)
			for _, who := range []identity{d, authenticates(t, d.module(t), map[string]any{"type": "certificateAuthority"})} {
				cfg := hub.TLS()
				cfg.Certificates = chain(who.ClientID())
				c := dialShowing(t, hub, harness.MQTTPort, cfg)
				c.send(who.bare().bytes())
				c.expect(accepted)
				c.ping()
				now := who.connection(t)
				require.True(t, now.Connected)
				require.Equal(t, "certificateAuthority", now.Authentication)
			}
			require.Equal(t, "certificateAuthority", d.twin(t)["authenticationType"])
		})
	}
}

// usable sets what a certificate may be used for.
func usable(usage x509.ExtKeyUsage) change {
	return func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{usage} }
}

// Whatever is wrong with a certificate, the device sees CONNACK 5 and the log says
// what it is.
func TestCertificatesThatAreRefused(t *testing.T) {
	t.Parallel()
	top := theFactory(t)
	middle, old := top.issues(t, "Middle", ca), top.issues(t, "Old", ca, expired)
	elsewhere, namesake := selfSigned(t, "Elsewhere", ca), selfSigned(t, "Wire factory", ca)
	brother := top.issues(t, "brother")
	for name, c := range map[string]struct {
		chain func(id string) []tls.Certificate
		why   string
	}{
		"none":                       {func(string) []tls.Certificate { return nil }, "and showed no certificate"},
		"another device's":           {func(string) []tls.Certificate { return shown(brother) }, `the certificate's common name is "brother"`},
		"its own behind another's":   {func(id string) []tls.Certificate { return shown(brother, top.issues(t, id)) }, `the certificate's common name is "brother"`},
		"with two names":             {func(id string) []tls.Certificate { return shown(top.issues(t, id, named("other"))) }, "the certificate has 2 common names"},
		"expired":                    {func(id string) []tls.Certificate { return shown(top.issues(t, id, expired)) }, "the certificate expired at"},
		"not valid yet":              {func(id string) []tls.Certificate { return shown(top.issues(t, id, early)) }, "the certificate is valid from"},
		"below an expired one":       {func(id string) []tls.Certificate { return shown(old.issues(t, id), old) }, `the certificate of "CN=Old" in the chain expired at`},
		"foreign":                    {func(id string) []tls.Certificate { return shown(elsewhere.issues(t, id), elsewhere) }, `issued by "CN=Elsewhere", which is no certificate authority of this hub`},
		"of a namesake":              {func(id string) []tls.Certificate { return shown(namesake.issues(t, id), namesake, *top) }, `issued by "CN=Wire factory", which is no certificate authority`},
		"self-signed":                {func(id string) []tls.Certificate { return shown(selfSigned(t, id)) }, "which is no certificate authority of this hub"},
		"without what is between":    {func(id string) []tls.Certificate { return shown(middle.issues(t, id)) }, `issued by "CN=Middle"`},
		"by a device of the CA's":    {func(id string) []tls.Certificate { return shown(brother.issues(t, id), brother) }, "which is no certificate authority of this hub"},
		"for servers":                {func(id string) []tls.Certificate { return shown(top.issues(t, id, usable(x509.ExtKeyUsageServerAuth))) }, "incompatible key usage"},
		"by many of the same name":   {func(id string) []tls.Certificate { return shown(namesake.issues(t, id), forest(t, 9)...) }, "which is no certificate authority of this hub"},
		"with a long name":           {func(string) []tls.Certificate { return shown(top.issues(t, strings.Repeat("y", 10_000))) }, "the certificate's common name is"},
		"for the device in capitals": {func(id string) []tls.Certificate { return shown(top.issues(t, strings.ToUpper(id))) }, "the certificate's common name is"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := certified(t)
			cfg := hub.TLS()
			cfg.Certificates = c.chain(d.DeviceID)
			conn := dialShowing(t, hub, harness.MQTTPort, cfg)
			conn.send(d.bare().bytes())
			conn.turnedAway(notAuthorized, 401003, c.why)
		})
	}
}

// named gives a certificate a second common name.
func named(name string) change {
	return func(c *x509.Certificate) {
		attribute := pkix.AttributeTypeAndValue{Type: []int{2, 5, 4, 3}, Value: name}
		c.Subject.ExtraNames = []pkix.AttributeTypeAndValue{attribute, {Type: []int{2, 5, 4, 3}, Value: c.Subject.CommonName}}
	}
}

// forest is certificates of one name that could all have issued one another.
func forest(t testing.TB, n int) []issuer {
	t.Helper()
	var all []issuer
	for range n {
		all = append(all, selfSigned(t, "Wire factory", ca))
	}
	return all
}

func TestThumbprintsOnTheWire(t *testing.T) {
	t.Parallel()
	own := selfSigned(t, "anything")
	one, two := sha1.Sum(own.Raw), sha256.Sum256(own.Raw)
	cfg := hub.TLS()
	cfg.Certificates = shown(own)
	for _, thumbprint := range []string{hex.EncodeToString(one[:]), strings.ToUpper(hex.EncodeToString(two[:]))} {
		d := pinned(t, thumbprint)
		c := dialShowing(t, hub, harness.MQTTPort, cfg)
		c.send(d.bare().bytes())
		c.expect(accepted)
		require.Equal(t, "selfSigned", d.connection(t).Authentication)
	}
	d := pinned(t, strings.Repeat("0", 64))
	c := dialShowing(t, hub, harness.MQTTPort, cfg)
	c.send(d.bare().bytes())
	c.turnedAway(notAuthorized, 401003, "is neither the primary nor the secondary one")

	late := selfSigned(t, "anything", expired)
	sum := sha256.Sum256(late.Raw)
	d = pinned(t, hex.EncodeToString(sum[:]))
	cfg = hub.TLS()
	cfg.Certificates = shown(late)
	c = dialShowing(t, hub, harness.MQTTPort, cfg)
	c.send(d.bare().bytes())
	c.turnedAway(notAuthorized, 401003, "the certificate expired at")
}

func TestCertificatesAndTokens(t *testing.T) {
	t.Parallel()
	top := theFactory(t)
	keyed, d := newDevice(t), certified(t)
	cfg := hub.TLS()
	cfg.Certificates = shown(top.issues(t, d.DeviceID))
	c := dialShowing(t, hub, harness.MQTTPort, cfg)
	hello := d.bare()
	hello.password = keyed.Token(time.Hour)
	c.send(hello.bytes())
	c.turnedAway(notAuthorized, 401003, `authenticates by "certificateAuthority", not by shared access signatures`)

	// A device with a key may show a certificate, which means nothing.
	c = dialShowing(t, hub, harness.MQTTPort, cfg)
	c.send(keyed.hello().bytes())
	c.expect(accepted)
	require.Equal(t, "sas", keyed.connection(t).Authentication)

	cfg.Certificates = shown(top.issues(t, keyed.DeviceID))
	c = dialShowing(t, hub, harness.MQTTPort, cfg)
	c.send(keyed.bare().bytes())
	c.turnedAway(notAuthorized, 401003, `authenticates by "sas", and there is no token; its certificate counts for nothing`)
}

// A session that TLS resumes has the certificate of the one before.
func TestAResumedTLSSessionKeepsItsCertificate(t *testing.T) {
	t.Parallel()
	top := theFactory(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			t.Parallel()
			d := certified(t)
			cfg := hub.TLS()
			cfg.MaxVersion, cfg.ClientSessionCache = version, tls.NewLRUClientSessionCache(1)
			cfg.Certificates = shown(top.issues(t, d.DeviceID))
			for _, resumed := range []bool{false, true, true} {
				c := dialShowing(t, hub, harness.MQTTPort, cfg)
				c.send(d.bare().bytes())
				c.expect(accepted)
				require.Equal(t, resumed, c.conn.(*tls.Conn).ConnectionState().DidResume)
				c.leave()
			}
		})
	}
}

// A chain that is longer than anybody's ends its handshake, on each port.
func TestChainsThatAreTooLong(t *testing.T) {
	t.Parallel()
	for _, port := range []string{harness.MQTTPort, harness.HTTPSPort, harness.AMQPSPort} {
		for name, c := range map[string]struct {
			chain []tls.Certificate
			why   string
		}{
			"many":  {shown(selfSigned(t, "x"), forest(t, 10)...), "the client shows 11 certificates, 10 are allowed"},
			"large": {shown(selfSigned(t, strings.Repeat("x", 20<<10))), "the client sends more than 16384 bytes, and TLS is not established"},
		} {
			t.Run(name+" on port "+port, func(t *testing.T) {
				t.Parallel()
				raw := dialRaw(t, hub, port)
				cfg := hub.TLS()
				cfg.Certificates = c.chain
				conn := tls.Client(raw, cfg)
				_ = conn.HandshakeContext(t.Context()) // in TLS 1.3 it is refused afterwards
				line := hub.WaitLog(t, raw.LocalAddr().String(), "handshake")
				assert.Contains(t, line, c.why)
				require.NoError(t, raw.SetDeadline(time.Now().Add(harness.Deadline)))
				_, err := io.Copy(io.Discard, conn)
				require.NotErrorIs(t, err, errTimeout, "the hub closes the connection")
			})
		}
	}
}

// request is a request over HTTPS, as it is on the wire, and its answer.
func (c *client) request(method, path, body string, headers ...string) (*http.Response, string) {
	c.t.Helper()
	require.NoError(c.t, c.conn.SetDeadline(time.Now().Add(harness.Deadline)))
	_, err := fmt.Fprintf(c.conn, "%s %s?api-version=%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n%s",
		method, path, harness.APIVersion, len(body), strings.Join(append(headers, ""), "\r\n"), body)
	require.NoError(c.t, err)
	r, err := http.ReadResponse(c.in, &http.Request{Method: method})
	require.NoError(c.t, err)
	text, err := io.ReadAll(r.Body)
	require.NoError(c.t, err)
	require.NoError(c.t, r.Body.Close())
	return r, string(text)
}

func TestHTTPSDevicesWithCertificates(t *testing.T) {
	t.Parallel()
	top := theFactory(t)
	d, other := certified(t), certified(t)
	m := authenticates(t, d.module(t), map[string]any{"type": "certificateAuthority"})
	cfg := hub.TLS()
	cfg.Certificates = shown(top.issues(t, d.DeviceID))
	c := dialShowing(t, hub, harness.HTTPSPort, cfg)
	for range 2 { // each request is authenticated, on the same connection
		r, _ := c.request("POST", "/"+d.path()+"/messages/events", "x", "iothub-app-someCase: 1")
		require.Equal(t, 204, r.StatusCode)
	}
	for _, e := range hub.WaitEvents(t, 2, harness.Filter{Device: d.DeviceID}) {
		require.Equal(t, `{"scope":"device","type":"x509Certificate","issuer":"external","acceptingIpFilterRule":null}`,
			e.SystemProperties["iothub-connection-auth-method"])
		require.Equal(t, "1", e.Properties["someCase"])
	}
	for _, path := range []string{other.path(), m.path()} {
		r, body := c.request("POST", "/"+path+"/messages/events", "x")
		require.Equal(t, 401, r.StatusCode)
		require.Equal(t, "IotHubUnauthorizedAccess", r.Header.Get("iothub-errorcode"))
		require.Contains(t, body, `"Message":"ErrorCode:IotHubUnauthorizedAccess;Unauthorized"`)
	}
	r, _ := c.request("GET", "/"+d.path()+"/messages/deviceBound", "")
	require.Equal(t, 204, r.StatusCode)
	r, body := c.request("DELETE", "/"+d.path()+"/messages/deviceBound/0a2d16ef-98e9-4b1c-a5c0-3c7f9d1e2b3a", "")
	require.Equal(t, 412, r.StatusCode)
	require.Equal(t, "DeviceMessageLockLost", r.Header.Get("iothub-errorcode"))
	require.Contains(t, body, "ErrorCode:DeviceMessageLockLost;")
	// It is a device's certificate, and opens nothing to back ends.
	r, _ = c.request("GET", "/devices/"+d.DeviceID, "")
	require.Equal(t, 401, r.StatusCode)
}
