package hub

import (
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/twin"
)

// DigitalTwin is the digital twin of a device, whether it has announced a model
// or not. Error: 404001. IoT Hub: contract.md §10.4.
func (h *Hub) DigitalTwin(device string) (twin.Digital, error) {
	return h.twins.Digital(iot.Device(device))
}

// PatchDigitalTwin changes the desired properties of a device as a JSON patch of
// its digital twin says, tells the device, and returns the new ETag. ifMatch is
// an ETag or empty. Errors: 404001, 412001, 400505 to 400508, 400004, 413000.
//
// IoT Hub: contract.md §10.4.
func (h *Hub) PatchDigitalTwin(device string, patch []twin.Operation, ifMatch string) (etag string, err error) {
	defer h.lock(device).Unlock() // nobody else writes desired properties meanwhile
	id := iot.Device(device)
	update, err := h.twins.DigitalUpdate(id, patch)
	if err != nil {
		return "", err
	}
	t, err := h.changeLocked(id, update, ifMatch, h.twins.Patch)
	return t.ETag, err
}
