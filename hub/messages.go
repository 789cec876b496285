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
// 400004 for a module, which takes no messages, 503001 once the hub is closed.
//
// IoT Hub: contract.md §8, iot-hub-devguide-messages-c2d.
func (h *Hub) Send(id iot.Identity, m c2d.Message) (sequence uint64, err error) {
	if id.IsModule() {
		return 0, iot.ErrArgumentInvalid.Because("messages can be sent to devices only, not to module %s", id)
	}
	defer h.lock(id.DeviceID).Unlock()
	if h.closed {
		return 0, errShuttingDown()
	}
	generation, err := h.registry.Generation(id)
	if err != nil {
		return 0, err
	}
	return h.queues.Enqueue(id, generation, m)
}

// Purge drops a device's queued messages and counts them.
func (h *Hub) Purge(id iot.Identity) (int, error) {
	defer h.lock(id.DeviceID).Unlock() // so that nothing is sent between the two steps
	if _, err := h.registry.Generation(id); err != nil {
		return 0, err
	}
	n := h.queues.Purge(id)
	if s := h.connections.session(id); s != nil {
		s.unsettled() // what it has not settled has no lock any more
	}
	return n, nil
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
	s.delivering.Lock()
	defer s.delivering.Unlock()
	for {
		now := s.hub.clock.Now()
		after, ok := s.wantsMessage(now)
		if !ok {
			return
		}
		d, ok := s.hub.queues.Receive(s.Identity(), after, 0)
		if !ok || !s.hold(d, now.Add(s.hub.queues.Lock())) {
			return
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

// hold notes that the device has a message. It is false when the session has
// ended meanwhile: whoever ends it will find the message here and release it.
func (s *Session) hold(d c2d.Delivery, until time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil {
		s.held = map[uint64]lock{}
	}
	s.held[d.Sequence] = lock{token: d.LockToken, until: until}
	return !s.ended
}

// unsettled takes over the messages that the device has, once the delivery that
// may be under way is done.
func (s *Session) unsettled() map[uint64]lock {
	s.delivering.Lock()
	defer s.delivering.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.held
	s.held = nil
	return held
}

// Complete says that the device has dealt with a message. Error: 412002 when its
// lock was lost.
func (s *Session) Complete(d c2d.Delivery) error {
	return s.settle("complete", d, s.hub.queues.Complete)
}

// Abandon gives a message back, to be delivered again. Error: 412002.
func (s *Session) Abandon(d c2d.Delivery) error { return s.settle("abandon", d, s.hub.queues.Abandon) }

// Reject says that the device will never deal with a message. Error: 412002.
func (s *Session) Reject(d c2d.Delivery) error { return s.settle("reject", d, s.hub.queues.Reject) }

func (s *Session) settle(operation string, d c2d.Delivery, how func(iot.Identity, string) error) error {
	s.mu.Lock()
	if s.held[d.Sequence].token == d.LockToken {
		delete(s.held, d.Sequence)
	}
	s.mu.Unlock()
	s.touch(s.hub.clock.Now())
	err := how(s.Identity(), d.LockToken)
	s.settled(operation, &d, err)
	s.deliver()
	return err
}
