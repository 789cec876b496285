package transport

import (
	"github.com/linarite/linarite/amqp/codec"
)

// defaultMessage is the longest message of a link, unless its node says
// otherwise, in bytes.
const defaultMessage = 512 << 10

// Link is one link of a session. What is exported is set when it is attached and
// does not change afterwards.
type Link struct {
	Name    string
	Sending bool // we send on it
	// Source, Target, Properties and DesiredCapabilities are the peer's; Source and
	// Target may be nil. They are there for Handler.Attach and are forgotten when it
	// returns, since a peer may make them as large as a frame.
	Source              *codec.Source
	Target              *codec.Target
	Properties          codec.Map
	DesiredCapabilities []codec.Symbol
	// Settles says that the peer wants what it receives already settled. The
	// handler's Attach may take it back.
	Settles bool

	session *Session
	handle  uint32
	node    Node
	done    chan struct{}
	wake    chan struct{}

	// Guarded by Conn.mu.
	answered   bool         // our attach is on its way
	gone       bool         // no longer attached, as far as we are concerned
	failure    *codec.Error // why we detached
	credit     uint32
	count      uint32 // the delivery count
	maxMessage uint64

	// Where we send.
	drain   bool
	stalled bool // waits for room in Conn.out
	queue   []outgoing

	// Where the peer sends.
	due     uint32 // deliveries that are settled and not granted anew
	partial *Delivery
}

func newLink(s *Session, a *codec.Attach) *Link {
	l := &Link{
		Name: a.Name, Sending: a.Role == codec.RoleReceiver, Properties: a.Properties,
		DesiredCapabilities: a.DesiredCapabilities, Settles: a.SndSettleMode == codec.SndSettled,
		session: s, handle: a.Handle, maxMessage: defaultMessage,
		done: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	l.Source, _ = a.Source.(*codec.Source)
	l.Target, _ = a.Target.(*codec.Target)
	return l
}

// forget drops what only the handler needs.
func (l *Link) forget() {
	l.Source, l.Target, l.Properties, l.DesiredCapabilities = nil, nil, nil, nil
}

// Address is the address of the end that is ours, or "".
func (l *Link) Address() string {
	if l.Sending && l.Source != nil {
		return codec.Text(l.Source.Address)
	}
	if !l.Sending && l.Target != nil {
		return codec.Text(l.Target.Address)
	}
	return ""
}

// Conn is the link's connection.
func (l *Link) Conn() *Conn { return l.session.conn }

// Session is the link's session.
func (l *Link) Session() *Session { return l.session }

// Done is closed when the link is over.
func (l *Link) Done() <-chan struct{} { return l.done }

// Wake receives when there may be credit, or when the queue is empty again.
func (l *Link) Wake() <-chan struct{} { return l.wake }

// Failure is why we have ended the link, or its session; nil when the peer has, or
// nobody yet.
func (l *Link) Failure() *codec.Error {
	c := l.session.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	return l.failure
}

// Detach ends the link from our side; failure is why, or nil. It does not block
// and may be called from any goroutine, more than once.
func (l *Link) Detach(failure *codec.Error) {
	c := l.session.conn
	c.mu.Lock()
	attached := l.leave()
	if attached {
		l.failure = failure
	}
	var emptied []*Link
	if attached = attached && l.answered; attached {
		l.tellDetach()
		emptied = l.session.transmit() // what it had unsettled is no more
	} // else attach does it
	c.mu.Unlock()
	tellEmptied(emptied)
	if attached {
		l.orphaned()
	}
}

// tellDetach tells the peer that the link is over. The caller holds mu.
func (l *Link) tellDetach() {
	s := l.session
	s.conn.enqueue(s.channel, &codec.Detach{Handle: l.handle, Closed: true, Error: l.failure})
}

// leave marks the link as over and says whether it was attached. The caller
// holds mu.
func (l *Link) leave() bool {
	if l.gone {
		return false
	}
	l.gone = true
	close(l.done)
	l.queue = nil
	l.discard()
	for id, p := range l.session.unsettled {
		if p.link == l {
			delete(l.session.unsettled, id)
		}
	}
	return true
}

// orphaned tells the node that its link is over.
func (l *Link) orphaned() {
	if l.node.Detached != nil {
		l.node.Detached()
	}
}

// awaken tells whoever feeds the link to look.
func (l *Link) awaken() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}
