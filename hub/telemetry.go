package hub

import (
	"github.com/linarite/linarite/events"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/routing"
)

// MaxTelemetry is the largest device-to-cloud message, in bytes of
// iot.Message.Size. IoT Hub: contract.md §7.4.
const MaxTelemetry = 256 * 1024

// SourceTelemetry is the source of what devices send.
// IoT Hub: contract.md §7.3, iothub-message-source.
const SourceTelemetry = "Telemetry"

// Telemetry carries a device's message to the endpoints that its routes name.
// When it returns an accepting verdict the message is in the log of each of them,
// so that an acknowledgement means something. Errors: 413001 when the message is
// too large.
func (s *Session) Telemetry(m iot.Message) Verdict {
	v := s.ingest(m)
	s.hub.counts.ingress(v.failure())
	if v.Action == Refuse {
		s.notIngested(&m, v.Err)
	}
	return v
}

func (s *Session) ingest(m iot.Message) Verdict {
	h := s.hub
	id := s.Identity()
	v := h.judge(OpTelemetry, id)
	if v.Action == Refuse {
		return v
	}
	if n := m.Size(); n > MaxTelemetry {
		return h.refuse(id, "telemetry", iot.ErrMessageTooLarge.Because(
			"the message has %d bytes, %d are allowed", n, MaxTelemetry))
	}
	now := h.clock.Now()
	s.inbound.Lock()
	defer s.inbound.Unlock()
	if s.gone {
		return h.refuse(id, "telemetry", iot.ErrDeviceNotFound)
	}
	s.touch(now)
	if !s.messaging.Load() {
		s.UseMessages()
	}
	if h.routes.Load().table.Direct() { // as route would, and quicker
		h.routed.fallback.Add(1)
		h.events.Append(id.DeviceID, events.Event{Enqueued: now, Source: SourceTelemetry, Origin: s.origin, Message: m})
		return v
	}
	h.route(&routing.Message{Source: routing.DeviceMessages, Enqueued: now, Origin: s.origin, Message: m})
	return v
}
