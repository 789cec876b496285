package amqp

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/iot"
)

// content is a message as the hub's flows take it: its system properties, its
// application properties as text, and its body. Whether the sender may set what
// it set is the flow's business.
//
// IoT Hub: contract.md §7.2, the column AMQP.
func content(m *codec.Message) iot.Message {
	out := iot.Message{Body: body(m), Properties: applicationOf(m.Application)}
	if p := m.Properties; p != nil {
		out.System = systemOf(p)
	}
	return out
}

// systemOf are the system properties. Ids that are numbers, UUIDs or bytes become
// text; an empty id, as amenzhinsky/iothub sends, is none.
func systemOf(p *codec.Properties) iot.Properties {
	var system iot.Properties
	add := func(name, value string) {
		if value != "" {
			system = append(system, iot.Property{Name: name, Value: value})
		}
	}
	add(iot.MessageID, idText(p.MessageID))
	add(iot.CorrelationID, idText(p.CorrelationID))
	add(iot.UserID, wellFormed(string(p.UserID)))
	add(iot.ContentType, string(p.ContentType.Value))
	add(iot.ContentEncoding, string(p.ContentEncoding.Value))
	return system
}

// idText is a message id as text.
func idText(id any) string {
	switch id := id.(type) {
	case uint64:
		return strconv.FormatUint(id, 10)
	case codec.UUID:
		return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
	case []byte:
		return hex.EncodeToString(id)
	}
	return codec.Text(id)
}

// applicationOf are the application properties as text.
func applicationOf(m codec.Map) iot.Properties {
	if len(m) == 0 {
		return nil
	}
	properties := make(iot.Properties, 0, len(m))
	for i := range m {
		name := codec.Text(m[i].Key)
		if name == "" {
			continue
		}
		properties = append(properties, iot.Property{Name: name, Value: valueText(m[i].Value), Null: m[i].Value == nil})
	}
	return properties
}

// valueText is a property's value as text.
func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case codec.Symbol:
		return string(v)
	case []byte:
		return wellFormed(string(v))
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case codec.UUID:
		return idText(v)
	}
	return fmt.Sprint(v)
}

// body is a message's body as bytes: its data, or a value that is text or bytes.
func body(m *codec.Message) []byte {
	switch v := m.Value.(type) {
	case string:
		return []byte(v)
	case []byte:
		return v
	}
	return m.Body()
}
