package auth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
)

var (
	pump   = iot.Device("Pump-1")
	sensor = iot.Module("Pump-1", "sensor")
)

// certifying is an authorizer for identities, and the authorities that vouch.
func certifying(known registered) (*auth.Authorizer, *auth.Authorities, *clock.Clock) {
	clk := clock.NewManual(start)
	trusted := auth.NewAuthorities(clk)
	return auth.NewAuthorizer(auth.Options{
		Hostnames: func(string) bool { return true }, Keys: known, Authorities: trusted, Clock: clk,
	}), trusted, clk
}

// byCA is a hub at which pump and sensor authenticate by certificates that the
// authorities vouch for.
func byCA(t testing.TB, authorities ...issuer) (*auth.Authorizer, *auth.Authorities, *clock.Clock) {
	t.Helper()
	ca := iot.Authentication{Type: iot.AuthenticationCA}
	a, trusted, clk := certifying(registered{pump: ca, sensor: ca})
	for i, c := range authorities {
		_, _, err := trusted.Put(string(rune('a'+i)), c.Certificate, true, "")
		require.NoError(t, err)
	}
	return a, trusted, clk
}

// byThumbprint is a hub at which pump authenticates by thumbprints.
func byThumbprint(primary, secondary string) (*auth.Authorizer, *clock.Clock) {
	a, _, clk := certifying(registered{pump: {
		Type: iot.AuthenticationSelfSigned, PrimaryThumbprint: primary, SecondaryThumbprint: secondary,
	}})
	return a, clk
}

func TestThumbprints(t *testing.T) {
	t.Parallel()
	own := selfSigned(t, "anything")
	first, second := auth.Thumbprints(own.Certificate)
	issued := root(t, "factory")
	byOther := issued.issues(t, "x")
	_, other := auth.Thumbprints(byOther.Certificate)
	for name, c := range map[string]struct {
		primary, secondary string
		shown              issuer
	}{
		"SHA-1, primary":                         {first, "", own},
		"SHA-256, primary":                       {second, "", own},
		"SHA-1, secondary":                       {strings.Repeat("0", 40), first, own},
		"SHA-256, secondary":                     {"", second, own},
		"in small letters":                       {strings.ToLower(second), "", own},
		"of a certificate that a CA has issued":  {other, "", byOther},
		"either of two, of which this is second": {second, other, byOther},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _ := byThumbprint(c.primary, c.secondary)
			p, err := a.DeviceWithCertificate(pump, chain(c.shown))
			require.NoError(t, err)
			assert.Equal(t, auth.Principal{
				Rights: auth.DeviceConnect, Authentication: iot.AuthenticationSelfSigned,
				Method: `{"scope":"device","type":"x509Certificate","issuer":"external","acceptingIpFilterRule":null}`,
			}, p)
		})
	}
}

func TestThumbprintsThatDoNotFit(t *testing.T) {
	t.Parallel()
	own, other := selfSigned(t, "anything"), selfSigned(t, "anything")
	_, second := auth.Thumbprints(own.Certificate)
	_, others := auth.Thumbprints(other.Certificate)
	for name, c := range map[string]struct {
		primary string
		shown   []issuer
		reason  string
	}{
		"another certificate":            {others, []issuer{own}, "the certificate's thumbprint (SHA-256 " + second + ") is neither"},
		"the right one behind its own":   {others, []issuer{own, other}, "is neither"},
		"the beginning of it":            {second[:62], []issuer{own}, "is neither"},
		"none registered":                {"", []issuer{own}, "is neither"},
		"no certificate":                 {second, nil, `authenticates by "selfSigned", and showed no certificate`},
		"the right one, eleven times":    {second, []issuer{own, own, own, own, own, own, own, own, own, own, own}, "showed 11 certificates, 10 are allowed"},
		"an expired one, not registered": {others, []issuer{selfSigned(t, "x", between(start.Add(-year), start.Add(-time.Second)))}, "expired at 2026-11-24T09:59:59Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _ := byThumbprint(c.primary, "")
			_, err := a.DeviceWithCertificate(pump, chain(c.shown...))
			require.ErrorIs(t, err, iot.ErrUnauthorized)
			assert.ErrorContains(t, err, c.reason)
		})
	}
}

