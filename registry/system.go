package registry

import (
	"slices"
	"strings"

	"github.com/linarite/linarite/iot"
)

// managedByEdge is who manages the system modules.
const managedByEdge = "iotEdge"

// systemModules are the modules that every edge device has, by itself.
// IoT Hub: contract.md §13.1 (live findings).
func systemModules() []string { return []string{"$edgeAgent", "$edgeHub"} }

// IsSystem says whether the module's id starts with `$`, as only system
// modules' do.
func (m Module) IsSystem() bool { return strings.HasPrefix(m.ID, "$") }

// equip gives an edge device the system modules it lacks, which authenticate by
// nothing, and takes them from a device that is no edge device. The caller holds
// mu.
//
// IoT Hub: contract.md §13.1; that they go with the capability has no source.
func (s *Store) equip(d *device) {
	if !d.IoTEdge {
		d.modules = slices.DeleteFunc(d.modules, func(m *module) bool { return m.IsSystem() })
		return
	}
	for _, id := range systemModules() {
		if d.module(id) != nil {
			continue
		}
		v := s.firstVersion()
		d.modules = append(d.modules, &module{version: v, Module: Module{
			ID: id, DeviceID: d.ID, ManagedBy: managedByEdge, GenerationID: s.nextGeneration(), ETag: v.etag(),
			Authentication: iot.Authentication{Type: iot.AuthenticationNone},
		}})
	}
}

// refuseSystem is why a module whose id starts with `$` cannot be made, changed
// or removed: it is a system module of the device, or nobody may have that id.
//
// IoT Hub: contract.md §13.1, §24.
func (d *device) refuseSystem(id string) error {
	if d.module(id) == nil {
		return invalidModule(id)
	}
	return iot.ErrSystemModule.Because("Module %s of device %s is a system module and cannot be modified.", id, d.ID)
}

// ownModules counts the modules that are no system modules.
func (d *device) ownModules() int {
	if !d.IoTEdge {
		return len(d.modules)
	}
	return len(d.modules) - len(systemModules())
}

func invalidModule(id string) error {
	return iot.ErrArgumentInvalid.Because("The module identifier %s is invalid.", id)
}
