// Package twin keeps the twins of a hub's devices and modules: tags, desired
// and reported properties, their versions, metadata and limits.
package twin

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
)

// Store holds the twins of one hub. It is safe for concurrent use.
type Store struct {
	clock *clock.Clock
	rooms sync.Pool // of *document

	mu      sync.RWMutex
	twins   map[iot.Identity]*record
	modules map[string][]string // device id to its modules with a twin
	scratch []byte
}

// record is a stored twin.
type record struct {
	etag     uint64
	version  int64
	model    string
	tags     section
	desired  section
	reported section
	view     []byte // of the device; nil until it is asked for
}

// Initial is what a twin starts with; nil sections are empty. Members
// `$metadata` and `$version` of a section are ignored.
type Initial struct{ Tags, Desired json.RawMessage }

// Twin is a twin as back ends see it. Tags are nil when there are none.
// Desired and Reported end with `$metadata` and `$version`.
//
// IoT Hub: contract.md §10.1.
type Twin struct {
	ETag              string // without quotes
	Version           int64
	ModelID           string // Plug and Play model, or empty
	Tags              json.RawMessage
	Desired, Reported json.RawMessage
}

// NewStore is an empty store on the hub's clock.
func NewStore(clk *clock.Clock) *Store {
	s := &Store{clock: clk}
	s.Clear()
	return s
}

// Create makes the twin of a new identity: version 2, both sections of
// properties at version 1. The metadata of a device bear the time, those of a
// module the year 1. With desired properties it is different: those of a device
// bear the year 1, and both sections of a module the time and the version, which
// is how a live hub registers twins in bulk. Errors: ErrArgumentInvalid;
// ErrEntityTooLarge; ErrDeviceExists, ErrModuleExists.
//
// IoT Hub: contract.md §10.1, SessionRecords (BulkCreation_DeviceWithTwin,
// BulkCreation_ModuleWithTwin).
func (s *Store) Create(id iot.Identity, init Initial) error {
	tags, desired, err := newSections(init.Tags, init.Desired)
	if err != nil {
		return err
	}
	now := ticks(s.clock.Now())
	r := &record{etag: 1, version: 2, desired: section{version: 1}, reported: section{version: 1}}
	if !id.IsModule() {
		r.desired.stamp.ticks, r.reported.stamp.ticks = now, now
	}
	if tags != nil {
		r.tags.apply(tags, tags.size(0), stamp{})
	}
	if desired != nil {
		written := stamp{version: 1}
		if id.IsModule() {
			written.ticks = now
			r.reported.stamp = written
		}
		r.desired.apply(desired, desired.size(0), written)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.twins[id]; ok {
		return exists(id)
	}
	s.twins[id] = r
	if id.IsModule() {
		s.modules[id.DeviceID] = append(s.modules[id.DeviceID], id.ModuleID)
	}
	return nil
}

// Delete forgets a twin, and with a device's those of its modules. It does
// nothing when there is none.
func (s *Store) Delete(id iot.Identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.twins, id)
	modules := s.modules[id.DeviceID]
	if !id.IsModule() {
		for _, m := range modules {
			delete(s.twins, iot.Module(id.DeviceID, m))
		}
		modules = nil
	}
	modules = slices.DeleteFunc(modules, func(m string) bool { return m == id.ModuleID })
	if len(modules) == 0 {
		delete(s.modules, id.DeviceID)
		return
	}
	s.modules[id.DeviceID] = modules
}

// SetModel notes the Plug and Play model that the identity announced. It does
// nothing when there is no such twin.
func (s *Store) SetModel(id iot.Identity, modelID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.twins[id]; ok {
		r.model = modelID
	}
}

// Twin is the whole twin. Errors: ErrDeviceNotFound, for modules too.
//
// IoT Hub: contract.md §10.2 (a missing module twin is DeviceNotFound).
func (s *Store) Twin(id iot.Identity) (Twin, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, ok := s.twins[id]
	if !ok {
		return Twin{}, notFound(id)
	}
	return r.twin(), nil
}

// DeviceView is the twin as its device reads it:
// {"desired":{…,"$version":N},"reported":{…,"$version":M}}. The bytes are
// shared and must not be changed. Errors: ErrDeviceNotFound.
//
// IoT Hub: contract.md §9.1.
func (s *Store) DeviceView(id iot.Identity) ([]byte, error) {
	s.mu.RLock()
	r, ok := s.twins[id]
	if ok && r.view != nil {
		defer s.mu.RUnlock()
		return r.view, nil
	}
	s.mu.RUnlock()
	return s.freshView(id)
}

func (s *Store) freshView(id iot.Identity) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.twins[id]
	if !ok {
		return nil, notFound(id)
	}
	b := append(s.scratch[:0], `{"desired":`...)
	b = r.desired.appendView(b)
	b = append(b, `,"reported":`...)
	b = append(r.reported.appendView(b), '}')
	s.scratch = b
	r.view = bytes.Clone(b)
	return r.view, nil
}

// Clear forgets every twin.
func (s *Store) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.twins = map[iot.Identity]*record{}
	s.modules = map[string][]string{}
}

// matching is the twin of id if it meets the condition of an If-Match header:
// nothing, `*`, `"*"` and `""` hold for every twin, `"etag"` and `etag` for
// one ETag. The caller holds mu.
//
// IoT Hub: contract.md §10.2, §12.3.
func (s *Store) matching(id iot.Identity, ifMatch string) (*record, error) {
	r, ok := s.twins[id]
	if !ok {
		return nil, notFound(id)
	}
	switch ifMatch {
	case "", `*`, `"*"`, `""`:
		return r, nil
	}
	if strings.Trim(ifMatch, `"`) != r.etagText() {
		return nil, iot.ErrPreconditionFailed.Because("ETag mismatch for device ID '%s'", id.DeviceID)
	}
	return r, nil
}

// written counts a write of tags or desired properties.
func (r *record) written() {
	r.etag++
	r.version++
	r.view = nil
}

func (r *record) twin() Twin {
	t := Twin{
		ETag:     r.etagText(),
		Version:  r.version,
		ModelID:  r.model,
		Desired:  r.desired.whole(),
		Reported: r.reported.whole(),
	}
	if len(r.tags.members) > 0 {
		t.Tags = r.tags.append(nil)
	}
	return t
}

func (r *record) change(notification []byte) Change {
	return Change{
		Twin:            r.twin(),
		DesiredVersion:  r.desired.version,
		ReportedVersion: r.reported.version,
		Notification:    notification,
	}
}

// etagText is the ETag as clients see it: base64 of the counter in eight
// bytes, big-endian. IoT Hub: contract.md §10.1.
func (r *record) etagText() string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, r.etag))
}

func notFound(id iot.Identity) error { return iot.ErrDeviceNotFound.Because("%s", id) }

func exists(id iot.Identity) error {
	if id.IsModule() {
		return iot.ErrModuleExists.Because("Device %s already contains Module %s.", id.DeviceID, id.ModuleID)
	}
	return iot.ErrDeviceExists.Because("A device with ID '%s' is already registered.", id.DeviceID)
}
