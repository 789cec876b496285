package transport_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/amqp/transport"
	"github.com/linarite/linarite/internal/clock"
)

// Trap 5: azure-iothub for Node sends no SASL at all.
func TestPitfallSASLMayBeLeftOut(t *testing.T) {
	t.Parallel()
	c := dial(t, &house{}, transport.Options{})
	o := c.open(&codec.Open{ContainerID: "c", MaxFrameSize: 1 << 20})
	assert.Equal(t, uint32(transport.MaxFrame), o.MaxFrameSize)
	assert.Equal(t, uint32(120_000), o.IdleTimeout.Value, "half of what we bear")
	c.send(0, &codec.Close{})
	expect[*codec.Close](c)
	assert.NoError(t, c.end())
}

func TestSASL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mechanism codec.Symbol
		ok        bool
	}{
		{"MSSBCBS", true},
		{"ANONYMOUS", true},
		{"EXTERNAL", true},
		{"PLAIN", false}, // its credentials are wrong
		{"SCRAM-SHA-1", false},
	} {
		t.Run(string(c.mechanism), func(t *testing.T) {
			t.Parallel()
			cl := dial(t, &house{sasl: func(m string, r []byte) bool { return m != "PLAIN" && string(r) == "hi" }}, transport.Options{})
			cl.raw(saslHeader)
			require.Equal(t, saslHeader, cl.header())
			assert.ElementsMatch(t, []codec.Symbol{"MSSBCBS", "PLAIN", "ANONYMOUS", "EXTERNAL"}, expect[*codec.Mechanisms](cl).Names)
			cl.raw(string(frameOf(1, 0, &codec.Init{Mechanism: c.mechanism, Response: []byte("hi")}, "")))
			if !c.ok {
				assert.Equal(t, codec.SASLAuth, expect[*codec.Outcome](cl).Code)
				assert.Error(t, cl.end())
				return
			}
			assert.Equal(t, codec.SASLOK, expect[*codec.Outcome](cl).Code)
			cl.open(&codec.Open{ContainerID: "c"})
		})
	}
}

// What a stranger may send before anything else.
func TestHostileBeginnings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, bytes string }{
		{"nothing", ""},
		{"HTTP", "GET / HTTP/1.1\r\n\r\n"},
		{"AMQP 0-9-1", "AMQP\x00\x00\x09\x01"},
		{"half a header", "AMQP"},
		{"TLS as a protocol", "AMQP\x02\x01\x00\x00"},
		{"SASL twice", saslHeader + string(frameOf(1, 0, &codec.Init{Mechanism: "ANONYMOUS"}, "")) + saslHeader},
		{"a huge SASL frame", saslHeader + "\x00\xff\xff\xff\x02\x01\x00\x00"},
		{"an AMQP frame in SASL", saslHeader + string(frameOf(0, 0, &codec.Init{Mechanism: "ANONYMOUS"}, ""))},
		{"no init", saslHeader + string(frameOf(1, 0, &codec.Outcome{}, ""))},
		{"a huge frame", plainHeader + "\xff\xff\xff\xff\x02\x00\x00\x00"},
		{"a frame shorter than its header", plainHeader + "\x00\x00\x00\x04\x02\x00\x00\x00"},
		{"an offset behind the end", plainHeader + "\x00\x00\x00\x08\xff\x00\x00\x00"},
		{"a begin before the open", plainHeader + string(frameOf(0, 0, &codec.Begin{}, ""))},
		{"garbage", plainHeader + "\x00\x00\x00\x0a\x02\x00\x00\x00\xff\xff"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cl := dial(t, &house{}, transport.Options{ConnectTimeout: 200 * time.Millisecond})
			cl.raw(c.bytes)
			assert.Error(t, cl.end())
		})
	}
}

func TestAStrangerHasToProveItselfInTime(t *testing.T) {
	t.Parallel()
	c := dial(t, &house{}, transport.Options{TrustTimeout: 100 * time.Millisecond})
	c.open(&codec.Open{ContainerID: "c"})
	assert.Equal(t, "amqp:unauthorized-access", string(expect[*codec.Close](c).Error.Condition))
	assert.ErrorContains(t, c.end(), "did not prove")
}

func TestAStrangersSessionsAndLinksAreFew(t *testing.T) {
	t.Parallel()
	c := dial(t, &house{}, transport.Options{})
	c.open(&codec.Open{ContainerID: "c"})
	for channel := range uint16(16) {
		c.begin(channel, 1)
	}
	c.send(16, &codec.Begin{})
	assert.Equal(t, "amqp:resource-limit-exceeded", string(expect[*codec.Close](c).Error.Condition))

	c = dial(t, sends(nil), transport.Options{})
	c.open(&codec.Open{ContainerID: "c"})
	c.begin(0, 1)
	attach := func(handle uint32) {
		c.send(0, &codec.Attach{
			Name: fmt.Sprint(handle), Handle: handle, Role: codec.RoleReceiver, Source: &codec.Source{}, Target: &codec.Target{},
		})
	}
	for handle := range uint32(16) {
		attach(handle)
		expect[*codec.Attach](c)
	}
	attach(16)
	assert.Equal(t, "amqp:resource-limit-exceeded", string(expect[*codec.End](c).Error.Condition))
}

