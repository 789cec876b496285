package server

import (
	"bytes"
	"net/http"
	"net/textproto"
	"sync"
)

// propertyHeader begins the headers that are application properties of a device's
// message, as net/http spells it. IoT Hub: contract.md §17.
const propertyHeader = "Iothub-App-"

// How much of what was read is remembered, in bytes: as long as a request's head
// comes, as much as a head may have and what http.Server reads ahead; after that,
// which is of the next request, what it reads ahead.
const (
	readAhead = 8 << 10 // http.Server's buffer has half of that
	wholeHead = maxHeader + 2*readAhead
)

// spelling remembers how the head of the latest request on a connection was
// spelled. net/http changes the case of header names, and the names of a
// message's properties are header names whose case matters to back ends.
type spelling struct {
	mu      sync.Mutex
	recent  []byte
	serving bool // the head was read
	off     bool // what comes is no HTTP any more
}

// note takes in what was read.
func (s *spelling) note(read []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.off {
		return
	}
	limit := wholeHead
	if s.serving {
		limit = readAhead
	}
	s.recent = append(s.recent, read...)
	if len(s.recent) > 2*limit {
		s.recent = append(s.recent[:0], s.recent[len(s.recent)-limit:]...)
	}
}

// begin gives the properties in a request's header the spelling they came in.
func (s *spelling) begin(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recent = respell(r, s.recent)
	s.serving = true
}

// end forgets the request. The start of the next may have been read already.
func (s *spelling) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serving = false
	s.recent = bytes.Clone(s.recent[max(0, len(s.recent)-readAhead):])
}

// stop is for a connection that becomes a WebSocket.
func (s *spelling) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.off, s.recent = true, nil
}

// respell gives the properties in a request's header the names they have in its
// head, which is the first that fits in what was read, and returns what was read
// after that. Where it is not there they stay as they are.
func respell(r *http.Request, read []byte) (rest []byte) {
	at := bytes.Index(read, []byte(r.Method+" "+r.RequestURI+" "+r.Proto))
	if at < 0 {
		return read
	}
	_, rest, _ = bytes.Cut(read[at:], []byte("\n"))
	for len(rest) > 0 {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		if len(bytes.TrimSpace(line)) == 0 {
			break // the head is over
		}
		name, _, _ := bytes.Cut(line, []byte(":"))
		if len(name) < len(propertyHeader) || !bytes.EqualFold(name[:len(propertyHeader)], []byte(propertyHeader)) {
			continue
		}
		sent := string(name)
		known := textproto.CanonicalMIMEHeaderKey(sent)
		if values, there := r.Header[known]; there && sent != known {
			delete(r.Header, known)
			r.Header[sent] = values
		}
	}
	return rest
}