func TestValidityIsByTheHubsClock(t *testing.T) {
	t.Parallel()
	own := selfSigned(t, "x", between(start.Add(time.Hour), start.Add(2*time.Hour)))
	_, second := auth.Thumbprints(own.Certificate)
	a, clk := byThumbprint(second, "")
	_, err := a.DeviceWithCertificate(pump, chain(own))
	require.ErrorContains(t, err, "the certificate is valid from 2026-11-24T11:00:00Z, and the hub's clock says 2026-11-24T10:00:00Z")
	clk.Advance(time.Hour)
	_, err = a.DeviceWithCertificate(pump, chain(own))
	require.NoError(t, err)
	clk.Advance(time.Hour)
	_, err = a.DeviceWithCertificate(pump, chain(own))
	require.NoError(t, err, "its last second")
	clk.Advance(time.Second)
	_, err = a.DeviceWithCertificate(pump, chain(own))
	assert.ErrorContains(t, err, "the certificate expired at 2026-11-24T12:00:00Z, and the hub's clock says 2026-11-24T12:00:01Z")
}

func TestWhoAuthenticatesHow(t *testing.T) {
	t.Parallel()
	own := selfSigned(t, "Pump-1")
	a, _, _ := certifying(registered{
		pump: sas(deviceKey, ""), sensor: {Type: iot.AuthenticationNone}, thermostat: {Type: iot.AuthenticationSelfSigned},
	})
	_, err := a.DeviceWithCertificate(pump, nil)
	assert.ErrorContains(t, err, `device "Pump-1" authenticates by "sas", and there is no token`)
	_, err = a.DeviceWithCertificate(pump, chain(own))
	assert.ErrorContains(t, err, `and there is no token; its certificate counts for nothing`)
	assert.ErrorIs(t, err, iot.ErrUnauthorized)
	_, err = a.DeviceWithCertificate(sensor, chain(own))
	assert.ErrorContains(t, err, `authenticates by "none"`)
	_, err = a.DeviceWithCertificate(iot.Device("stranger"), chain(own))
	assert.ErrorIs(t, err, iot.ErrDeviceNotFound)
	_, err = a.DeviceWithCertificate(iot.Device("disabled"), chain(own))
	assert.ErrorIs(t, err, iot.ErrDeviceDisabled)
	_, err = a.Device(thermostat, signed(t, "127.0.0.1/devices/thermostat-1", deviceKey, ""))
	assert.ErrorContains(t, err, `authenticates by "selfSigned", not by shared access signatures`)
}

func TestChainsThatAreVouchedFor(t *testing.T) {
	t.Parallel()
	top := root(t, "root")
	middle := top.issues(t, "middle", ca)
	lower := middle.issues(t, "lower", ca)
	leaf := lower.issues(t, "Pump-1")
	renewed := issuer{(&issuer{top.Certificate, top.key}).issuesFor(t, middle), middle.key}
	for name, c := range map[string]struct {
		id     iot.Identity
		anchor issuer
		shown  []issuer
	}{
		"by a root":                                  {pump, top, []issuer{top.issues(t, "Pump-1")}},
		"for clients only":                           {pump, top, []issuer{top.issues(t, "Pump-1", usable(x509.ExtKeyUsageClientAuth))}},
		"for servers and clients":                    {pump, top, []issuer{top.issues(t, "Pump-1", usable(x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth))}},
		"for anything":                               {pump, top, []issuer{top.issues(t, "Pump-1", usable(x509.ExtKeyUsageAny))}},
		"a module":                                   {sensor, top, []issuer{top.issues(t, "Pump-1/sensor")}},
		"by an intermediate that is registered":      {pump, middle, []issuer{middle.issues(t, "Pump-1")}},
		"through two, and the root along":            {pump, top, []issuer{leaf, lower, middle, top}},
		"through two":                                {pump, top, []issuer{leaf, lower, middle}},
		"in another order":                           {pump, top, []issuer{leaf, middle, lower}},
		"with some twice":                            {pump, top, []issuer{leaf, lower, lower, middle, middle}},
		"with strangers along":                       {pump, top, []issuer{leaf, selfSigned(t, "x"), lower, root(t, "middle"), middle}},
		"through one of which more is sent":          {pump, middle, []issuer{leaf, lower, middle, top}},
		"by a certificate that was signed by others": {pump, top, []issuer{middle.issues(t, "Pump-1"), renewed}},
		"that says it is a CA's":                     {pump, top, []issuer{top.issues(t, "Pump-1", ca)}},
		"with an organisation":                       {pump, top, []issuer{top.issues(t, "Pump-1", func(c *x509.Certificate) { c.Subject.Organization = []string{"o"} })}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _, _ := byCA(t, c.anchor)
			p, err := a.DeviceWithCertificate(c.id, chain(c.shown...))
			require.NoError(t, err)
			scope := "device"
			if c.id.IsModule() {
				scope = "module"
			}
			assert.Equal(t, auth.Principal{
				Rights: auth.DeviceConnect, Authentication: iot.AuthenticationCA,
				Method: `{"scope":"` + scope + `","type":"x509Certificate","issuer":"external","acceptingIpFilterRule":null}`,
			}, p)
		})
	}
}

