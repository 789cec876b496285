// Package twin keeps the twins of a hub's devices and modules: tags, desired
// and reported properties, their versions, metadata and limits.
package twin

import (
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
	inOrder [2]order            // of the devices, of the modules
	scratch []byte
}

// record is a stored twin. What its sections point to never changes.
type record struct {
	id       iot.Identity
	place    int64 // in the order in which twins were made
	etag     uint64
	version  int64
	model    string
	tags     *section
	desired  *section
	reported *section
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
	tags, desired, err := parseSections(init.Tags, init.Desired)
	if err != nil {
		return err
	}
	now := ticks(s.clock.Now())
	var made stamp
	if !id.IsModule() {
		made.ticks = now
	}
	var scratch []byte
	r := &record{
		id: id, etag: 1, version: 2,
		tags: &section{}, desired: &section{version: 1, stamp: made}, reported: &section{version: 1, stamp: made},
	}
	if r.tags, err = r.tags.with(tags, 0, stamp{}, &scratch, "tags", MaxTagsSize); err != nil {
		return err
	}
	written := stamp{version: 1}
	if desired != nil && id.IsModule() {
		written.ticks = now
		r.reported.stamp = written
	}
	if r.desired, err = r.desired.with(desired, 1, written, &scratch, "desired properties", MaxPropertiesSize); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.twins[id]; ok {
		return exists(id)
	}
	s.twins[id] = r
	s.ordered(id).add(r)
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
	s.forget(id)
	modules := s.modules[id.DeviceID]
	if !id.IsModule() {
		for _, m := range modules {
			s.forget(iot.Module(id.DeviceID, m))
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

// forget removes one twin. The caller holds mu.
func (s *Store) forget(id iot.Identity) {
	if r, ok := s.twins[id]; ok {
		s.ordered(id).remove(r)
		delete(s.twins, id)
	}
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
	r, err := s.Snapshot(id)
	if err != nil {
		return Twin{}, err
	}
	return r.Twin(), nil
}

// DeviceView is the twin as its device reads it:
// {"desired":{…,"$version":N},"reported":{…,"$version":M}}. Errors:
// ErrDeviceNotFound.
//
// IoT Hub: contract.md §9.1.
func (s *Store) DeviceView(id iot.Identity) ([]byte, error) {
	r, err := s.Snapshot(id)
	if err != nil {
		return nil, err
	}
	const fixed, times = 64, 2 // what most need, to spare allocations
	b := make([]byte, 0, fixed+times*(len(r.desired.members)+len(r.reported.members)))
	b = append(b, `{"desired":`...)
	b = r.desired.appendView(b)
	b = append(b, `,"reported":`...)
	return append(r.reported.appendView(b), '}'), nil
}

// Clear forgets every twin.
func (s *Store) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.twins = map[iot.Identity]*record{}
	s.modules = map[string][]string{}
	s.inOrder = [2]order{{last: s.inOrder[0].last}, {last: s.inOrder[1].last}}
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
}

func (r *record) change(notification []byte) Change {
	return Change{
		Twin:            Snapshot{*r}.Twin(),
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
