package wire_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// bags are property bags and the event they make. IoT Hub: §7.1, §7.2.
var bags = map[string]struct {
	bag        string
	system     map[string]string // besides what the hub stamps
	properties map[string]any
}{
	"nothing":                {"", nil, nil},
	"application properties": {"a=b&c=d", nil, map[string]any{"a": "b", "c": "d"}},
	"every system property": {
		"%24.mid=m&%24.cid=c&%24.uid=u&%24.to=t&%24.ct=application%2Fjson&%24.ce=utf-8&%24.exp=2030-01-01T00%3A00%3A00Z" +
			"&%24.ctime=2026-01-01T00%3A00%3A00.0000000Z&%24.ifid=urn&%24.sub=thermostat&%24.on=out&%24.schema=s",
		map[string]string{
			"message-id": "m", "correlation-id": "c", "user-id": "u", "to": "t", "content-type": "application/json",
			"content-encoding": "utf-8", "absolute-expiry-time": "2030-01-01T00:00:00Z",
			"iothub-creation-time-utc": "2026-01-01T00:00:00.0000000Z", "iothub-interface-id": "urn",
			"dt-subject": "thermostat", "iothub-outputname": "out", "iothub-messageschema": "s",
		},
		nil,
	},
	"a raw dollar sign":        {"$.mid=1&$.ct=text%2Fplain", map[string]string{"message-id": "1", "content-type": "text/plain"}, nil},
	"system and application":   {"a=1&%24.mid=2&b=3", map[string]string{"message-id": "2"}, map[string]any{"a": "1", "b": "3"}},
	"a space is %20":           {"a=b%20c", nil, map[string]any{"a": "b c"}},
	"a plus stays a plus":      {"a+b=c+d&e=f%2Bg", nil, map[string]any{"a+b": "c+d", "e": "f+g"}},
	"what has to be encoded":   {"a%26b%3D=%2F%3F%23%25&%24x=%24", nil, map[string]any{"a&b=": "/?#%", "$x": "$"}},
	"escapes in lower case":    {"a=%c3%bc%2f", nil, map[string]any{"a": "ü/"}},
	"UTF-8 as it is":           {"ключ=値", nil, map[string]any{"ключ": "値"}},
	"a key without =":          {"a&b=c", nil, map[string]any{"a": nil, "b": "c"}},
	"an empty value":           {"a=&b=c", nil, map[string]any{"a": "", "b": "c"}},
	"an equals sign in it":     {"a=b=c", nil, map[string]any{"a": "b=c"}},
	"empty pairs":              {"&a=b&&c=d&", nil, map[string]any{"a": "b", "c": "d"}},
	"a key twice":              {"a=1&a=2", nil, map[string]any{"a": "2"}},
	"keys that differ by case": {"a=1&A=2", nil, map[string]any{"a": "1", "A": "2"}},
	"a broken escape":          {"a=100%&b=%zz", nil, map[string]any{"a": "100%", "b": "%zz"}},
	"an unknown system key":    {"%24.diagid=1&$.zzz=2", nil, map[string]any{"$.diagid": "1", "$.zzz": "2"}},
	"ack and operation":        {"iothub-ack=full&iothub-operation=x", nil, map[string]any{"iothub-ack": "full", "iothub-operation": "x"}},
}

func TestAPropertyBag(t *testing.T) {
	t.Parallel()
	for name, c := range bags {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDevice(t)
			client := d.join(t)
			client.send(publish(1, d.events()+c.bag, "body"))
			client.expect(puback(1))
			event := d.theEvent(t)
			if c.properties == nil {
				c.properties = map[string]any{}
			}
			require.Equal(t, c.properties, event.Properties)
			system := map[string]string{}
			for name, value := range event.SystemProperties {
				if !stamps[name] {
					system[name] = value
				}
			}
			if c.system == nil {
				c.system = map[string]string{}
			}
			require.Equal(t, c.system, system)
		})
	}
}

// stamps are the names that the hub puts on every message. IoT Hub: §7.3.
var stamps = map[string]bool{
	"iothub-connection-device-id": true, "iothub-connection-module-id": true, "iothub-connection-auth-generation-id": true,
	"iothub-connection-auth-method": true, "iothub-enqueuedtime": true, "iothub-message-source": true,
}
