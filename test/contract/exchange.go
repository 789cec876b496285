package contract

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// maxLine is the longest exchange that is read, in bytes.
const maxLine = 64 << 20

// Exchange is a request to the service API and its answer, as a client of a
// suite recorded them. A recording is a file with one on each line. Of the
// request's headers, Authorization is left out.
type Exchange struct {
	Method   string  `json:"method"`
	Target   string  `json:"target"` // path and query as they were sent
	Request  Message `json:"request"`
	Status   int     `json:"status"`
	Response Message `json:"response"`
}

// Message is one half of an exchange.
type Message struct {
	Header map[string]string `json:"header"`
	Body   string            `json:"body"`
}

// Read reads a recording and hands on each exchange.
func Read(from io.Reader, each func(Exchange)) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		var e Exchange
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("line %d of the recording: %w", n, err)
		}
		if e.Method == "" || e.Target == "" || e.Status == 0 {
			return errors.New("the recording has an exchange that is not whole")
		}
		each(e)
	}
	return lines.Err()
}

// String is the exchange without its contents.
func (e Exchange) String() string { return fmt.Sprintf("%s %s → %d", e.Method, e.Target, e.Status) }

// header is the half's headers in the form of net/http.
func (m Message) header() http.Header {
	h := http.Header{}
	for name, value := range m.Header {
		h.Set(name, value)
	}
	return h
}
