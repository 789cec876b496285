package amqp

import (
	"time"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/amqp/transport"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// eventCredit is how many messages a device may be ahead of their settlement.
const eventCredit = 200

// events is the node that takes a device's telemetry.
func (d *device) events() transport.Node {
	d.session.UseMessages()
	return transport.Node{Receive: d.telemetry, Credit: eventCredit, MaxMessage: maxMessage}
}

// telemetry carries a message, or the messages of a batch, into the hub. Unlike
// MQTT, AMQP has a way to say that one is refused.
//
// IoT Hub: contract.md §7.
func (d *device) telemetry(in *transport.Delivery) {
	messages, err := telemetryOf(in)
	if err != nil {
		d.session.NotIngested(len(in.Message), err)
		in.Settle(&codec.Rejected{Error: failure(err)})
		return
	}
	var v hub.Verdict
	for i := range messages {
		if v = d.session.Telemetry(messages[i]); v.Action != hub.Accept {
			break
		}
	}
	d.carryOut(v, in.Link().Conn(), func() {
		if v.Action == hub.Refuse {
			in.Settle(&codec.Rejected{Error: failure(v.Err)})
			return
		}
		in.Settle(&codec.Accepted{})
	})
}

// telemetryOf are the messages of a delivery. Those of a batch count together
// against the limit. IoT Hub: contract.md §7.4.
func telemetryOf(in *transport.Delivery) ([]iot.Message, error) {
	outer, err := codec.DecodeMessage(in.Message)
	if err != nil {
		return nil, iot.ErrFormat.Because("%s", err)
	}
	if in.Format != codec.FormatBatch {
		return []iot.Message{eventOf(outer)}, nil
	}
	messages := make([]iot.Message, 0, len(outer.Data))
	size := 0
	for _, encoded := range outer.Data {
		inner, err := codec.DecodeMessage(encoded)
		if err != nil {
			return nil, iot.ErrFormat.Because("in a batch: %s", err)
		}
		m := eventOf(inner)
		if size += m.Size(); size > hub.MaxTelemetry {
			return nil, iot.ErrMessageTooLarge.Because("the batch has more than %d bytes", hub.MaxTelemetry)
		}
		messages = append(messages, m)
	}
	return messages, nil
}

// eventOf is a device's message as the hub takes it. Names that only the hub may
// stamp are dropped, in any case: a device cannot pass for another.
//
// IoT Hub: contract.md §7.2, §7.3 (anti-spoofing).
func eventOf(m *codec.Message) iot.Message {
	out := content(m)
	if m.Properties != nil && m.Properties.AbsoluteExpiryTime.OK {
		out.System = out.System.Set(iot.ExpiryTime, m.Properties.AbsoluteExpiryTime.Value.Format(time.RFC3339Nano))
	}
	for _, name := range [...]string{iot.CreationTime, iot.InterfaceID, iot.Subject} {
		if value := valueText(m.Annotations.Get(name)); value != "" {
			out.System = out.System.Set(name, value)
		}
	}
	if output := valueText(m.Annotations.Get("x-opt-output-name")); output != "" {
		out.System = out.System.Set(iot.OutputName, output)
	}
	kept := out.Properties[:0]
	for _, p := range out.Properties {
		switch name, ok := systemNamed[p.Name]; {
		case ok:
			out.System = out.System.Set(name, p.Value)
		case !iot.Reserved(p.Name):
			kept = append(kept, p)
		}
	}
	out.Properties = kept
	return out
}

// systemNamed are the system properties that devices send among the application
// properties, as the Java and C# SDKs do.
//
// IoT Hub: contract.md §7.2; AmqpMessageConverter.cs (iotedge).
var systemNamed = map[string]string{
	"iothub-creation-time-utc": iot.CreationTime,
	"iothub-outputname":        iot.OutputName,
	"iothub-message-schema":    iot.MessageSchema,
}
