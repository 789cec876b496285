package hub

import (
	"time"

	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/iot"
)

// Visit is a device or module that has authenticated and has no connection: it
// speaks HTTPS, a request at a time. It is never connected by that, and what it
// has locked stays locked until it settles it or the lock runs out. A connection
// that it may have beside that goes on; both receive from one queue.
//
// IoT Hub: contract.md §13.1 (connectionState), §17.
type Visit struct {
	session *Session // without a link, and not among the connections
}

// Visit authenticates a device as Connect does. The error says why it is turned
// away; it has been remembered, and is for the caller to log.
func (h *Hub) Visit(r ConnectRequest) (*Visit, error) {
	defer h.lock(r.Identity.DeviceID).Unlock()
	v, err := h.visit(r)
	if err != nil {
		h.turnedAway(r.Identity, r.caller(), err)
		h.connections.refuse(Refusal{
			Time: h.clock.Now(), Identity: r.Identity, Protocol: r.Protocol, RemoteAddr: r.RemoteAddr, Code: code(err), Reason: err.Error(),
		})
		return nil, err
	}
	return v, nil
}

// visit is Visit for a caller that holds the device's lock.
func (h *Hub) visit(r ConnectRequest) (*Visit, error) {
	if h.closed {
		return nil, errShuttingDown()
	}
	s, err := h.session(r)
	if err != nil {
		return nil, err
	}
	s.messaging.Store(true) // it counts for no connection-state events
	return &Visit{session: s}, nil
}

// Telemetry carries the messages of a batch, or one, to their endpoints, in their
// order and until one is not accepted. Together they have at most MaxTelemetry
// bytes. Verdicts and errors are Session.Telemetry's; 404001 when the device has
// been deleted meanwhile.
//
// IoT Hub: contract.md §7.4, §17.
func (v *Visit) Telemetry(messages []iot.Message) (verdict Verdict) {
	h, id := v.session.hub, v.session.Identity()
	defer h.lock(id.DeviceID).Unlock()
	if err := v.still(); err != nil {
		return v.notIngested(messages, h.refuse(id, "telemetry", err))
	}
	size := 0
	for i := range messages {
		size += messages[i].Size()
	}
	if size > MaxTelemetry {
		return v.notIngested(messages, h.refuse(id, "telemetry",
			iot.ErrMessageTooLarge.Because("the messages have %d bytes, %d are allowed", size, MaxTelemetry)))
	}
	for i := range messages {
		if verdict = v.session.Telemetry(messages[i]); verdict.Action != Accept {
			break
		}
	}
	v.touch()
	return verdict
}

// notIngested counts and tells of messages none of which was looked at.
func (v *Visit) notIngested(messages []iot.Message, verdict Verdict) Verdict {
	for i := range messages {
		v.session.hub.counts.ingress(verdict.Err)
		v.session.notIngested(&messages[i], verdict.Err)
	}
	return verdict
}

// Receive locks the oldest message that waits for the device, for lockFor or, when
// that is 0, for the hub's default; ok is false when there is none. Error: 404001
// when the device has been deleted meanwhile.
//
// IoT Hub: contract.md §8.3, §17.
func (v *Visit) Receive(lockFor time.Duration) (d c2d.Delivery, ok bool, err error) {
	h, id := v.session.hub, v.session.Identity()
	defer h.lock(id.DeviceID).Unlock()
	if err := v.still(); err != nil {
		return c2d.Delivery{}, false, err
	}
	d, ok = h.queues.Receive(id, 0, lockFor)
	v.touch()
	return d, ok, nil
}

// Complete says that the device has dealt with a message. Errors: 412002 when the
// lock was lost, 404001.
func (v *Visit) Complete(lockToken string) error {
	return v.settle("complete", lockToken, v.session.hub.queues.Complete)
}

// Abandon gives a message back, to be received again. Errors: 412002, 404001.
func (v *Visit) Abandon(lockToken string) error {
	return v.settle("abandon", lockToken, v.session.hub.queues.Abandon)
}

// Reject says that the device will never deal with a message. Errors: 412002,
// 404001.
func (v *Visit) Reject(lockToken string) error {
	return v.settle("reject", lockToken, v.session.hub.queues.Reject)
}

func (v *Visit) settle(operation, lockToken string, how func(iot.Identity, string) error) (err error) {
	defer func() { v.session.settled(operation, &c2d.Delivery{}, err) }()
	h, id := v.session.hub, v.session.Identity()
	defer h.lock(id.DeviceID).Unlock()
	if err := v.still(); err != nil {
		return err
	}
	v.touch()
	return how(id, lockToken)
}

// still says why the identity is no more what it was when it was authenticated.
// The caller holds the device's lock.
func (v *Visit) still() error {
	h := v.session.hub
	if h.closed {
		return errShuttingDown()
	}
	generation, err := h.registry.Generation(v.session.Identity())
	if err == nil && generation != v.session.origin.GenerationID {
		err = iot.ErrDeviceNotFound.Because("%s", v.session.Identity().DeviceID)
	}
	return err
}

// touch notes that the device sent or received something.
func (v *Visit) touch() {
	v.session.hub.connections.touch(v.session.Identity(), v.session.hub.clock.Now())
}
