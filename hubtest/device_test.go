package hubtest_test

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/hubtest"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
)

// device speaks just enough MQTT to be a device.
type device struct {
	t  testing.TB
	id string
	*tls.Conn
}

// connect registers a device and connects it with a token of its own.
func connect(t testing.TB, h *hubtest.Hub, id string) *device {
	t.Helper()
	c, err := auth.ParseConnectionString(h.DeviceConnectionString(id))
	require.NoError(t, err)
	token, err := auth.Sign(c.HostName+"/"+iot.Device(id).Path(), c.SharedAccessKey, "", clock.Wall().Add(time.Hour))
	require.NoError(t, err)
	d := dial(t, h, id, h.TLSConfig())
	d.send(0x10, text("MQTT"), []byte{4, 0xc0, 0, 60}, text(id), text(c.HostName+"/"+id+"/?api-version=2021-04-12"), text(token))
	require.Equal(t, []byte{0x20, 2, 0, 0}, d.receive(4), "CONNACK: accepted, no session")
	return d
}

// dial opens a connection for a device or module.
func dial(t testing.TB, h *hubtest.Hub, id string, config *tls.Config) *device {
	t.Helper()
	conn, err := tls.Dial("tcp", h.MQTTAddr(), config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &device{t, id, conn}
}

// show registers a device or module and connects it with a certificate of its own.
func show(t testing.TB, h *hubtest.Hub, id string) *device {
	t.Helper()
	config := h.TLSConfig()
	config.Certificates = []tls.Certificate{h.DeviceCertificate(id)}
	d := dial(t, h, id, config)
	d.send(0x10, text("MQTT"), []byte{4, 0x82, 0, 60}, text(id), text("127.0.0.1/"+id+"/?api-version=2021-04-12"))
	require.Equal(t, []byte{0x20, 2, 0, 0}, d.receive(4), "CONNACK: accepted, no session")
	return d
}

// publishes sends telemetry and waits until the hub has it.
func (d *device) publishes(bag, body string) {
	d.t.Helper()
	d.send(0x32, text("devices/"+d.id+"/messages/events/"+bag), []byte{0, 1}, []byte(body))
	require.Equal(d.t, []byte{0x40, 2, 0, 1}, d.receive(4), "PUBACK")
}

// subscribes asks for what a filter names.
func (d *device) subscribes(filter string) {
	d.t.Helper()
	d.send(0x82, []byte{0, 2}, text(filter), []byte{1})
	require.Equal(d.t, []byte{0x90, 3, 0, 2, 1}, d.receive(5), "SUBACK")
}

// delivered is the topic of the next message, which is acknowledged.
func (d *device) delivered() (topic string) {
	d.t.Helper()
	head := d.receive(1)[0]
	rest := d.receive(d.length())
	n := 2 + int(binary.BigEndian.Uint16(rest))
	if head&0x06 != 0 {
		d.send(0x40, rest[n:n+2])
	}
	return string(rest[2:n])
}

// length reads a remaining length.
func (d *device) length() (n int) {
	for shift := 0; ; shift += 7 {
		b := d.receive(1)[0]
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
}

func (d *device) send(head byte, parts ...[]byte) {
	d.t.Helper()
	var body []byte
	for _, part := range parts {
		body = append(body, part...)
	}
	packet := []byte{head}
	for n := len(body); ; n >>= 7 {
		if n < 0x80 {
			packet = append(packet, byte(n))
			break
		}
		packet = append(packet, byte(n&0x7f)|0x80)
	}
	_, err := d.Write(append(packet, body...))
	require.NoError(d.t, err)
}

func (d *device) receive(n int) []byte {
	d.t.Helper()
	require.NoError(d.t, d.SetReadDeadline(clock.Wall().Add(20*time.Second)))
	b := make([]byte, n)
	_, err := io.ReadFull(d.Conn, b)
	require.NoError(d.t, err, fmt.Sprintf("%d bytes for %s", n, d.id))
	return b
}

// text is a string as MQTT has it.
func text(s string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...)
}
