package hub

// Waiting is how many back ends wait for a device to come.
func (h *Hub) Waiting() (n int) {
	h.callers.mu.Lock()
	defer h.callers.mu.Unlock()
	for _, waiting := range h.callers.waiting {
		n += len(waiting)
	}
	return n
}
