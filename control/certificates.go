package control

import (
	"encoding/pem"
	"net/http"

	"github.com/linarite/linarite/auth"
)

// certificate is a CA certificate that vouches for devices, in the shape that the
// service's resource has. IoT Hub: CertificateDescription of Microsoft.Devices.
type certificate struct {
	Name       string                `json:"name"`
	ETag       string                `json:"etag"`
	Properties certificateProperties `json:"properties"`
}

type certificateProperties struct {
	Subject          string `json:"subject"`
	Expiry           string `json:"expiry"`
	Thumbprint       string `json:"thumbprint"` // SHA-1
	IsVerified       bool   `json:"isVerified"`
	Created          string `json:"created"`
	Updated          string `json:"updated"`
	Certificate      string `json:"certificate"`
	VerificationCode string `json:"verificationCode,omitempty"`
}

func describeCertificate(a auth.Authority) certificate {
	thumbprint, _ := auth.Thumbprints(a.Certificate)
	return certificate{Name: a.Name, ETag: a.ETag, Properties: certificateProperties{
		Subject: a.Certificate.Subject.String(), Expiry: stamp(a.Certificate.NotAfter), Thumbprint: thumbprint,
		IsVerified: a.Verified, Created: stamp(a.Created), Updated: stamp(a.Updated),
		Certificate:      string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate.Raw})),
		VerificationCode: a.VerificationCode,
	}}
}

// answerCertificate answers with a certificate and its ETag.
func answerCertificate(w http.ResponseWriter, status int, a auth.Authority) error {
	w.Header().Set("ETag", `"`+a.ETag+`"`)
	return answer(w, status, describeCertificate(a))
}

// certificates lists the CA certificates.
func (a *api) certificates(w http.ResponseWriter, r *http.Request) error {
	if _, err := parameters(r); err != nil {
		return err
	}
	list := []certificate{}
	for _, held := range a.Hub.Authorities().List() {
		list = append(list, describeCertificate(held))
	}
	return answer(w, http.StatusOK, struct {
		Value []certificate `json:"value"`
	}{list})
}

// certificate answers with one.
func (a *api) certificate(w http.ResponseWriter, r *http.Request) error {
	held, err := a.Hub.Authorities().Authority(r.PathValue("name"))
	if err != nil {
		return err
	}
	return answerCertificate(w, http.StatusOK, held)
}

// putCertificate registers a CA certificate, verified or not, or replaces it.
func (a *api) putCertificate(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Properties struct {
			Certificate string `json:"certificate"`
			IsVerified  bool   `json:"isVerified"`
		} `json:"properties"`
	}
	if err := decode(w, r, &body); err != nil {
		return err
	}
	c, err := auth.ParseCertificate([]byte(body.Properties.Certificate))
	if err != nil {
		return err
	}
	held, created, err := a.Hub.Authorities().Put(r.PathValue("name"), c, body.Properties.IsVerified, r.Header.Get("If-Match"))
	if err != nil {
		return err
	}
	a.tell(held, "registered")
	if created {
		return answerCertificate(w, http.StatusCreated, held)
	}
	return answerCertificate(w, http.StatusOK, held)
}

// deleteCertificate removes a CA certificate.
func (a *api) deleteCertificate(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if err := a.Hub.Authorities().Delete(name, r.Header.Get("If-Match")); err != nil {
		return err
	}
	a.Log.Info().Str("op", "certificates").Str("certificate", name).Msg("removed")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// generateVerificationCode makes the common name of a proof of possession.
func (a *api) generateVerificationCode(w http.ResponseWriter, r *http.Request) error {
	held, err := a.Hub.Authorities().GenerateVerificationCode(r.PathValue("name"), r.Header.Get("If-Match"))
	if err != nil {
		return err
	}
	return answerCertificate(w, http.StatusOK, held)
}

// verifyCertificate takes a proof of possession.
func (a *api) verifyCertificate(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Certificate string `json:"certificate"`
	}
	if err := decode(w, r, &body); err != nil {
		return err
	}
	proof, err := auth.ParseCertificate([]byte(body.Certificate))
	if err != nil {
		return err
	}
	held, err := a.Hub.Authorities().Verify(r.PathValue("name"), proof, r.Header.Get("If-Match"))
	if err != nil {
		return err
	}
	a.tell(held, "verified")
	return answerCertificate(w, http.StatusOK, held)
}

// tell logs what became of a certificate.
func (a *api) tell(held auth.Authority, what string) {
	a.Log.Info().Str("op", "certificates").Str("certificate", held.Name).Bool("verified", held.Verified).
		Str("subject", held.Certificate.Subject.String()).Msg(what)
}
