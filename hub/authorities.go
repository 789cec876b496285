package hub

import (
	"fmt"

	"github.com/linarite/linarite/auth"
)

// DevelopmentAuthority is the name that the development CA is registered under.
//
// Differs: a new hub of the service trusts no CA. Whoever has the development
// CA's key can be the hub, and so may be its devices too; `linarite certs device`
// then works without more ado. It can be deleted like any other.
const DevelopmentAuthority = "development"

// Authorities are the CA certificates that vouch for devices. Reset forgets those
// that the seed does not have.
func (h *Hub) Authorities() *auth.Authorities { return h.trusted }

// trustCA registers the development CA.
func (h *Hub) trustCA() error {
	if len(h.ca) == 0 {
		return nil
	}
	c, err := auth.ParseCertificate(h.ca)
	if err == nil {
		_, _, err = h.trusted.Put(DevelopmentAuthority, c, true, "")
	}
	if err != nil {
		return fmt.Errorf("register the development CA: %w", err)
	}
	return nil
}