// A peer that is known has more, and more again for each identity.
func TestAKnownPeersLinksAreBounded(t *testing.T) {
	t.Parallel()
	for identities, links := range map[int]int{0: 256, 1: 272, 100: 1856} {
		t.Run(fmt.Sprint(identities), func(t *testing.T) {
			t.Parallel()
			h := sends(nil)
			h.trust, h.proved = true, identities
			c := dial(t, h, transport.Options{})
			c.open(&codec.Open{ContainerID: "c"})
			attach := func(n int) {
				c.send(uint16(n/200), &codec.Attach{Name: fmt.Sprint(n), Handle: uint32(n % 200), Role: codec.RoleReceiver})
			}
			for n := range links {
				if n%200 == 0 {
					c.begin(uint16(n/200), 1)
				}
				attach(n)
				expect[*codec.Attach](c)
			}
			c.send(0, &codec.Detach{Handle: 0, Closed: true})
			expect[*codec.Detach](c)
			attach(links)
			expect[*codec.Attach](c)
			attach(links + 1)
			assert.Equal(t, "amqp:resource-limit-exceeded", string(expect[*codec.End](c).Error.Condition))
		})
	}
}

func TestAKnownPeersSessionsAreBounded(t *testing.T) {
	t.Parallel()
	for identities, sessions := range map[int]int{0: 128, 1: 132, 1000: 1024} {
		t.Run(fmt.Sprint(identities), func(t *testing.T) {
			t.Parallel()
			c := dial(t, &house{trust: true, proved: identities}, transport.Options{})
			c.open(&codec.Open{ContainerID: "c"})
			for channel := range sessions {
				c.begin(uint16(channel), 1)
			}
			c.send(uint16(sessions), &codec.Begin{})
			require.Error(t, expect[*codec.Close](c).Error)
		})
	}
}

func TestASilentPeerIsCutOff(t *testing.T) {
	t.Parallel()
	c := dial(t, &house{trust: true}, transport.Options{IdleTimeout: 100 * time.Millisecond})
	c.open(&codec.Open{ContainerID: "c"})
	assert.Equal(t, "amqp:connection:forced", string(expect[*codec.Close](c).Error.Condition))
	assert.ErrorContains(t, c.end(), "silent")
}

func TestAFrameHasToBecomeWholeInTime(t *testing.T) {
	t.Parallel()
	c := dial(t, &house{trust: true}, transport.Options{FrameTimeout: 100 * time.Millisecond})
	c.open(&codec.Open{ContainerID: "c"})
	begin := string(frameOf(0, 0, &codec.Begin{}, ""))
	for i := range begin[:len(begin)-1] {
		c.raw(begin[i : i+1])
	}
	assert.Contains(t, expect[*codec.Close](c).Error.Description.Value, "not whole within 100ms")
	assert.Error(t, c.end())
}

// rhea hangs up as soon as it has heard nothing for the time that it has announced.
func TestHeartbeatsComeInHalfTheTimeThatThePeerWaits(t *testing.T) {
	t.Parallel()
	const idle = time.Second
	c := dial(t, &house{trust: true}, transport.Options{})
	c.open(&codec.Open{ContainerID: "c", IdleTimeout: codec.Some(uint32(idle.Milliseconds()))})
	began := clock.Wall()
	for range 4 {
		body, _ := c.read()
		assert.Nil(t, body)
	}
	assert.Less(t, clock.Wall().Sub(began), 3*idle)
}

func TestAnIdleTimeoutThatCannotBeKeptIsRefused(t *testing.T) {
	t.Parallel()
	c := dial(t, &house{trust: true}, transport.Options{})
	c.open(&codec.Open{ContainerID: "c", IdleTimeout: codec.Some(uint32(199))})
	assert.Equal(t, "amqp:not-allowed", string(expect[*codec.Close](c).Error.Condition))
	assert.ErrorContains(t, c.end(), "idle timeout")
}

