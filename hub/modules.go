package hub

import (
	"errors"
	"slices"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
	"github.com/linarite/linarite/twin"
)

// ModuleView is a module's identity with what the rest of the hub knows of it.
type ModuleView struct {
	registry.Module
	Presence Presence
}

// CreateModule registers a module of a device, with an empty twin. Errors:
// 404001, 409301, 413003, 400004, 401100. IoT Hub: contract.md §13.2.
func (h *Hub) CreateModule(m registry.Module) (ModuleView, error) {
	return h.CreateModuleWithTwin(m, twin.Initial{})
}

// CreateModuleWithTwin registers a module whose twin has tags and desired
// properties from the start. Errors: those of CreateModule, 413000.
func (h *Hub) CreateModuleWithTwin(m registry.Module, t twin.Initial) (ModuleView, error) {
	defer h.lock(m.DeviceID).Unlock()
	return h.createModule(m, t)
}

// createModule is CreateModuleWithTwin for a caller that holds the device's
// lock.
func (h *Hub) createModule(m registry.Module, t twin.Initial) (ModuleView, error) {
	created, err := h.registry.CreateModule(m)
	if errors.Is(err, iot.ErrModuleExists) { // the registry does not know the hub's name
		err = iot.ErrModuleExists.Because("Device %s in IotHub %s already contains Module %s.", m.DeviceID, h.name, m.ID)
	}
	if err != nil {
		return ModuleView{}, err
	}
	if err := h.createTwin(iot.Module(m.DeviceID, m.ID), t); err != nil {
		return ModuleView{}, errors.Join(err, h.registry.DeleteModule(m.DeviceID, m.ID, "*"))
	}
	return h.viewModule(created), nil
}

// UpdateModule changes a module. Errors: 404001, 404010, 412001, 400004, 401100.
func (h *Hub) UpdateModule(m registry.Module, ifMatch string) (ModuleView, error) {
	defer h.lock(m.DeviceID).Unlock()
	return h.updateModule(m, ifMatch)
}

// updateModule is UpdateModule for a caller that holds the device's lock.
func (h *Hub) updateModule(m registry.Module, ifMatch string) (ModuleView, error) {
	updated, err := h.registry.UpdateModule(m, ifMatch)
	if err != nil {
		return ModuleView{}, err
	}
	return h.viewModule(updated), nil
}

// DeleteModule removes a module with its twin and disconnects it. Errors:
// 404001, 404010, 412001, 401100.
func (h *Hub) DeleteModule(device, module, ifMatch string) error {
	defer h.lock(device).Unlock()
	return h.deleteModule(device, module, ifMatch)
}

// deleteModule is DeleteModule for a caller that holds the device's lock.
func (h *Hub) deleteModule(device, module, ifMatch string) error {
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

// refit gives a device that was updated the twins of its system modules, or
// removes every trace of those it had. The caller holds the device's lock.
func (h *Hub) refit(d registry.Device, had []iot.Identity) error {
	if d.IoTEdge {
		return h.equip(d.ID)
	}
	has := h.family(d.ID)
	for _, id := range had {
		if !slices.Contains(has, id) {
			h.forget(id)
		}
	}
	return nil
}

// equip makes the twins of an edge device's system modules, where they are
// missing. The caller holds the device's lock.
func (h *Hub) equip(device string) error {
	modules, err := h.registry.Modules(device)
	if err != nil {
		return err
	}
	for _, m := range modules {
		if !m.IsSystem() {
			continue
		}
		err := h.createTwin(iot.Module(device, m.ID), twin.Initial{})
		if err != nil && !errors.Is(err, iot.ErrModuleExists) {
			return err
		}
	}
	return nil
}

func (h *Hub) viewModule(m registry.Module) ModuleView {
	return ModuleView{Module: m, Presence: h.connections.presence(iot.Module(m.DeviceID, m.ID))}
}
