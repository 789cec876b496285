package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
)

// stream is a sequence of messages that come one after another.
type stream int

// The streams of a device: its telemetry by QoS, and what is sent to it.
const (
	qos0 stream = iota
	qos1
	deviceBound
)

// How long bodies are, in bytes: a kilobyte on average.
const (
	minBody = 64
	maxBody = 2112
)

// content is a message, made from whose it is, on which stream, and its number
// there, so that whoever gets it can tell whether it is whole without having
// kept it. Half of the bodies are text, half are any bytes.
type content struct {
	device string
	stream stream
	number int64
}

// pages are what bodies are cut from: any bytes, and text.
var pages = [2][]byte{makePage(func(b byte) byte { return b }), makePage(func(b byte) byte { return ' ' + b%95 })}

// notes are values of a property that are not easy to carry.
var notes = []string{"", "plain", "a=b&c=d", "100 %", "x/y#z?+", "Grüße, 世界", "  spaces  ", "$.mid"}

func makePage(kind func(byte) byte) []byte {
	page := make([]byte, 64<<10)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range page {
		page[i] = kind(byte(random.Uint32()))
	}
	return page
}

// seed is another number for each message.
func (c content) seed() uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(c.device))
	_, _ = h.Write(binary.BigEndian.AppendUint64([]byte{byte(c.stream)}, uint64(c.number)))
	return h.Sum64()
}

// body is shared, not to be modified.
func (c content) body() []byte {
	seed := c.seed()
	page := pages[seed%2]
	length := minBody + int(seed>>8%(maxBody-minBody))
	start := int(seed >> 32 % uint64(len(page)-length))
	return page[start : start+length]
}

// id is the message's id.
func (c content) id() string { return fmt.Sprintf("%s.%d.%d", c.device, c.stream, c.number) }

// note is the value of a property.
func (c content) note() string { return notes[c.seed()>>16%uint64(len(notes))] }

// contentType is the value of a system property.
func (c content) contentType() string { return "application/octet-stream" }

// arrival is a message as somebody got it.
type arrival struct {
	id, contentType string
	properties      map[string]string
	body            []byte
}

// The application properties of all messages.
const (
	streamProperty = "stream"
	numberProperty = "number"
	noteProperty   = "a note"
)

// properties are those of a message.
func (c content) properties() map[string]string {
	return map[string]string{
		streamProperty: fmt.Sprint(int(c.stream)), numberProperty: fmt.Sprint(c.number), noteProperty: c.note(),
	}
}

// of is which message of a device's an arrival claims to be.
func (a *arrival) of(device string) (content, error) {
	c := content{device: device}
	if _, err := fmt.Sscan(a.properties[streamProperty], &c.stream); err != nil {
		return c, fmt.Errorf("stream %q: %w", a.properties[streamProperty], err)
	}
	if _, err := fmt.Sscan(a.properties[numberProperty], &c.number); err != nil {
		return c, fmt.Errorf("number %q: %w", a.properties[numberProperty], err)
	}
	return c, nil
}

// differs says what of a message did not arrive as it was sent.
func (c content) differs(a *arrival) error {
	switch {
	case a.id != c.id():
		return fmt.Errorf("its id is %q, not %q", a.id, c.id())
	case a.contentType != c.contentType():
		return fmt.Errorf("its content type is %q", a.contentType)
	case !bytes.Equal(a.body, c.body()):
		return fmt.Errorf("its body of %d bytes is another, of %d bytes", len(c.body()), len(a.body))
	case len(a.properties) != len(c.properties()):
		return fmt.Errorf("its properties are %q", a.properties)
	}
	for name, want := range c.properties() {
		if a.properties[name] != want {
			return fmt.Errorf("its property %q is %q, not %q", name, a.properties[name], want)
		}
	}
	return nil
}
