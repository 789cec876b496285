package auth_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
)

func newAuthorities() (*auth.Authorities, *clock.Clock) {
	clk := clock.NewManual(start)
	return auth.NewAuthorities(clk), clk
}

func TestRegisteringAnAuthority(t *testing.T) {
	t.Parallel()
	trusted, clk := newAuthorities()
	top, other := root(t, "root"), root(t, "other")
	made, created, err := trusted.Put("factory", top.Certificate, false, "")
	require.NoError(t, err)
	assert.True(t, created)
	assert.Equal(t, auth.Authority{
		Name: "factory", Certificate: top.Certificate, Created: start, Updated: start, ETag: "AAAAAAAAAAE=",
	}, made)

	clk.Advance(time.Minute)
	same, created, err := trusted.Put("factory", top.Certificate, false, "")
	require.NoError(t, err)
	assert.False(t, created)
	assert.Equal(t, made, same, "as it was")

	verified, _, err := trusted.Put("factory", top.Certificate, true, made.ETag)
	require.NoError(t, err)
	assert.True(t, verified.Verified)
	assert.Equal(t, start, verified.Created)
	assert.Equal(t, start.Add(time.Minute), verified.Updated)
	still, _, err := trusted.Put("factory", top.Certificate, false, "")
	require.NoError(t, err)
	assert.Equal(t, verified, still, "who registers it once more takes nothing back")

	replaced, created, err := trusted.Put("factory", other.Certificate, false, `"`+verified.ETag+`"`)
	require.NoError(t, err)
	assert.False(t, created)
	assert.False(t, replaced.Verified, "nobody has proven anything about the new one")
	assert.NotEqual(t, verified.ETag, replaced.ETag)

	found, err := trusted.Authority("factory")
	require.NoError(t, err)
	assert.Equal(t, replaced, found)
	require.NoError(t, trusted.Delete("factory", "*"))
	_, err = trusted.Authority("factory")
	assert.ErrorIs(t, err, iot.ErrNoCertificate)
	assert.ErrorIs(t, trusted.Delete("factory", ""), iot.ErrNoCertificate)
}

func TestConditions(t *testing.T) {
	t.Parallel()
	trusted, _ := newAuthorities()
	top := root(t, "root")
	_, _, err := trusted.Put("factory", top.Certificate, false, "*")
	require.ErrorIs(t, err, iot.ErrPreconditionFailed, "there is none")
	_, _, err = trusted.Put("factory", top.Certificate, false, "")
	require.NoError(t, err)
	_, _, err = trusted.Put("factory", top.Certificate, false, "old")
	assert.ErrorIs(t, err, iot.ErrPreconditionFailed)
	_, err = trusted.GenerateVerificationCode("factory", "old")
	assert.ErrorIs(t, err, iot.ErrPreconditionFailed)
	_, err = trusted.Verify("factory", top.Certificate, "old")
	assert.ErrorIs(t, err, iot.ErrPreconditionFailed)
	assert.ErrorIs(t, trusted.Delete("factory", "old"), iot.ErrPreconditionFailed)
	assert.Len(t, trusted.List(), 1)
}

