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
		had := old != nil && slices.Contains(old.ParentScopes, scope)
		if s.edgeDevice(scope) == nil && !had { // one that was good may stay
			return d, iot.ErrDeviceScope.Because("The scope %s is not the scope of an edge device.", scope)
		}
		if s.isBelow(scope, d) {
			return d, iot.ErrDeviceScope.Because("Device %s cannot be below itself.", d.ID)
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

// isBelow says whether a scope is a device's own or below it. A device that
// becomes an edge device has what is stored to be below its scope at once, so that
// this is looked for by name. IoT Hub: contract.md §24 (400028); when it is given
// has no source.
func (s *Store) isBelow(scope string, d Device) bool {
	for {
		if d.IoTEdge && scope == d.DeviceScope {
			return true
		}
		parent := s.edgeDevice(scope)
		switch {
		case parent == nil: // one that is no more ends the line
			return false
		case parent.ID == d.ID:
			return true
		case len(parent.ParentScopes) == 0:
			return false
		}
		scope = parent.ParentScopes[0]
	}
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
