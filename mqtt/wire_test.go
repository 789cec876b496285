package mqtt_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/certs"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/mqtt"
	"github.com/linarite/linarite/twin"
)

func asTimeout(err error, timeout *net.Error) bool {
	return errors.As(err, timeout) && (*timeout).Timeout()
}

// secure adds a TLS listener to the room and returns a client's configuration.
func (r *room) secure(client func(*tls.Config)) *tls.Config {
	r.t.Helper()
	authority, err := certs.LoadOrCreate("", clock.Wall())
	require.NoError(r.t, err)
	leaf, err := authority.Server([]string{"127.0.0.1"}, clock.Wall())
	require.NoError(r.t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(r.t, err)
	r.srv.Serve(ln, &tls.Config{Certificates: []tls.Certificate{leaf}, MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert})
	r.addr = ln.Addr().String()
	trust := x509.NewCertPool()
	require.True(r.t, trust.AppendCertsFromPEM(authority.PEM()))
	cfg := &tls.Config{RootCAs: trust, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
	if client != nil {
		client(cfg)
	}
	return cfg
}

func TestMQTTOverTLS(t *testing.T) {
	t.Parallel()
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := enter(t)
			cfg := r.secure(func(c *tls.Config) { c.MaxVersion = version })
			conn, err := tls.Dial("tcp", r.addr, cfg)
			require.NoError(t, err)
			c := newClient(t, conn)
			c.send(hello(t, iot.Device("d")).bytes())
			c.expect(0x20, 2, 0, 0)
			for i := uint16(1); i <= 20; i++ {
				c.send(publish(i, "devices/d/messages/events/", strings.Repeat("x", int(i)*1000)))
			}
			for i := uint16(1); i <= 20; i++ {
				c.expect(puback(i)...)
			}
			c.listen(1)
			r.sendText("hello")
			require.Equal(t, "hello", c.message().body)
			c.send(disconnect)
			c.closed() // io.EOF: TLS said goodbye too
		})
	}
}

func TestATLSHandshakeThatFailsIsLogged(t *testing.T) {
	t.Parallel()
	var log safeBuffer
	r := open(t, hub.Options{Log: zerolog.Nop()}, mqtt.Options{Log: zerolog.New(&log)})
	r.secure(nil)
	_, err := tls.Dial("tcp", r.addr, &tls.Config{MinVersion: tls.VersionTLS12}) // it does not trust the CA
	require.Error(t, err)
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "does it trust the CA, and is") }, patience, time.Millisecond)
	require.Contains(t, log.String(), "bad certificate")
}

func TestTheTimeToConnectCoversTheTLSHandshake(t *testing.T) {
	t.Parallel()
	r := open(t, hub.Options{Log: zerolog.Nop()}, mqtt.Options{ConnectTimeout: 50 * time.Millisecond, Log: zerolog.Nop()})
	r.secure(nil)
	r.dial().closed()
}

// stall makes a client whose kernel takes next to nothing for it.
func (r *room) stall(id iot.Identity) *client {
	r.t.Helper()
	c := r.dial()
	require.NoError(r.t, c.conn.(*net.TCPConn).SetReadBuffer(4096))
	c.send(hello(r.t, id).bytes())
	c.expect(0x20, 2, 0, 0)
	return c
}

func TestAClientThatDoesNotReadIsCutOff(t *testing.T) {
	t.Parallel()
	r := open(t, hub.Options{Log: zerolog.Nop()}, mqtt.Options{WriteTimeout: 200 * time.Millisecond, Log: zerolog.Nop()})
	r.stall(iot.Device("d")).listen(0)
	big := c2d.Message{Message: iot.Message{Body: make([]byte, c2d.MaxMessage)}}
	require.Eventually(t, func() bool {
		_, _ = r.Send(iot.Device("d"), big) // the queue may be full
		return !r.Connections()[0].Connected
	}, patience, time.Millisecond)
	last := r.goodbye(iot.Device("d"))
	require.Contains(t, last.Reason, "took nothing for 200ms")
	require.Equal(t, iot.ErrClosedRemotely.Code, last.Code)
}

// The reader's own answers have the same bound.
func TestAClientThatAsksAndDoesNotReadIsCutOff(t *testing.T) {
	t.Parallel()
	r := open(t, hub.Options{Log: zerolog.Nop()}, mqtt.Options{WriteTimeout: 200 * time.Millisecond, Log: zerolog.Nop()})
	_, err := r.PatchTwin(iot.Device("d"), twin.Update{Desired: largeTwin(t)}, "")
	require.NoError(t, err)
	c := r.stall(iot.Device("d")).listenTwin()
	get := publish(0, "$iothub/twin/GET/?$rid=1", "")
	go func() {
		for {
			if _, err := c.conn.Write(get); err != nil {
				return
			}
		}
	}()
	require.Contains(t, r.goodbye(iot.Device("d")).Reason, "took nothing for 200ms")
}

