package server

import (
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/linarite/linarite/internal/clock"
)

// Bounds of an HTTP connection, in wall time and bytes.
const (
	headerTimeout = 10 * time.Second // TLS handshake and headers, each
	bodyTimeout   = 30 * time.Second
	answerTimeout = 30 * time.Second // from its first byte to its last
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10
)

// web is an http.Server that ends without leaving anything behind: http.Server
// itself waits five seconds for connections that never sent a request, and does
// not wait for the handlers of the connections it cuts.
type web struct {
	handler       http.Handler
	server        *http.Server
	bodyTimeout   time.Duration
	answerTimeout time.Duration
	cancel        context.CancelFunc // ends the requests' contexts
	running       sync.WaitGroup     // handlers, and the accept loop

	mu       sync.Mutex
	draining bool
	closed   bool
	fresh    map[net.Conn]struct{} // connections without a request yet
}

func newWeb(h http.Handler, log zerolog.Logger) *web {
	ctx, cancel := context.WithCancel(context.Background())
	w := &web{
		handler: h, bodyTimeout: bodyTimeout, answerTimeout: answerTimeout,
		cancel: cancel, fresh: map[net.Conn]struct{}{},
	}
	w.server = &http.Server{
		Handler:           w,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          newErrorLog(log),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       remember,
		ConnState:         w.watch,
	}
	return w
}

// serve accepts connections on ln, which it owns from now on, until the end.
func (w *web) serve(ln net.Listener) {
	w.running.Add(1)
	go func() {
		defer w.running.Done()
		_ = w.server.Serve(ln) // http.ErrServerClosed
	}()
}

// drain stops accepting and lets the requests that are under way finish, as long
// as ctx lasts. Upgraded connections are not waited for.
func (w *web) drain(ctx context.Context) error {
	w.mu.Lock()
	w.draining = true
	for c := range w.fresh {
		_ = c.Close()
	}
	w.mu.Unlock()
	return w.server.Shutdown(ctx)
}

// close cuts what is left and waits until nothing runs any more. Upgraded
// connections must have been ended by whoever has them.
func (w *web) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.cancel()
	_ = w.server.Close()
	w.running.Wait()
}

// ServeHTTP counts the request, and times its body and its answer.
func (w *web) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if !w.begin() {
		panic(http.ErrAbortHandler) // an empty answer would be a lie
	}
	defer w.running.Done()
	runtime.Gosched() // a client that sends one request behind another would keep others waiting
	from := whose(r)
	if from.spelling != nil {
		from.spelling.begin(r)
		defer from.spelling.end()
	}
	conn := http.NewResponseController(rw)
	_ = conn.SetWriteDeadline(time.Time{}) // that of the answer before
	if r.ContentLength != 0 {
		clear := func() { _ = conn.SetReadDeadline(time.Time{}) }
		_ = conn.SetReadDeadline(clock.Wall().Add(w.bodyTimeout))
		// A copy, since http.Server has to know its own body again: it looks at it to
		// see whether a request that was refused has more to come than is worth reading.
		r = r.WithContext(r.Context())
		r.Body = &timedBody{r.Body, clear}
	}
	w.handler.ServeHTTP(&response{ResponseWriter: rw, connection: from, timeout: w.answerTimeout}, r)
}

// connection is what is known of the connection that requests come from.
type connection struct {
	visitor  *visitor  // nil when it came through no gate
	spelling *spelling // nil when it is not under TLS
}

// connectionKey is where a request's context has its connection.
type connectionKey struct{}

func remember(ctx context.Context, c net.Conn) context.Context {
	known := connection{visitor: visitorOf(c)}
	if s, ok := c.(*secured); ok {
		known.spelling = &s.spelling
	}
	return context.WithValue(ctx, connectionKey{}, known)
}

// whose is the connection that a request came from.
func whose(r *http.Request) connection {
	c, _ := r.Context().Value(connectionKey{}).(connection)
	return c
}

func (w *web) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.running.Add(1)
	return true
}

// watch knows the connections that have not sent a request.
func (w *web) watch(c net.Conn, state http.ConnState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case state != http.StateNew:
		delete(w.fresh, c)
	case w.draining:
		_ = c.Close()
	default:
		w.fresh[c] = struct{}{}
	}
}

// timedBody is a request body with a deadline, which is lifted at its end: what
// the handler does afterwards may take long, and http.Server would take the
// deadline for the client's going away.
type timedBody struct {
	io.ReadCloser
	clear func()
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.clear()
	}
	return n, err
}

// errorLog gives the lines of http.Server a level: a fault of ours is an error,
// a client that does not trust us is worth a warning, the rest is noise.
type errorLog struct{ log zerolog.Logger }

// endedEarly says whether a line is of a connection that somebody closed, the
// client or we.
func endedEarly(line []byte) bool {
	line = bytes.TrimSpace(line)
	return bytes.HasSuffix(line, []byte("EOF")) || bytes.HasSuffix(line, []byte(net.ErrClosed.Error()))
}

// brokenOff says whether a line is of a handshake that the client ended: with an
// alert, which OpenSSL sends in the clear when the certificate displeases it.
func brokenOff(line []byte) bool {
	return bytes.Contains(line, []byte("remote error")) || bytes.Contains(line, []byte("bad record MAC"))
}

func newErrorLog(l zerolog.Logger) *log.Logger { return log.New(errorLog{l}, "", 0) }

func (e errorLog) Write(line []byte) (int, error) {
	event, text := e.log.Debug(), string(bytes.TrimSpace(line))
	switch {
	case bytes.Contains(line, []byte("panic")):
		event = e.log.Error()
	case bytes.Contains(line, []byte("TLS handshake error")) && !endedEarly(line):
		event = e.log.Warn()
		if brokenOff(line) {
			event = event.Str("error", text)
			text = "the client broke the TLS handshake off: does it trust the CA, and is the name it uses on the certificate?"
		}
	}
	event.Str("op", "https").Msg(text)
	return len(line), nil
}
