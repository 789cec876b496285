// Package registry knows which devices and modules exist: their keys, their
// status, their ETags and the conditions under which they may be changed. It
// does not know whether they are connected.
package registry

import (
	"strconv"
	"sync"
	"time"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
)

// Versions start at nine digits, as IoT Hub's do, and each new identity starts
// far from the one before, so that an ETag of a deleted identity does not fit
// the one that takes its name.
const (
	versionBase   = 100_000_000
	versionRange  = 900_000_000
	versionStride = 303_898_921 // coprime to the range
)

// Store holds the identities of one hub. It is safe for concurrent use.
type Store struct {
	clock *clock.Clock

	mu         sync.RWMutex
	devices    map[string]*device
	oldest     *device // devices in the order they were registered
	newest     *device
	disabled   int
	created    int64 // identities ever created
	generation int64 // newest generation id
}

// device is a stored device and its place in the order of registration.
type device struct {
	Device
	version version
	modules []*module
	before  *device
	after   *device
}

// NewStore is an empty registry on the hub's clock.
func NewStore(clk *clock.Clock) *Store {
	return &Store{clock: clk, devices: map[string]*device{}}
}

// Create registers a device that does not exist yet and returns it as stored,
// with generated keys where it brought none. Errors: ErrArgumentInvalid;
// ErrDeviceExists; ErrDeviceScope.
//
// IoT Hub: contract.md §12.3, §12.4, §13.1.
func (s *Store) Create(d Device) (Device, error) {
	d, err := d.prepared()
	if err != nil {
		return Device{}, err
	}
	d.StatusUpdated = time.Time{}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.devices[d.ID]; ok {
		return Device{}, iot.ErrDeviceExists.Because("A device with ID '%s' is already registered.", d.ID)
	}
	v := s.firstVersion()
	d.GenerationID, d.ETag = s.nextGeneration(), v.etag()
	if d, err = s.place(d, nil); err != nil {
		return Device{}, err
	}
	stored := &device{Device: d, version: v}
	s.link(stored)
	s.equip(stored)
	return stored.copied(), nil
}

// Update replaces a device and returns it as stored; without authentication it
// gets new keys. ifMatch is an If-Match header's value (`*` for any version);
// without one the update is refused. Errors: ErrArgumentInvalid;
// ErrDeviceNotFound, whose text is the id; ErrPreconditionFailed;
// ErrDeviceScope.
//
// IoT Hub: contract.md §12.3, §12.4, §13.1.
func (s *Store) Update(d Device, ifMatch string) (Device, error) {
	d, err := d.prepared()
	if err != nil {
		return Device{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, ok := s.devices[d.ID]
	if !ok {
		return Device{}, deviceNotFound(d.ID)
	}
	if err := stored.version.meets(ifMatch); err != nil {
		return Device{}, err
	}
	d.GenerationID = stored.GenerationID
	if d, err = s.place(d, &stored.Device); err != nil {
		return Device{}, err
	}
	stored.version++
	d.ETag, d.StatusUpdated = stored.version.etag(), stored.StatusUpdated
	if d.Status != stored.Status {
		d.StatusUpdated = s.clock.Now()
		s.disabled += isDisabled(d) - isDisabled(stored.Device)
	}
	stored.Device = d
	s.equip(stored)
	return stored.copied(), nil
}

// Delete removes a device and its modules. ifMatch is Update's. Errors:
// ErrDeviceNotFound; ErrPreconditionFailed.
func (s *Store) Delete(id, ifMatch string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.devices[id]
	if !ok {
		return deviceNotFound(id)
	}
	if err := d.version.meets(ifMatch); err != nil {
		return err
	}
	s.unlink(d)
	return nil
}

// Device is one device. Errors: ErrDeviceNotFound.
func (s *Store) Device(id string) (Device, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	d, ok := s.devices[id]
	if !ok {
		return Device{}, deviceNotFound(id)
	}
	return d.copied(), nil
}

// Devices are the first top devices in the order they were registered; none
// when top is below 1.
func (s *Store) Devices(top int) []Device {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := make([]Device, 0, max(0, min(top, len(s.devices))))
	for d := s.oldest; d != nil && len(list) < cap(list); d = d.after {
		list = append(list, d.copied())
	}
	return list
}

// Statistics counts the devices: all, the enabled, the disabled.
func (s *Store) Statistics() (total, enabled, disabled int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	total = len(s.devices)
	return total, total - s.disabled, s.disabled
}

// Clear removes every identity. Generation ids and ETags go on from where they
// were, so that none is given out twice.
func (s *Store) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.devices = map[string]*device{}
	s.oldest, s.newest, s.disabled = nil, nil, 0
}

// firstVersion is where the versions of a new identity start. The caller holds
// mu.
func (s *Store) firstVersion() version {
	s.created++
	return version(versionBase + s.created*versionStride%versionRange)
}

// nextGeneration is the generation id of a new identity: now in .NET ticks, or
// the tick after the last one given, should the clock stand or have been
// rewound. The caller holds mu.
func (s *Store) nextGeneration() string {
	s.generation = max(s.generation+1, ticks(s.clock.Now()))
	return strconv.FormatInt(s.generation, 10)
}

func (s *Store) link(d *device) {
	s.devices[d.ID] = d
	s.disabled += isDisabled(d.Device)
	d.before = s.newest
	if s.newest == nil {
		s.oldest = d
	} else {
		s.newest.after = d
	}
	s.newest = d
}

func (s *Store) unlink(d *device) {
	delete(s.devices, d.ID)
	s.disabled -= isDisabled(d.Device)
	if d.before == nil {
		s.oldest = d.after
	} else {
		d.before.after = d.after
	}
	if d.after == nil {
		s.newest = d.before
	} else {
		d.after.before = d.before
	}
}

func isDisabled(d Device) int {
	if d.Status == Disabled {
		return 1
	}
	return 0
}

// ticks is t in .NET's count: 100 ns since the year 1.
func ticks(t time.Time) int64 {
	const epoch = 62_135_596_800 // seconds from the year 1 to 1970
	return (t.Unix()+epoch)*10_000_000 + int64(t.Nanosecond()/100)
}
