package c2d_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
)

// model is one device's queue in the plainest terms: it looks at every message
// every second.
type model struct {
	o         c2d.Options
	now       time.Time
	last      uint64
	messages  []*modelMessage
	records   []c2d.Record
	available int
}

type modelMessage struct {
	c2d.Delivery
	expiry, until time.Time
	locked        bool
}

func (m *model) enqueue(sent c2d.Message, ttl time.Duration) {
	if len(m.messages) == m.o.MaxDepth {
		return
	}
	m.last++
	m.available++
	m.messages = append(m.messages, &modelMessage{
		Delivery: c2d.Delivery{Message: sent, Sequence: m.last, EnqueuedTime: m.now}, expiry: m.now.Add(ttl),
	})
}

func (m *model) receive(after uint64, token string, lock time.Duration) (c2d.Delivery, bool) {
	for _, msg := range m.messages {
		if !msg.locked && msg.Sequence > after {
			msg.locked, msg.until, msg.LockToken = true, m.now.Add(lock), token
			d := msg.Delivery
			msg.Redelivered = true
			return d, true
		}
	}
	return c2d.Delivery{}, false
}

// settle says whether the token was good.
func (m *model) settle(how, token string) bool {
	for _, msg := range m.messages {
		if !msg.locked || msg.LockToken != token {
			continue
		}
		switch how {
		case "complete":
			m.end(msg, c2d.Success)
		case "reject":
			m.end(msg, c2d.Rejected)
		default:
			if m.unlock(msg, how == "abandon") {
				m.available++
			}
		}
		return true
	}
	return false
}

// unlock says whether the message is available again.
func (m *model) unlock(msg *modelMessage, counts bool) bool {
	msg.locked = false
	if counts {
		msg.DeliveryCount++
	}
	switch {
	case msg.DeliveryCount == m.o.MaxDeliveryCount:
		m.end(msg, c2d.DeliveryCountExceeded)
	case !m.now.Before(msg.expiry):
		m.end(msg, c2d.Expired)
	default:
		return true
	}
	return false
}

func (m *model) end(msg *modelMessage, outcome string) {
	var kept []*modelMessage
	for _, other := range m.messages {
		if other != msg {
			kept = append(kept, other)
		}
	}
	m.messages = kept
	positive := outcome == c2d.Success
	if msg.Ack == c2d.AckFull || positive && msg.Ack == c2d.AckPositive || !positive && msg.Ack == c2d.AckNegative {
		m.records = append(m.records, c2d.Record{
			OriginalMessageID: "id-" + string(msg.Body), EnqueuedTime: m.now, StatusCode: outcome, Description: outcome,
			DeviceID: device.DeviceID, DeviceGenerationID: "generation",
		})
	}
}

func (m *model) purge() int {
	n := len(m.messages)
	for len(m.messages) > 0 {
		m.end(m.messages[0], c2d.Purged)
	}
	return n
}

func (m *model) advance(seconds int) {
	for range seconds {
		m.now = m.now.Add(time.Second)
		lost := false
		for _, msg := range m.messages {
			if msg.locked && !m.now.Before(msg.until) {
				m.unlock(msg, m.o.CountLockExpiry)
				lost = true
			} else if !msg.locked && !m.now.Before(msg.expiry) {
				m.end(msg, c2d.Expired)
			}
		}
		if lost && m.hasAvailable() {
			m.available++
		}
	}
}

func (m *model) hasAvailable() bool {
	return slices.ContainsFunc(m.messages, func(msg *modelMessage) bool { return !msg.locked })
}

// walk does random things to a store and to the model, and compares them.
type walk struct {
	t         *testing.T
	rnd       *rand.Rand
	store     *c2d.Store
	clock     *clock.Clock
	model     *model
	tokens    []string
	available int
}

// Each seed is a walk of a thousand steps, with ever other settings.
func TestTheQueueBehavesAsItsModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 0))
			o := c2d.Options{
				MaxDepth: 1 + rnd.IntN(10), MaxDeliveryCount: 1 + rnd.IntN(4), CountLockExpiry: rnd.IntN(2) == 0,
				DefaultTTL: time.Duration(1+rnd.IntN(60)) * time.Second, Lock: time.Duration(1+rnd.IntN(60)) * time.Second,
			}
			w := &walk{t: t, rnd: rnd, clock: clock.NewManual(start), model: &model{o: o, now: start}}
			o.Available = func(iot.Identity) { w.available++ }
			w.store = c2d.NewStore(w.clock, o)
			for range 1000 {
				w.step()
				w.compare()
			}
		})
	}
}

func (w *walk) step() {
	switch n := w.rnd.IntN(100); {
	case n < 30:
		w.enqueue()
	case n < 55:
		w.receive()
	case n < 64:
		w.settle("complete", w.store.Complete)
	case n < 67:
		w.settle("reject", w.store.Reject)
	case n < 75:
		w.settle("abandon", w.store.Abandon)
	case n < 79:
		w.settle("release", w.store.Release)
	case n < 80:
		require.Equal(w.t, w.model.purge(), w.store.Purge(device))
	default:
		seconds := 1 + w.rnd.IntN(40)
		w.clock.Advance(time.Duration(seconds) * time.Second)
		w.model.advance(seconds)
	}
}

func (w *walk) enqueue() {
	m := message(fmt.Sprint(w.model.last))
	m.Ack = c2d.Ack(w.rnd.IntN(4))
	ttl := w.model.o.DefaultTTL
	if w.rnd.IntN(2) == 0 {
		ttl = time.Duration(1+w.rnd.IntN(100)) * time.Second
		m.Expiry = w.model.now.Add(ttl)
	}
	full := len(w.model.messages) == w.model.o.MaxDepth
	w.model.enqueue(m, ttl)
	sequence, err := w.store.Enqueue(device, "generation", m)
	if full {
		require.ErrorIs(w.t, err, iot.ErrQueueFull)
		return
	}
	require.NoError(w.t, err)
	require.Equal(w.t, w.model.last, sequence)
}

func (w *walk) receive() {
	var after uint64
	if w.rnd.IntN(4) == 0 {
		after = w.model.last - min(w.model.last, uint64(w.rnd.IntN(5)))
	}
	lock := time.Duration(w.rnd.IntN(3)) * 10 * time.Second
	got, ok := w.store.Receive(device, after, lock)
	if lock == 0 {
		lock = w.model.o.Lock
	}
	want, expected := w.model.receive(after, got.LockToken, lock)
	require.Equal(w.t, expected, ok)
	want.LockToken = got.LockToken
	require.Equal(w.t, want, got)
	if ok {
		w.tokens = append(w.tokens, got.LockToken)
	}
}

// settle uses one of the latest tokens, good or not.
func (w *walk) settle(how string, do func(iot.Identity, string) error) {
	token := "unknown"
	if n := len(w.tokens); n > 0 {
		token = w.tokens[n-1-w.rnd.IntN(min(n, 8))]
	}
	if err := do(device, token); w.model.settle(how, token) || how == "release" {
		require.NoError(w.t, err)
	} else {
		require.ErrorIs(w.t, err, iot.ErrMessageLockLost)
	}
}

func (w *walk) compare() {
	require.Equal(w.t, len(w.model.messages), w.store.Depth(device))
	require.Equal(w.t, len(w.model.messages), w.store.Messages())
	require.Equal(w.t, w.model.last, w.store.Last(device))
	require.Equal(w.t, w.model.available, w.available)
	history := w.store.Feedback().History()
	require.Len(w.t, history, len(w.model.records))
	if n := len(history); n > 0 {
		require.Equal(w.t, w.model.records[n-1], history[n-1])
	}
}
