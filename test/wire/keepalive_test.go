package wire_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestAnExpiredKeepAlive: one and a half times the keep-alive, on wall time,
// since clients keep wall time. IoT Hub: §5.1, §5.3 (404104).
func TestAnExpiredKeepAlive(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(testing.TB, identity) *client{
		"over TLS":       func(t testing.TB, _ identity) *client { return dial(t, hub) },
		"over WebSocket": func(t testing.TB, _ identity) *client { return dialWebSocket(t, hub, webSocketPath, "mqtt") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDevice(t)
			hello := d.hello()
			hello.keepAlive = 1
			c := open(t, d)
			began := time.Now()
			c.send(hello.bytes())
			c.expect(accepted)
			d.cutOff(c, 404104, "keep-alive of 1s expired")
			require.GreaterOrEqual(t, time.Since(began), 1500*time.Millisecond)
			require.Less(t, time.Since(began), 6*time.Second)
		})
	}
}

func TestAnyPacketKeepsAConnectionAlive(t *testing.T) {
	t.Parallel()
	for name, packet := range map[string]func(identity) []byte{
		"PINGREQ":          func(identity) []byte { return pingreq },
		"PUBACK":           func(identity) []byte { return puback(9) },
		"PUBLISH of QoS 0": func(d identity) []byte { return publish(0, d.events(), "") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDevice(t)
			hello := d.hello()
			hello.keepAlive = 1
			c := d.enter(t, hello, accepted)
			beat := time.NewTicker(500 * time.Millisecond)
			defer beat.Stop()
			for began := time.Now(); time.Since(began) < 4*time.Second; {
				<-beat.C
				c.send(packet(d))
				if name == "PINGREQ" {
					c.expect(pingresp)
				}
			}
			c.ping()
		})
	}
}

func TestWhatTheHubSendsKeepsNothingAlive(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	hello := d.hello()
	hello.keepAlive = 1
	c := d.enter(t, hello, accepted)
	c.subscribe(0, desired)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(300 * time.Millisecond):
				_, _ = d.hub.Service("PATCH", d.restPath("/twins/"), `{"properties":{"desired":{"a":1}}}`)
			}
		}
	}()
	for {
		if _, err := c.read(6 * time.Second); err != nil {
			require.NotErrorIs(t, err, errTimeout)
			break
		}
	}
	d.ended(t, 404104, "keep-alive of 1s expired")
}

func TestAVanishedClient(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	d.join(t).vanish()
	d.ended(t, 404104, "without DISCONNECT")
}