func TestWhatCannotBeRegistered(t *testing.T) {
	t.Parallel()
	top := root(t, "root")
	for name, c := range map[string]struct {
		name   string
		shown  issuer
		reason string
	}{
		"a device's certificate": {"a", selfSigned(t, "d"), `the certificate "CN=d" is not a CA's: its basic constraints do not say so`},
		"one that may not sign":  {"a", root(t, "r", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }), "its key usage lacks the signing of certificates"},
		"no name":                {"", top, `the name "": 1 to 64 letters`},
		"a name too long":        {strings.Repeat("x", 65), top, "1 to 64 letters"},
		"a name with path":       {"../x", top, `the name "../x"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trusted, _ := newAuthorities()
			_, _, err := trusted.Put(c.name, c.shown.Certificate, true, "")
			require.ErrorIs(t, err, iot.ErrArgumentInvalid)
			assert.ErrorContains(t, err, c.reason)
			assert.Empty(t, trusted.List())
		})
	}
}

func TestAsManyAuthoritiesAsAreAllowed(t *testing.T) {
	t.Parallel()
	trusted, _ := newAuthorities()
	top := root(t, "root")
	for i := range auth.MaxAuthorities {
		_, _, err := trusted.Put(fmt.Sprintf("ca-%d", i), top.Certificate, true, "")
		require.NoError(t, err)
	}
	_, _, err := trusted.Put("one-more", top.Certificate, true, "")
	assert.ErrorIs(t, err, iot.ErrForbidden)
	_, _, err = trusted.Put("ca-3", root(t, "other").Certificate, true, "")
	assert.NoError(t, err, "that is no more than before")
	list := trusted.List()
	require.Len(t, list, auth.MaxAuthorities)
	assert.Equal(t, []string{"ca-0", "ca-1", "ca-10"}, []string{list[0].Name, list[1].Name, list[2].Name})
	trusted.Clear()
	assert.Empty(t, trusted.List())
}

func TestProofOfPossession(t *testing.T) {
	t.Parallel()
	top := root(t, "root")
	a, trusted, _ := byCA(t)
	_, _, err := trusted.Put("factory", top.Certificate, false, "")
	require.NoError(t, err)
	first, err := trusted.GenerateVerificationCode("factory", "")
	require.NoError(t, err)
	assert.Regexp(t, `^[0-9A-F]{48}$`, first.VerificationCode)
	asked, err := trusted.GenerateVerificationCode("factory", first.ETag)
	require.NoError(t, err)
	assert.NotEqual(t, first.VerificationCode, asked.VerificationCode)
	code := asked.VerificationCode
	foreign := root(t, "root")

	for name, c := range map[string]struct {
		proof  issuer
		reason string
	}{
		"for an earlier code":      {top.issues(t, first.VerificationCode), "the proof's common name is"},
		"for the code in small":    {top.issues(t, strings.ToLower(code)), "not the verification code"},
		"signed by itself":         {selfSigned(t, code), "the proof is issued by"},
		"signed by a namesake":     {foreign.issues(t, code), "the proof is not signed with the certificate's key"},
		"the CA itself":            {top, "the proof's common name is"},
		"expired":                  {top.issues(t, code, between(start.Add(-year), start.Add(-time.Hour))), "the proof expired"},
		"not valid yet":            {top.issues(t, code, between(start.Add(time.Hour), start.Add(year))), "the proof is valid from"},
		"by a CA below the CA":     {below(t, top, code), "the proof is issued by"},
		"with a code that is none": {top.issues(t, ""), "not the verification code"},
	} {
		_, err := trusted.Verify("factory", c.proof.Certificate, "")
		require.ErrorIs(t, err, iot.ErrArgumentInvalid, name)
		assert.ErrorContains(t, err, c.reason, name)
	}
	_, err = a.DeviceWithCertificate(pump, chain(top.issues(t, "Pump-1")))
	require.Error(t, err, "nothing is proven")

	verified, err := trusted.Verify("factory", top.issues(t, code).Certificate, asked.ETag)
	require.NoError(t, err)
	assert.True(t, verified.Verified)
	assert.Empty(t, verified.VerificationCode)
	_, err = a.DeviceWithCertificate(pump, chain(top.issues(t, "Pump-1")))
	assert.NoError(t, err)
	_, err = trusted.Verify("factory", top.issues(t, code).Certificate, "")
	assert.ErrorContains(t, err, "ask for a verification code first")

	again, err := trusted.GenerateVerificationCode("factory", "")
	require.NoError(t, err)
	assert.True(t, again.Verified, "what is proven stays so")
}

func below(t testing.TB, top issuer, name string) issuer {
	t.Helper()
	middle := top.issues(t, "middle", ca)
	return middle.issues(t, name)
}

func TestProofOfPossessionForStrangers(t *testing.T) {
	t.Parallel()
	trusted, _ := newAuthorities()
	_, err := trusted.GenerateVerificationCode("none", "")
	assert.ErrorIs(t, err, iot.ErrNoCertificate)
	_, err = trusted.Verify("none", root(t, "r").Certificate, "")
	assert.ErrorIs(t, err, iot.ErrNoCertificate)
}

// Who registers and who connects do not get in one another's way.
func TestAuthoritiesAtOnce(t *testing.T) {
	t.Parallel()
	top := root(t, "root")
	leaf := chain(top.issues(t, "Pump-1"))
	a, trusted, _ := byCA(t, top)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 20 {
				name := fmt.Sprintf("n%d", i)
				_, _, err := trusted.Put(name, top.Certificate, true, "")
				assert.NoError(t, err)
				_, err = a.DeviceWithCertificate(pump, leaf)
				assert.NoError(t, err)
				trusted.List()
				assert.NoError(t, trusted.Delete(name, ""))
			}
		})
	}
	all.Wait()
	assert.Len(t, trusted.List(), 1)
}

// inPEM is a certificate in PEM.
func inPEM(i issuer) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.Raw}))
}

func TestReadingACertificate(t *testing.T) {
	t.Parallel()
	top := root(t, "root")
	text := inPEM(top)
	der := base64.StdEncoding.EncodeToString(top.Raw)
	for name, written := range map[string]string{
		"PEM":                         text,
		"PEM behind words":            "Certificate:\n  Data:\n" + text,
		"PEM with Windows' line ends": strings.ReplaceAll(text, "\n", "\r\n"),
		"base64 of PEM":               base64.StdEncoding.EncodeToString([]byte(text)),
		"base64 of DER":               der,
		"base64 in lines":             der[:64] + "\r\n" + der[64:] + "\n",
		"DER":                         string(top.Raw),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := auth.ParseCertificate([]byte(written))
			require.NoError(t, err)
			assert.Equal(t, top.Raw, c.Raw)
		})
	}
}

func TestWhatIsNoCertificate(t *testing.T) {
	t.Parallel()
	text := inPEM(root(t, "root"))
	for name, c := range map[string]struct{ text, reason string }{
		"nothing":               {" \n", "there is no certificate"},
		"words":                 {"hello", "it is not an X.509 certificate"},
		"a key":                 {"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n", `the PEM block is a "PRIVATE KEY", not a certificate`},
		"a certificate and key": {text + "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n", "more than one PEM block"},
		"two":                   {text + text, "more than one PEM block"},
		"half of one":           {text[:200], "it is not an X.509 certificate"},
		"a damaged one":         {strings.Replace(text, "MII", "MIJ", 1), "it is not an X.509 certificate"},
		"too much":              {strings.Repeat("x", 64<<10+1), "more than 65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := auth.ParseCertificate([]byte(c.text))
			require.ErrorIs(t, err, iot.ErrArgumentInvalid)
			assert.ErrorContains(t, err, c.reason)
			assert.NotContains(t, err.Error(), "c2VjcmV0")
		})
	}
}

func FuzzParseCertificate(f *testing.F) {
	top := root(f, "root")
	f.Add([]byte(inPEM(top)))
	f.Add(top.Raw)
	f.Add([]byte(base64.StdEncoding.EncodeToString(top.Raw)))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := auth.ParseCertificate(text)
		if err != nil {
			require.ErrorIs(t, err, iot.ErrArgumentInvalid)
			return
		}
		again, err := auth.ParseCertificate([]byte(inPEM(issuer{Certificate: c})))
		require.NoError(t, err)
		require.Equal(t, c.Raw, again.Raw)
	})
}

// FuzzChain lets a client show certificates that a CA of ours has issued and that
// were damaged afterwards.
func FuzzChain(f *testing.F) {
	top := root(f, "root")
	middle := top.issues(f, "middle", ca)
	leaf := middle.issues(f, "Pump-1")
	a, _, _ := byCA(f, top)
	f.Add(leaf.Raw, middle.Raw)
	f.Add(top.issues(f, "Pump-1").Raw, top.Raw)
	f.Add(top.issues(f, "Pump-1").Raw, []byte{})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		shown := auth.Chain{first}
		if len(second) > 0 {
			shown = append(shown, second)
		}
		p, err := a.DeviceWithCertificate(pump, shown)
		if err != nil {
			require.ErrorIs(t, err, iot.ErrUnauthorized)
			return
		}
		one, err := x509.ParseCertificate(first)
		require.NoError(t, err)
		require.Equal(t, "Pump-1", one.Subject.CommonName)
		require.Equal(t, iot.AuthenticationCA, p.Authentication)
	})
}
