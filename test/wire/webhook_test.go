package wire_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// receiverVariable makes this program a receiver of events, at the address that it
// holds.
const receiverVariable = "LINARITE_WIRE_RECEIVER"

// receive is a webhook: it writes the id of each event and its body on a line, and
// answers then.
func receive(addr string) error {
	return http.ListenAndServe(addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var events []struct {
			ID   string
			Data struct {
				ValidationCode string
				Body           json.RawMessage
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&events); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if code := events[0].Data.ValidationCode; code != "" {
			_ = json.NewEncoder(w).Encode(map[string]string{"validationResponse": code})
			return
		}
		for _, e := range events {
			fmt.Printf("%s %s\n", e.ID, e.Data.Body)
		}
	}))
}

// receiver is a process that receive runs in.
type receiver struct {
	process *exec.Cmd
	lines   *bufio.Scanner
}

func startReceiver(t *testing.T, addr string) *receiver {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	r := &receiver{process: exec.Command(self)}
	r.process.Env = append(os.Environ(), receiverVariable+"="+addr)
	r.process.Stderr = os.Stderr
	out, err := r.process.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, r.process.Start())
	r.lines = bufio.NewScanner(out)
	t.Cleanup(r.kill)
	return r
}

func (r *receiver) kill() {
	_ = r.process.Process.Kill()
	for r.lines.Scan() { // what it had written
	}
	_ = r.process.Wait()
}

// ledger is what arrived at a webhook.
type ledger struct {
	ids        map[string]bool
	next       map[string]int // by device
	duplicates int
}

// take enters a line: the id, and a body of `{"device":d,"n":n}`.
func (l *ledger) take(t *testing.T, line string) {
	t.Helper()
	id, body, _ := strings.Cut(line, " ")
	if l.ids[id] {
		l.duplicates++
		return
	}
	l.ids[id] = true
	var m struct {
		Device string
		N      int
	}
	require.NoError(t, json.Unmarshal([]byte(body), &m), line)
	require.Equal(t, l.next[m.Device], m.N, "the next message of %s", m.Device)
	l.next[m.Device]++
}

// A webhook that is killed in the middle of 10,000 messages and started again has
// all of them in the end, those of each device in order.
func TestAWebhookThatIsKilledMissesNothing(t *testing.T) {
	const devices, each, total = 10, 1000, 10_000
	const at = webhookAddress + ":9000"
	config := filepath.Join(t.TempDir(), "linarite.yaml")
	require.NoError(t, os.WriteFile(config, []byte(`
endpoints: [{name: hook, webhook: {url: "http://`+at+`"}}]
routes: [{name: all, source: DeviceMessages, endpointNames: [hook]}]
`), 0o600))
	h := harness.Start(t, harness.Options{Address: webhookAddress, Args: []string{"--config", config}})

	first := startReceiver(t, at)
	sent := make(chan error, devices)
	for d := range devices {
		who := identity{Identity: h.CreateDevice(t, fmt.Sprintf("d%d", d)), hub: h}
		c := who.join(t)
		go func() { sent <- report(c, who, each) }()
	}
	books := ledger{ids: map[string]bool{}, next: map[string]int{}}
	for range total / 3 {
		require.True(t, first.lines.Scan())
		books.take(t, first.lines.Text())
	}
	require.NoError(t, first.process.Process.Kill())
	for first.lines.Scan() { // written before it died, whether or not the hub was told
		books.take(t, first.lines.Text())
	}
	for range devices {
		require.NoError(t, <-sent, "telemetry goes on")
	}
	require.Less(t, len(books.ids), total)

	second := startReceiver(t, at)
	stop := impatient(t, h)
	for len(books.ids) < total && second.lines.Scan() {
		books.take(t, second.lines.Text())
	}
	stop()
	assert.Len(t, books.ids, total)
	assert.LessOrEqual(t, books.duplicates, 1, "what was under way when the receiver died")
	var endpoint struct {
		Health                       struct{ State string }
		Accepted, Delivered, Dropped int
	}
	h.Control(t, http.MethodGet, "/v1/endpoints/hook", nil, &endpoint)
	assert.Equal(t, "healthy", endpoint.Health.State)
	assert.Equal(t, total, endpoint.Accepted)
	assert.Zero(t, endpoint.Dropped)
	t.Logf("%d messages, %d of them twice", total, books.duplicates)
}

