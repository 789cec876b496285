package hub

import (
	"time"

	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/iot"
)

// window is how many messages a device may have without settling any.
// The gateway ancestor lets 16 operations be unfinished (contract.md §6.3).
const window = 16

// Send queues a message for a device and returns its sequence number.
// Errors: 404001, 403004 (queue full), 413001 (too large), 403009 (bad expiry),
// 400004 for a module, which takes no messages.
//
// IoT Hub: contract.md §8, iot-hub-devguide-messages-c2d.
func (h *Hub) Send(id iot.Identity, m c2d.Message) (sequence uint64, err error) {
	if id.IsModule() {
		return 0, iot.ErrArgumentInvalid.Because("messages can be sent to devices only, not to module %s", id)
	}
	defer h.lock(id.DeviceID).Unlock()
	generation, err := h.registry.Generation(id)
	if err != nil {
		return 0, err
	}
	return h.queues.Enqueue(id, generation, m)
}

// Purge drops a device's queued messages and counts them.
func (h *Hub) Purge(id iot.Identity) (int, error) {
	if _, err := h.registry.Generation(id); err != nil {
		return 0, err
	}
	return h.queues.Purge(id), nil
}

// messageAvailable is told by the queues that a device has something to fetch.
func (h *Hub) messageAvailable(id iot.Identity) {
	if s := h.connections.session(id); s != nil {
		s.deliver()
	}
}

// deliver hands the device what its queue has, oldest first, as long as the
// window has room.
func (s *Session) deliver() {
	token, stranded := s.fill()
	if stranded {
		// Outside fill, because the queue tells of what is released.
		_ = s.hub.queues.Release(s.Identity(), token)
	}
}

// fill fills the window. A message that was taken while the session ended is
// stranded: it has to go back.
func (s *Session) fill() (token string, stranded bool) {
	s.delivering.Lock()
	defer s.delivering.Unlock()
	for {
		now := s.hub.clock.Now()
		after, ok := s.wantsMessage(now)
		if !ok {
			return "", false
		}
		d, ok := s.hub.queues.Receive(s.Identity(), after, 0)
		if !ok {
			return "", false
		}
		if !s.hold(d, now.Add(s.hub.queues.Lock())) {
			return d.LockToken, true
		}
		s.touch(now)
		s.link.Message(d)
	}
}

// wantsMessage says whether the device listens and has room for one more.
func (s *Session) wantsMessage(now time.Time) (after uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sequence, l := range s.held {
		if !l.until.After(now) { // the lock ran out: the queue has the message again
			delete(s.held, sequence)
		}
	}
	return s.after, !s.ended && s.listening.Messages && len(s.held) < window
}

// hold notes that the device has a message.
func (s *Session) hold(d c2d.Delivery, until time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	if s.held == nil {
		s.held = map[uint64]lock{}
	}
	s.held[d.Sequence] = lock{token: d.LockToken, until: until}
	return true
}

// Complete says that the device has dealt with a message. Error: 412002 when its
// lock was lost.
func (s *Session) Complete(d c2d.Delivery) error { return s.settle(d, s.hub.queues.Complete) }

// Abandon gives a message back, to be delivered again. Error: 412002.
func (s *Session) Abandon(d c2d.Delivery) error { return s.settle(d, s.hub.queues.Abandon) }

// Reject says that the device will never deal with a message. Error: 412002.
func (s *Session) Reject(d c2d.Delivery) error { return s.settle(d, s.hub.queues.Reject) }

func (s *Session) settle(d c2d.Delivery, how func(iot.Identity, string) error) error {
	s.mu.Lock()
	if s.held[d.Sequence].token == d.LockToken {
		delete(s.held, d.Sequence)
	}
	s.mu.Unlock()
	s.touch(s.hub.clock.Now())
	err := how(s.Identity(), d.LockToken)
	s.deliver()
	return err
}
