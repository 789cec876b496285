package hub

import (
	"fmt"
	"sync"
	"time"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/routing"
)

// snapshotEvery is how often connection states are looked at.
// IoT Hub: contract.md §20.1.
const snapshotEvery = time.Minute

// states tells of connections that came and went, once a minute: who has changed
// since the last time is told as he is then, whatever lies between.
//
// IoT Hub: contract.md §20.1, iot-hub-event-grid (limitations for device
// connected and device disconnected events).
type states struct {
	clock *clock.Clock
	emit  func(iot.Identity, state)
	epoch string // of sequence numbers

	mu       sync.Mutex
	changed  map[iot.Identity]state
	order    []iot.Identity // in which they changed first
	timer    *clock.Timer   // nil when nobody has changed
	sequence uint64
}

// state is the connection state of an identity.
type state struct {
	connected bool
	since     time.Time
	sequence  string
}

func newStates(clk *clock.Clock, emit func(iot.Identity, state)) *states {
	return &states{clock: clk, emit: emit, epoch: epochOf(clk.Now()), changed: map[iot.Identity]state{}}
}

// note notes a change.
func (s *states) note(id iot.Identity, connected bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	if _, again := s.changed[id]; !again {
		s.order = append(s.order, id)
	}
	s.changed[id] = state{connected: connected, since: now}
	if s.timer == nil {
		s.timer = s.clock.AfterFunc(now.Truncate(snapshotEvery).Add(snapshotEvery).Sub(now), s.snapshot)
	}
}

// snapshot tells of those who have changed.
func (s *states) snapshot() {
	s.mu.Lock()
	changed, order := s.changed, s.order
	s.changed, s.order, s.timer = map[iot.Identity]state{}, nil, nil
	for _, id := range order {
		s.sequence++
		now := changed[id]
		now.sequence = fmt.Sprintf("%s%024X", s.epoch, s.sequence)
		changed[id] = now
	}
	s.mu.Unlock()
	for _, id := range order {
		s.emit(id, changed[id])
	}
}

// clear forgets who has changed.
func (s *states) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
	}
	s.changed, s.order, s.timer = map[iot.Identity]state{}, nil, nil
}

// epochOf begins sequence numbers: 64 hexadecimal digits that grow and compare as
// text. Azure's are a time in Windows' count and a number.
//
// IoT Hub: contract.md §20.1; the parts are [inferred] from recorded numbers.
func epochOf(t time.Time) string {
	const windowsEpoch = 11_644_473_600 // seconds from 1601 to 1970
	ticks := (t.Unix()+windowsEpoch)*10_000_000 + int64(t.Nanosecond()/100)
	return fmt.Sprintf("%016X%016X%08X", 0, ticks, 2)
}

// tellState sends the event of a connection state.
func (h *Hub) tellState(id iot.Identity, s state) {
	if !h.notifies(routing.DeviceConnectionStateEvents) {
		return
	}
	operation := "device"
	if id.IsModule() {
		operation = "module"
	}
	if s.connected {
		operation += "Connected"
	} else {
		operation += "Disconnected"
	}
	h.emit(notification{
		source: routing.DeviceConnectionStateEvents, schema: "deviceConnectionStateNotification", operation: operation,
		about: id, at: s.since, body: fmt.Appendf(nil, `{"sequenceNumber":"%s"}`, s.sequence),
	})
}
