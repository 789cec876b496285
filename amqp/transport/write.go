package transport

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/internal/clock"
)

// goodbye is how long a connection that is over may take to take what was
// written last.
const goodbye = time.Second

// Buffers lends connections what they gather their output in, so that one that is
// idle has none. Its zero value is ready, and any number of connections may share
// it.
type Buffers struct{ pool sync.Pool }

// outBuffer is the size of a buffer, in bytes: what may wait before links have to,
// and the longest frame.
const outBuffer = softOut + MaxFrame

func (l *Buffers) borrow() []byte {
	if b, ok := l.pool.Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, 0, outBuffer)
}

// giveBack takes a buffer back; one that had to grow is dropped.
func (l *Buffers) giveBack(b []byte) {
	if cap(b) == outBuffer {
		b = b[:0]
		l.pool.Put(&b)
	}
}

// put queues a frame.
func (c *Conn) put(channel uint16, body codec.Composite) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.enqueue(channel, body)
}

// enqueue queues a frame. The caller holds mu. It does not wait: a peer that
// lets too much pile up is cut off.
func (c *Conn) enqueue(channel uint16, body codec.Composite) {
	if c.prepare() {
		c.out = appendFrame(c.out, frameAMQP, channel, body)
	}
}

// enqueueTransfer is enqueue for a transfer and the part of a message that it
// carries.
func (c *Conn) enqueueTransfer(channel uint16, t *codec.Transfer, part []byte) {
	if c.prepare() {
		c.out = appendTransfer(c.out, channel, t, part)
	}
}

// prepare makes room for a frame and tells the writer; false means that there is
// nobody to write to. The caller holds mu.
func (c *Conn) prepare() bool {
	if c.broken {
		return false
	}
	if len(c.out) > hardOut {
		if c.reason == nil {
			c.reason = ErrUnread
		}
		c.abort()
		return false
	}
	if c.out == nil {
		c.out = c.o.Buffers.borrow()
	}
	select {
	case c.kick <- struct{}{}:
	default: // it has been told
	}
	return true
}

// awaitRoom keeps the reader from taking more of a peer that does not read what
// it is answered.
func (c *Conn) awaitRoom() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.out) > 2*softOut && !c.over {
		if c.reason != nil {
			return c.reason
		}
		c.room.Wait()
	}
	return nil
}

// write is the writer: it sends what has gathered, and heartbeats.
func (c *Conn) write() {
	beat, cancel := c.heartbeat()
	defer func() { cancel() }()
	for {
		select {
		case <-c.kick:
			if !c.flush(c.o.WriteTimeout) {
				return
			}
		case <-beat.Done():
			c.put(0, nil)
			cancel()
			beat, cancel = c.heartbeat()
		case <-c.dead:
			c.flush(goodbye)
			return
		}
	}
}

// heartbeat ends when the next one is due, which is never when the peer did not ask
// for any. They are sent whatever else is: a peer such as rhea ends the connection
// as soon as it has heard nothing for the time that it has announced.
//
// OASIS: amqp-core-transport 2.4.5.
func (c *Conn) heartbeat() (context.Context, context.CancelFunc) {
	if c.peerIdle <= 0 {
		return context.WithCancel(context.Background())
	}
	return context.WithTimeout(context.Background(), c.peerIdle/2)
}

// flush sends what has gathered and says whether the connection still works.
func (c *Conn) flush(patience time.Duration) bool {
	c.mu.Lock()
	b := c.out
	c.out = nil
	c.mu.Unlock()
	if len(b) == 0 {
		return true
	}
	_ = c.net.SetWriteDeadline(clock.Wall().Add(patience)) // fails on a closed connection, as the write then does
	_, err := c.net.Write(b)
	c.o.Buffers.giveBack(b)
	emptied, ok := c.wrote(err)
	tellEmptied(emptied)
	return ok
}

// wrote goes on after a write, which ended with err. It returns the links whose
// queues that has emptied, and whether the connection still works.
func (c *Conn) wrote(err error) (emptied []*Link, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.breakOff(err)
		return nil, false
	}
	emptied = c.resume()
	c.room.Broadcast()
	return emptied, true
}

// breakOff ends a connection that cannot be written to. The caller holds mu.
func (c *Conn) breakOff(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = ErrUnread
	}
	if c.reason == nil && !errors.Is(err, net.ErrClosed) {
		c.reason = err
	}
	c.abort()
	c.broken, c.out = true, nil
	c.room.Broadcast()
}

// resume lets the links go on that had to stop because too much was queued, and
// returns those whose queues that has emptied. The caller holds mu.
func (c *Conn) resume() (emptied []*Link) {
	stalled := c.stalled
	c.stalled = nil
	for _, l := range stalled {
		l.stalled = false
		if l.transmit() {
			emptied = append(emptied, l)
		}
	}
	return emptied
}
