package rounds_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// request asks an SDK for something.
type request struct {
	Do               string   `json:"do"`
	Device           string   `json:"device,omitempty"`
	Transport        string   `json:"transport,omitempty"`
	ConnectionString string   `json:"connectionString,omitempty"`
	Message          *message `json:"message,omitempty"`
}

// message is one in either direction. An SDK for devices shows no content type
// of what it receives in every transport, so that it is set for telemetry only.
type message struct {
	Body            string            `json:"body"`
	MessageID       string            `json:"messageId"`
	CorrelationID   string            `json:"correlationId"`
	ContentType     string            `json:"contentType,omitempty"`
	ContentEncoding string            `json:"contentEncoding,omitempty"`
	Ack             string            `json:"ack,omitempty"`
	Properties      map[string]string `json:"properties"`
}

// notice is what an SDK tells: that a request was carried out, or what it
// received.
type notice struct {
	Kind    string // done, message, event, feedback or failure
	Failure string // of a request
	Reason  string // of a failure

	Device  string
	Message message

	Generation string // of an event, as the rest
	Source     string
	Enqueued   int64 // milliseconds
	Sequence   int64
	Offset     string

	Records []harness.Feedback
}

// sdk is an SDK at work.
type sdk struct {
	name string
	ask  func(testing.TB, request) // returns when the request was carried out

	mu       sync.Mutex
	notices  []notice
	received chan struct{} // closed, and replaced, with each notice
}

func newSDK(name string) *sdk { return &sdk{name: name, received: make(chan struct{})} }

// tell keeps a notice.
func (s *sdk) tell(n notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notices = append(s.notices, n)
	close(s.received)
	s.received = make(chan struct{})
}

// await is the first notice that is wanted, which may have been told already.
func (s *sdk) await(tb testing.TB, what string, wanted func(notice) bool) notice {
	tb.Helper()
	late := time.After(harness.Deadline)
	for seen := 0; ; {
		s.mu.Lock()
		fresh, more := s.notices[seen:], s.received
		s.mu.Unlock()
		for _, n := range fresh {
			seen++
			if n.Kind == "failure" {
				tb.Fatalf("%s: %s", s.name, n.Reason)
			}
			if wanted(n) {
				return n
			}
		}
		select {
		case <-more:
		case <-late:
			tb.Fatalf("%s: no %s", s.name, what)
		}
	}
}

// run starts a program that carries requests out, in a folder of test/sdk; it
// ends with the test.
func run(t *testing.T, name, folder string, command ...string) *sdk {
	t.Helper()
	s := newSDK(name)
	program := exec.Command(command[0], command[1:]...)
	program.Dir = filepath.Join("..", folder)
	program.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+caFile, "SSL_CERT_FILE="+caFile, "REQUESTS_CA_BUNDLE="+caFile)
	program.Stderr = os.Stderr
	in, err := program.StdinPipe()
	require.NoError(t, err)
	out, err := program.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, program.Start())
	done := make(chan notice, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.listen(out, done)
	}()
	t.Cleanup(func() {
		_ = in.Close()
		<-ended
		require.NoError(t, program.Wait(), name)
	})
	s.ask = func(tb testing.TB, r request) {
		tb.Helper()
		require.NoError(tb, json.NewEncoder(in).Encode(r))
		select {
		case n := <-done:
			require.Empty(tb, n.Failure, "%s: %s", name, r.Do)
		case <-ended:
			tb.Fatalf("%s has ended", name)
		case <-time.After(2 * harness.Deadline):
			tb.Fatalf("%s does not answer to %s", name, r.Do)
		}
	}
	return s
}

// listen takes what a program tells.
func (s *sdk) listen(out io.Reader, done chan<- notice) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var n notice
		switch err := json.Unmarshal(lines.Bytes(), &n); {
		case err != nil:
			s.tell(notice{Kind: "failure", Reason: fmt.Sprintf("%v: %s", err, lines.Text())})
		case n.Kind == "done":
			done <- n
		default:
			s.tell(n)
		}
	}
}
