package endpoints

import (
	"bytes"
	"encoding/json"
	"mime"
	"strings"
	"unicode/utf8"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/routing"
)

// record is a message in a file, as IoT Hub writes it to a storage container in
// JSON. IoT Hub: iot-hub-devguide-endpoints, "azure-storage" sample blobs.
type record struct {
	EnqueuedTimeUTC  string            `json:"EnqueuedTimeUtc"`
	Properties       map[string]string `json:"Properties"`
	SystemProperties map[string]string `json:"SystemProperties"`
	Body             json.RawMessage   `json:"Body"`
}

// recordOf is a message as a record.
func recordOf(m *routing.Message) record {
	return record{
		EnqueuedTimeUTC: iot.Timestamp(m.Enqueued), Properties: propertiesOf(m), SystemProperties: systemOf(m), Body: bodyOf(m),
	}
}

// propertiesOf are the application properties.
func propertiesOf(m *routing.Message) map[string]string {
	properties := make(map[string]string, len(m.Properties))
	for _, p := range m.Properties {
		properties[p.Name] = p.Value
	}
	return properties
}

// systemOf are the system properties, those of the sender and those of the hub,
// as conditions name them. IoT Hub: contract.md §19.2.
func systemOf(m *routing.Message) map[string]string {
	system := map[string]string{"enqueuedTime": iot.Timestamp(m.Enqueued), "messageSource": m.Source.MessageSource()}
	for _, p := range m.System {
		system[camel(p.Name)] = p.Value
	}
	if o := m.Origin; o != nil {
		for name, value := range map[string]string{
			"connectionDeviceId": o.DeviceID, "connectionModuleId": o.ModuleID,
			"connectionDeviceGenerationId": o.GenerationID, "connectionAuthMethod": o.AuthMethod, iot.DataSchema: o.ModelID,
		} {
			if value != "" {
				system[name] = value
			}
		}
	}
	return system
}

// camel is the name of a system property without hyphens: contentType. Those with
// a prefix keep theirs.
func camel(name string) string {
	if strings.HasPrefix(name, "iothub-") || strings.HasPrefix(name, "dt-") {
		return name
	}
	first, rest, _ := strings.Cut(name, "-")
	for word := range strings.FieldsFuncSeq(rest, func(r rune) bool { return r == '-' }) {
		first += strings.ToUpper(word[:1]) + word[1:]
	}
	return first
}

// bodyOf is the body: as it is when the sender says that it is JSON in UTF-8 and
// it is, in base64 otherwise. IoT Hub: contract.md §20.2.
func bodyOf(m *routing.Message) json.RawMessage {
	if isJSON(m) && json.Valid(m.Body) {
		var compact bytes.Buffer
		if json.Compact(&compact, m.Body) == nil {
			return compact.Bytes()
		}
	}
	text, err := json.Marshal(m.Body)
	if err != nil {
		panic(err) // bytes are base64
	}
	if m.Body == nil {
		return json.RawMessage(`""`)
	}
	return text
}

func isJSON(m *routing.Message) bool {
	content, _ := m.System.Get(iot.ContentType)
	encoding, _ := m.System.Get(iot.ContentEncoding)
	kind, parameters, err := mime.ParseMediaType(content)
	if err != nil || kind != "application/json" {
		return false
	}
	if encoding == "" {
		encoding = parameters["charset"]
	}
	return strings.EqualFold(encoding, "utf-8") && utf8.Valid(m.Body)
}

// marshal is v as JSON, < and > left as they are.
func marshal(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // texts, and JSON that was checked
	}
	return b.Bytes() // with a line feed
}
