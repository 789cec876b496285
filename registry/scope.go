package registry

import (
	"slices"
	"strings"

	"github.com/linarite/linarite/iot"
)

// scopePrefix starts the scope of an edge device:
//
//	scope = "ms-azure-iot-edge://" device "-" [ generation id ]
//
// IoT Hub: contract.md §13.1.
const scopePrefix = "ms-azure-iot-edge://"

// place settles the scopes of a device; old is the stored device it replaces,
// nil when it is new. Error: ErrDeviceScope. The caller holds mu.
func (s *Store) place(d Device, old *Device) (Device, error) {
	d = d.placed(old)
	for _, scope := range d.ParentScopes {
		if old != nil && slices.Contains(old.ParentScopes, scope) {
			continue // as it was, even if the parent is no more
		}
		if err := s.checkParent(d.ID, scope); err != nil {
			return d, err
		}
	}
	return d, nil
}

// placed is the device with its scopes where they belong.
//
// An edge device's own scope is the store's to name, whatever the caller says,
// and keeps its name; one that becomes an edge device later gets a scope
// without the ticks. Any other device has its parent's scope, twice; parent
// scopes without a device scope count for nothing.
//
// IoT Hub: contract.md §13.1 and the live findings that section cites.
func (d Device) placed(old *Device) Device {
	switch {
	case d.IoTEdge && old == nil:
		d.DeviceScope = scopePrefix + d.ID + "-" + d.GenerationID
	case d.IoTEdge && old.IoTEdge:
		d.DeviceScope = old.DeviceScope
	case d.IoTEdge:
		d.DeviceScope = scopePrefix + d.ID + "-"
	case old != nil && old.IoTEdge && d.DeviceScope == old.DeviceScope:
		d.DeviceScope, d.ParentScopes = "", nil
	case d.DeviceScope == "":
		d.ParentScopes = nil
	default:
		d.ParentScopes = []string{d.DeviceScope}
	}
	return d
}

// checkParent refuses a scope that is no edge device's, and one that is below
// the device itself. IoT Hub: contract.md §24 (400028); when it is given has no
// source.
func (s *Store) checkParent(id, scope string) error {
	for at := scope; at != ""; {
		parent := s.edgeDevice(at)
		switch {
		case parent == nil && at == scope:
			return iot.ErrDeviceScope.Because("The scope %s is not the scope of an edge device.", scope)
		case parent == nil:
			return nil // a parent that is no more ends the line
		case parent.ID == id:
			return iot.ErrDeviceScope.Because("Device %s cannot be below itself.", id)
		case len(parent.ParentScopes) == 0:
			return nil
		}
		at = parent.ParentScopes[0]
	}
	return nil
}

// edgeDevice is the edge device that has the scope, nil when none has.
func (s *Store) edgeDevice(scope string) *device {
	name, ok := strings.CutPrefix(scope, scopePrefix)
	end := strings.LastIndexByte(name, '-')
	if !ok || end < 0 {
		return nil
	}
	d, ok := s.devices[name[:end]]
	if !ok || !d.IoTEdge || d.DeviceScope != scope {
		return nil
	}
	return d
}
