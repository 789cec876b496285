package mqtt

import (
	"errors"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
)

// Buffer sizes, in bytes. An idle connection holds only mochi's read buffer;
// the others are lent while there is something in them.
const (
	readBuffer = 512  // mochi's, per connection
	aheadSize  = 4096 // read at once from a client that sends faster
	outSize    = 4096 // gathered before it is written
)

// wire is the connection as mochi reads and writes it. What is written while
// the reader works on what came in is gathered and sent when there is nothing
// left to read: a burst of messages is acknowledged with one system call and
// one TLS record, and a single one without delay. While the reader is parked,
// writes go out at once.
//
// A write that the client does not take within the write timeout breaks the
// wire. Methods are safe for use as mochi and a link use them: one reader, many
// writers.
type wire struct {
	net.Conn          // TLS or WebSocket, on top of raw
	raw      net.Conn // the TCP connection, whose Close does not block
	below    *socket  // on top of raw; nil for a WebSocket
	link     *link
	lender   *lender
	timeout  time.Duration // for one write

	// The reader's own.
	first     greeting
	intake    intake
	pace      pace
	heard     bool          // a message has come since the read deadline was set
	over      error         // what ended reading
	patience  time.Duration // the keep-alive, and half of it again
	slack     time.Duration // added to mochi's deadlines
	readArmed time.Time

	mu         sync.Mutex
	parked     bool    // the reader waits for input
	out        *buffer // nil when nothing is gathered
	writeArmed time.Time
	broken     error // of the first write that failed
}

// buffer is lent to a wire that has something to write.
type buffer struct{ b []byte }

// lender lends buffers to the wires that need one for a moment.
type lender struct{ aheads, outs sync.Pool }

func newLender() *lender {
	return &lender{
		aheads: sync.Pool{New: func() any { return new([aheadSize]byte) }},
		outs:   sync.Pool{New: func() any { return &buffer{make([]byte, 0, outSize)} }},
	}
}

// newWire wraps conn, which ends in raw.
func newWire(conn, raw net.Conn, lender *lender, timeout time.Duration) *wire {
	return &wire{Conn: conn, raw: raw, lender: lender, timeout: timeout}
}

// Read is mochi's. It returns what is for mochi; messages go to the link on the
// way. The socket below parks the wire while it waits; a WebSocket, which has none,
// may wait in any read.
func (w *wire) Read(p []byte) (int, error) {
	for {
		if refused := w.intake.refused; refused != nil {
			return 0, refused
		}
		b, own, err := w.more(p)
		if bad := w.first.check(b); bad != nil {
			w.link.turnAway(bad)
			return 0, bad
		}
		n, bad := w.intake.sort(p, b, own, w.deliver)
		if bad != nil {
			return 0, bad
		}
		if n > 0 {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// more is the next bytes that came: what was held back, or what can be read, into p
// as long as the client sends little, so that an idle connection holds no more, and
// else into memory of its own. An error that comes with bytes comes after them.
func (w *wire) more(p []byte) (b []byte, own bool, err error) {
	in := &w.intake
	if len(in.held) > 0 {
		return in.held, true, nil
	}
	if w.over != nil {
		return nil, false, w.over
	}
	if w.heard {
		w.heard = false
		_ = w.SetDeadline(clock.Wall().Add(w.patience)) // as mochi does before each packet it reads
	}
	if err := w.keepPace(); err != nil {
		return nil, false, err
	}
	into, own := p, in.many && len(p) < aheadSize
	if own {
		into = make([]byte, aheadSize)
	}
	n, err := w.fetch(into)
	in.many, w.over = n == len(into), err
	if n > 0 {
		err = nil
	}
	return into[:n], own, err
}

// keepPace lets others go first when a client sends without end, and has it wait when
// it sends too fast.
func (w *wire) keepPace() error {
	if w.intake.many {
		runtime.Gosched()
	}
	if w.pace.spent < paceQuantum {
		return nil
	}
	wait := w.pace.pause(clock.Wall())
	if wait == 0 {
		return nil
	}
	if err := w.park(); err != nil {
		return err
	}
	defer w.unpark()
	clock.Pause(w.link.srv.closing, wait)
	return nil
}

// deliver takes a message.
func (w *wire) deliver(m received) error {
	w.heard = true
	w.pace.spend(&m)
	err := w.link.publish(m)
	if err != nil {
		w.link.breakOff(err)
	}
	return err
}

func (w *wire) fetch(p []byte) (int, error) {
	if w.below == nil {
		if err := w.park(); err != nil {
			return 0, err
		}
		defer w.unpark()
	}
	return w.Conn.Read(p)
}

// park says that the reader is about to wait: what was gathered is sent, and
// writes go out at once until unpark.
func (w *wire) park() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parked = true
	return w.flush()
}

func (w *wire) unpark() {
	w.mu.Lock()
	w.parked = false
	w.mu.Unlock()
}

// Write sends p, now or with what else is gathered.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken != nil {
		return 0, w.broken
	}
	if w.out != nil && len(w.out.b)+len(p) > outSize {
		if err := w.flush(); err != nil {
			return 0, err
		}
	}
	if w.parked || len(p) > outSize {
		return len(p), w.send(p)
	}
	if w.out == nil {
		w.out = w.lender.outs.Get().(*buffer)
	}
	w.out.b = append(w.out.b, p...)
	return len(p), nil
}

// flush sends what was gathered. The caller holds mu.
func (w *wire) flush() error {
	if w.out == nil {
		return w.broken
	}
	gathered := w.out
	w.out = nil
	err := w.broken
	if err == nil {
		err = w.send(gathered.b)
	}
	gathered.b = gathered.b[:0]
	w.lender.outs.Put(gathered)
	return err
}

// send writes through, under a deadline that is renewed at most every second.
// The caller holds mu.
func (w *wire) send(p []byte) error {
	now := clock.Wall()
	if now.Sub(w.writeArmed) >= min(time.Second, w.timeout/2) {
		w.writeArmed = now
		_ = w.SetWriteDeadline(now.Add(w.timeout)) // fails on a closed connection, as the write then does
	}
	_, err := w.Conn.Write(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = iot.ErrClosedRemotely.Because("the client took nothing for %s", w.timeout)
	}
	if err != nil {
		w.broken = err
	}
	return err
}

// keepAlive sets how long a client may be silent, and how much is added to the
// deadlines: a second, since they are renewed at most every second, and the half
// that mochi rounds off one and a half times an odd keep-alive.
func (w *wire) keepAlive(seconds uint16) {
	w.patience = time.Duration(seconds+seconds/2) * time.Second
	w.slack = time.Second
	if seconds%2 == 1 {
		w.slack += time.Second / 2
	}
}

// SetDeadline is called before each packet: it renews the read deadline. Writes have their own.
func (w *wire) SetDeadline(t time.Time) error {
	if t.Sub(w.readArmed) < time.Second {
		return nil
	}
	w.readArmed = t
	return w.SetReadDeadline(t.Add(w.slack))
}

// Close sends what was gathered and says goodbye as TLS or WebSocket does. It
// is the reader's way to end; everybody else's is abort.
func (w *wire) Close() error {
	w.mu.Lock()
	err := w.flush()
	w.mu.Unlock()
	if err != nil {
		return w.raw.Close()
	}
	return w.Conn.Close()
}

// abort ends the connection at once, from any goroutine.
func (w *wire) abort() { _ = w.raw.Close() }
