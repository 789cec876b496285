package hub

import (
	"errors"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
	"github.com/linarite/linarite/twin"
)

// DeviceView is a device's identity with what the rest of the hub knows of it.
type DeviceView struct {
	registry.Device
	Presence     Presence
	MessageCount int // queued cloud-to-device messages
}

// ModuleView is a module's identity with what the rest of the hub knows of it.
type ModuleView struct {
	registry.Module
	Presence Presence
}

// CreateDevice registers a device, with an empty twin. Errors: 409001, 400004.
// IoT Hub: contract.md §13.1.
func (h *Hub) CreateDevice(d registry.Device) (DeviceView, error) {
	return h.CreateDeviceWithTwin(d, twin.Initial{})
}

// CreateDeviceWithTwin registers a device whose twin has tags and desired
// properties from the start. Errors: 409001, 400004, 413000.
func (h *Hub) CreateDeviceWithTwin(d registry.Device, t twin.Initial) (DeviceView, error) {
	defer h.lock(d.ID).Unlock()
	return h.createDevice(d, t)
}

// createDevice is CreateDeviceWithTwin for a caller that holds the device's
// lock.
func (h *Hub) createDevice(d registry.Device, t twin.Initial) (DeviceView, error) {
	created, err := h.registry.Create(d)
	if err != nil {
		return DeviceView{}, err
	}
	if err := h.twins.Create(iot.Device(d.ID), t); err != nil {
		return DeviceView{}, errors.Join(err, h.registry.Delete(d.ID, "*"))
	}
	return h.viewDevice(created), nil
}

// UpdateDevice changes a device; one that is now disabled is disconnected, and
// so are its modules. Errors: 404001, 412001, 400004.
func (h *Hub) UpdateDevice(d registry.Device, ifMatch string) (DeviceView, error) {
	defer h.lock(d.ID).Unlock()
	updated, err := h.registry.Update(d, ifMatch)
	if err != nil {
		return DeviceView{}, err
	}
	if updated.Status == registry.Disabled {
		for _, id := range h.family(d.ID) {
			if s := h.connections.session(id); s != nil {
				s.cut(iot.ErrDeviceDisabled)
			}
		}
	}
	return h.viewDevice(updated), nil
}

// DeleteDevice removes a device with its twin, modules, messages and pending
// feedback, and disconnects it. Errors: 404001, 412001.
func (h *Hub) DeleteDevice(id, ifMatch string) error {
	defer h.lock(id).Unlock()
	family := h.family(id)
	if err := h.registry.Delete(id, ifMatch); err != nil {
		return err
	}
	for _, member := range family {
		h.forget(member)
	}
	return nil
}

// Device is a device by its id. Error: 404001.
func (h *Hub) Device(id string) (DeviceView, error) {
	d, err := h.registry.Device(id)
	if err != nil {
		return DeviceView{}, err
	}
	return h.viewDevice(d), nil
}

// Devices lists at most top devices.
func (h *Hub) Devices(top int) []DeviceView {
	found := h.registry.Devices(top)
	views := make([]DeviceView, len(found))
	for i, d := range found {
		views[i] = h.viewDevice(d)
	}
	return views
}

// CreateModule registers a module of a device, with an empty twin. Errors:
// 404001, 409301, 413003, 400004. IoT Hub: contract.md §13.2.
func (h *Hub) CreateModule(m registry.Module) (ModuleView, error) {
	return h.CreateModuleWithTwin(m, twin.Initial{})
}

// CreateModuleWithTwin registers a module whose twin has tags and desired
// properties from the start. Errors: those of CreateModule, 413000.
func (h *Hub) CreateModuleWithTwin(m registry.Module, t twin.Initial) (ModuleView, error) {
	defer h.lock(m.DeviceID).Unlock()
	created, err := h.registry.CreateModule(m)
	if errors.Is(err, iot.ErrModuleExists) { // the registry does not know the hub's name
		err = iot.ErrModuleExists.Because("Device %s in IotHub %s already contains Module %s.", m.DeviceID, h.name, m.ID)
	}
	if err != nil {
		return ModuleView{}, err
	}
	if err := h.twins.Create(iot.Module(m.DeviceID, m.ID), t); err != nil {
		return ModuleView{}, errors.Join(err, h.registry.DeleteModule(m.DeviceID, m.ID, "*"))
	}
	return h.viewModule(created), nil
}

// UpdateModule changes a module. Errors: 404001, 404010, 412001, 400004.
func (h *Hub) UpdateModule(m registry.Module, ifMatch string) (ModuleView, error) {
	defer h.lock(m.DeviceID).Unlock()
	updated, err := h.registry.UpdateModule(m, ifMatch)
	if err != nil {
		return ModuleView{}, err
	}
	return h.viewModule(updated), nil
}

// DeleteModule removes a module with its twin and disconnects it. Errors:
// 404001, 404010, 412001.
func (h *Hub) DeleteModule(device, module, ifMatch string) error {
	defer h.lock(device).Unlock()
	if err := h.registry.DeleteModule(device, module, ifMatch); err != nil {
		return err
	}
	h.forget(iot.Module(device, module))
	return nil
}

// Module is a module by its ids. Errors: 404001, 404010.
func (h *Hub) Module(device, module string) (ModuleView, error) {
	m, err := h.registry.Module(device, module)
	if err != nil {
		return ModuleView{}, err
	}
	return h.viewModule(m), nil
}

// Modules lists the modules of a device. Error: 404001.
func (h *Hub) Modules(device string) ([]ModuleView, error) {
	found, err := h.registry.Modules(device)
	if err != nil {
		return nil, err
	}
	views := make([]ModuleView, len(found))
	for i, m := range found {
		views[i] = h.viewModule(m)
	}
	return views, nil
}

// Statistics counts the registered devices.
func (h *Hub) Statistics() (total, enabled, disabled int) { return h.registry.Statistics() }

// family is a device and its modules.
func (h *Hub) family(device string) []iot.Identity {
	family := []iot.Identity{iot.Device(device)}
	modules, err := h.registry.Modules(device)
	if err != nil {
		return family
	}
	for _, m := range modules {
		family = append(family, iot.Module(device, m.ID))
	}
	return family
}

// forget removes every trace of an identity that was deleted.
func (h *Hub) forget(id iot.Identity) {
	s := h.connections.session(id)
	if s != nil {
		s.expel(iot.ErrDeviceNotFound.Because("the identity was deleted"))
	}
	h.connections.forget(id)
	h.twins.Delete(id)
	h.queues.Delete(id)
	h.callers.wake(id)
}

func (h *Hub) viewDevice(d registry.Device) DeviceView {
	id := iot.Device(d.ID)
	return DeviceView{Device: d, Presence: h.connections.presence(id), MessageCount: h.queues.Depth(id)}
}

func (h *Hub) viewModule(m registry.Module) ModuleView {
	return ModuleView{Module: m, Presence: h.connections.presence(iot.Module(m.DeviceID, m.ID))}
}
