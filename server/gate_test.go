package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/server"
)

// long is longer than any of these tests, and wait how long they wait for what
// has to come.
const (
	long = time.Hour
	wait = 10 * time.Second
)

// gateway is a gate with what comes through it.
type gateway struct {
	t        *testing.T
	gate     net.Listener
	accepted chan server.Visitor
}

// gateways puts gates before listeners of their own.
func gateways(t *testing.T, n, perAddress, strangers int, courtesy time.Duration, log zerolog.Logger) []*gateway {
	t.Helper()
	lns := make([]net.Listener, n)
	for i := range lns {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		lns[i] = ln
	}
	all := make([]*gateway, n)
	for i, gate := range server.Gates(perAddress, strangers, courtesy, log, lns...) {
		d := &gateway{t, gate, make(chan server.Visitor, 100)}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for {
				conn, err := gate.Accept()
				if err != nil {
					return
				}
				d.accepted <- conn.(server.Visitor)
			}
		}()
		t.Cleanup(func() {
			_ = gate.Close()
			<-ended
			for len(d.accepted) > 0 {
				_ = (<-d.accepted).Close()
			}
		})
		all[i] = d
	}
	return all
}

// dial knocks at the door.
func (d *gateway) dial() net.Conn {
	d.t.Helper()
	c, err := net.Dial("tcp", d.gate.Addr().String())
	require.NoError(d.t, err)
	d.t.Cleanup(func() { _ = c.Close() })
	return c
}

// enter knocks, and waits until it is let in.
func (d *gateway) enter() (net.Conn, server.Visitor) {
	d.t.Helper()
	c := d.dial()
	v := d.next()
	d.t.Cleanup(func() { _ = v.Close() })
	require.Equal(d.t, c.LocalAddr().String(), v.RemoteAddr().String())
	return c, v
}

func (d *gateway) next() server.Visitor {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), wait)
	defer cancel()
	select {
	case v := <-d.accepted:
		return v
	case <-ctx.Done():
		require.Fail(d.t, "nobody comes in")
		return nil
	}
}

// ended waits for the end of a connection that was accepted or not.
func ended(t *testing.T, c net.Conn) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(clock.Wall().Add(wait)))
	_, err := c.Read(make([]byte, 1))
	var timeout net.Error
	require.Error(t, err)
	require.False(t, errors.As(err, &timeout) && timeout.Timeout(), "the connection is still open")
}

// passes makes sure that something still goes through.
func passes(t *testing.T, c net.Conn, v server.Visitor) {
	t.Helper()
	_, err := v.Write([]byte("x"))
	require.NoError(t, err)
	_, err = io.ReadFull(c, make([]byte, 1))
	require.NoError(t, err)
}

func TestConnectionsFromOneAddressAreBoundedOnAllDoorsTogether(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	both := gateways(t, 2, 3, 0, 0, zerolog.New(zerolog.SyncWriter(&log)))
	one, other := both[0], both[1]
	_, first := one.enter()
	_, second := one.enter()
	_, third := other.enter()
	ended(t, one.dial())
	ended(t, other.dial())
	assert.Empty(t, one.accepted)

	require.NoError(t, second.Close())
	_ = second.Close() // counts once
	other.enter()
	ended(t, other.dial())
	first.Admit()
	third.Admit() // who it is does not matter
	ended(t, one.dial())
	_ = one.gate.Close()
	assert.Contains(t, log.String(), "connections from 127.0.0.1 are refused: there are 3 already")
}

func TestTheOldestStrangerLeavesForTheNext(t *testing.T) {
	t.Parallel()
	d := gateways(t, 1, 0, 2, 0, zerolog.Nop())[0]
	oldest, oldestInside := d.enter()
	known, knownInside := d.enter()
	knownInside.Admit()
	knownInside.Admit()
	next, _ := d.enter()
	d.enter()
	ended(t, oldest)
	_, err := oldestInside.Read(make([]byte, 1))
	require.ErrorIs(t, err, iot.ErrServiceUnavailable)
	require.ErrorIs(t, err, net.ErrClosed)
	require.ErrorContains(t, err, "have not shown who they are")
	passes(t, known, knownInside)

	d.enter()
	ended(t, next)
	passes(t, known, knownInside)
}

func TestWhoHasOnlyJustComeIsNotSentAway(t *testing.T) {
	t.Parallel()
	d := gateways(t, 1, 0, 2, long, zerolog.Nop())[0]
	first, firstInside := d.enter()
	second, secondInside := d.enter()
	third := d.dial()
	require.Empty(t, d.accepted, "it waits at the door")
	passes(t, first, firstInside)
	passes(t, second, secondInside)

	firstInside.Admit()
	require.Equal(t, third.LocalAddr().String(), d.next().RemoteAddr().String())

	fourth := d.dial()
	require.NoError(t, secondInside.Close())
	require.Equal(t, fourth.LocalAddr().String(), d.next().RemoteAddr().String())
	passes(t, first, firstInside)
}

