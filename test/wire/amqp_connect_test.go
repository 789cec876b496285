package wire_test

import (
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// doors are where AMQP is spoken, as who goes there.
var doors = map[string]func(t testing.TB, h *harness.Hub) *peer{
	"TLS": dialAMQP,
	"WebSocket, as Node, Python, C, C# and Go": func(t testing.TB, h *harness.Hub) *peer {
		return dialAMQPWebSocket(t, h, "/$iothub/websocket")
	},
	"WebSocket, as Java": func(t testing.TB, h *harness.Hub) *peer {
		return dialAMQPWebSocket(t, h, "/$iothub/websocket?iothub-no-client-cert=true")
	},
	"WebSocket, as @azure/event-hubs": func(t testing.TB, h *harness.Hub) *peer {
		return dialAMQPWebSocket(t, h, "/$servicebus/websocket")
	},
	"WebSocket, as uamqp": func(t testing.TB, h *harness.Hub) *peer {
		return dialAMQPWebSocket(t, h, "/$servicebus/websocket/")
	},
}

// credentials are ways for device d to say who it is, before the connection is
// opened; with some of them a token has to follow. IoT Hub: sdk-wire.md 0.6.
var credentials = map[string]struct {
	mechanism string // "" leaves SASL out
	response  func(d identity) string
	token     bool // follows at $cbs
}{
	"no SASL":   {token: true},
	"ANONYMOUS": {mechanism: "ANONYMOUS", token: true},
	"MSSBCBS":   {mechanism: "MSSBCBS", token: true},
	"PLAIN, a device": {mechanism: "PLAIN", response: func(d identity) string {
		return d.plain(d.Token(time.Hour))
	}},
	"PLAIN, a device, as the C SDK cuts the host": {mechanism: "PLAIN", response: func(d identity) string {
		return "\x00" + d.DeviceID + "@sas.127\x00" + d.Token(time.Hour)
	}},
	"PLAIN, a device, with an authorization id": {mechanism: "PLAIN", response: func(d identity) string {
		return d.DeviceID + d.plain(d.Token(time.Hour))
	}},
	"PLAIN, a policy's token": {mechanism: "PLAIN", response: func(d identity) string {
		return "\x00iothubowner@sas.root.127\x00" + policyToken(d.hub, "iothubowner")
	}},
	"PLAIN, a policy's key": {mechanism: "PLAIN", response: func(identity) string {
		return "\x00iothubowner@sas.root.127.0.0.1\x00" + harness.WellKnownKey
	}},
	"PLAIN, a key's name and the key": {mechanism: "PLAIN", response: func(identity) string {
		return "\x00iothubowner\x00" + harness.WellKnownKey
	}},
}

func TestEveryWayInOverAMQP(t *testing.T) {
	t.Parallel()
	for door, dial := range doors {
		for name, c := range credentials {
			t.Run(door+"/"+name, func(t *testing.T) {
				t.Parallel()
				d := newDevice(t)
				p := dial(t, hub)
				if c.mechanism != "" {
					response := ""
					if c.response != nil {
						response = c.response(d)
					}
					require.Zero(t, p.sasl(c.mechanism, response))
				}
				p.enter()
				if c.token {
					require.EqualValues(t, 200, p.rpc("$cbs").putToken(sasToken, d.Resource(), d.Token(time.Hour)))
				}
				p.sender(d.address("messages/events")).accepts(message{body: []byte("hello")})
				require.Equal(t, "hello", d.theEvent(t).Body)
				protocol := "AmqpWs"
				if door == "TLS" {
					protocol = "Amqp"
				}
				require.Equal(t, protocol, d.connection(t).Protocol)
			})
		}
	}
}

func TestAModuleByPLAIN(t *testing.T) {
	t.Parallel()
	m := newModule(t)
	p := m.amqp(t)
	p.sender(m.address("messages/events")).accepts(message{body: []byte("hello")})
	require.Equal(t, m.ModuleID, m.theEvent(t).ModuleID)
}

func TestCredentialsThatPLAINRefuses(t *testing.T) {
	t.Parallel()
	other := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", 32)))
	for name, response := range map[string]func(d, e identity) string{
		"another device's token":        func(d, e identity) string { return d.plain(e.Token(time.Hour)) },
		"a token that has run out":      func(d, _ identity) string { return d.plain(d.Token(-time.Hour)) },
		"the device's key":              func(d, _ identity) string { return d.plain(d.Key) },
		"an unknown device":             func(d, _ identity) string { return "\x00nobody@sas.127\x00" + d.Token(time.Hour) },
		"an unknown policy":             func(identity, identity) string { return "\x00nobody@sas.root.127\x00" + harness.WellKnownKey },
		"another key":                   func(identity, identity) string { return "\x00service@sas.root.127\x00" + other },
		"a key that is none":            func(identity, identity) string { return "\x00service\x00no key at all" },
		"another policy's token":        func(d, _ identity) string { return "\x00service@sas.root.127\x00" + policyToken(d.hub, "device") },
		"a device's token for a policy": func(d, _ identity) string { return "\x00service@sas.root.127\x00" + d.Token(time.Hour) },
		"no password":                   func(d, _ identity) string { return d.plain("") },
		"no user":                       func(d, _ identity) string { return "\x00\x00" + d.Token(time.Hour) },
		"nothing":                       func(identity, identity) string { return "" },
		"too much":                      func(d, _ identity) string { return d.plain(d.Token(time.Hour)) + "\x00x" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := dialAMQP(t, hub)
			require.EqualValues(t, 1, p.sasl("PLAIN", response(newDevice(t), newDevice(t))), "auth")
			require.Nil(t, p.gone())
		})
	}
}

