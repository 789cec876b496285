package server

import (
	"bufio"
	"net"
	"net/http"
	"time"

	"github.com/linarite/linarite/internal/clock"
)

// response is an answer whose client has to take it within a time, which begins
// with its first byte: however long the answer takes to be made. Without it, a
// client that does not read would keep the answer in memory for as long as it
// likes.
type response struct {
	http.ResponseWriter
	connection
	timeout time.Duration
	begun   bool
}

// Admit says that the request's sender has shown who it is, so that its
// connection is no stranger's any more. The handlers find it by its method.
func (r *response) Admit() {
	if r.visitor != nil {
		r.visitor.Admit()
	}
}

// WriteHeader begins the answer.
func (r *response) WriteHeader(status int) {
	r.begin()
	r.ResponseWriter.WriteHeader(status)
}

// Write sends a part of the answer.
func (r *response) Write(p []byte) (int, error) {
	r.begin()
	return r.ResponseWriter.Write(p)
}

func (r *response) begin() {
	if r.begun {
		return
	}
	r.begun = true
	_ = http.NewResponseController(r.ResponseWriter).SetWriteDeadline(clock.Wall().Add(r.timeout))
}

// Hijack hands the connection over, as a WebSocket wants it.
func (r *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if r.spelling != nil {
		r.spelling.stop()
	}
	return http.NewResponseController(r.ResponseWriter).Hijack()
}

// Unwrap is for http.ResponseController.
func (r *response) Unwrap() http.ResponseWriter { return r.ResponseWriter }
