package hostile_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// attackers is how many do the same thing at once. It multiplies what an input
// costs, so that a megabyte stands out from the garbage that lies around in any
// Go process.
const attackers = 16

// perInput is what one input may cost the hub while it lasts, in bytes.
const perInput = 1 << 20

// garbage is how much more than what is in use Go's collector lets a heap become,
// as a factor.
const garbage = 2

// stray is how many goroutines and descriptors may come and go by themselves. It
// is less than there are attackers, so that one left behind by each shows.
const stray = attackers / 2

// vitals are what a hub's process holds.
//
// Memory is RssAnon of /proc: resident memory without the pages of the binary,
// which are there once their code has run. It is compared with what honest
// clients have made of it before, garbage included: so an input is charged with
// what it adds, and with what earlier ones left behind, which has to be given back.
// Connections and what serves them show exactly, in descriptors and goroutines.
type vitals struct {
	memory      int // bytes
	goroutines  int
	descriptors int
}

// memory is the hub's RssAnon in bytes.
func (v *victim) memory(tb testing.TB) int {
	tb.Helper()
	n, err := v.resident()
	require.NoError(tb, err)
	return n
}

func (v *victim) resident() (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", v.PID()))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), "RssAnon:")
	var kilobytes int
	if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
		return 0, fmt.Errorf("RssAnon: %w", err)
	}
	return kilobytes << 10, nil
}

// descriptors is how many files and sockets the hub has open.
func (v *victim) descriptors(tb testing.TB) int {
	tb.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", v.PID()))
	require.NoError(tb, err)
	return len(entries)
}

// goroutines is how many the hub says it has.
func (v *victim) goroutines(tb testing.TB) int {
	tb.Helper()
	response, err := http.Get("http://" + v.Addr(harness.ControlPort) + "/metrics")
	require.NoError(tb, err)
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if figure, found := bytes.CutPrefix(lines.Bytes(), []byte("go_goroutines ")); found {
			n, err := strconv.Atoi(string(figure))
			require.NoError(tb, err)
			return n
		}
	}
	require.Fail(tb, "/metrics has no go_goroutines")
	return 0
}

func (v *victim) vitals(tb testing.TB) vitals {
	tb.Helper()
	return vitals{memory: v.memory(tb), goroutines: v.goroutines(tb), descriptors: v.descriptors(tb)}
}

// recovers waits until the hub has let go of all that an input made it hold, for
// as long as an input may take, and is healthy.
func (v *victim) recovers(tb testing.TB, before vitals) {
	tb.Helper()
	require.Eventually(tb, func() bool {
		return v.descriptors(tb) <= before.descriptors+stray && v.goroutines(tb) <= before.goroutines+stray
	}, harness.Deadline, 5*time.Millisecond, "the hub holds on to connections that are gone")
	v.Control(tb, http.MethodGet, "/health", nil, nil)
}

// affords checks what something cost at its peak against what it may cost, in
// bytes. The race detector's own memory is not checked.
func (v *victim) affords(tb testing.TB, cost, limit int) {
	tb.Helper()
	if !v.raced {
		require.LessOrEqual(tb, cost, garbage*limit, "it cost %s", megabytes(cost))
	}
}

// watch notes the hub's memory at its highest until stop is called, which
// returns it.
func (v *victim) watch(tb testing.TB) (stop func() int) {
	most, done := 0, make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			now, _ := v.resident() // 0 when the hub has ended, which shows elsewhere
			most = max(most, now)
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	})
	end := sync.OnceFunc(func() {
		close(done)
		watching.Wait()
	})
	tb.Cleanup(end)
	return func() int {
		end()
		return max(most, v.memory(tb))
	}
}

// megabytes is for messages.
func megabytes(n int) string { return fmt.Sprintf("%.1f MB", float64(n)/(1<<20)) }
