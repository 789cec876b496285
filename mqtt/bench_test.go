package mqtt_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/mqtt"
)

// benchBag is what Node sends with a message of three system and two
// application properties.
const benchBag = "%24.mid=4f6c1a1e-0001&%24.ct=application%2Fjson&%24.ce=utf-8&temperatureAlert=true&level=7"

func BenchmarkTopic(b *testing.B) {
	for name, topic := range map[string]string{
		"telemetry": "devices/d/messages/events/" + benchBag,
		"report":    "$iothub/twin/PATCH/properties/reported/?$rid=4f6c1a1e-0001&$version=12",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := mqtt.ParseTopic(topic, iot.Device("d")); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkBag(b *testing.B) {
	for name, bag := range map[string]string{"none": "", "plain": "a=b&c=d&e=f", "as Node": benchBag} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				mqtt.ParseBag(bag)
			}
		})
	}
}

func BenchmarkUserName(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, err := mqtt.ParseUserName("127.0.0.1/d/?api-version=2021-04-12&DeviceClientType=azure-iot-device%2F1.18.4%20(node)")
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTelemetry sends messages of 256 bytes with QoS 1 over one loopback
// connection, waiting for each PUBACK or for ten at a time. Client and server
// share the process: the allocations are the server's, the client makes none.
func BenchmarkTelemetry(b *testing.B) {
	for name, c := range map[string]struct {
		outstanding int
		secure      bool
	}{
		"lock-step": {1, false}, "lock-step, TLS": {1, true}, "ten outstanding": {10, false}, "ten outstanding, TLS": {10, true},
	} {
		b.Run(name, func(b *testing.B) {
			r := enter(b)
			var conn net.Conn
			if c.secure {
				cfg := r.secure(nil)
				secure, err := tls.Dial("tcp", r.addr, cfg)
				require.NoError(b, err)
				conn = secure
			} else {
				conn = r.dial().conn
			}
			flood(b, conn, c.outstanding)
		})
	}
}

func flood(b *testing.B, conn net.Conn, outstanding int) {
	b.Helper()
	cl := newClient(b, conn)
	cl.send(hello(b, iot.Device("d")).bytes())
	cl.expect(0x20, 2, 0, 0)
	var burst []byte
	for i := range uint16(outstanding) {
		burst = append(burst, publish(i+1, "devices/d/messages/events/%24.ct=application%2Fjson&a=b", strings.Repeat("x", 256))...)
	}
	answer := make([]byte, 4*outstanding)
	b.ReportAllocs()
	b.SetBytes(256)
	b.ResetTimer()
	for i := 0; i < b.N; i += outstanding {
		if _, err := conn.Write(burst); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(conn, answer); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTelemetryQoS0 sends batches of fifty messages of 256 bytes with QoS 0
// over TLS, each of which ends in a PINGREQ that is waited for.
func BenchmarkTelemetryQoS0(b *testing.B) {
	r := enter(b)
	cfg := r.secure(nil)
	conn, err := tls.Dial("tcp", r.addr, cfg)
	require.NoError(b, err)
	cl := newClient(b, conn)
	cl.send(hello(b, iot.Device("d")).bytes())
	cl.expect(0x20, 2, 0, 0)
	require.NoError(b, conn.SetDeadline(time.Time{}))
	const batch = 50
	burst := bytes.Repeat(publish(0, "devices/d/messages/events/%24.ct=application%2Fjson&a=b", strings.Repeat("x", 256)), batch)
	burst = append(burst, 0xC0, 0)
	answer := make([]byte, 2)
	b.ReportAllocs()
	b.SetBytes(256)
	b.ResetTimer()
	for i := 0; i < b.N; i += batch {
		if _, err := conn.Write(burst); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(conn, answer); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTwinGet is a round trip for the twin.
func BenchmarkTwinGet(b *testing.B) {
	r := enter(b)
	c := r.join(iot.Device("d")).listenTwin()
	get := publish(0, "$iothub/twin/GET/?$rid=1", "")
	c.send(get)
	head, body := c.packet()
	answer := make([]byte, len(packet(head, body)))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := c.conn.Write(get); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c.conn, answer); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCloudToDevice sends messages to one device that acknowledges each.
func BenchmarkCloudToDevice(b *testing.B) {
	r := enter(b)
	c := r.join(iot.Device("d")).listen(1)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		r.sendText("hello")
		c.send(puback(c.message().id))
	}
}

// BenchmarkConnect is a connection from CONNECT to CONNACK, without TLS.
func BenchmarkConnect(b *testing.B) {
	r := enter(b)
	h := hello(b, iot.Device("d")).bytes()
	b.ReportAllocs()
	for b.Loop() {
		conn, err := net.Dial("tcp", r.addr)
		if err != nil {
			b.Fatal(err)
		}
		if _, err = conn.Write(h); err != nil {
			b.Fatal(err)
		}
		if _, err = io.ReadFull(conn, make([]byte, 4)); err != nil {
			b.Fatal(err)
		}
		_ = conn.Close()
	}
}
