package registry

import "github.com/linarite/linarite/iot"

// Keys names one or both of an identity's symmetric keys.
type Keys uint8

// The two keys.
const (
	PrimaryKey Keys = 1 << iota
	SecondaryKey
)

// Regenerate gives an identity new symmetric keys in the place of those named,
// and returns how it authenticates now. It counts as an update. Errors:
// ErrDeviceNotFound; ErrModuleNotFound; ErrSystemModule; ErrInvalidOperation
// for an identity that has no keys.
//
// IoT Hub: contract.md §13.6; the errors have no source.
func (s *Store) Regenerate(id iot.Identity, which Keys) (iot.Authentication, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, m, err := s.find(id)
	if err != nil {
		return iot.Authentication{}, err
	}
	held, v, etag := &d.Authentication, &d.version, &d.ETag
	if m != nil {
		if m.IsSystem() {
			return iot.Authentication{}, d.refuseSystem(m.ID)
		}
		held, v, etag = &m.Authentication, &m.version, &m.ETag
	}
	if held.Type != iot.AuthenticationSAS {
		return iot.Authentication{}, iot.ErrInvalidOperation.Because("%s authenticates by %s and has no keys.", id, held.Type)
	}
	if which&PrimaryKey != 0 {
		held.PrimaryKey = newKey()
	}
	if which&SecondaryKey != 0 {
		held.SecondaryKey = newKey()
	}
	*v++
	*etag = v.etag()
	return *held, nil
}
