package mqtt_test

import (
	"bufio"
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/linarite/linarite/bench/mqtt"
)

func TestPacketsAreMQTT311(t *testing.T) {
	t.Parallel()
	long := mqtt.Message{Topic: "t", ID: 1, Payload: make([]byte, 256)}
	for name, c := range map[string]struct {
		packet []byte
		want   string
	}{
		"CONNECT of nobody": {
			mqtt.Connect{ClientID: "c", Clean: true, KeepAlive: 600 * time.Second}.Packet(),
			"\x10\x0d\x00\x04MQTT\x04\x02\x02\x58\x00\x01c",
		},
		"CONNECT of somebody": {
			mqtt.Connect{ClientID: "c", UserName: "u", Password: "p", KeepAlive: time.Minute}.Packet(),
			"\x10\x13\x00\x04MQTT\x04\xc0\x00\x3c\x00\x01c\x00\x01u\x00\x01p",
		},
		"PUBLISH of QoS 0":    {mqtt.Message{Topic: "t", Payload: []byte("body")}.Packet(), "\x30\x07\x00\x01tbody"},
		"PUBLISH of QoS 1":    {mqtt.Message{Topic: "t", ID: 2, Payload: []byte("body")}.Packet(), "\x32\x09\x00\x01t\x00\x02body"},
		"PUBLISH once more":   {mqtt.Message{Topic: "t", ID: 2, Dup: true}.Packet(), "\x3a\x05\x00\x01t\x00\x02"},
		"PUBLISH of 256 more": {long.Packet()[:8], "\x32\x85\x02\x00\x01t\x00\x01"},
		"SUBSCRIBE":           {mqtt.Subscribe(3, "a", "b"), "\x82\x0a\x00\x03\x00\x01a\x01\x00\x01b\x01"},
		"PUBACK":              {mqtt.Puback(0x102), "\x40\x02\x01\x02"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if string(c.packet) != c.want {
				t.Errorf("it is % x, not % x", c.packet, c.want)
			}
		})
	}
}

func TestWhatIsWrittenCanBeRead(t *testing.T) {
	t.Parallel()
	for _, m := range []mqtt.Message{
		{Topic: "t", Payload: []byte{}},
		{Topic: "t", ID: 65535, Payload: []byte("body"), Dup: true},
		{Topic: strings.Repeat("t", 300), ID: 1, Payload: make([]byte, 200_000)},
	} {
		packet, err := mqtt.Read(bufio.NewReader(bytes.NewReader(m.Packet())))
		if err != nil || packet.Type() != mqtt.TypePublish {
			t.Fatalf("% x: %v", packet.First, err)
		}
		got, err := packet.Message()
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%+v is read as %+v (%v)", m, got, err)
		}
	}
}

func TestWhatIsCutIsAnError(t *testing.T) {
	t.Parallel()
	whole := mqtt.Message{Topic: "t", ID: 1}.Packet()
	for n := range len(whole) {
		if _, err := mqtt.Read(bufio.NewReader(bytes.NewReader(whole[:n]))); err == nil {
			t.Errorf("%d of %d bytes are a packet", n, len(whole))
		}
	}
	for _, body := range []string{"", "\x00", "\x00\x05t", "\x00\x01t\x00"} {
		if _, err := (mqtt.Packet{First: 0x32, Body: []byte(body)}).Message(); err == nil {
			t.Errorf("%q is a message", body)
		}
	}
	if _, err := mqtt.Read(bufio.NewReader(strings.NewReader("\x30\xff\xff\xff\x7f"))); err == nil {
		t.Error("256 MB are a packet")
	}
}

// pipe is a connection with a broker that has answered already.
type pipe struct {
	bytes.Buffer
	answer *strings.Reader
}

func (p *pipe) Read(b []byte) (int, error) { return p.answer.Read(b) }

func TestEnteringNeedsAGoodCONNACK(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		"\x20\x02\x00\x00": "", "\x20\x02\x01\x00": "",
		"\x20\x02\x00\x05": "CONNACK", "\x30\x02\x00\x00": "CONNACK", "\x20\x02": "no CONNACK", "": "no CONNACK",
	} {
		err := mqtt.Enter(&pipe{answer: strings.NewReader(answer)}, mqtt.Connect{ClientID: "c"})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("% x: %v", answer, err)
		}
	}
}
