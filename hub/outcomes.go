package hub

import (
	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/monitoring"
	"github.com/linarite/linarite/routing"
)

// Here the flows say how their operations ended, where that is worth a record.

// NotIngested counts and tells of a device's message of so many bytes that its
// transport refused, because it could not be read.
func (s *Session) NotIngested(size int, err error) {
	failure := Failure(err)
	s.hub.counts.ingress(failure)
	s.refusedTelemetry(monitoring.Message{Size: size}, failure)
}

// notIngested tells of a device's message that was not accepted.
func (s *Session) notIngested(m *iot.Message, err *iot.Error) {
	if s.hub.Watched(monitoring.DeviceTelemetry, true) {
		s.refusedTelemetry(messageOf(m), Failure(err))
	}
}

func (s *Session) refusedTelemetry(m monitoring.Message, err *iot.Error) {
	s.hub.Record(monitoring.Record{
		Category: monitoring.DeviceTelemetry, Operation: "ingress", Err: err, Identity: s.Identity(), Caller: s.caller(), Message: m,
	})
}

func messageOf(m *iot.Message) monitoring.Message {
	id, _ := m.System.Get(iot.MessageID)
	return monitoring.Message{ID: id, Size: m.Size()}
}

// settled counts and tells how a device settled a message.
func (s *Session) settled(operation string, d *c2d.Delivery, err error) {
	c := &s.hub.counts
	if err == nil {
		switch operation {
		case "complete":
			c.completed.Add(1)
		case "abandon":
			c.abandoned.Add(1)
		case "reject":
			c.rejected.Add(1)
		}
		return
	}
	if !s.hub.Watched(monitoring.C2DCommands, true) {
		return
	}
	m := messageOf(&d.Message.Message)
	m.Ack, m.DeliveryCount, m.Enqueued, m.Expiry = d.Ack.String(), d.DeliveryCount, d.EnqueuedTime, d.Expiry
	s.hub.Record(monitoring.Record{
		Category: monitoring.C2DCommands, Operation: operation, Err: Failure(err), Identity: s.Identity(), Caller: s.caller(), Message: m,
	})
}

// undelivered is told by the queues of a message that left its queue by itself.
// IoT Hub: contract.md §23.1, messageExpired. The code is [unsourced].
func (h *Hub) undelivered(id iot.Identity, u c2d.Undelivered) {
	operation, n := "messageExpired", &h.counts.expired
	if u.Outcome == c2d.DeliveryCountExceeded {
		operation, n = "deliveryCountExceeded", &h.counts.deadLettered
	}
	n.Add(1)
	if !h.Watched(monitoring.C2DCommands, true) {
		return
	}
	m := messageOf(&u.Message.Message)
	m.Ack, m.DeliveryCount, m.Enqueued, m.Expiry = u.Ack.String(), u.DeliveryCount, u.EnqueuedTime, u.Expires
	h.Record(monitoring.Record{
		Category: monitoring.C2DCommands, Operation: operation, Identity: id, Message: m,
		Err: iot.ErrUndelivered.Because("%s", u.Outcome),
	})
}

// ofTwin tells what a device did with its twin.
func (s *Session) ofTwin(operation string, size int, err *iot.Error) {
	if !s.hub.Watched(monitoring.D2CTwinOperations, err != nil) {
		return
	}
	r := monitoring.Record{
		Category: monitoring.D2CTwinOperations, Operation: operation, Identity: s.Identity(), Caller: s.caller(), Request: size,
	}
	if err != nil {
		r.Err = Failure(err)
	}
	s.hub.Record(r)
}

// onItsWay tells what routing found odd about a message; remark says that nothing
// went wrong by it.
func (h *Hub) onItsWay(operation string, m *routing.Message, route, endpoint string, err *iot.Error, remark bool) {
	failed := err != nil && !remark
	if !h.Watched(monitoring.Routes, failed) {
		return
	}
	r := monitoring.Record{
		Category: monitoring.Routes, Operation: operation, Identity: m.Origin.Identity, Message: messageOf(&m.Message),
		Route: route, Endpoint: endpoint, Err: err, Remark: remark,
	}
	if err != nil {
		r.Details = iot.Masked(err.Message)
	}
	h.Record(r)
}

// fares tells that a custom endpoint fares otherwise than before; err is why.
// IoT Hub: contract.md §19.5.
func (e *endpoint) fares(operation string, err error) {
	if !e.hub.Watched(monitoring.Routes, err != nil) {
		return
	}
	r := monitoring.Record{Category: monitoring.Routes, Operation: operation, Endpoint: e.settings.Name}
	if err != nil {
		r.Err = Failure(err)
		r.Details = r.Err.Message
	}
	e.hub.Record(r)
}
