package hub

import (
	"errors"
	"strings"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/events"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/monitoring"
)

// Bounds of the operations monitoring endpoint: it is there to be watched, not to
// keep a history.
const (
	maxOperations      = 1 << 14
	maxOperationsBytes = 16 << 20
)

// Operations is the log of the operations monitoring endpoint. It has as many
// partitions as that of the built-in one.
//
// IoT Hub: contract.md §23.2, messages/operationsMonitoringEvents.
func (h *Hub) Operations() *events.Log { return h.operations }

// OperationsName is the Event-Hubs-compatible name of the operations monitoring
// endpoint. IoT Hub: operationsMonitoringEvents.path of the hub's resource.
func (h *Hub) OperationsName() string { return h.name + "-operationmonitoring" }

// Watched says whether anybody is told of a category's operations that failed, or
// of those that did not, so that nobody needs to describe what nobody reads.
func (h *Hub) Watched(c monitoring.Category, failed bool) bool {
	return h.monitored.Want(c, failed) || h.resourceLog != nil && logged(c, failed)
}

// logged says whether resource logs have a category's operations: of some, only
// what failed. IoT Hub: monitor-iot-hub-reference.
func logged(c monitoring.Category, failed bool) bool {
	switch c {
	case monitoring.DeviceTelemetry, monitoring.C2DCommands, monitoring.DeviceIdentityOperations, monitoring.FileUploadOperations:
		return failed
	}
	return true
}

// Record tells of an operation where it is to be told: at the operations monitoring
// endpoint and in the resource log. It does not wait.
func (h *Hub) Record(r monitoring.Record) {
	failed := r.Err != nil && !r.Remark
	if r.Time.IsZero() {
		r.Time = h.clock.Now()
	}
	if r.Caller.Protocol == "Https" {
		r.Caller.Protocol = "Http" // as records have it
	}
	if h.monitored.Want(r.Category, failed) {
		r.Message.Partition = h.events.PartitionOf(r.Identity.DeviceID)
		h.operations.Append(r.Identity.DeviceID, events.Event{
			Enqueued: r.Time, Origin: &iot.Origin{Identity: r.Identity},
			Message: iot.Message{Body: r.Event(), System: iot.Properties{
				{Name: iot.ContentType, Value: "application/json"}, {Name: iot.ContentEncoding, Value: "utf-8"},
			}},
		})
	}
	if h.resourceLog != nil && logged(r.Category, failed) {
		h.resourceLog.add(&r)
	}
}

// Failure is an error as records have it: one of the catalogue, whose text says all
// that is known, and no token. nil is nil.
func Failure(err error) *iot.Error {
	if err == nil {
		return nil
	}
	var e *iot.Error
	if !errors.As(err, &e) {
		e = iot.ErrServer
	}
	text := iot.Masked(err.Error())
	if text == e.Error() {
		return e
	}
	return e.Because("%s", strings.TrimSuffix(text, ": "+e.Error()))
}

// caller is a device at the door. How it authenticates is what it tries to.
func (r *ConnectRequest) caller() monitoring.Caller {
	c := monitoring.Caller{Protocol: r.Protocol, SDK: r.Agent, RemoteAddr: r.RemoteAddr}
	if r.Token != "" || len(r.Certificates) > 0 {
		c.AuthType = auth.Method(r.Identity, r.Token == "")
	}
	return c
}

// caller is a connected device.
func (s *Session) caller() monitoring.Caller {
	c := s.request.caller()
	c.AuthType = s.origin.AuthMethod
	return c
}

// connected tells that a device has connected.
func (h *Hub) connected(s *Session) {
	if !h.Watched(monitoring.Connections, false) {
		return
	}
	h.Record(monitoring.Record{
		Category: monitoring.Connections, Operation: "deviceConnect", Time: s.since, Identity: s.Identity(), Caller: s.caller(),
	})
}

// disconnected tells that a connection is over; reason is nil when the device said
// goodbye. How long it lasted is its duration, which is [unsourced].
//
// IoT Hub: contract.md §5.3.
func (h *Hub) disconnected(s *Session, reason error) {
	if !h.Watched(monitoring.Connections, reason != nil) {
		return
	}
	now := h.clock.Now()
	h.Record(monitoring.Record{
		Category: monitoring.Connections, Operation: "deviceDisconnect", Time: now, Duration: now.Sub(s.since),
		Err: Failure(reason), Identity: s.Identity(), Caller: s.caller(),
	})
}

// turnedAway tells that a device was not let in.
func (h *Hub) turnedAway(who iot.Identity, c monitoring.Caller, err error) {
	h.counts.refuse(err)
	h.Record(monitoring.Record{
		Category: monitoring.Connections, Operation: "deviceConnect", Err: Failure(err), Identity: who, Caller: c,
	})
}
