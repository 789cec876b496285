package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/linarite/linarite/bench/machine"
)

// soakFor runs 100 devices that do as much as a thousand, with a hub whose events
// are kept for so long.
func soakFor(t *testing.T, duration, settling time.Duration, retention string) *report {
	t.Helper()
	config := filepath.Join(t.TempDir(), "hub.yaml")
	if err := os.WriteFile(config, []byte("retention: "+retention+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := machine.RaiseFileLimit(); err != nil {
		t.Fatal(err)
	}
	r, err := run(t.Context(), options{
		config: config, duration: duration, every: duration / 60, devices: 100,
		settling: settling, interval: time.Second / 2, spell: 5 * time.Second,
		// In half a minute the collector runs a few times, and a machine that does other
		// things delays it: what a leak would add cannot be told from that. The tool's own
		// parts are on trial here, and the hub's books.
		tolerance: 0.5, out: io.Discard,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// One after the other: they have one address.
func TestSoak(t *testing.T) {
	t.Parallel()
	t.Run("half a minute goes well, and everything was done", func(t *testing.T) {
		r := soakFor(t, 30*time.Second, time.Minute, "5s")
		var said strings.Builder
		r.print(&said)
		t.Log(said.String())
		if !r.good() {
			t.Error("the hub has failed")
		}
		for i, name := range countNames {
			switch count(i) {
			case messagesAgain, callsAgain, readAgain: // by chance
			case expiries, renewals: // after minutes
			default:
				if r.Totals[name] == 0 {
					t.Errorf("nothing was done of: %s", name)
				}
			}
		}
	})
	t.Run("a hub that forgets is found out", func(t *testing.T) {
		if r := soakFor(t, 4*time.Second, time.Second, "1ms"); r.Lost == 0 || r.good() {
			t.Errorf("%d are lost", r.Lost)
		}
	})
}