// issuesFor is another certificate for the name and key of one.
func (i *issuer) issuesFor(t testing.TB, of issuer) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{Subject: of.Subject, NotBefore: of.NotBefore, NotAfter: of.NotAfter}
	ca(template)
	der, err := x509.CreateCertificate(rand.Reader, template, i.Certificate, of.key.Public(), i.key)
	require.NoError(t, err)
	made, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return made
}

func TestChainsThatAreRefused(t *testing.T) {
	t.Parallel()
	top := root(t, "root")
	middle := top.issues(t, "middle", ca)
	short := top.issues(t, "short", ca, func(c *x509.Certificate) { c.MaxPathLenZero = true })
	below := short.issues(t, "below", ca)
	old := top.issues(t, "old", ca, between(start.Add(-year), start.Add(-time.Hour)))
	young := top.issues(t, "young", ca, between(start.Add(time.Hour), start.Add(year)))
	foreign, namesake := root(t, "elsewhere"), root(t, "root")
	brother := top.issues(t, "Pump-2")
	bound := top.issues(t, "bound", ca, func(c *x509.Certificate) {
		c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"plant.test"}
	})
	for name, c := range map[string]struct {
		shown  []issuer
		reason string
	}{
		"for another device":               {[]issuer{brother}, `the certificate's common name is "Pump-2", not "Pump-1"`},
		"for another case":                 {[]issuer{top.issues(t, "pump-1")}, `the certificate's common name is "pump-1", not "Pump-1"`},
		"for a module of the device":       {[]issuer{top.issues(t, "Pump-1/sensor")}, `not "Pump-1"`},
		"without a name":                   {[]issuer{top.issues(t, "")}, `the certificate's common name is "", not "Pump-1"`},
		"with a name in its alternatives":  {[]issuer{top.issues(t, "x", func(c *x509.Certificate) { c.DNSNames = []string{"Pump-1"} })}, `not "Pump-1"`},
		"with a long name":                 {[]issuer{top.issues(t, strings.Repeat("x", 300))}, `"` + strings.Repeat("x", 200) + `…"`},
		"with two names":                   {[]issuer{top.issues(t, "Pump-1", secondName("Pump-2"))}, "the certificate has 2 common names"},
		"the device's behind another":      {[]issuer{brother, top.issues(t, "Pump-1")}, `not "Pump-1"`},
		"expired":                          {[]issuer{top.issues(t, "Pump-1", between(start.Add(-year), start.Add(-time.Second)))}, "the certificate expired at 2026-11-24T09:59:59Z"},
		"not valid yet":                    {[]issuer{top.issues(t, "Pump-1", between(start.Add(time.Second), start.Add(year)))}, "the certificate is valid from 2026-11-24T10:00:01Z"},
		"through an expired one":           {[]issuer{old.issues(t, "Pump-1"), old}, `the certificate of "CN=old" in the chain expired at 2026-11-24T09:00:00Z`},
		"through one not valid yet":        {[]issuer{young.issues(t, "Pump-1"), young}, `the certificate of "CN=young" in the chain is valid from`},
		"foreign":                          {[]issuer{foreign.issues(t, "Pump-1")}, `the certificate is issued by "CN=elsewhere", which is no certificate authority of this hub`},
		"foreign, with its root":           {[]issuer{foreign.issues(t, "Pump-1"), foreign}, `issued by "CN=elsewhere"`},
		"foreign, and ours along":          {[]issuer{foreign.issues(t, "Pump-1"), foreign, middle, top}, `issued by "CN=elsewhere"`},
		"of a namesake of ours":            {[]issuer{namesake.issues(t, "Pump-1"), namesake}, `issued by "CN=root"`},
		"self-signed":                      {[]issuer{selfSigned(t, "Pump-1")}, `issued by "CN=Pump-1"`},
		"self-signed, named as the root":   {[]issuer{selfSigned(t, "Pump-1", issuedBy("root"))}, "which is no certificate authority"},
		"without what lies between":        {[]issuer{middle.issues(t, "Pump-1")}, `issued by "CN=middle"`},
		"by a device of ours":              {[]issuer{brother.issues(t, "Pump-1"), brother}, "which is no certificate authority"},
		"by a CA below one that must not":  {[]issuer{below.issues(t, "Pump-1"), below, short}, "too many intermediates"},
		"for servers only":                 {[]issuer{top.issues(t, "Pump-1", usable(x509.ExtKeyUsageServerAuth))}, "incompatible key usage"},
		"outside a CA's constraint":        {[]issuer{bound.issues(t, "Pump-1", func(c *x509.Certificate) { c.DNSNames = []string{"a.test"} }), bound}, "not permitted"},
		"with a critical extension":        {[]issuer{top.issues(t, "Pump-1", critical)}, "unhandled critical extension"},
		"of eleven":                        {append([]issuer{top.issues(t, "Pump-1")}, slices.Repeat([]issuer{top}, 10)...), "showed 11 certificates, 10 are allowed"},
		"nothing":                          {nil, `authenticates by "certificateAuthority", and showed no certificate`},
		"foreign, as many as are allowed":  {forest(t, 9), "which is no certificate authority of this hub"},
		"signed by one of the wrong usage": {[]issuer{wrongUsage(t, top)[0], wrongUsage(t, top)[1]}, "which is no certificate authority"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _, _ := byCA(t, top)
			_, err := a.DeviceWithCertificate(pump, chain(c.shown...))
			require.ErrorIs(t, err, iot.ErrUnauthorized)
			assert.ErrorContains(t, err, c.reason)
			assert.Less(t, len(err.Error()), 700, "a line of the log")
		})
	}
}

