package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Who reads telemetry. Each has to get all of it.
const (
	overAMQP = iota
	overHTTP
	readers
)

// maxFaults is how many faults are kept in words.
const maxFaults = 50

// count is something that is counted.
type count int

// What is counted, and what the report calls it.
const (
	sentQoS0 count = iota
	sentQoS1
	sentAgain
	readAMQP
	readHTTP
	readAgain
	messagesSent
	messagesReceived
	messagesAgain
	feedbackRead
	calls
	callsAgain
	reports
	changes
	changesSeen
	twinsRead
	connects
	goodbyes
	resets
	takeovers
	expiries
	renewals
	identities
	counts
)

var countNames = [counts]string{
	"telemetry sent, QoS 0", "telemetry acknowledged, QoS 1", "telemetry sent again after a reset",
	"events read over AMQP", "events read over HTTP", "events read that were sent again",
	"messages to devices accepted", "messages received by devices", "messages received again",
	"feedback records", "direct methods answered", "direct methods called again: the device was between connections",
	"reported patches", "desired patches", "desired patches seen by devices", "twins read by devices",
	"connections", "ended by a goodbye", "ended by a reset", "ended by a takeover", "ended by an expired token",
	"tokens renewed", "identities made and deleted",
}

// ledger knows what was promised, and what became of it.
type ledger struct {
	counts [counts]atomic.Int64
	lost   atomic.Int64 // things that were promised and did not come, or came otherwise
	errors atomic.Int64 // things that did not go as they should
	// excused are errors that came when the machine had just stood still: the hub's
	// deadlines and ours pass meanwhile.
	excused atomic.Int64
	still   atomic.Int64 // when it last did, in Unix nanoseconds

	out      io.Writer // is told of faults at once
	mu       sync.Mutex
	accounts map[string]*account
	faults   []string // the first of both kinds
}

func newLedger(out io.Writer) *ledger { return &ledger{out: out, accounts: map[string]*account{}} }

func (l *ledger) add(c count) { l.counts[c].Add(1) }

// open makes the account of a device, or of one that is about to be made.
func (l *ledger) open(device string) *account {
	a := &account{ledger: l, id: device, feedback: map[string]struct{}{}, reported: 1}
	a.desired.set, a.desired.seen = 1, 1 // the versions of a new twin
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accounts[device] = a
	return a
}

// of is a device's account, or nil.
func (l *ledger) of(device string) *account {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.accounts[device]
}

// lose notes that n things were lost.
func (l *ledger) lose(n int64, format string, args ...any) {
	l.lost.Add(n)
	l.note("lost: ", format, args...)
}

// fault notes that something did not go as it should. What it was about may yet
// be made good.
func (l *ledger) fault(format string, args ...any) {
	if time.Since(time.Unix(0, l.still.Load())) < aftermath {
		l.excused.Add(1)
		l.note("excused: ", format, args...)
		return
	}
	l.errors.Add(1)
	l.note("", format, args...)
}

// Standing still is when a goroutine that does nothing else does not get its turn
// for so long; what comes of it shows for as long as the longest deadline.
const (
	stillness = 2 * time.Second
	aftermath = time.Minute
)

// watch notes when the machine stands still, until ctx ends.
func (l *ledger) watch(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := time.Now()
		if gap := now.Sub(last); gap > stillness {
			l.still.Store(now.UnixNano())
			l.note("", "the machine stood still for %s", gap.Round(100*time.Millisecond))
		}
		last = now
	}
}

func (l *ledger) note(kind, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.faults) < maxFaults {
		text := kind + fmt.Sprintf(format, args...)
		l.faults = append(l.faults, text)
		fmt.Fprintln(l.out, text)
	}
}

// faultList is the first faults in words.
func (l *ledger) faultList() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.faults)
}

// due lists what was promised and has not come yet, by device, and how much it
// is.
func (l *ledger) due() (n int64, what []string) {
	l.mu.Lock()
	all := make([]*account, 0, len(l.accounts))
	for _, a := range l.accounts {
		all = append(all, a)
	}
	l.mu.Unlock()
	for _, a := range all {
		for _, d := range a.due() {
			n += d.n
			what = append(what, fmt.Sprintf("%s: %d %s", a.id, d.n, d.what))
		}
	}
	slices.Sort(what)
	return n, what
}
