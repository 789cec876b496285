package server

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/certs"
	"github.com/linarite/linarite/internal/clock"
)

// identity is what the server shows its clients.
type identity struct {
	certificate tls.Certificate
	ca          []byte           // PEM; what clients have to trust, empty when it is not known
	caPath      string           // where ca is kept; empty when it is in memory or not ours
	authority   *certs.Authority // nil when the certificate was brought along
}

// identify takes the certificate that was brought along, or has one issued by a
// CA of its own.
func identify(o Options) (identity, error) {
	if o.TLSCert != "" {
		return brought(o)
	}
	authority, err := certs.LoadOrCreate(o.DataDir, clock.Wall())
	if err != nil {
		return identity{}, fmt.Errorf("certificate authority: %w", err)
	}
	certificate, err := authority.Server(o.names(), clock.Wall())
	if err != nil {
		return identity{}, fmt.Errorf("server certificate: %w", err)
	}
	return identity{certificate, authority.PEM(), authority.Path(), authority}, nil
}

// brought is the certificate of --tls-cert.
func brought(o Options) (identity, error) {
	certificate, err := certs.LoadPair(o.TLSCert, o.TLSKey)
	if err != nil {
		return identity{}, err
	}
	for _, name := range o.hostnames() {
		if err := certificate.Leaf.VerifyHostname(name); err != nil {
			o.Log.Warn().Str("hostname", name).Msg("the certificate does not cover the hub's name, so clients will refuse it")
		}
	}
	return identity{certificate: certificate, ca: anchors(certificate)}, nil
}

// anchors are the certificates of a chain that clients can trust: the issuers,
// or the leaf when it signed itself.
func anchors(c tls.Certificate) []byte {
	chain := c.Certificate[1:]
	if len(chain) == 0 && bytes.Equal(c.Leaf.RawIssuer, c.Leaf.RawSubject) {
		chain = c.Certificate
	}
	var out []byte
	for _, der := range chain {
		if _, err := x509.ParseCertificate(der); err == nil {
			out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
		}
	}
	return out
}

// DeviceCertificate is a new client certificate, issued by the hub's CA, for a device
// or, by {device}/{module}, a module. Errors: an id that cannot be; that the server's
// certificate was brought along, so that there is no CA.
func (s *Server) DeviceCertificate(id string) (tls.Certificate, error) {
	if s.identity.authority == nil {
		return tls.Certificate{}, errors.New("the hub has no CA of its own")
	}
	certificate, key, err := s.identity.authority.Device(id, clock.Wall())
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(certificate, key)
}

// tls is how the server speaks TLS. Client certificates are asked for and not
// required: whether a device needs one is the hub's affair.
// IoT Hub: contract.md §2.
func (i identity) tls(protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion:            tls.VersionTLS12,
		Certificates:          []tls.Certificate{i.certificate},
		ClientAuth:            tls.RequestClientCert,
		VerifyPeerCertificate: auth.CheckChain, //nolint:gosec // a session that is resumed has passed it once
		CurvePreferences:      []tls.CurveID{tls.X25519, tls.CurveP256},
		NextProtos:            protocols,
	}
}
