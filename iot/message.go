package iot

import (
	"strings"
	"time"
)

// Names of system properties, as the Event-Hubs-compatible endpoint spells
// them. IoT Hub: contract.md §7.2, §7.3.
const (
	MessageID       = "message-id"
	CorrelationID   = "correlation-id"
	UserID          = "user-id"
	To              = "to"
	ExpiryTime      = "absolute-expiry-time"
	ContentType     = "content-type"
	ContentEncoding = "content-encoding"
	CreationTime    = "iothub-creation-time-utc"
	InterfaceID     = "iothub-interface-id"
	OutputName      = "iothub-outputname"
	MessageSchema   = "iothub-messageschema"
	Subject         = "dt-subject"
	DataSchema      = "dt-dataschema"

	ConnectionDeviceID     = "iothub-connection-device-id"
	ConnectionModuleID     = "iothub-connection-module-id"
	ConnectionGenerationID = "iothub-connection-auth-generation-id"
	ConnectionAuthMethod   = "iothub-connection-auth-method"
	EnqueuedTime           = "iothub-enqueuedtime"
	MessageSource          = "iothub-message-source"
)

// Names of application properties that mean something to the hub.
const (
	Ack         = "iothub-ack"         // C2D: none, positive, negative or full
	MessageType = "iothub-MessageType" // D2C: "Will" on a will message
	Retain      = "mqtt-retain"        // D2C: "true" when MQTT's RETAIN was set
	RetainOld   = "x-opt-retain"       // the same, as older documents name it
)

// Property is one name and its value. Null says that the sender gave the name
// alone, with no value: `key` in an MQTT property bag, where `key=` is the
// empty string (contract.md §8.6).
type Property struct {
	Name  string
	Value string
	Null  bool
}

// Properties is a list of properties in the order they were sent; names are
// compared exactly.
type Properties []Property

// Get is the value of the first property called name.
func (p Properties) Get(name string) (value string, ok bool) {
	for i := range p {
		if p[i].Name == name {
			return p[i].Value, true
		}
	}
	return "", false
}

// Set replaces the first property called name, or appends one.
func (p Properties) Set(name, value string) Properties {
	for i := range p {
		if p[i].Name == name {
			p[i] = Property{Name: name, Value: value}
			return p
		}
	}
	return append(p, Property{Name: name, Value: value})
}

// Message is what devices and back ends send one another, whatever the
// transport: system properties under the names above, the sender's application
// properties, and a body. A Message that was handed to the hub is immutable.
type Message struct {
	System     Properties
	Properties Properties
	Body       []byte
}

// Size is what the size limits count, in bytes: the body, the values of the
// system properties, the names and values of the application properties.
// IoT Hub: contract.md §7.4, iot-hub-devguide-messages-construct.md.
func (m *Message) Size() int {
	n := len(m.Body)
	for i := range m.System {
		n += len(m.System[i].Value)
	}
	for i := range m.Properties {
		n += len(m.Properties[i].Name) + len(m.Properties[i].Value)
	}
	return n
}

// Reserved says whether name belongs to what the hub itself stamps on a
// message, so that a device must not be able to set it.
// IoT Hub: contract.md §7.3 (anti-spoofing properties).
func Reserved(name string) bool {
	if len(name) < len("iothub-") {
		return false
	}
	switch strings.ToLower(name) {
	case ConnectionDeviceID, ConnectionModuleID, ConnectionGenerationID,
		ConnectionAuthMethod, EnqueuedTime, MessageSource, DataSchema:
		return true
	}
	return false
}

// Origin is where a device's messages come from: what the hub stamps on each
// of them. One value is shared by all messages of a connection.
type Origin struct {
	Identity
	GenerationID string
	AuthMethod   string // JSON text, contract.md §4.4
	ModelID      string // Plug and Play model, or empty
}

// Authentication is how an identity proves who it is.
// IoT Hub: contract.md §13.1, AuthenticationMechanism of the Swagger.
type Authentication struct {
	Type                AuthenticationType
	PrimaryKey          string // base64
	SecondaryKey        string
	PrimaryThumbprint   string // hex, SHA-1 or SHA-256
	SecondaryThumbprint string
}

// AuthenticationType is the `authentication.type` of an identity.
type AuthenticationType string

// The authentication types of IoT Hub.
const (
	AuthenticationSAS        AuthenticationType = "sas"
	AuthenticationSelfSigned AuthenticationType = "selfSigned"
	AuthenticationCA         AuthenticationType = "certificateAuthority"
	AuthenticationNone       AuthenticationType = "none"
)

// Timestamp is a moment as IoT Hub writes it in messages and events.
// IoT Hub: contract.md §20.1, seven digits of a second.
func Timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }
