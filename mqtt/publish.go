package mqtt

import (
	"net"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// publish does what a PUBLISH asks for, by its topic. The error closes the
// connection.
//
// IoT Hub: contract.md §6.1, §6.3, §6.4.
func (l *link) publish(m received) error {
	if m.qos == 2 {
		return iot.ErrInvalidOperation.Because("PUBLISH with QoS 2")
	}
	if m.qos == 1 && m.id == 0 {
		return iot.ErrFormat.Because("malformed PUBLISH: no packet id")
	}
	t, err := parseTopic(m.topic, l.events)
	if err != nil {
		return err
	}
	switch t.kind {
	case topicTelemetry:
		v := l.session.Telemetry(telemetry(t.bag, m.payload, m.retain))
		return l.carryOut(v, m, nil)
	case topicTwinGet:
		return l.twinGet(&t, m)
	case topicTwinReport:
		return l.twinReport(&t, m)
	}
	return l.methodAnswer(&t, m)
}

// telemetry is the message that a PUBLISH or a will carries.
// IoT Hub: contract.md §6.3 (RETAIN is not stored, it becomes a property).
func telemetry(bag string, body []byte, retain bool) iot.Message {
	m := iot.Message{Body: body}
	m.System, m.Properties = parseBag(bag)
	if retain {
		m.Properties = m.Properties.Set(iot.Retain, "true").Set(iot.RetainOld, "true")
	}
	return m
}

// carryOut executes a verdict: it waits, acknowledges a QoS 1 packet, answers
// (unless answer is nil) and closes, in this order and as far as the verdict
// goes. The error closes the connection.
func (l *link) carryOut(v hub.Verdict, m received, answer func() error) error {
	if v.Delay > 0 {
		if err := l.hold(v.Delay); err != nil {
			return err
		}
	}
	if v.Action == hub.CutBefore || v.Action == hub.Refuse && answer == nil {
		return because(v)
	}
	if m.qos == 1 {
		if err := l.puback(m.id); err != nil {
			return err
		}
	}
	if answer != nil {
		if err := answer(); err != nil {
			return err
		}
	}
	if v.Action == hub.CutAfter {
		return because(v)
	}
	return nil
}

// because is why a verdict closes the connection.
func because(v hub.Verdict) error {
	if v.Err != nil {
		return v.Err
	}
	return iot.ErrClosedRemotely.Because("cut off by a verdict")
}

// puback acknowledges an inbound PUBLISH. Its packet id has nothing to do with
// those of what we send.
func (l *link) puback(id uint16) error {
	l.ack = [4]byte{packets.Puback << 4, 2, byte(id >> 8), byte(id)}
	_, err := l.wire.Write(l.ack[:])
	return err
}

// hold waits for d on the hub's clock, or until the connection ends. What was
// gathered before is sent first.
func (l *link) hold(d time.Duration) error {
	due := make(chan struct{})
	defer l.srv.hub.Clock().AfterFunc(d, func() { close(due) }).Stop()
	if err := l.wire.park(); err != nil {
		return err
	}
	defer l.wire.unpark()
	select {
	case <-due:
		return nil
	case <-l.closing:
	case <-l.srv.closing.Done():
	}
	return net.ErrClosed // why is known already
}
