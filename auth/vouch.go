package auth

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// vouch says why no authority vouches for a chain, whose first certificate is
// the client's own; all must be valid now. An authority need not be a root.
// Revocation is not looked at.
//
// IoT Hub: authenticate-authorize-x509.md. That an extended key usage, where
// there is one, must allow clients has no source: it keeps a server's
// certificate from being a device's.
func (a *Authorities) vouch(chain []*x509.Certificate, now time.Time) error {
	a.mu.RLock()
	roots, anchors := a.roots, a.anchors
	a.mu.RUnlock()
	between, err := anchored(chain[1:], anchors, now)
	if err != nil {
		return err
	}
	options := x509.VerifyOptions{
		Roots: roots, Intermediates: x509.NewCertPool(), CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, c := range between {
		options.Intermediates.AddCert(c)
	}
	if _, err := chain[0].Verify(options); err != nil {
		return a.unvouched(chain, err)
	}
	return nil
}

// anchored is what of the certificates that a client sent along is vouched for by
// an anchor, itself or through others; one that has expired is an error. It
// bounds what strangers can make us compute: a certificate's signature is checked
// only with keys of those that are vouched for already, with each of them once at
// most and only where it names it as its issuer.
func anchored(sent, anchors []*x509.Certificate, now time.Time) (good []*x509.Certificate, err error) {
	rest := slices.Clone(sent)
	for parents := anchors; len(parents) > 0 && len(rest) > 0; {
		var children []*x509.Certificate
		rest = slices.DeleteFunc(rest, func(c *x509.Certificate) bool {
			vouched := issued(parents, c)
			if vouched {
				children = append(children, c)
			}
			return vouched
		})
		for _, c := range children {
			if err := valid(c, fmt.Sprintf("the certificate of %s in the chain", brief(c.Subject.String())), now); err != nil {
				return nil, err
			}
		}
		good = append(good, children...)
		parents = children
	}
	return good, nil
}

// issued says whether one of the parents issued a certificate.
func issued(parents []*x509.Certificate, c *x509.Certificate) bool {
	return slices.ContainsFunc(parents, func(p *x509.Certificate) bool {
		return bytes.Equal(p.RawSubject, c.RawIssuer) && c.CheckSignatureFrom(p) == nil
	})
}

// unvouched puts into words why a chain was refused. Where it ends at a CA that
// is registered and not verified, that is what is missing.
func (a *Authorities) unvouched(chain []*x509.Certificate, reason error) error {
	var foreign x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(reason, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		return fmt.Errorf("the certificate of the authority %s is not valid: it is from %s to %s, and the hub's clock is not in between",
			brief(invalid.Cert.Subject.String()), invalid.Cert.NotBefore.UTC().Format(time.RFC3339), invalid.Cert.NotAfter.UTC().Format(time.RFC3339))
	case !errors.As(reason, &foreign):
		return fmt.Errorf("the certificate is refused: %w", reason)
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	for _, held := range a.held {
		for _, c := range chain {
			if !held.Verified && bytes.Equal(held.Certificate.RawSubject, c.RawIssuer) {
				return fmt.Errorf("the certificate authority %q is registered, but that somebody has its key was not verified", held.Name)
			}
		}
	}
	return fmt.Errorf("the certificate is issued by %s, which is no certificate authority of this hub, and none of its vouches for it",
		brief(chain[0].Issuer.String()))
}
