package c2d

import (
	"strings"
	"time"

	"github.com/linarite/linarite/iot"
)

// MaxMessage is the largest cloud-to-device message, in bytes of
// iot.Message.Size. IoT Hub: contract.md §8.2, devguide-quotas-throttling.
const MaxMessage = 64 * 1024

// MaxTTL is how far ahead a message's expiry may lie.
// IoT Hub: contract.md §8.5, two days.
const MaxTTL = 48 * time.Hour

// Ack is which outcomes of a message its sender wants to hear of.
// IoT Hub: contract.md §8.7, `iothub-ack`.
type Ack uint8

// The values of `iothub-ack`.
const (
	AckNone     Ack = iota
	AckPositive     // when it was completed
	AckNegative     // when it was dead-lettered or purged
	AckFull         // in any case
)

var ackNames = [...]string{AckNone: "none", AckPositive: "positive", AckNegative: "negative", AckFull: "full"}

// ParseAck reads a value of `iothub-ack` in any case; the empty text is
// AckNone. The Java SDK spells two of them positiveonly and negativeonly.
// Error: 400004.
func ParseAck(s string) (Ack, error) {
	if s == "" {
		return AckNone, nil
	}
	text := strings.ToLower(s)
	if text == "positiveonly" || text == "negativeonly" {
		text = strings.TrimSuffix(text, "only")
	}
	for a, name := range ackNames {
		if text == name {
			return Ack(a), nil
		}
	}
	return AckNone, iot.ErrArgumentInvalid.Because("iothub-ack is %q, but must be none, positive, negative or full", s)
}

// String is the value as `iothub-ack` has it.
func (a Ack) String() string { return ackNames[a] }

// wants says whether the sender asked to hear of an outcome.
func (a Ack) wants(o string) bool {
	if o == Success {
		return a == AckPositive || a == AckFull
	}
	return a == AckNegative || a == AckFull
}

// Message is a message for a device.
type Message struct {
	iot.Message
	Expiry time.Time // when the sender lets it run out; zero: after the default TTL
	Ack    Ack
}
