package hub

import (
	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/iot"
)

// AuthorizeDevice checks a token that an identity shows before it connects, as
// AMQP's does. A stranger who signs with the well-known key is registered where
// the hub was told to. Errors: 401003, 404001, 404010, 403012.
func (h *Hub) AuthorizeDevice(id iot.Identity, token string) (auth.Principal, error) {
	defer h.lock(id.DeviceID).Unlock()
	return h.authenticate(ConnectRequest{Identity: id, Token: token})
}

// Renew gives a connection a new token, in the place of the one it has: it now
// ends when the new one has run out. AMQP does so without connecting anew.
// Errors: those of AuthorizeDevice; the session stays as it was then.
func (s *Session) Renew(token string) error {
	principal, err := s.hub.auth.Load().Device(s.Identity(), token)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return iot.ErrClosedRemotely
	}
	if s.expiry != nil { // it came with a certificate
		s.expiry.Stop()
	}
	s.expiry = s.hub.clock.AfterFunc(principal.Expires.Sub(s.hub.clock.Now()), func() {
		s.cut(iot.ErrUnauthorized.Because("the token has expired"))
	})
	return nil
}

// AuthorizeEvents is Authorize for a token that was signed as Event Hubs' SDKs
// sign. Errors: 401002.
func (h *Hub) AuthorizeEvents(token string, need auth.Rights, resource string) (auth.Principal, error) {
	return h.auth.Load().Events(token, need, resource)
}
