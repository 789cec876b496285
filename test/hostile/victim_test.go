package hostile_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// victim is a hub under attack.
type victim struct {
	*harness.Hub
	devices []harness.Identity // one for each attacker
	secrets *secrets
	raced   bool // the hub was built with the race detector
}

// newVictim registers the attackers' devices.
func newVictim(t *testing.T, hub *harness.Hub) *victim {
	t.Helper()
	v := &victim{Hub: hub, secrets: &secrets{}, raced: raced(t)}
	for i := range attackers {
		device := hub.CreateDevice(t, fmt.Sprintf("attacker%d", i))
		v.secrets.add(device.Key)
		v.devices = append(v.devices, device)
	}
	v.certify(t)
	return v
}

// raced says whether the hub was built with the race detector, which makes it
// slower by far and larger.
func raced(t *testing.T) bool {
	t.Helper()
	binary, err := harness.Binary()
	require.NoError(t, err)
	info, err := buildinfo.ReadFile(binary)
	require.NoError(t, err)
	return slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "-race" && s.Value == "true" })
}

// attacker is one of those who do the same thing at once.
type attacker struct {
	*victim
	device harness.Identity
}

// input is something that no honest client does. The error is what the hub does
// wrong about it.
type input func(a *attacker) error

// years is how long good tokens are good, since the hubs' clocks are moved.
const years = 10 * 365 * 24 * time.Hour

// token is a good token of the attacker's device.
func (a *attacker) token() string { return a.signed(a.device.Token(years)) }

// ownerToken is a good token of a back end that may do everything.
func (a *attacker) ownerToken() string {
	return a.signed(harness.Sign(a.Address, harness.WellKnownKey, "iothubowner", time.Now().Add(years)))
}

// signed remembers a token's signature as a secret.
func (a *attacker) signed(token string) string {
	_, rest, _ := strings.Cut(token, "sig=")
	signature, _, _ := strings.Cut(rest, "&")
	a.secrets.add(signature)
	return token
}

// hello is a CONNECT that nothing is wrong with.
func (a *attacker) hello() connect {
	return connect{level: 4, keepAlive: 60, id: a.device.ClientID(), user: a.device.UserName(), password: a.token()}
}

// events is the topic of the device's telemetry.
func (a *attacker) events() string { return "devices/" + a.device.DeviceID + "/messages/events/" }

// deviceBound is the filter of the device's messages.
func (a *attacker) deviceBound() string {
	return "devices/" + a.device.DeviceID + "/messages/devicebound/#"
}

// peer is one connection of an attacker's.
type peer struct {
	net.Conn
	in *bufio.Reader
}

func newPeer(c net.Conn) *peer { return &peer{Conn: c, in: bufio.NewReader(c)} }

// tcp opens a connection with one of the hub's ports.
func (v *victim) tcp(port string) (*peer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), harness.Deadline)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", v.Addr(port))
	if err != nil {
		return nil, err
	}
	return newPeer(conn), nil
}

// tls opens a connection over TLS; the hub's certificate is checked.
func (v *victim) tls(port string) (*peer, error) { return v.tlsWith(port, v.TLS()) }

func (v *victim) tlsWith(port string, cfg *tls.Config) (*peer, error) {
	raw, err := v.tcp(port)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw.Conn, cfg)
	_ = conn.SetDeadline(time.Now().Add(harness.Deadline))
	if err := conn.Handshake(); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return newPeer(conn), nil
}

// join connects the attacker's device.
func (a *attacker) join() (*peer, error) {
	p, err := a.tls(harness.MQTTPort)
	if err != nil {
		return nil, err
	}
	return p, p.enter(a.hello().bytes())
}

// enter sends a CONNECT and expects to be let in.
func (p *peer) enter(hello []byte) error {
	p.send(hello)
	if got, err := p.next(len(accepted)); err != nil || !bytes.Equal(got, accepted) {
		return fmt.Errorf("a good CONNECT is answered with % x (%w)", got, err)
	}
	return nil
}

// send writes what the hub may not want to read: it may be closing the
// connection.
func (p *peer) send(parts ...[]byte) {
	_ = p.SetWriteDeadline(time.Now().Add(harness.Deadline))
	for _, part := range parts {
		if _, err := p.Write(part); err != nil {
			return
		}
	}
}

// each writes bytes one by one.
func (p *peer) each(b []byte) {
	for i := range b {
		p.send(b[i : i+1])
	}
}

// next reads the next n bytes.
func (p *peer) next(n int) ([]byte, error) {
	_ = p.SetReadDeadline(time.Now().Add(harness.Deadline))
	b := make([]byte, n)
	n, err := io.ReadFull(p.in, b)
	return b[:n], err
}

// packet reads the next packet.
func (p *peer) packet() ([]byte, error) {
	_ = p.SetReadDeadline(time.Now().Add(harness.Deadline))
	first, err := p.in.ReadByte()
	if err != nil {
		return nil, err
	}
	length := 0
	for shift := 0; ; shift += 7 {
		b, err := p.in.ReadByte()
		if err != nil {
			return nil, err
		}
		length |= int(b&0x7F) << shift
		if b < 0x80 {
			break
		}
	}
	rest := make([]byte, length)
	_, err = io.ReadFull(p.in, rest)
	return append([]byte{first}, rest...), err
}

// stop says that nothing more will be sent, and goes on reading.
func (p *peer) stop() {
	if c, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
}

// raw is the TCP connection below.
func (p *peer) raw() *net.TCPConn {
	conn := p.Conn
	for {
		outer, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return conn.(*net.TCPConn)
		}
		conn = outer.NetConn()
	}
}

// reset ends the connection with a RST.
func (p *peer) reset() {
	_ = p.raw().SetLinger(0)
	_ = p.raw().Close()
}

// outcome is what the hub has to do in the end.
type outcome func(p *peer) error

// closed: the hub ends the connection, whatever it says before.
func closed(p *peer) error {
	_, err := p.rest()
	return err
}

// unanswered: the hub ends the connection without a word.
func unanswered(p *peer) error { return saying(nil)(p) }

// saying: the hub says so much, and ends the connection.
func saying(want []byte) outcome {
	return func(p *peer) error {
		said, err := p.rest()
		if err == nil && !bytes.Equal(said, want) {
			err = fmt.Errorf("the hub says % x before it closes, not % x", said[:min(len(said), 64)], want)
		}
		return err
	}
}

// rest is what the hub says until it ends the connection, which it has to do.
func (p *peer) rest() ([]byte, error) {
	_ = p.SetReadDeadline(time.Now().Add(harness.Deadline))
	said, err := io.ReadAll(p.in)
	if isTimeout(err) {
		return said, errors.New("the hub does not close the connection")
	}
	return said, nil
}

// alive: the hub serves on.
func alive(p *peer) error {
	p.send(pingreq)
	for {
		packet, err := p.packet()
		if err != nil {
			return fmt.Errorf("PINGREQ is not answered: %w", err)
		}
		if packet[0] == pingresp[0] {
			return nil
		}
	}
}

// welcomed: the hub lets the attacker in after all.
func welcomed(p *peer) error {
	if got, err := p.next(len(accepted)); err != nil || !bytes.Equal(got, accepted) {
		return fmt.Errorf("the hub says % x (%w)", got, err)
	}
	return alive(p)
}

// isTimeout says whether an error is that a deadline has passed.
func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
