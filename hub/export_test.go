package hub

import "github.com/linarite/linarite/iot"

// Waiting is how many back ends wait for a device to come.
func (h *Hub) Waiting() (n int) {
	h.callers.mu.Lock()
	defer h.callers.mu.Unlock()
	for _, waiting := range h.callers.waiting {
		n += len(waiting)
	}
	return n
}

// Reported merges a patch into reported properties, as a device's report does.
func (h *Hub) Reported(id iot.Identity, patch []byte) (int64, error) {
	return h.twins.PatchReported(id, patch, 0)
}

// MaxLines is how many records of the resource log may wait.
const MaxLines = maxLines
