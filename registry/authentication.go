package registry

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"

	"github.com/linarite/linarite/iot"
)

// Lengths of keys, in bytes. IoT Hub: contract.md §13.1; the length of
// generated keys has no source, 32 bytes is what hubs are seen to make.
const (
	minKeyLength       = 16
	maxKeyLength       = 64
	generatedKeyLength = 32
)

// Authentication is how the identity proves who it is. Errors:
// ErrDeviceNotFound, ErrModuleNotFound, and ErrDeviceDisabled for a disabled
// device and for every module of one.
func (s *Store) Authentication(id iot.Identity) (iot.Authentication, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	d, m, err := s.find(id)
	switch {
	case err != nil:
		return iot.Authentication{}, err
	case d.Status == Disabled:
		return iot.Authentication{}, iot.ErrDeviceDisabled.Because("Device %s is disabled.", d.ID)
	case m != nil:
		return m.Authentication, nil
	}
	return d.Authentication, nil
}

// Generation is the identity's generation id: .NET ticks in decimal. Errors:
// ErrDeviceNotFound, ErrModuleNotFound.
func (s *Store) Generation(id iot.Identity) (string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	d, m, err := s.find(id)
	switch {
	case err != nil:
		return "", err
	case m != nil:
		return m.GenerationID, nil
	}
	return d.GenerationID, nil
}

// find is the device of id, and its module when id is a module's. The caller
// holds mu.
func (s *Store) find(id iot.Identity) (*device, *module, error) {
	d, ok := s.devices[id.DeviceID]
	if !ok {
		return nil, nil, deviceNotFound(id.DeviceID)
	}
	if !id.IsModule() {
		return d, nil, nil
	}
	m := d.module(id.ModuleID)
	if m == nil {
		return nil, nil, moduleNotFound(id.DeviceID, id.ModuleID)
	}
	return d, m, nil
}

// preparedAuthentication is a as it may be stored for the device or module
// called owner: checked, keys generated where there are none, and without what
// does not belong to its type.
//
// A type that is missing is selfSigned when there is a thumbprint, else sas,
// so that an update without authentication gets new keys. Thumbprints stay as
// they are spelled; selfSigned needs none. Texts: contract.md §12.4.
//
// IoT Hub: contract.md §13.1. That keys and thumbprints exclude one another is
// the rule of the C# SDK's RegistryManager; how a missing type is read has no
// source.
func preparedAuthentication(owner string, a iot.Authentication) (iot.Authentication, error) {
	hasKeys := a.PrimaryKey != "" || a.SecondaryKey != ""
	hasThumbprints := a.PrimaryThumbprint != "" || a.SecondaryThumbprint != ""
	if hasKeys && hasThumbprints {
		return a, iot.ErrArgumentInvalid.Because("Device %s cannot specify both symmetric keys and thumbprints.", owner)
	}
	if a.Type == "" && hasThumbprints {
		a.Type = iot.AuthenticationSelfSigned
	}
	switch a.Type {
	case "", iot.AuthenticationSAS:
		return withKeys(a)
	case iot.AuthenticationSelfSigned:
		return withThumbprints(a)
	case iot.AuthenticationCA:
		return iot.Authentication{Type: iot.AuthenticationCA}, nil
	}
	return a, iot.ErrArgumentInvalid.Because("'%s' is not an authentication type.", a.Type)
}

func withKeys(a iot.Authentication) (iot.Authentication, error) {
	sas := iot.Authentication{
		Type:         iot.AuthenticationSAS,
		PrimaryKey:   a.PrimaryKey,
		SecondaryKey: a.SecondaryKey,
	}
	if a.PrimaryKey == "" && a.SecondaryKey == "" {
		sas.PrimaryKey, sas.SecondaryKey = newKey(), newKey()
		return sas, nil
	}
	if a.PrimaryKey == "" || a.SecondaryKey == "" {
		return a, iot.ErrArgumentInvalid.Because("Either no keys or both keys can be set")
	}
	for _, key := range []string{a.PrimaryKey, a.SecondaryKey} {
		raw, err := base64.StdEncoding.DecodeString(key)
		if err != nil || len(raw) < minKeyLength || len(raw) > maxKeyLength {
			return a, iot.ErrArgumentInvalid.Because("Invalid device key length")
		}
	}
	return sas, nil
}

func withThumbprints(a iot.Authentication) (iot.Authentication, error) {
	for _, t := range []string{a.PrimaryThumbprint, a.SecondaryThumbprint} {
		if t != "" && !validThumbprint(t) {
			return a, iot.ErrArgumentInvalid.Because("'%s' is not a valid X.509 thumbprint", t)
		}
	}
	return iot.Authentication{
		Type:                iot.AuthenticationSelfSigned,
		PrimaryThumbprint:   a.PrimaryThumbprint,
		SecondaryThumbprint: a.SecondaryThumbprint,
	}, nil
}

// validThumbprint says whether t is the hex of a SHA-1 or SHA-256 hash, in
// either case, without separators.
func validThumbprint(t string) bool {
	raw, err := hex.DecodeString(t)
	return err == nil && (len(raw) == 20 || len(raw) == 32)
}

func newKey() string {
	var raw [generatedKeyLength]byte
	rand.Read(raw[:]) // never fails: crypto/rand ends the program instead
	return base64.StdEncoding.EncodeToString(raw[:])
}