// secondName adds a common name to a subject.
func secondName(name string) change {
	return func(c *x509.Certificate) {
		c.Subject.ExtraNames = append(c.Subject.ExtraNames,
			pkix.AttributeTypeAndValue{Type: []int{2, 5, 4, 3}, Value: c.Subject.CommonName},
			pkix.AttributeTypeAndValue{Type: []int{2, 5, 4, 3}, Value: name})
		c.Subject.CommonName = ""
	}
}

// issuedBy names another as the issuer of a certificate that signs itself.
func issuedBy(name string) change {
	return func(c *x509.Certificate) { c.Issuer = pkix.Name{CommonName: name} }
}

// critical is an extension that nobody knows and everybody must.
func critical(c *x509.Certificate) {
	c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: []int{1, 2, 3}, Critical: true, Value: []byte{5, 0}})
}

// wrongUsage is a device's certificate, and the CA's that issued it, which may
// not sign certificates.
func wrongUsage(t testing.TB, top issuer) [2]issuer {
	t.Helper()
	between := top.issues(t, "wrong", ca, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature })
	return [2]issuer{between.issues(t, "Pump-1"), between}
}

// forest is a device's certificate with n of strangers that all could have issued
// one another, to make who looks for a path through them look for long.
func forest(t testing.TB, n int) []issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	same := issuer{&x509.Certificate{Subject: pkix.Name{CommonName: "root"}}, key}
	var all []issuer
	for range n {
		c := same.issuesFor(t, issuer{&x509.Certificate{
			Subject: same.Subject, NotBefore: start.Add(-year), NotAfter: start.Add(year),
		}, key})
		all = append(all, issuer{c, key})
	}
	return append([]issuer{all[0].issues(t, "Pump-1")}, all...)
}

func TestAnAuthorityThatHasExpired(t *testing.T) {
	t.Parallel()
	top := root(t, "root", between(start.Add(-year), start.Add(time.Hour)))
	leaf := top.issues(t, "Pump-1")
	a, _, clk := byCA(t, top)
	_, err := a.DeviceWithCertificate(pump, chain(leaf))
	require.NoError(t, err)
	clk.Advance(2 * time.Hour)
	_, err = a.DeviceWithCertificate(pump, chain(leaf))
	assert.ErrorContains(t, err, `the certificate of the authority "CN=root" is not valid: it is from 2025-11-24T10:00:00Z to 2026-11-24T11:00:00Z`)
}

func TestAnAuthorityThatIsNotVerified(t *testing.T) {
	t.Parallel()
	top := root(t, "root")
	leaf := top.issues(t, "Pump-1")
	a, trusted, _ := byCA(t)
	_, _, err := trusted.Put("factory", top.Certificate, false, "")
	require.NoError(t, err)
	_, err = a.DeviceWithCertificate(pump, chain(leaf))
	assert.ErrorContains(t, err, `the certificate authority "factory" is registered, but that somebody has its key was not verified`)
	require.NoError(t, trusted.Delete("factory", ""))
	_, err = a.DeviceWithCertificate(pump, chain(leaf))
	assert.ErrorContains(t, err, `issued by "CN=root"`)
}

