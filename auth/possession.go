package auth

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/linarite/linarite/iot"
)

// verificationCode is how long a code is, in bytes before they become
// hexadecimal. IoT Hub: generateVerificationCode of the resource's certificates.
const verificationCode = 24

// maxCertificateText is the longest text that is read as a certificate, in bytes.
const maxCertificateText = 64 << 10

// GenerateVerificationCode makes the common name that a proof needs, in the place
// of the one made before. What is verified stays so. Errors: 404008, 412001.
func (a *Authorities) GenerateVerificationCode(name, ifMatch string) (Authority, error) {
	var made Authority
	err := a.change(name, ifMatch, func(i int) error {
		var code [verificationCode]byte
		rand.Read(code[:]) // never fails: crypto/rand ends the program instead
		held := &a.held[i]
		held.VerificationCode = strings.ToUpper(hex.EncodeToString(code[:]))
		a.changed(held)
		made = *held
		return nil
	})
	return made, err
}

// Verify proves that somebody has the key of a CA certificate: proof is a
// certificate that it issued, valid by the hub's clock, whose common name is the
// verification code. The code is used up then. Errors: 404008, 412001, and 400004
// for what proves nothing, which leaves everything as it was.
//
// IoT Hub: authenticate-authorize-x509.md, verify of the resource's certificates.
func (a *Authorities) Verify(name string, proof *x509.Certificate, ifMatch string) (Authority, error) {
	var verified Authority
	err := a.change(name, ifMatch, func(i int) error {
		held := &a.held[i]
		if err := held.proven(proof); err != nil {
			return iot.ErrArgumentInvalid.Because("the certificate %q stays as it is: %s", name, err)
		}
		if err := valid(proof, "the proof", a.clock.Now()); err != nil {
			return iot.ErrArgumentInvalid.Because("the certificate %q stays as it is: %s", name, err)
		}
		held.Verified, held.VerificationCode = true, ""
		a.changed(held)
		verified = *held
		return nil
	})
	return verified, err
}

// proven says why a certificate proves no possession of the authority's key.
func (a *Authority) proven(proof *x509.Certificate) error {
	switch {
	case a.VerificationCode == "":
		return errors.New("ask for a verification code first")
	case proof.Subject.CommonName != a.VerificationCode:
		return fmt.Errorf("the proof's common name is %s, not the verification code", brief(proof.Subject.CommonName))
	case !bytes.Equal(proof.RawIssuer, a.Certificate.RawSubject):
		return fmt.Errorf("the proof is issued by %s, not by %s", brief(proof.Issuer.String()), brief(a.Certificate.Subject.String()))
	}
	if err := proof.CheckSignatureFrom(a.Certificate); err != nil {
		return fmt.Errorf("the proof is not signed with the certificate's key: %w", err)
	}
	return nil
}

// ParseCertificate reads one certificate:
//
//	text = PEM | base64( PEM ) | base64( DER ) | DER
//
// White space within base64 means nothing. Error: 400004, whose text holds
// nothing of what was read.
//
// IoT Hub: CertificateProperties of the resource, "base-64 representation of the
// X509 leaf certificate .cer file or just .pem file content".
func ParseCertificate(text []byte) (*x509.Certificate, error) {
	if len(text) > maxCertificateText {
		return nil, iot.ErrArgumentInvalid.Because("the certificate has more than %d bytes", maxCertificateText)
	}
	c, err := parseCertificate(text)
	if err != nil {
		return nil, iot.ErrArgumentInvalid.Because("%s", err)
	}
	return c, nil
}

func parseCertificate(text []byte) (*x509.Certificate, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, errors.New("there is no certificate")
	}
	if decoded, err := base64.StdEncoding.DecodeString(stripped(text)); err == nil {
		text = decoded
	}
	block, rest := pem.Decode(text)
	if block == nil {
		block = &pem.Block{Type: certificateBlock, Bytes: text}
		rest = nil
	}
	if next, _ := pem.Decode(rest); next != nil {
		return nil, errors.New("there is more than one PEM block: one certificate alone is needed")
	}
	if block.Type != certificateBlock {
		return nil, fmt.Errorf("the PEM block is a %s, not a certificate", brief(block.Type))
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, errors.New("it is not an X.509 certificate in PEM, nor base64 of one")
	}
	return c, nil
}

// certificateBlock is what PEM calls a certificate.
const certificateBlock = "CERTIFICATE"

// stripped is a text without white space.
func stripped(text []byte) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, string(text))
}
