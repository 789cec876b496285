package hub

import (
	"errors"
	"slices"

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

// CreateDevice registers a device, with an empty twin; an edge device with its
// system modules and theirs. Errors: 409001, 400004, 400028.
// IoT Hub: contract.md §13.1.
func (h *Hub) CreateDevice(d registry.Device) (DeviceView, error) {
	return h.CreateDeviceWithTwin(d, twin.Initial{})
}

// CreateDeviceWithTwin registers a device whose twin has tags and desired
// properties from the start. Errors: those of CreateDevice, 413000.
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
	if err := h.createTwin(iot.Device(d.ID), t); err != nil {
		return DeviceView{}, errors.Join(err, h.registry.Delete(d.ID, "*"))
	}
	if created.IoTEdge {
		if err := h.equip(d.ID); err != nil {
			return DeviceView{}, err
		}
	}
	return h.viewDevice(created), nil
}

// UpdateDevice changes a device; one that is now disabled is disconnected, and
// so are its modules. Errors: 404001, 412001, 400004, 400028.
func (h *Hub) UpdateDevice(d registry.Device, ifMatch string) (DeviceView, error) {
	defer h.lock(d.ID).Unlock()
	return h.updateDevice(d, ifMatch)
}

// updateDevice is UpdateDevice for a caller that holds the device's lock.
func (h *Hub) updateDevice(d registry.Device, ifMatch string) (DeviceView, error) {
	had := h.family(d.ID)
	updated, err := h.registry.Update(d, ifMatch)
	if err != nil {
		return DeviceView{}, err
	}
	if err := h.refit(updated, had); err != nil {
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
	return h.deleteDevice(id, ifMatch)
}

// deleteDevice is DeleteDevice for a caller that holds the device's lock.
func (h *Hub) deleteDevice(id, ifMatch string) error {
	family := h.family(id)
	if err := h.registry.Delete(id, ifMatch); err != nil {
		return err
	}
	for _, member := range slices.Backward(family) { // modules first: with the device's twin theirs go
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

// createTwin makes the twin of an identity that was just registered, and tells of
// the identity.
func (h *Hub) createTwin(id iot.Identity, t twin.Initial) error {
	if err := h.twins.Create(id, t); err != nil {
		return err
	}
	h.lifecycleEvent(id, "create")
	return nil
}

// forget removes every trace of an identity that was deleted.
func (h *Hub) forget(id iot.Identity) {
	s := h.connections.session(id)
	if s != nil {
		s.expel(iot.ErrDeviceNotFound.Because("the identity was deleted"))
	}
	h.connections.forget(id)
	h.lifecycleEvent(id, "delete")
	h.twins.Delete(id)
	h.queues.Delete(id)
	h.callers.wake(id)
}

func (h *Hub) viewDevice(d registry.Device) DeviceView {
	id := iot.Device(d.ID)
	return DeviceView{Device: d, Presence: h.connections.presence(id), MessageCount: h.queues.Depth(id)}
}
