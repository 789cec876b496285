package transport

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/internal/clock"
)

// Why a connection ended that the peer did not end.
var (
	ErrSilent = errors.New("the peer was silent")                       // for longer than it may be
	ErrUnread = errors.New("the peer does not read what is sent to it") // for longer than it may leave it
)

// Conn is one connection.
type Conn struct {
	net     net.Conn
	abort   func()
	handler Handler
	o       Options
	start   time.Time

	// The reader's own.
	in        *bufio.Reader
	readArmed time.Time
	peerMax   int                 // the longest frame that the peer takes
	peerIdle  time.Duration       // how long we may be silent; 0: for ever
	sessions  map[uint16]*Session // by channel, ended ones until another takes theirs
	begun     int                 // sessions that the peer has not ended
	links     int                 // of all sessions

	dead chan struct{} // closed when the connection is over
	kick chan struct{} // tells the writer that there is something to write

	mu      sync.Mutex
	room    *sync.Cond // out has become shorter, or the connection is over
	over    bool
	broken  bool  // it cannot be written to any more
	reason  error // why the connection ends, as far as somebody said so
	trusted bool
	proved  int // identities that the peer has proved to be
	out     []byte
	stalled []*Link
	partial int // bytes of messages that have not arrived whole
}

// Run speaks with a peer until the connection ends, and closes it. abort ends it
// at once, from any goroutine. The error is why it ended, nil after a goodbye.
func Run(conn net.Conn, abort func(), h Handler, o Options) (err error) {
	c := &Conn{
		net: conn, abort: abort, handler: h, o: o.withDefaults(), start: clock.Wall(),
		in: bufio.NewReaderSize(conn, 4096), peerMax: minFrame,
		dead: make(chan struct{}), kick: make(chan struct{}, 1), sessions: map[uint16]*Session{},
	}
	c.room = sync.NewCond(&c.mu)
	var writer sync.WaitGroup
	defer func() {
		c.shut(err)
		writer.Wait()
		_ = conn.Close()
	}()
	if err = c.shakeHands(); err != nil {
		return c.explain(err)
	}
	writer.Go(c.write)
	return c.explain(c.converse())
}

// Close ends the connection at once; reason is why, for Run to return. It does
// not block and may be called from any goroutine, more than once.
func (c *Conn) Close(reason error) {
	c.mu.Lock()
	if c.reason == nil {
		c.reason = reason
	}
	c.mu.Unlock()
	c.abort()
}

// Trust says that the peer has proved who it is: so many identities, or none
// where it is a back end. That lifts the bounds that strangers have.
func (c *Conn) Trust(identities int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trusted, c.proved = true, max(c.proved, identities)
}

// bounds are how many sessions the peer may have, and links in all of them. The
// caller holds mu.
func (c *Conn) bounds() (sessions, links int) {
	if !c.trusted {
		return maxStrangers, maxStrangers
	}
	return min(knownSessions+moreSessions*c.proved, maxSessions), knownLinks + moreLinks*c.proved
}

func (c *Conn) isTrusted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trusted
}

// explain is why the connection ended.
func (c *Conn) explain(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.reason != nil:
		return c.reason
	case errors.Is(err, os.ErrDeadlineExceeded) && !c.trusted:
		return fmt.Errorf("%w: it did not prove who it is in time", ErrSilent)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w for %s", ErrSilent, c.o.IdleTimeout)
	}
	return err
}

// converse takes frames until the peer or we close.
func (c *Conn) converse() error {
	for {
		f, err := c.next()
		if err != nil {
			return c.failed(err)
		}
		if f.body == nil {
			continue // a heartbeat
		}
		if _, ok := f.body.(*codec.Close); ok {
			c.put(0, &codec.Close{})
			return nil
		}
		if failure := c.dispatch(f); failure != nil {
			c.put(0, &codec.Close{Error: failure})
			return failure
		}
		if err := c.awaitRoom(); err != nil {
			return err
		}
		if c.in.Buffered() > 0 {
			runtime.Gosched() // a peer that sends one frame behind another would keep others waiting
		}
	}
}

// failed tells the peer why a frame could not be read, where it may still listen.
func (c *Conn) failed(err error) error {
	var failure *codec.Error
	switch {
	case errors.As(err, &failure):
	case errors.Is(err, os.ErrDeadlineExceeded) && !c.isTrusted():
		failure = codec.Failure("amqp:unauthorized-access", "no credentials were shown in time")
	case errors.Is(err, os.ErrDeadlineExceeded):
		failure = codec.Failure("amqp:connection:forced", "the idle timeout has run out")
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed):
		return err
	default:
		failure = codec.Failure("amqp:decode-error", err.Error())
	}
	c.put(0, &codec.Close{Error: failure})
	return err
}

// dispatch hands a frame to whom it concerns. An error ends the connection.
func (c *Conn) dispatch(f frame) *codec.Error {
	s := c.sessions[f.channel]
	if begin, ok := f.body.(*codec.Begin); ok {
		return c.begin(f.channel, s, begin)
	}
	_, end := f.body.(*codec.End)
	switch {
	case s == nil:
		return codec.Failure("amqp:not-allowed", fmt.Sprintf("%T on channel %d, which has no session", f.body, f.channel))
	case s.gone || s.ended && !end:
		return s.discard(f.body)
	case end:
		s.endByPeer()
		return nil
	}
	var failure *codec.Error
	switch body := f.body.(type) {
	case *codec.Attach:
		failure = s.attach(body)
	case *codec.Flow:
		failure = s.flow(body)
	case *codec.Transfer:
		failure = s.transfer(body, f.payload)
	case *codec.Disposition:
		s.disposition(body)
	case *codec.Detach:
		failure = s.detach(body)
	default:
		return codec.Failure("amqp:not-allowed", fmt.Sprintf("unexpected %T", body))
	}
	if failure != nil {
		s.end(failure)
	}
	return nil
}

// shut ends what the connection carries, and lets the writer send what is left.
func (c *Conn) shut(reason error) {
	c.mu.Lock()
	c.over, c.reason = true, reason
	var orphans []*Link
	for _, s := range c.sessions {
		orphans = append(orphans, s.clear()...)
	}
	close(c.dead)
	c.room.Broadcast()
	c.mu.Unlock()
	for _, l := range orphans {
		l.orphaned()
	}
}

// Ended says whether the connection is over, and why: nil after a goodbye.
func (c *Conn) Ended() (reason error, over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reason, c.over
}
