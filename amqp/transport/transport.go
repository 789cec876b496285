// Package transport is the server's side of AMQP 1.0: it carries frames between
// a socket and the nodes that links are attached to. It knows connections,
// sessions, links, credit and deliveries, and nothing of what messages mean.
//
// A connection has two goroutines: the caller of Run, which reads and calls the
// nodes, and a writer, which sends what has gathered. One lock guards all of a
// connection's state and is never held while a node is called. Nothing that a
// peer leaves unread makes anybody wait but the connection's own reader: what
// is to be sent stays in queues whose length credit and the nodes bound.
//
// OASIS: amqp-core-transport, amqp-core-security v1.0.
package transport

import (
	"time"

	"github.com/linarite/linarite/amqp/codec"
)

// Timeouts of Options, in wall time.
const (
	DefaultConnectTimeout = 15 * time.Second
	DefaultTrustTimeout   = 30 * time.Second
	DefaultFrameTimeout   = 20 * time.Second
	DefaultWriteTimeout   = 20 * time.Second
	DefaultIdleTimeout    = 4 * time.Minute
)

// Options bounds a connection in time. Zero members mean the defaults.
type Options struct {
	ConnectTimeout time.Duration // from the first byte to the peer's open
	TrustTimeout   time.Duration // until Conn.Trust, else the connection is closed
	FrameTimeout   time.Duration // of one frame, from its first byte to its last
	WriteTimeout   time.Duration // of one write that the peer does not take
	// IdleTimeout is how long a peer may be silent. It is told half of that.
	IdleTimeout time.Duration
	// Buffers are shared with other connections; nil: they are the connection's own.
	Buffers *Buffers
}

func (o Options) withDefaults() Options {
	for _, d := range []struct {
		value    *time.Duration
		standard time.Duration
	}{
		{&o.ConnectTimeout, DefaultConnectTimeout},
		{&o.TrustTimeout, DefaultTrustTimeout},
		{&o.FrameTimeout, DefaultFrameTimeout},
		{&o.WriteTimeout, DefaultWriteTimeout},
		{&o.IdleTimeout, DefaultIdleTimeout},
	} {
		if *d.value <= 0 {
			*d.value = d.standard
		}
	}
	if o.Buffers == nil {
		o.Buffers = &Buffers{}
	}
	return o
}

// Bounds of a connection. A stranger is a peer that Conn.Trust was not called
// for; one that is known has more sessions and links, and more again for each
// identity that it has proved to be, since a connection may carry many devices.
const (
	MaxFrame       = 64 << 10 // bytes, both ways
	maxSASLFrame   = 8 << 10  // room for a token in PLAIN
	maxSessions    = 1024
	maxStrangers   = 16 // sessions, and links of all of them, of a stranger
	knownSessions  = 128
	knownLinks     = 256
	moreSessions   = 4 // for each identity
	moreLinks      = 16
	maxName        = 1 << 10 // bytes of a link's name
	maxHandle      = 255
	maxPartial     = 768 << 10         // bytes of messages that have not arrived whole
	sessionWindow  = 2048              // transfers
	maxUnsettled   = sessionWindow     // deliveries of a session that the peer has not settled
	maxLate        = 2 * sessionWindow // frames that come after a session's end
	softOut        = 64 << 10          // bytes that wait before links do
	hardOut        = 1 << 20           // bytes that wait for a peer that does not read
	minHeartbeat   = 100 * time.Millisecond
	minFrame       = 512
	transferHeader = 64 // bytes, at most, of a transfer's frame besides the message
	maxTag         = 32 // bytes of a delivery tag
)

// Handler decides what a peer may. Its methods are called by the connection's
// reader, one at a time.
type Handler interface {
	// SASL judges a peer's choice among Mechanisms and its first response.
	SASL(c *Conn, mechanism string, response []byte) (ok bool)
	// Open judges the peer's open.
	Open(c *Conn, o *codec.Open) *codec.Error
	// Attach says what a link is attached to, or why it is refused.
	Attach(l *Link) (Node, *codec.Error)
}

// Node is what a link is attached to: what is called when something happens.
// Members that are nil do nothing.
type Node struct {
	// Receive takes a message that the peer sent, which has to be settled once.
	Receive func(d *Delivery)
	// Flow says that the link has credit, or that its queue is empty again.
	Flow func()
	// Settled says what the peer did with a message of Link.Send's that was not
	// sent settled.
	Settled func(ref any, outcome any)
	// Detached says that the link is over, whoever ended it. It is called once,
	// from any goroutine.
	Detached func()

	// Pumped says that a goroutine feeds the link, which calls Drained itself.
	Pumped bool
	// Credit is how many messages the peer may send ahead.
	Credit uint32
	// MaxMessage is the longest message that the peer may send, in bytes.
	MaxMessage uint64
}
