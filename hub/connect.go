package hub

import (
	"cmp"
	"errors"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/monitoring"
	"github.com/linarite/linarite/registry"
	"github.com/linarite/linarite/twin"
)

// Connect admits a device: it authenticates it, closes an older connection of
// the same identity, and arranges for the end of its token. The error says why
// a device is turned away; it has been logged and remembered. Any verdict but
// an accepting one turns it away; a delay has no effect here.
//
// IoT Hub: contract.md §3, §4, one connection per identity.
func (h *Hub) Connect(r ConnectRequest, l Link) (*Session, error) {
	err := r.tidy()
	var s *Session
	if err == nil {
		s, err = h.admit(r, l)
	}
	if err != nil {
		h.refused(r.Identity, r.caller(), err)
		return nil, err
	}
	h.log.Info().Str("device", r.Identity.String()).Str("op", "connect").Str("protocol", r.Protocol).
		Str("authentication", s.scope).Str("agent", r.Agent).Str("remote", r.RemoteAddr).Msg("connected")
	return s, nil
}

// What a device may say of itself, in bytes: it stands in the log, in the twin and
// in the list of connections. A longer model is refused, the others are cut.
const (
	maxAgent      = 512
	maxModelID    = 256
	maxAPIVersion = 64
)

// tidy bounds what a device says of itself, and takes tokens out of it.
func (r *ConnectRequest) tidy() error {
	if len(r.ModelID) > maxModelID {
		return iot.ErrUnauthorized.Because("a model-id of more than %d bytes", maxModelID)
	}
	r.Agent = iot.Masked(r.Agent)
	r.Agent = r.Agent[:min(len(r.Agent), maxAgent)]
	r.APIVersion = r.APIVersion[:min(len(r.APIVersion), maxAPIVersion)]
	return nil
}

// admit authenticates a device and makes its session. Meanwhile nobody deletes
// or disables it, and no other connection of its takes over.
func (h *Hub) admit(r ConnectRequest, l Link) (*Session, error) {
	if v := h.judge(OpConnect, r.Identity); v.Action != Accept {
		return nil, v.Err
	}
	defer h.lock(r.Identity.DeviceID).Unlock()
	if h.closed {
		return nil, errShuttingDown()
	}
	s, err := h.session(r)
	if err != nil {
		return nil, err
	}
	s.link = l
	if older := h.connections.attach(s); older != nil {
		older.cut(cmp.Or(older.request.Replaced, error(iot.ErrConnectionReplaced)))
	}
	h.connected(s)
	if !s.expires.IsZero() { // a token has an end
		s.expire(s.expires.Sub(s.since))
	}
	if r.ModelID != "" {
		h.twins.SetModel(r.Identity, r.ModelID)
	}
	return s, nil
}

// session authenticates a device and makes a session that nobody knows of yet. The
// caller holds the device's lock.
func (h *Hub) session(r ConnectRequest) (*Session, error) {
	principal, err := h.authenticate(r)
	if err != nil {
		return nil, err
	}
	generation, err := h.registry.Generation(r.Identity)
	if err != nil {
		return nil, err
	}
	r.Token, r.Certificates = "", nil // the session has no use for them
	s := &Session{
		hub: h, request: r, since: h.clock.Now(), scope: string(principal.Authentication), expires: principal.Expires,
		origin: &iot.Origin{Identity: r.Identity, GenerationID: generation, AuthMethod: principal.Method, ModelID: r.ModelID},
	}
	s.touch(s.since)
	return s, nil
}

// authenticate checks a device's credentials and, where the hub was told to,
// registers a stranger who signs with the well-known key. A certificate counts
// where there is no token only. The caller holds the device's lock.
//
// IoT Hub: contract.md §3.3; DeviceIdentityProvider.cs (iotedge).
func (h *Hub) authenticate(r ConnectRequest) (auth.Principal, error) {
	a := h.auth.Load()
	if r.Token == "" {
		return a.DeviceWithCertificate(r.Identity, r.Certificates)
	}
	path := cmp.Or(r.Path, r.Identity.Path())
	principal, err := a.DeviceAt(r.Identity, r.Token, path)
	if err == nil || !h.autoCreate || r.Identity.IsModule() || !errors.Is(err, iot.ErrDeviceNotFound) {
		return principal, err
	}
	known := iot.Authentication{
		Type: iot.AuthenticationSAS, PrimaryKey: auth.WellKnownKey, SecondaryKey: auth.WellKnownKey,
	}
	if principal, err = a.DeviceWithKeys(r.Identity, r.Token, path, known); err != nil {
		return principal, err
	}
	_, err = h.createDevice(registry.Device{ID: r.Identity.DeviceID, Authentication: known}, twin.Initial{})
	return principal, err
}

// Refused logs and remembers a connection that was turned away, by the hub or by
// a transport.
func (h *Hub) Refused(who iot.Identity, remote, protocol string, err error) {
	h.refused(who, monitoring.Caller{Protocol: protocol, RemoteAddr: remote}, err)
}

func (h *Hub) refused(who iot.Identity, c monitoring.Caller, err error) {
	h.turnedAway(who, c, err)
	reason := iot.Masked(err.Error())
	h.connections.refuse(Refusal{
		Time: h.clock.Now(), Identity: who, Protocol: c.Protocol, RemoteAddr: c.RemoteAddr, Code: code(err), Reason: reason,
	})
	h.log.Warn().Str("device", who.String()).Str("op", "connect").Str("protocol", c.Protocol).Str("remote", c.RemoteAddr).
		Int("code", code(err)).Msg("refused: " + reason)
}

// Authorize checks a service's token: it must be one of the hub's, be signed by
// a policy that has the right, and cover resource (a path under the host, as
// `devices/d`, or empty for the whole hub).
func (h *Hub) Authorize(token string, need auth.Rights, resource string) (auth.Principal, error) {
	return h.auth.Load().Service(token, need, resource)
}
