package hostile_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// The neighbour sends a message of its telemetry every pace, unless the last is
// not acknowledged yet. A window is so many messages.
const (
	pace   = 2 * time.Millisecond
	window = 150
	quiet  = 3 // windows without an attack, before and after each
)

// grace is how much longer than twice as long as usual an acknowledgement may
// take. On two processors that attackers keep busy, Go lets a goroutine run for 10
// ms before another has its turn, and looks at the network as rarely. Where that is
// not enough, because the machine has other things to do as well, an attack must not
// disturb the neighbour more than twice as much as honest devices do.
const grace = 25 * time.Millisecond

// rounds is how often an attack is tried again whose windows were disturbed.
const rounds = 4

// neighbour is a device in a process of its own, so that what is measured is the
// hub, and not how the attackers' goroutines get along.
//
// Its figure is the median, over the windows of an attack, of the 99th percentile
// of the time from PUBLISH to PUBACK. One that is due to something else on the
// machine, a compiler say, cannot make a test fail: it would have to disturb most
// windows of the attack and none of those before and after, in each of several
// rounds.
type neighbour struct {
	victim *victim
	usual  []sample // of the quiet time after the last attack

	mu      sync.Mutex
	heard   []sample
	changed chan struct{} // closed and renewed with each sample
}

// sample is one acknowledged message.
type sample struct {
	At   time.Time
	Took time.Duration
}

// role is the variable by which a neighbour's process knows what it is.
const role = "HOSTILE_NEIGHBOUR"

// errand is what a neighbour's process is told.
type errand struct {
	Device harness.Identity
	CA     string
}

func asNeighbour() bool { return os.Getenv(role) != "" }

// newNeighbour starts the process; it ends with the test.
func newNeighbour(t *testing.T, v *victim) *neighbour {
	t.Helper()
	device := v.CreateDevice(t, "neighbour")
	v.secrets.add(device.Key)
	task, err := json.Marshal(errand{device, string(v.CAPEM)})
	require.NoError(t, err)
	program, err := os.Executable()
	require.NoError(t, err)
	process := exec.CommandContext(t.Context(), program)
	process.Env = append(os.Environ(), role+"="+string(task))
	process.Stderr = os.Stderr
	out, err := process.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, process.Start())
	n := &neighbour{victim: v, changed: make(chan struct{})}
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		n.listen(out)
	}()
	t.Cleanup(func() { // the test's context has ended, and with it the process
		<-heard
		_ = process.Wait()
	})
	return n
}

// listen takes the samples in.
func (n *neighbour) listen(from io.Reader) {
	for lines := bufio.NewScanner(from); lines.Scan(); {
		var at, took int64
		if _, err := fmt.Sscan(lines.Text(), &at, &took); err != nil {
			continue
		}
		n.mu.Lock()
		n.heard = append(n.heard, sample{time.Unix(0, at), time.Duration(took)})
		close(n.changed)
		n.changed = make(chan struct{})
		n.mu.Unlock()
	}
}

// since waits until there are at least count samples of messages sent after a
// moment, and one sent after now, and returns them all.
func (n *neighbour) since(tb testing.TB, from time.Time, count int) []sample {
	tb.Helper()
	until, deadline := time.Now(), time.After(harness.Deadline)
	for {
		n.mu.Lock()
		changed := n.changed
		first, _ := slices.BinarySearchFunc(n.heard, from, func(s sample, at time.Time) int { return s.At.Compare(at) })
		found := slices.Clone(n.heard[first:])
		n.mu.Unlock()
		if len(found) >= count && found[len(found)-1].At.After(until) {
			return found
		}
		select {
		case <-changed:
		case <-deadline:
			require.Failf(tb, "the neighbour is cut off", "%d of %d samples since %s\n%s", len(found), count, from, n.victim.Log())
		}
	}
}

// figure is the median over windows of the 99th percentile.
func figure(samples []sample) time.Duration {
	var all []time.Duration
	for w := range slices.Chunk(samples, window) {
		if len(w) == window {
			took := make([]time.Duration, window)
			for i := range w {
				took[i] = w[i].Took
			}
			slices.Sort(took)
			all = append(all, took[window*99/100])
		}
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// besideHonest is the neighbour's figure while so many devices come and go and do
// what devices do.
func (n *neighbour) besideHonest(t *testing.T, many int) time.Duration {
	t.Helper()
	began := time.Now()
	for time.Since(began) < floodTime {
		require.NoError(t, n.victim.unleash(many, honest))
	}
	return figure(n.since(t, began, quiet*window))
}

// undisturbed has so many attackers carry an attack out, and compares the
// neighbour's figure with that of the time before and after. The attack goes on
// until it has lasted some windows.
func (n *neighbour) undisturbed(t *testing.T, name string, many int, attack func()) {
	t.Helper()
	allowed := grace
	if n.victim.raced {
		allowed *= 10
	}
	var usual, during time.Duration
	for range rounds {
		if n.usual == nil {
			n.usual = n.since(t, time.Now(), quiet*window)
		}
		began := time.Now()
		for attack(); time.Since(began) < floodTime; {
			attack()
		}
		during = figure(n.since(t, began, quiet*window))
		before := n.usual
		n.usual = n.since(t, time.Now(), quiet*window)
		usual = figure(slices.Concat(before, n.usual))
		t.Logf("%s: the neighbour's p99 is %s, usually %s", name, during.Round(10*time.Microsecond), usual.Round(10*time.Microsecond))
		if during <= 2*usual+allowed {
			return
		}
		n.usual = nil
		beside := n.besideHonest(t, many)
		t.Logf("%s: beside as many honest devices it is %s", name, beside.Round(10*time.Microsecond))
		if during <= 2*beside {
			return
		}
	}
	require.Failf(t, "the neighbour is disturbed", "%s: p99 is %s during the attack and %s without, in the last of %d rounds", name, during, usual, rounds)
}

// neighbourMain is the process: it connects, and prints when each message was
// sent and how long its acknowledgement took, in nanoseconds, until it is killed.
func neighbourMain() int {
	if err := beNeighbour(); err != nil {
		fmt.Fprintln(os.Stderr, "neighbour:", err)
		return 1
	}
	return 0
}

func beNeighbour() error {
	var task errand
	if err := json.NewDecoder(strings.NewReader(os.Getenv(role))).Decode(&task); err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(task.CA))
	conn, err := tls.Dial("tcp", task.Device.Host+":"+harness.MQTTPort, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
	if err != nil {
		return err
	}
	p := newPeer(conn)
	hello := connect{level: 4, keepAlive: 60, id: task.Device.ClientID(), user: task.Device.UserName(), password: task.Device.Token(years)}
	if err := p.enter(hello.bytes()); err != nil {
		return err
	}
	message := publish(1, "devices/"+task.Device.DeviceID+"/messages/events/", "all is well")
	for tick := time.NewTicker(pace); ; <-tick.C {
		at := time.Now()
		p.send(message)
		if got, err := p.next(4); err != nil || !bytes.Equal(got, []byte{0x40, 2, 0, 1}) {
			return fmt.Errorf("PUBLISH is answered with % x (%w)", got, err)
		}
		if _, err := fmt.Println(at.UnixNano(), time.Since(at).Nanoseconds()); err != nil {
			return err
		}
	}
}