func TestAMechanismThatThereIsNot(t *testing.T) {
	t.Parallel()
	p := dialAMQP(t, hub)
	require.EqualValues(t, 1, p.sasl("SCRAM-SHA-256", "x"))
	require.Nil(t, p.gone())
}

func TestAnotherProtocolIsAnsweredWithOurs(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"AMQP\x00\x00\x09\x01", "AMQP\x02\x01\x00\x00", "HELO\x00\x01\x00\x00"} {
		p := dialAMQP(t, hub)
		p.write([]byte(header))
		rest, err := io.ReadAll(p.in)
		require.NoError(t, err)
		require.Equal(t, saslHeader, string(rest), "%q", header)
	}
}

func TestAHubOfAnotherName(t *testing.T) {
	t.Parallel()
	p := dialAMQP(t, hub)
	p.header(amqpHeader)
	p.send(performOpen, "raw", "other.azure-devices.net")
	p.expect(performOpen)
	require.Equal(t, "amqp:not-found (404000)", p.gone().String())
}

func TestAnIdleTimeoutThatCannotBeKept(t *testing.T) {
	t.Parallel()
	p := dialAMQP(t, hub)
	p.header(amqpHeader)
	p.send(performOpen, "raw", nil, uint32(1<<16), uint16(1), uint32(1))
	p.expect(performOpen)
	require.Equal(t, "amqp:not-allowed", p.gone().String())
}

// What an open says, pyamqp wants to the last field: it indexes them.
func TestWhatTheHubSaysOfItself(t *testing.T) {
	t.Parallel()
	p := dialAMQP(t, hub)
	p.header(amqpHeader)
	p.send(performOpen, "raw")
	open := p.expect(performOpen)
	require.Len(t, open.list, 10, "every field, trailing nulls included")
	require.NotEmpty(t, open.at(0), "container-id")
	require.Equal(t, uint32(65536), open.at(2), "max-frame-size")
	require.Equal(t, uint16(1023), open.at(3), "channel-max")
	require.Equal(t, uint32(120_000), open.at(4), "idle-timeout, in milliseconds")
	p.send(performBegin, nil, uint32(0), uint32(1), uint32(1))
	begin := p.expect(performBegin)
	require.Len(t, begin.list, 8)
	require.Equal(t, uint16(0), begin.at(0), "remote-channel")
	require.NotNil(t, begin.at(4), "handle-max")
}

func TestChannelMax(t *testing.T) {
	t.Parallel()
	p := backEnd(t, hub, "service")
	begin := func(channel uint16) {
		p.write(frameOf(amqpFrame, channel, of(performBegin, nil, uint32(0), uint32(1), uint32(1)), nil))
	}
	begin(1023)
	require.Equal(t, uint16(1023), p.expect(performBegin).at(0), "remote-channel")
	begin(1024)
	require.Equal(t, "amqp:connection:framing-error", failureOf(p.expect(performClose).at(0)).String())
}

// A peer that has announced an idle timeout hears something in half that time, and
// in any case before it has passed, which is when rhea hangs up.
func TestHeartbeats(t *testing.T) {
	t.Parallel()
	const idle = 4 * time.Second
	for door, dial := range doors {
		t.Run(door, func(t *testing.T) {
			t.Parallel()
			p := dial(t, hub)
			p.header(amqpHeader)
			p.send(performOpen, "raw", nil, uint32(1<<16), uint16(1), uint32(idle.Milliseconds()))
			p.expect(performOpen)
			last := time.Now()
			for range 2 {
				f, err := p.read()
				require.NoError(t, err)
				require.Zero(t, f.code, "an empty frame")
				require.Less(t, time.Since(last), idle)
				last = time.Now()
			}
		})
	}
}

func TestAGoodbyeIsAnswered(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	p := d.amqp(t)
	p.sender(d.address("messages/events"))
	p.send(performClose)
	p.expect(performClose)
	_, err := p.read()
	require.True(t, errors.Is(err, io.EOF), "%v", err)
	d.ended(t, 0, "disconnected by the device")
}

func TestSeveralSessionsAndDevicesShareAConnection(t *testing.T) {
	t.Parallel()
	p := backEnd(t, hub, "iothubowner")
	p.write(frameOf(amqpFrame, 7, of(performBegin, nil, uint32(0), uint32(100), uint32(100)), nil))
	require.Equal(t, uint16(7), p.expect(performBegin).at(0), "remote-channel")
	var devices []identity
	for range 3 {
		devices = append(devices, newDevice(t))
	}
	for _, d := range devices {
		p.sender(d.address("messages/events")).accepts(message{body: []byte(d.DeviceID)})
	}
	for _, d := range devices {
		require.Equal(t, d.DeviceID, d.theEvent(t).Body)
		require.True(t, d.connection(t).Connected)
	}
	p.write(frameOf(amqpFrame, 7, of(performEnd), nil))
	p.expect(performEnd)
	p.quiet()
}

// pyamqp ends its session first and detaches its links then.
func TestFramesOfASessionThatHasJustEnded(t *testing.T) {
	t.Parallel()
	p := backEnd(t, hub, "service")
	l := p.sender("/messages/devicebound")
	p.send(performEnd)
	p.expect(performEnd)
	p.send(performDetach, l.handle, true)
	p.send(performClose)
	require.Nil(t, failureOf(p.expect(performClose).at(0)), "a goodbye like any other")
}