func TestAStrangerHasItsTime(t *testing.T) {
	t.Parallel()
	const courtesy = 100 * time.Millisecond
	d := gateways(t, 1, 0, 1, courtesy, zerolog.Nop())[0]
	began := clock.Wall()
	first, _ := d.enter()
	d.enter()
	assert.GreaterOrEqual(t, clock.Wall().Sub(began), courtesy)
	ended(t, first)
}

// Of those that send too much together, whoever sent most has to leave; who has
// shown who it is, or has left, counts no more.
func TestTheLoudestStrangerLeaves(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	d := gateways(t, 1, 0, 0, 0, zerolog.New(zerolog.SyncWriter(&log)))[0]
	says := func(c net.Conn, v server.Visitor, n int) {
		t.Helper()
		_, err := c.Write(make([]byte, n))
		require.NoError(t, err)
		_, err = io.ReadFull(v, make([]byte, n))
		require.NoError(t, err)
	}
	const most = server.GateShaking
	known, knownInside := d.enter()
	says(known, knownInside, most-100)
	knownInside.Admit()
	quiet, quietInside := d.enter()
	says(quiet, quietInside, 100)
	loud, loudInside := d.enter()
	says(loud, loudInside, 500)
	loudInside.Secured()
	gone, goneInside := d.enter()
	says(gone, goneInside, 400)
	require.NoError(t, goneInside.Close())
	last, lastInside := d.enter()
	says(last, lastInside, 400)
	passes(t, loud, loudInside)

	says(last, lastInside, 1)
	ended(t, loud)
	_, err := loudInside.Read(make([]byte, 1))
	require.ErrorIs(t, err, iot.ErrServiceUnavailable)
	for c, v := range map[net.Conn]server.Visitor{known: knownInside, quiet: quietInside, last: lastInside} {
		passes(t, c, v)
	}
	says(last, lastInside, most-501)
	passes(t, quiet, quietInside)
	_, err = last.Write(make([]byte, 2))
	require.NoError(t, err)
	_, _ = lastInside.Read(make([]byte, 2))
	ended(t, last)
	_ = d.gate.Close()
	assert.Contains(t, log.String(), "more than 1000 bytes to establish TLS: those that sent most are closed")
}

func TestAGateThatClosesLetsNobodyWait(t *testing.T) {
	t.Parallel()
	d := gateways(t, 1, 0, 1, long, zerolog.Nop())[0]
	d.enter()
	waiting := d.dial()
	require.NoError(t, d.gate.Close())
	ended(t, waiting)
	assert.Empty(t, d.accepted)
}

func TestBoundsHaveDefaultsAndCanBeLifted(t *testing.T) {
	t.Parallel()
	perAddress, strangers := server.Bounds(server.Options{})
	assert.Equal(t, server.DefaultMaxPerAddress, perAddress)
	assert.Equal(t, server.DefaultMaxStrangers, strangers)
	perAddress, strangers = server.Bounds(server.Options{MaxPerAddress: 5, MaxStrangers: -1})
	assert.Equal(t, 5, perAddress)
	assert.Zero(t, strangers)
}

func TestWhereAConnectionComesFrom(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"192.0.2.1":           "192.0.2.1",
		"::ffff:192.0.2.1":    "192.0.2.1",
		"2001:db8:1:2:3::4":   "2001:db8:1:2::",
		"2001:db8:1:2:ffff::": "2001:db8:1:2::",
		"::1":                 "::",
	} {
		assert.Equal(t, want, server.AddressOf(&net.TCPAddr{IP: net.ParseIP(remote), Port: 1}), remote)
	}
	assert.Equal(t, "fe80::", server.AddressOf(&net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0", Port: 1}))
}

// TestWhoHasShownWhoItIsStays goes through a whole server that has room for one
// stranger on each port.
func TestWhoHasShownWhoItIsStays(t *testing.T) {
	t.Parallel()
	s := open(t, server.Options{MaxStrangers: 1})
	var dialled atomic.Int32
	s.http.Transport = &http.Transport{
		TLSClientConfig: trusting(t, s.CA()),
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			dialled.Add(1)
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	}
	t.Cleanup(s.http.CloseIdleConnections)
	both := func() {
		status, _, err := s.control("/health")
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)
		status, text, err := s.ask("GET", "/statistics/devices?api-version=2021-04-12", "")
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, text)
	}
	both()
	var first []net.Conn
	for _, addr := range []string{s.HTTPSAddr(), s.ControlAddr()} {
		for i := range 2 {
			c, err := net.Dial("tcp", addr)
			require.NoError(t, err)
			t.Cleanup(func() { _ = c.Close() })
			if i == 0 {
				first = append(first, c)
			}
		}
	}
	for _, c := range first {
		ended(t, c) // in favour of the second
	}
	both()
	require.EqualValues(t, 2, dialled.Load(), "the connections of the first time still serve")
}