func TestErrorsOfAConnection(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, condition string
		do              func(c *client)
	}{
		{"a frame that is no AMQP", "amqp:decode-error", func(c *client) { c.raw("\x00\x00\x00\x09\x02\x00\x00\x00\xff") }},
		{"a frame that is too long", "amqp:connection:framing-error", func(c *client) { c.raw("\x00\x10\x00\x00\x02\x00\x00\x00") }},
		{"a flow without a session", "amqp:not-allowed", func(c *client) { c.send(5, &codec.Flow{}) }},
		{"a session twice", "amqp:not-allowed", func(c *client) { c.send(0, &codec.Begin{}) }},
		{"a channel too high", "amqp:connection:framing-error", func(c *client) { c.send(5000, &codec.Begin{}) }},
		{"an open in the middle", "amqp:not-allowed", func(c *client) { c.send(0, &codec.Open{}) }},
		{"SASL in the middle", "amqp:connection:framing-error", func(c *client) { c.raw(string(frameOf(1, 0, &codec.Init{}, ""))) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cl := enter(t, sends(nil))
			c.do(cl)
			assert.Equal(t, c.condition, string(expect[*codec.Close](cl).Error.Condition))
			assert.Error(t, cl.end())
		})
	}
}

func TestErrorsOfASession(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, condition string
		do              func(c *client)
	}{
		{"a flow for no link", "amqp:session:unattached-handle", func(c *client) { c.send(0, &codec.Flow{Handle: codec.Some(uint32(9))}) }},
		{"a transfer for no link", "amqp:session:unattached-handle", func(c *client) { c.transfer(&codec.Transfer{Handle: 9}, "") }},
		{"a transfer on a link of ours", "amqp:session:unattached-handle", func(c *client) { c.transfer(&codec.Transfer{Handle: 0}, "") }},
		{"a detach of no link", "amqp:session:unattached-handle", func(c *client) { c.send(0, &codec.Detach{Handle: 9}) }},
		{"a handle in use", "amqp:session:handle-in-use", func(c *client) { c.send(0, &codec.Attach{Name: "x", Handle: 0}) }},
		{"a handle too high", "amqp:session:errant-link", func(c *client) { c.send(0, &codec.Attach{Name: "x", Handle: 999}) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cl := enter(t, sends(nil))
			cl.receiver(0, 1)
			c.do(cl)
			assert.Equal(t, c.condition, string(expect[*codec.End](cl).Error.Condition))
			// What still comes is passed over, and the connection goes on.
			cl.transfer(&codec.Transfer{Handle: 9}, "")
			cl.send(0, &codec.Attach{Name: "y"})
			cl.send(0, &codec.End{})
			cl.begin(0, 10)
		})
	}
}

// pyamqp ends its session first and detaches its links then.
func TestPitfallALinkMayBeDetachedAfterItsSession(t *testing.T) {
	t.Parallel()
	c := enter(t, sends(nil))
	c.receiver(0, 1)
	c.send(0, &codec.End{})
	expect[*codec.End](c)
	c.send(0, &codec.Detach{Closed: true})
	c.send(0, &codec.End{})
	c.begin(0, 10) // the channel can be used anew
	c.receiver(0, 1)
	c.send(0, &codec.Close{})
	expect[*codec.Close](c)
	require.NoError(t, c.end())
}

func TestWhatComesAfterASessionIsBounded(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(c *client){
		"that the peer has ended": func(c *client) { c.send(0, &codec.End{}) },
		"that we have ended":      func(c *client) { c.send(0, &codec.Detach{Handle: 9}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := enter(t, sends(nil))
			end(c)
			expect[*codec.End](c)
			c.raw(strings.Repeat(string(frameOf(0, 0, &codec.Flow{}, "")), 5000))
			assert.Equal(t, "amqp:not-allowed", string(expect[*codec.Close](c).Error.Condition))
			assert.ErrorContains(t, c.end(), "has ended")
		})
	}
}

// A peer that reads nothing costs bounded memory, and then its connection.
func TestAPeerThatDoesNotReadIsCutOff(t *testing.T) {
	t.Parallel()
	message := []byte(strings.Repeat("x", 60000))
	h := &house{trust: true, attach: func(l *transport.Link) (transport.Node, *codec.Error) {
		for range 1000 {
			l.Send(transport.Outgoing{Message: message, Settled: true})
		}
		return transport.Node{}, nil
	}}
	c := dial(t, h, transport.Options{WriteTimeout: 200 * time.Millisecond})
	c.open(&codec.Open{ContainerID: "c", MaxFrameSize: 1 << 20})
	c.begin(0, 1<<20)
	c.receiver(0, 1<<20)
	assert.ErrorContains(t, c.end(), "does not read")
}

func TestCloseEndsAConnectionFromOutside(t *testing.T) {
	t.Parallel()
	conns := make(chan *transport.Conn, 1)
	c := enter(t, &house{attach: func(l *transport.Link) (transport.Node, *codec.Error) {
		conns <- l.Conn()
		return transport.Node{}, nil
	}})
	c.receiver(0, 1)
	(<-conns).Close(fmt.Errorf("enough"))
	assert.EqualError(t, c.end(), "enough")
}
