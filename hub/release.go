package hub

import "github.com/linarite/linarite/c2d"

// Release gives a message back because the link it went out on is gone, while
// the device stays connected. That counts for nothing.
func (s *Session) Release(d c2d.Delivery) error { return s.settle("release", d, s.hub.queues.Release) }
