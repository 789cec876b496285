package mqtt

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// link is one connection of a device: what the hub can do to it, and what we
// know of it. Its reader is mochi's goroutine, which calls connect and receive
// and, at the very end, end; the hub calls from any other.
type link struct {
	srv      *Server
	wire     *wire
	protocol string
	certs    auth.Chain
	closing  chan struct{} // ends with Close

	// Set by the reader when the device is admitted, and only read after that.
	id        iot.Identity
	session   *hub.Session // nil before that
	engineID  string       // mochi's name for the connection
	events    string       // the topic of the identity's telemetry
	will      *iot.Message
	durable   bool // CleanSession 0
	present   bool // there was a session to resume
	keepAlive uint16

	// The reader's own.
	told    bool    // a refusal has been logged
	goodbye bool    // the client sent DISCONNECT
	ack     [4]byte // the last PUBACK, kept here so that none is allocated

	mu       sync.Mutex
	reason   error // why the connection ends, as far as we know
	closed   bool  // closing is closed
	over     bool  // nothing is delivered any more
	subs     subscriptions
	inflight map[uint16]c2d.Delivery // by packet id, without their content
	outbox   outbox
}

// newLink ties a link to its wire.
func newLink(s *Server, w *wire, protocol string, certs auth.Chain) *link {
	l := &link{srv: s, wire: w, protocol: protocol, certs: certs, closing: make(chan struct{})}
	w.link = l
	return l
}

// Close ends the connection at once; hub.Link. The client sees the connection
// end, which is all that MQTT 3.1.1 has.
func (l *link) Close(reason error) {
	l.fail(reason)
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.closing)
	}
	l.mu.Unlock()
	l.wire.abort()
}

// fail notes why the connection is about to end. The first reason counts.
func (l *link) fail(reason error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reason == nil {
		l.reason = reason
	}
}

// end is called once, by the reader, when mochi is done with the connection;
// err is why, if nobody said so before. A device that did not say goodbye leaves
// its will, whoever ended the connection.
//
// IoT Hub: contract.md §3.4, §5.3.
func (l *link) end(err error) {
	l.mu.Lock()
	reason := l.reason
	l.over = true
	l.outbox.waiting = nil
	l.mu.Unlock()
	if reason == nil {
		reason = l.explain(err)
	}
	switch {
	case l.session == nil:
		l.endStranger(reason)
	case l.goodbye:
		l.session.End(nil)
	default:
		if l.will != nil {
			l.session.Telemetry(*l.will) // a verdict on it has nobody to be told to
		}
		l.session.End(reason)
	}
}

// endStranger tells of a connection that did not get as far as a session. One
// that sent nothing, as a health check's, is not worth more than a debug line.
func (l *link) endStranger(reason error) {
	switch {
	case l.told:
	case l.wire.first.seen > 0:
		l.srv.hub.Refused(l.id, l.remote(), l.protocol, reason)
	default:
		l.srv.log.Debug().Str("op", "connect").Str("protocol", l.protocol).Str("remote", l.remote()).
			Msg("closed before CONNECT: " + reason.Error())
	}
}

// explain puts the error that ended the reader into words.
func (l *link) explain(err error) error {
	var known *iot.Error
	var code packets.Code
	var webSocket *websocket.CloseError
	switch {
	case l.srv.closing.Err() != nil:
		return hub.ErrGoingDown
	case errors.As(err, &known):
		return known
	case timedOut(err) && l.session == nil:
		return iot.ErrClosedRemotely.Because("no CONNECT within %s", l.srv.connectTimeout)
	case timedOut(err):
		return iot.ErrClosedRemotely.Because("keep-alive of %ds expired: nothing came for %s",
			l.keepAlive, time.Duration(l.keepAlive)*3*time.Second/2)
	case errors.Is(err, packets.ErrPacketTooLarge):
		return iot.ErrMessageTooLarge.Because("a packet of more than %d bytes", maxPacket)
	case errors.As(err, &code):
		return iot.ErrFormat.Because("%s", err)
	case errors.As(err, &webSocket):
		return iot.ErrClosedRemotely.Because("the client closed the WebSocket (code %d) without DISCONNECT", webSocket.Code)
	case gone(err):
		return iot.ErrClosedRemotely.Because("the client closed the connection without DISCONNECT")
	}
	return iot.ErrFormat.Because("%s", err)
}

// timedOut says whether err is a deadline's. gorilla/websocket keeps only the
// interface of the error it was given.
func timedOut(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// gone says whether err is how the other side's going away looks.
func gone(err error) bool {
	var number syscall.Errno
	return err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.As(err, &number)
}

func (l *link) remote() string { return l.wire.RemoteAddr().String() }
