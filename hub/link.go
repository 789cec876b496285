package hub

import (
	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/methods"
)

// Link is what the hub can do to a connected device. A transport implements it.
// No method may block, or call the session or the hub back: the hub calls them
// from back ends' goroutines, with locks held. Close may be called from any
// goroutine, more than once.
type Link interface {
	// Message hands the device a locked message; the transport settles it with
	// Session.Complete, Abandon or Reject.
	Message(d c2d.Delivery)
	// Method calls the device; it answers through Session.Answer.
	Method(r methods.Request)
	// Desired tells the device that its desired properties changed: body is the
	// patch with its "$version".
	Desired(version int64, body []byte)
	// Close ends the connection; reason says why.
	Close(reason error)
}

// ConnectRequest is a device at the door.
type ConnectRequest struct {
	Identity     iot.Identity
	Token        string     // SAS token, or empty
	Certificates auth.Chain // the TLS client's, or empty
	ModelID      string     // Plug and Play model, or empty
	Agent        string     // DeviceClientType, or empty
	APIVersion   string
	Protocol     string // "Mqtt", "MqttWs", "Amqp", "AmqpWs", "Https"
	RemoteAddr   string
	// Path is what the token must be good for, under the hub: empty is all of the
	// identity.
	Path string
	// Replaced is why this connection ends when a newer one of the same identity
	// takes its place; nil is iot.ErrConnectionReplaced.
	Replaced error
	// Resume asks for what the identity's last connection kept (MQTT's
	// CleanSession 0); without it that is forgotten, and messages queued before
	// the device listens are not delivered to it (contract.md §8.8).
	Resume bool
}

// Listening is what a device is ready to receive.
type Listening struct {
	Messages bool // cloud-to-device messages
	Methods  bool // direct methods
	Desired  bool // changes of desired properties
}