// A connection does not keep the certificates that were taken off it.
func TestAConnectionForgetsItsChain(t *testing.T) {
	t.Parallel()
	server, client := selfSigned(t, "server"), selfSigned(t, "client")
	pair := func(i issuer) []tls.Certificate {
		return []tls.Certificate{{Certificate: [][]byte{i.Raw}, PrivateKey: i.key}}
	}
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	go func() {
		conn := tls.Client(far, &tls.Config{InsecureSkipVerify: true, Certificates: pair(client)})
		_ = conn.Handshake()
		_, _ = conn.Read(make([]byte, 1)) // takes the session tickets
	}()
	conn := tls.Server(near, &tls.Config{
		Certificates: pair(server), ClientAuth: tls.RequestClientCert, VerifyPeerCertificate: auth.CheckChain,
	})
	require.NoError(t, conn.Handshake())
	state := conn.ConnectionState()
	kept := weak.Make(state.PeerCertificates[0])
	auth.ThinChain(state.PeerCertificates)
	assert.Equal(t, chain(client), auth.ChainOf(conn.ConnectionState().PeerCertificates))
	runtime.GC()
	assert.Nil(t, kept.Value(), "somebody keeps it")

	thin := weak.Make(state.PeerCertificates[0])
	assert.Equal(t, chain(client), auth.TakeChain(state.PeerCertificates))
	runtime.GC()
	assert.Nil(t, thin.Value(), "somebody keeps it")
	assert.Equal(t, []*x509.Certificate{nil}, conn.ConnectionState().PeerCertificates)
	runtime.KeepAlive(conn)
}

func TestAChainThatCannotBeTakenApart(t *testing.T) {
	t.Parallel()
	own := selfSigned(t, "x")
	_, second := auth.Thumbprints(own.Certificate)
	a, _ := byThumbprint(second, "")
	_, err := a.DeviceWithCertificate(pump, auth.Chain{own.Raw, own.Raw[:100]})
	require.ErrorIs(t, err, iot.ErrUnauthorized)
	assert.ErrorContains(t, err, "certificate 1 of the chain: x509: malformed")
}

func TestHandshakesThatAreBrokenOff(t *testing.T) {
	t.Parallel()
	own := selfSigned(t, "x")
	assert.NoError(t, auth.CheckChain(nil, nil))
	assert.NoError(t, auth.CheckChain(slices.Repeat([][]byte{own.Raw}, auth.MaxChain), nil))
	assert.ErrorContains(t, auth.CheckChain(slices.Repeat([][]byte{own.Raw}, auth.MaxChain+1), nil),
		"the client shows 11 certificates, 10 are allowed")

	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	for exponent, reason := range map[int]string{
		3: "", 65537: "", 65539: "the client's RSA key has the exponent 65539, 65537 is the largest allowed", 1<<31 - 1: "2147483647",
	} {
		public := &rsa.PublicKey{N: key.N, E: exponent}
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{}, own.Certificate, public, own.key)
		require.NoError(t, err)
		if err = auth.CheckChain([][]byte{der, own.Raw}, nil); reason == "" {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, reason)
		}
	}
	assert.Error(t, auth.CheckChain([][]byte{{0x06, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 1}}, nil))
}

func BenchmarkChains(b *testing.B) {
	top := root(b, "root")
	middle := top.issues(b, "middle", ca)
	own := selfSigned(b, "x")
	_, second := auth.Thumbprints(own.Certificate)
	ca, _, _ := byCA(b, top)
	self, _ := byThumbprint(second, "")
	for name, c := range map[string]struct {
		a     *auth.Authorizer
		shown []issuer
	}{
		"thumbprint":     {self, []issuer{own}},
		"CA":             {ca, []issuer{top.issues(b, "Pump-1")}},
		"intermediate":   {ca, []issuer{middle.issues(b, "Pump-1"), middle}},
		"foreign":        {ca, []issuer{selfSigned(b, "Pump-1")}},
		"foreign forest": {ca, forest(b, 9)},
	} {
		shown := chain(c.shown...)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = c.a.DeviceWithCertificate(pump, shown)
			}
		})
	}
}