func largeTwin(t *testing.T) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(map[string]string{
		"a": strings.Repeat("x", 4000), "b": strings.Repeat("x", 4000), "c": strings.Repeat("x", 4000),
	})
	require.NoError(t, err)
	return b
}

func TestAClientThatDoesNotKeepUpIsCutOff(t *testing.T) {
	t.Parallel()
	r := enter(t)
	r.stall(iot.Device("d")).listenTwin()
	large := largeTwin(t)
	for i := 0; r.Connections()[0].Connected; i++ {
		require.Less(t, i, 5000)
		_, err := r.PatchTwin(iot.Device("d"), twin.Update{Desired: large}, "")
		require.NoError(t, err)
	}
	require.Contains(t, r.goodbye(iot.Device("d")).Reason, "does not keep up")
}

// A burst is acknowledged in a few writes, a single message at once.
func TestAnswersAreGathered(t *testing.T) {
	t.Parallel()
	r := enter(t)
	mine, theirs := net.Pipe()
	counted := &counting{Conn: theirs}
	served := make(chan struct{})
	go func() {
		defer close(served)
		r.srv.ServeConn(counted)
	}()
	c := newClient(t, mine)
	c.send(hello(t, iot.Device("d")).bytes())
	c.expect(0x20, 2, 0, 0)
	var burst []byte
	for i := uint16(1); i <= 50; i++ {
		burst = append(burst, publish(i, "devices/d/messages/events/", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")...)
	}
	before := counted.count()
	go func() { _, _ = mine.Write(burst) }() // a pipe holds nothing, so the reading goes on beside it
	for i := uint16(1); i <= 50; i++ {
		c.expect(puback(i)...)
	}
	require.LessOrEqual(t, counted.count()-before, 4)
	c.send(publish(51, "devices/d/messages/events/", ""))
	c.expect(puback(51)...)
	require.NoError(t, mine.Close())
	<-served
}

// So is what comes in records of its own, as from a client that sends the next
// message whenever one is acknowledged.
func TestAnswersToSeparateRecordsAreGathered(t *testing.T) {
	t.Parallel()
	const messages = 50
	r := enter(t)
	cfg := r.secure(nil)
	tcp, err := net.Dial("tcp", r.addr)
	require.NoError(t, err)
	held := &holding{Conn: tcp}
	conn := tls.Client(held, cfg)
	c := newClient(t, conn)
	c.send(hello(t, iot.Device("d")).bytes())
	c.expect(0x20, 2, 0, 0)

	held.hold = true
	for i := uint16(1); i <= messages; i++ {
		c.send(publish(i, "devices/d/messages/events/", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"))
	}
	_, err = tcp.Write(held.kept.Bytes())
	require.NoError(t, err)
	reads, acks := 0, make([]byte, 4*messages) // a read returns one record at most
	for got := 0; got < len(acks); reads++ {
		n, err := conn.Read(acks[got:])
		require.NoError(t, err)
		got += n
	}
	require.LessOrEqual(t, reads, 6)
}

// holding keeps what is written while hold is set.
type holding struct {
	net.Conn
	hold bool
	kept bytes.Buffer
}

func (h *holding) Write(p []byte) (int, error) {
	if h.hold {
		return h.kept.Write(p)
	}
	return h.Conn.Write(p)
}

// counting counts writes.
type counting struct {
	net.Conn
	mu     sync.Mutex
	writes int
}

func (c *counting) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.writes++
	c.mu.Unlock()
	return c.Conn.Write(p)
}

func (c *counting) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writes
}

// safeBuffer is a log that may be read while it is written.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestNoTokenAndNoPayloadIsEverLogged(t *testing.T) {
	t.Parallel()
	var log safeBuffer
	logger := zerolog.New(&log).Level(zerolog.TraceLevel)
	r := open(t, hub.Options{Log: logger}, mqtt.Options{Log: logger})
	h := hello(t, iot.Device("d"))
	secret := h.password
	for _, bad := range [][]byte{h.bytes(), publish(1, "hello/secretKey=secretValue", "secretBody"), {0, 0}} {
		c := r.join(iot.Device("d"))
		c.send(bad)
		c.closed()
	}
	h.password = "SharedAccessSignature sr=x&sig=secretSignature&se=1"
	c := r.dial()
	c.send(h.bytes())
	c.expect(0x20, 2, 0, 5)
	h.user, h.password = secret, "secretUser"
	h.will = &will{topic: "lwt/a=secretWill", body: "secretLast"}
	c = r.dial()
	c.send(h.bytes())
	c.expect(0x20, 2, 0, 5)
	require.NoError(t, r.srv.Close())
	require.Contains(t, log.String(), "a second CONNECT")
	require.Contains(t, log.String(), "unknown topic")
	require.NotContains(t, log.String(), "ecret")
	require.NotContains(t, log.String(), "sig=")
}
