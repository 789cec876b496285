package routing

import (
	"mime"
	"strings"
	"unicode"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/query"
)

// Twins gives access to the twins that conditions and enrichments look into.
type Twins interface {
	// Twin is an identity's twin, an object with `tags` and `properties`, as it is
	// at this moment; false when there is none.
	Twin(iot.Identity) (query.Value, bool)
}

// facts are what conditions may ask of one message. What is dear to find out is
// found out when it is asked for first, and once.
type facts struct {
	message *Message
	twins   Twins

	passed  int            // properties, by all searches so far
	indexes map[string]int // of the properties, by their names in one case; nil: none yet

	body     query.Value
	bodyErr  error
	bodyDone bool
	twin     query.Value
	hasTwin  bool
	twinDone bool
}

// Property is an application property; the case of its name does not matter. Once
// searches have passed more properties than that is worth, there is an index, so that
// the properties that a device sends are not multiplied by the conditions.
// IoT Hub: contract.md §19.2.
func (f *facts) Property(name string) (iot.Property, bool) {
	const many, often = 64, 8
	properties := f.message.Properties
	if f.indexes == nil && len(properties) > many && f.passed > often*len(properties) {
		f.index()
	}
	if f.indexes != nil {
		if i, ok := f.indexes[folded(name)]; ok {
			return properties[i], true
		}
		return iot.Property{}, false
	}
	for i := range properties {
		if strings.EqualFold(properties[i].Name, name) {
			f.passed += i
			return properties[i], true
		}
	}
	f.passed += len(properties)
	return iot.Property{}, false
}

// index knows the first property of each name.
func (f *facts) index() {
	properties := f.message.Properties
	f.indexes = make(map[string]int, len(properties))
	for i := len(properties) - 1; i >= 0; i-- {
		f.indexes[folded(properties[i].Name)] = i
	}
}

// folded is the same for names that strings.EqualFold holds for equal, and for no
// others.
func folded(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		return least
	}, name)
}

// systemNames are the system properties that a sender sets and conditions can
// name, and what they are called on a message. The case does not matter
// [inferred]. IoT Hub: contract.md §19.2.
var systemNames = [...]struct{ name, sent string }{
	{"contentType", iot.ContentType},
	{"contentEncoding", iot.ContentEncoding},
	{"messageId", iot.MessageID},
	{"userId", iot.UserID},
	{"correlationId", iot.CorrelationID},
	{"dt-subject", iot.Subject},
	{"iothub-creation-time-utc", iot.CreationTime},
}

// System is a system property: what the sender set, or what the hub stamps.
// IoT Hub: contract.md §19.2, iot-hub-devguide-routing-query-syntax ($enqueuedTime
// is ISO 8601).
func (f *facts) System(name string) (string, bool) {
	for i := range systemNames {
		if strings.EqualFold(systemNames[i].name, name) {
			return f.message.System.Get(systemNames[i].sent)
		}
	}
	o := f.message.Origin
	switch {
	case strings.EqualFold(name, "enqueuedTime"):
		return iot.Timestamp(f.message.Enqueued), true
	case strings.EqualFold(name, "connectionDeviceId"):
		return present(o.DeviceID)
	case strings.EqualFold(name, "connectionModuleId"):
		return present(o.ModuleID)
	case strings.EqualFold(name, "connectionDeviceGenerationId"):
		return present(o.GenerationID)
	case strings.EqualFold(name, "connectionAuthMethod"):
		return present(o.AuthMethod)
	case strings.EqualFold(name, iot.DataSchema):
		return present(o.ModelID)
	}
	return "", false
}

func present(s string) (string, bool) { return s, s != "" }

// Body is the parsed body. The error says why there is none to look into.
// IoT Hub: contract.md §19.2.
func (f *facts) Body() (query.Value, error) {
	if !f.bodyDone {
		f.bodyDone = true
		contentType, encoding := contentOf(&f.message.Message)
		f.body, f.bodyErr = query.ParseBody(f.message.Body, contentType, encoding)
	}
	return f.body, f.bodyErr
}

// Twin is the sender's own twin; a module's is not its device's.
// IoT Hub: contract.md §19.2.
func (f *facts) Twin() (query.Value, bool) {
	if !f.twinDone {
		f.twinDone = true
		f.twin, f.hasTwin = f.twins.Twin(f.message.Origin.Identity)
	}
	return f.twin, f.hasTwin
}

// contentOf is the content type and the encoding of a message. An encoding that is
// not named may be a parameter of the type.
//
// IoT Hub: contract.md §7.4, iot-hub-mqtt-support (devices that send
// `$.ct=application/json;charset=utf-8` alone).
func contentOf(m *iot.Message) (contentType, encoding string) {
	contentType, _ = m.System.Get(iot.ContentType)
	encoding, _ = m.System.Get(iot.ContentEncoding)
	if encoding == "" && strings.Contains(contentType, ";") {
		if _, parameters, err := mime.ParseMediaType(contentType); err == nil {
			encoding = parameters["charset"]
		}
	}
	return contentType, encoding
}
