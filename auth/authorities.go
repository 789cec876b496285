package auth

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
)

// MaxAuthorities is how many CA certificates a hub holds.
// IoT Hub: contract.md §21.
const MaxAuthorities = 25

// maxAuthorityName is the longest name of a CA certificate.
// IoT Hub: Certificates of the resource, certificateName.
const maxAuthorityName = 64

// Authority is a CA certificate that is registered at the hub. It vouches for
// devices once somebody has proven to have its key, or was trusted to.
//
// IoT Hub: CertificateDescription of the resource.
type Authority struct {
	Name        string
	Certificate *x509.Certificate
	Verified    bool
	// VerificationCode is the common name that a certificate needs to prove that
	// its maker has the CA's key; empty until it is asked for, and once it was used.
	VerificationCode string
	Created, Updated time.Time // hub time
	ETag             string
}

// Authorities are the CA certificates of one hub. It is safe for concurrent use.
type Authorities struct {
	clock *clock.Clock

	mu      sync.RWMutex
	held    []Authority // by name
	changes uint64
	roots   *x509.CertPool // the verified ones; never changed, but replaced
	anchors []*x509.Certificate
}

// NewAuthorities makes a store without any.
func NewAuthorities(clk *clock.Clock) *Authorities {
	return &Authorities{clock: clk, roots: x509.NewCertPool()}
}

// Put registers a CA certificate, or another one in the place of the one of that
// name; created says which. Verified means that no proof is needed. One that is
// there already is not touched, and stays verified. ifMatch is the ETag that the
// old one must have; empty allows any, and that there is none. Errors: 400004
// for what is no CA's certificate, 403000 when there are too many, 412001.
//
// IoT Hub: CreateOrUpdate of the resource's certificates.
func (a *Authorities) Put(name string, c *x509.Certificate, verified bool, ifMatch string) (put Authority, created bool, err error) {
	if err := checkAuthority(name, c); err != nil {
		return Authority{}, false, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	i, found := a.find(name)
	switch {
	case !found && ifMatch != "":
		return Authority{}, false, iot.ErrPreconditionFailed.Because("there is no certificate %q", name)
	case !found && len(a.held) >= MaxAuthorities:
		return Authority{}, false, iot.ErrForbidden.Because("the hub has %d certificates, which is all it may have", MaxAuthorities)
	case !found:
		a.held = slices.Insert(a.held, i, Authority{Name: name, Created: a.clock.Now()})
	default:
		if err := meets(ifMatch, a.held[i]); err != nil {
			return Authority{}, false, err
		}
	}
	held := &a.held[i]
	if found && held.Certificate.Equal(c) && (held.Verified || !verified) {
		return *held, false, nil
	}
	if !found || !held.Certificate.Equal(c) {
		held.Certificate, held.VerificationCode, held.Verified = c, "", false
	}
	held.Verified = held.Verified || verified
	a.changed(held)
	return *held, !found, nil
}

// Authority is the CA certificate of a name. Error: 404008.
func (a *Authorities) Authority(name string) (Authority, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	i, found := a.find(name)
	if !found {
		return Authority{}, noAuthority(name)
	}
	return a.held[i], nil
}

// List is all CA certificates, by name.
func (a *Authorities) List() []Authority {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return slices.Clone(a.held)
}

// Delete removes a CA certificate. Devices that are connected stay so. Errors:
// 404008, 412001.
func (a *Authorities) Delete(name, ifMatch string) error {
	return a.change(name, ifMatch, func(i int) error {
		a.held = slices.Delete(a.held, i, i+1)
		return nil
	})
}

// Clear removes all.
func (a *Authorities) Clear() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held = nil
	a.gather()
}

// change does something to the certificate of a name, under the lock.
func (a *Authorities) change(name, ifMatch string, do func(i int) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	i, found := a.find(name)
	if !found {
		return noAuthority(name)
	}
	if err := meets(ifMatch, a.held[i]); err != nil {
		return err
	}
	defer a.gather()
	return do(i)
}

// find is where the certificate of a name is, or would be. The caller holds mu.
func (a *Authorities) find(name string) (i int, found bool) {
	return slices.BinarySearchFunc(a.held, name, func(held Authority, name string) int {
		return strings.Compare(held.Name, name)
	})
}

// changed notes that a certificate is another one now. The caller holds mu.
func (a *Authorities) changed(held *Authority) {
	a.changes++
	held.Updated = a.clock.Now()
	held.ETag = base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, a.changes))
	a.gather()
}

// gather puts the verified certificates together. The caller holds mu.
func (a *Authorities) gather() {
	a.roots, a.anchors = x509.NewCertPool(), nil
	for _, held := range a.held {
		if held.Verified {
			a.roots.AddCert(held.Certificate)
			a.anchors = append(a.anchors, held.Certificate)
		}
	}
}

// meets holds an If-Match header against a certificate; empty and `*` are no
// condition.
func meets(ifMatch string, held Authority) error {
	if ifMatch == "" || ifMatch == "*" || strings.Trim(ifMatch, `"`) == held.ETag {
		return nil
	}
	return iot.ErrPreconditionFailed.Because("the certificate %q has another ETag by now", held.Name)
}

func noAuthority(name string) error {
	return iot.ErrNoCertificate.Because("there is no certificate %q", name)
}

// checkAuthority says why something cannot be registered.
func checkAuthority(name string, c *x509.Certificate) error {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._"
	if name == "" || len(name) > maxAuthorityName || strings.Trim(name, allowed) != "" {
		return iot.ErrArgumentInvalid.Because("the name %s: 1 to %d letters, digits and characters of - . _ are allowed",
			brief(name), maxAuthorityName)
	}
	if reason := noCA(c); reason != "" {
		return iot.ErrArgumentInvalid.Because("the certificate %s is not a CA's: %s", brief(c.Subject.String()), reason)
	}
	return nil
}

// noCA says why a certificate can vouch for no other, or "".
func noCA(c *x509.Certificate) string {
	switch {
	case !c.BasicConstraintsValid || !c.IsCA:
		return "its basic constraints do not say so"
	case c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0:
		return "its key usage lacks the signing of certificates"
	case c.PublicKeyAlgorithm == x509.UnknownPublicKeyAlgorithm:
		return "its key is of a kind that is not known"
	}
	return ""
}
