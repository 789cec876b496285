package registry

import (
	"slices"

	"github.com/linarite/linarite/iot"
)

// MaxModules is how many modules a device may have beside its system modules
// [unsourced: whether these count].
// IoT Hub: contract.md §13.1, iot-hub-devguide-quotas-throttling.md.
const MaxModules = 50

// Module is the identity of a module of a device. The store sets GenerationID
// and ETag as it does a Device's. Authentication of type none becomes sas.
//
// IoT Hub: contract.md §13.2.
type Module struct {
	ID             string
	DeviceID       string
	ManagedBy      string
	GenerationID   string
	ETag           string
	Authentication iot.Authentication // empty means sas with new keys
}

// CreateModule registers a module that does not exist yet and returns it as
// stored. Errors: ErrArgumentInvalid; ErrDeviceNotFound; ErrModuleExists;
// ErrTooManyModules; ErrSystemModule.
//
// Differs: the text of ErrModuleExists does not name the hub ("Device X in
// IotHub Y already contains …"), which a registry does not know.
func (s *Store) CreateModule(m Module) (Module, error) {
	m, err := m.prepared()
	if err != nil {
		return Module{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.owner(m)
	switch {
	case err != nil:
		return Module{}, err
	case d.module(m.ID) != nil:
		return Module{}, iot.ErrModuleExists.Because("Device %s already contains Module %s.", m.DeviceID, m.ID)
	case d.ownModules() >= MaxModules:
		return Module{}, iot.ErrTooManyModules.Because("Device %s already has %d modules.", m.DeviceID, MaxModules)
	}
	v := s.firstVersion()
	m.GenerationID, m.ETag = s.nextGeneration(), v.etag()
	d.modules = append(d.modules, &module{Module: m, version: v})
	return m, nil
}

// UpdateModule replaces a module and returns it as stored. ifMatch and errors
// are Update's, ErrModuleNotFound and ErrSystemModule.
func (s *Store) UpdateModule(m Module, ifMatch string) (Module, error) {
	m, err := m.prepared()
	if err != nil {
		return Module{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.owner(m)
	if err != nil {
		return Module{}, err
	}
	stored := d.module(m.ID)
	if stored == nil {
		return Module{}, moduleNotFound(m.DeviceID, m.ID)
	}
	if err := stored.version.meets(ifMatch); err != nil {
		return Module{}, err
	}
	stored.version++
	m.GenerationID, m.ETag = stored.GenerationID, stored.version.etag()
	stored.Module = m
	return m, nil
}

// DeleteModule removes a module. ifMatch and errors are Delete's,
// ErrModuleNotFound and ErrSystemModule.
func (s *Store) DeleteModule(device, module, ifMatch string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.devices[device]
	if !ok {
		return deviceNotFound(device)
	}
	i := d.moduleAt(module)
	switch {
	case i < 0:
		return moduleNotFound(device, module)
	case d.modules[i].IsSystem():
		return d.refuseSystem(module)
	}
	if err := d.modules[i].version.meets(ifMatch); err != nil {
		return err
	}
	d.modules = slices.Delete(d.modules, i, i+1)
	return nil
}

// Module is one module of a device. Errors: ErrDeviceNotFound,
// ErrModuleNotFound.
func (s *Store) Module(device, module string) (Module, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	d, ok := s.devices[device]
	if !ok {
		return Module{}, deviceNotFound(device)
	}
	m := d.module(module)
	if m == nil {
		return Module{}, moduleNotFound(device, module)
	}
	return m.Module, nil
}

// Modules are the modules of a device, oldest first. Errors:
// ErrDeviceNotFound.
func (s *Store) Modules(device string) ([]Module, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	d, ok := s.devices[device]
	if !ok {
		return nil, deviceNotFound(device)
	}
	list := make([]Module, len(d.modules))
	for i, m := range d.modules {
		list[i] = m.Module
	}
	return list, nil
}

// owner is the device of a module that a caller wants to write, which no system
// module may be. The caller holds mu.
func (s *Store) owner(m Module) (*device, error) {
	d, ok := s.devices[m.DeviceID]
	switch {
	case !ok:
		return nil, deviceNotFound(m.DeviceID)
	case m.IsSystem():
		return nil, d.refuseSystem(m.ID)
	}
	return d, nil
}

// prepared is the module as it may be stored: checked, with its defaults
// filled in.
//
// IoT Hub: contract.md §13.1, §13.2.
func (m Module) prepared() (Module, error) {
	if !iot.ValidID(m.ID) {
		return m, invalidModule(m.ID)
	}
	if m.Authentication.Type == iot.AuthenticationNone {
		m.Authentication.Type = iot.AuthenticationSAS
	}
	auth, err := preparedAuthentication(m.DeviceID+"/"+m.ID, m.Authentication)
	if err != nil {
		return m, err
	}
	m.Authentication = auth
	return m, nil
}

// module is a stored module.
type module struct {
	Module
	version version
}

// module is the module called id, nil when there is none.
func (d *device) module(id string) *module {
	if i := d.moduleAt(id); i >= 0 {
		return d.modules[i]
	}
	return nil
}

func (d *device) moduleAt(id string) int {
	return slices.IndexFunc(d.modules, func(m *module) bool { return m.ID == id })
}

// moduleNotFound is the 404 of a module whose device exists; its text has no
// source.
func moduleNotFound(device, module string) error {
	return iot.ErrModuleNotFound.Because("Device %s does not contain Module %s.", device, module)
}
