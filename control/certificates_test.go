package control_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
)

// maker makes certificates under one CA.
type maker struct {
	t   *testing.T
	key *ecdsa.PrivateKey
	ca  *x509.Certificate
}

func newMaker(t *testing.T) *maker {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	m := &maker{t: t, key: key}
	m.ca = &x509.Certificate{
		Subject: pkix.Name{CommonName: "Factory CA"}, NotBefore: start.Add(-time.Hour), NotAfter: start.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	m.ca = m.issue(m.ca)
	return m
}

func (m *maker) issue(template *x509.Certificate) *x509.Certificate {
	m.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, m.ca, m.key.Public(), m.key)
	require.NoError(m.t, err)
	c, err := x509.ParseCertificate(der)
	require.NoError(m.t, err)
	return c
}

// named is a certificate with a common name.
func (m *maker) named(name string) string {
	m.t.Helper()
	return inPEM(m.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: start.Add(-time.Hour), NotAfter: start.AddDate(0, 1, 0),
	}))
}

func inPEM(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

// theCertificate is one as the API shows it.
type theCertificate struct {
	Name       string
	ETag       string
	Properties struct {
		Subject, Expiry, Thumbprint, Created, Updated, Certificate, VerificationCode string
		IsVerified                                                                   bool
	}
}

func (d *desk) certificate(method, path, body string, status int) theCertificate {
	d.t.Helper()
	a := d.ask(method, path, body)
	require.Equal(d.t, status, a.status, a.body)
	var c theCertificate
	require.NoError(d.t, json.Unmarshal([]byte(a.body), &c))
	assert.Equal(d.t, `"`+c.ETag+`"`, a.header.Get("ETag"))
	return c
}

func registering(t *testing.T, text string, verified bool) string {
	t.Helper()
	return fmt.Sprintf(`{"properties":{"certificate":%s,"isVerified":%t}}`, quoted(t, text), verified)
}

func quoted(t *testing.T, text string) string {
	t.Helper()
	raw, err := json.Marshal(text)
	require.NoError(t, err)
	return string(raw)
}

func TestACertificateFromRegistrationToProof(t *testing.T) {
	t.Parallel()
	d, m := newDesk(t), newMaker(t)
	made := d.certificate("PUT", "/v1/certificates/factory", registering(t, inPEM(m.ca), false), http.StatusCreated)
	thumbprint, _ := auth.Thumbprints(m.ca)
	assert.Equal(t, "factory", made.Name)
	assert.Equal(t, "CN=Factory CA", made.Properties.Subject)
	assert.Equal(t, "2027-11-24T10:00:00.000Z", made.Properties.Expiry)
	assert.Equal(t, thumbprint, made.Properties.Thumbprint)
	assert.Equal(t, "2026-11-24T10:00:00.000Z", made.Properties.Created)
	assert.Equal(t, inPEM(m.ca), made.Properties.Certificate)
	assert.False(t, made.Properties.IsVerified)
	assert.Empty(t, made.Properties.VerificationCode)

	asked := d.certificate("POST", "/v1/certificates/factory/generateVerificationCode", "", http.StatusOK)
	require.NotEmpty(t, asked.Properties.VerificationCode)
	assert.Equal(t, asked, d.certificate("GET", "/v1/certificates/factory", "", http.StatusOK))

	a := d.ask("POST", "/v1/certificates/factory/verify", `{"certificate":`+quoted(t, m.named("another"))+`}`)
	assert.Equal(t, http.StatusBadRequest, a.status)
	assert.Contains(t, a.body, "not the verification code")

	proof := `{"certificate":` + quoted(t, m.named(asked.Properties.VerificationCode)) + `}`
	verified := d.certificate("POST", "/v1/certificates/factory/verify", proof, http.StatusOK)
	assert.True(t, verified.Properties.IsVerified)
	assert.Empty(t, verified.Properties.VerificationCode)

	again := d.certificate("PUT", "/v1/certificates/factory", registering(t, inPEM(m.ca), false), http.StatusOK)
	assert.Equal(t, verified, again)
	var list struct{ Value []theCertificate }
	require.NoError(t, json.Unmarshal([]byte(d.ask("GET", "/v1/certificates", "").body), &list))
	assert.Equal(t, []theCertificate{verified}, list.Value)

	assert.Equal(t, http.StatusNoContent, d.ask("DELETE", "/v1/certificates/factory", "").status)
	assert.Equal(t, http.StatusNotFound, d.ask("GET", "/v1/certificates/factory", "").status)
	assert.JSONEq(t, `{"value":[]}`, d.ask("GET", "/v1/certificates", "").body)
}

func TestACertificateThatNeedsNoProof(t *testing.T) {
	t.Parallel()
	d, m := newDesk(t), newMaker(t)
	made := d.certificate("PUT", "/v1/certificates/a.b-c_1", registering(t, inPEM(m.ca), true), http.StatusCreated)
	assert.True(t, made.Properties.IsVerified)
	require.NoError(t, d.hub.Reset())
	assert.Equal(t, http.StatusNotFound, d.ask("GET", "/v1/certificates/a.b-c_1", "").status, "a reset goes back to the start")
}

func TestCertificateRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	d, m := newDesk(t), newMaker(t)
	d.certificate("PUT", "/v1/certificates/factory", registering(t, inPEM(m.ca), false), http.StatusCreated)
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		reason             string
	}{
		"no body":               {"PUT", "factory", "", 400, "the body is missing"},
		"no certificate":        {"PUT", "factory", "{}", 400, "there is no certificate"},
		"no certificate at all": {"PUT", "factory", registering(t, "hello", true), 400, "not an X.509 certificate"},
		"a device's":            {"PUT", "factory", registering(t, m.named("d"), true), 400, "is not a CA's"},
		"an odd name":           {"PUT", "a%2Fb", registering(t, inPEM(m.ca), true), 400, `the name \"a/b\"`},
		"a member too many":     {"PUT", "factory", `{"properties":{"certificat":""}}`, 400, "certificat"},
		"too much":              {"PUT", "factory", registering(t, strings.Repeat("x", 600<<10), true), 413, "larger"},
		"a stranger's code":     {"POST", "none/generateVerificationCode", "", 404, "there is no certificate"},
		"a stranger's proof":    {"POST", "none/verify", `{"certificate":` + quoted(t, m.named("x")) + `}`, 404, "there is no certificate"},
		"a proof that is none":  {"POST", "factory/verify", `{"certificate":"x"}`, 400, "not an X.509 certificate"},
		"a proof unasked for":   {"POST", "factory/verify", `{"certificate":` + quoted(t, m.named("x")) + `}`, 400, "ask for a verification code"},
		"removing a stranger":   {"DELETE", "none", "", 404, "there is no certificate"},
	} {
		a := d.ask(c.method, "/v1/certificates/"+c.path, c.body)
		assert.Equal(t, c.status, a.status, name)
		assert.Contains(t, a.body, c.reason, name)
	}
	for path, method := range map[string]string{"": "DELETE", "/generateVerificationCode": "POST"} {
		r := d.request(method, "/v1/certificates/factory"+path, "")
		r.Header.Set("If-Match", `"old"`)
		a := d.send(r)
		assert.Equal(t, http.StatusPreconditionFailed, a.status)
	}
	assert.Len(t, d.hub.Authorities().List(), 1)
}