// What is routed to a file is in it when the hub has ended.
func TestAFileHasWhatIsRoutedToIt(t *testing.T) {
	config := filepath.Join(t.TempDir(), "linarite.yaml")
	require.NoError(t, os.WriteFile(config, []byte(`
endpoints: [{name: archive, file: {path: out/archive.jsonl}}]
routes: [{name: hot, source: DeviceMessages, condition: $body.n > 7, endpointNames: [archive, events]}]
`), 0o600))
	h, err := harness.Launch(harness.Options{Address: webhookAddress, Args: []string{"--config", config}})
	require.NoError(t, err)
	who := identity{Identity: h.CreateDevice(t, "d1"), hub: h}
	sendErr := report(who.join(t), who, 10)
	require.NoError(t, h.Stop())
	require.NoError(t, sendErr)

	written, err := os.ReadFile(filepath.Join(filepath.Dir(config), "out", "archive.jsonl"))
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(written)), "\n")
	require.Len(t, lines, 2)
	for i, line := range lines {
		var m struct {
			SystemProperties map[string]string
			Body             struct{ N int }
		}
		require.NoError(t, json.Unmarshal([]byte(line), &m))
		assert.Equal(t, 8+i, m.Body.N)
		assert.Equal(t, "d1", m.SystemProperties["connectionDeviceId"])
	}
}

// A file that is full is put aside, the oldest go; a hub that is killed and started
// again goes on with it. The lines are in order, none is twice or half.
func TestAFileIsRotatedAndGoneOnWith(t *testing.T) {
	const each, lives = 40, 2
	config := filepath.Join(t.TempDir(), "linarite.yaml")
	require.NoError(t, os.WriteFile(config, []byte(`
endpoints: [{name: archive, file: {path: archive.jsonl, maxSize: 8192, maxFiles: 3}}]
routes: [{name: all, source: DeviceMessages, endpointNames: [archive]}]
`), 0o600))
	for range lives {
		h, err := harness.Launch(harness.Options{Address: webhookAddress, Args: []string{"--config", config}})
		require.NoError(t, err)
		who := identity{Identity: h.CreateDevice(t, "d1"), hub: h}
		sendErr := report(who.join(t), who, each)
		awaitEndpoint(t, h, "archive", func(v endpointView) bool { return v.Delivered == each })
		require.NoError(t, h.Kill())
		require.NoError(t, sendErr)
	}
	folder := filepath.Dir(config)
	var all []int
	for _, name := range []string{"archive.jsonl.2", "archive.jsonl.1", "archive.jsonl"} {
		written, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		require.LessOrEqual(t, len(written), 8192)
		for line := range strings.Lines(string(written)) {
			var m struct{ Body struct{ N int } }
			require.NoError(t, json.Unmarshal([]byte(line), &m), line)
			all = append(all, m.Body.N)
		}
	}
	require.NoFileExists(t, filepath.Join(folder, "archive.jsonl.3"))
	require.Greater(t, len(all), each, "of both hubs")
	for i, n := range all {
		require.Equal(t, (lives*each-len(all)+i)%each, n)
	}
}

// report sends n messages one after another, each once the one before is
// acknowledged.
func report(c *client, who identity, n int) error {
	for i := range n {
		if err := reportOne(c, who, i); err != nil {
			return err
		}
	}
	return nil
}

func reportOne(c *client, who identity, n int) error {
	if err := c.conn.SetDeadline(time.Now().Add(harness.Deadline)); err != nil {
		return err
	}
	body := fmt.Sprintf(`{"device":%q,"n":%d}`, who.DeviceID, n)
	if _, err := c.conn.Write(publish(uint16(n+1), who.events()+asJSON, body)); err != nil {
		return err
	}
	var ack [4]byte
	_, err := io.ReadFull(c.in, ack[:])
	return err
}

// impatient moves the hub's clock on, so that it tries again, until it is stopped.
func impatient(t *testing.T, h *harness.Hub) (stop func()) {
	t.Helper()
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				h.Advance(t, time.Second)
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}
