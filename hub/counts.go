package hub

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/linarite/linarite/iot"
)

// counts are what a hub counts as it goes, so that nobody has to look for it.
type counts struct {
	telemetry, accepted, throttled                                     atomic.Uint64
	completed, abandoned, rejected, expired, deadLettered              atomic.Uint64
	methods, methodsFailed, methodRequests, methodAnswers              atomic.Uint64
	twinReads, twinReadsFailed, twinUpdates, twinUpdatesFailed         atomic.Uint64
	deviceReads, deviceReadsFailed, deviceUpdates, deviceUpdatesFailed atomic.Uint64
	queries, queriesFailed, queryBytes                                 atomic.Uint64

	mu      sync.Mutex
	refused map[int]uint64 // connections that were turned away, by code
}

// Metrics are counts since the start or the last reset, and what there is now. To
// read them costs the same however many devices there are.
//
// IoT Hub: contract.md §23.3, whose names the comments give.
type Metrics struct {
	TelemetryAttempts  uint64 // d2c.telemetry.ingress.allProtocol
	TelemetryAccepted  uint64 // d2c.telemetry.ingress.success
	TelemetryThrottled uint64 // d2c.telemetry.ingress.sendThrottle

	MessagesCompleted    uint64 // c2d.commands.egress.complete.success
	MessagesAbandoned    uint64 // c2d.commands.egress.abandon.success
	MessagesRejected     uint64 // c2d.commands.egress.reject.success
	MessagesExpired      uint64 // C2DMessagesExpired
	MessagesDeadLettered uint64 // given back too often

	Methods, MethodsFailed              uint64 // c2d.methods.success, .failure
	MethodRequestBytes, MethodBytes     uint64 // c2d.methods.requestSize, .responseSize
	TwinReads, TwinReadsFailed          uint64 // c2d.twin.read
	TwinUpdates, TwinUpdatesFailed      uint64 // c2d.twin.update
	DeviceReads, DeviceReadsFailed      uint64 // d2c.twin.read
	DeviceUpdates, DeviceUpdatesFailed  uint64 // d2c.twin.update
	Queries, QueriesFailed              uint64 // twinQueries.success, .failure
	QueryBytes                          uint64 // twinQueries.resultSize
	Refused                             map[int]uint64
	ConnectedDevices, ConnectedModules  int // devices.connectedDevices.allProtocol
	QueuedMessages                      int // queued or locked, of all devices
	ResourceLogWritten, ResourceLogLost uint64
}

// Metrics are the counts so far.
func (h *Hub) Metrics() Metrics {
	c := &h.counts
	m := Metrics{
		TelemetryAttempts: c.telemetry.Load(), TelemetryAccepted: c.accepted.Load(), TelemetryThrottled: c.throttled.Load(),
		MessagesCompleted: c.completed.Load(), MessagesAbandoned: c.abandoned.Load(), MessagesRejected: c.rejected.Load(),
		MessagesExpired: c.expired.Load(), MessagesDeadLettered: c.deadLettered.Load(),
		Methods: c.methods.Load(), MethodsFailed: c.methodsFailed.Load(),
		MethodRequestBytes: c.methodRequests.Load(), MethodBytes: c.methodAnswers.Load(),
		TwinReads: c.twinReads.Load(), TwinReadsFailed: c.twinReadsFailed.Load(),
		TwinUpdates: c.twinUpdates.Load(), TwinUpdatesFailed: c.twinUpdatesFailed.Load(),
		DeviceReads: c.deviceReads.Load(), DeviceReadsFailed: c.deviceReadsFailed.Load(),
		DeviceUpdates: c.deviceUpdates.Load(), DeviceUpdatesFailed: c.deviceUpdatesFailed.Load(),
		Queries: c.queries.Load(), QueriesFailed: c.queriesFailed.Load(), QueryBytes: c.queryBytes.Load(),
		QueuedMessages: h.queues.Messages(),
	}
	m.ConnectedDevices, m.ConnectedModules = h.connections.counts()
	m.ResourceLogWritten, m.ResourceLogLost = h.ResourceLogStatistics()
	c.mu.Lock()
	defer c.mu.Unlock()
	m.Refused = maps.Clone(c.refused)
	return m
}

// outcome counts what succeeded or failed.
func outcome(err error, ok, failed *atomic.Uint64) {
	if err != nil {
		failed.Add(1)
		return
	}
	ok.Add(1)
}

// refuse counts a connection that was turned away. The codes are the catalogue's.
func (c *counts) refuse(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused == nil {
		c.refused = map[int]uint64{}
	}
	c.refused[Failure(err).Code]++
}

// ingress counts a device's message; err is why it was not accepted.
func (c *counts) ingress(err *iot.Error) {
	c.telemetry.Add(1)
	switch {
	case err == nil:
		c.accepted.Add(1)
	case err.Code == iot.ErrThrottled.Code:
		c.throttled.Add(1)
	}
}

func (c *counts) reset() {
	for _, n := range []*atomic.Uint64{
		&c.telemetry, &c.accepted, &c.throttled, &c.completed, &c.abandoned, &c.rejected, &c.expired, &c.deadLettered,
		&c.methods, &c.methodsFailed, &c.methodRequests, &c.methodAnswers,
		&c.twinReads, &c.twinReadsFailed, &c.twinUpdates, &c.twinUpdatesFailed,
		&c.deviceReads, &c.deviceReadsFailed, &c.deviceUpdates, &c.deviceUpdatesFailed,
		&c.queries, &c.queriesFailed, &c.queryBytes,
	} {
		n.Store(0)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = nil
}
