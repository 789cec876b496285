package c2d_test

import (
	"fmt"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
)

var (
	start  = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	device = iot.Device("d")
)

// fixture is a store on a manual clock, and how often it said that a message of
// device is available.
type fixture struct {
	*c2d.Store
	t         *testing.T
	clock     *clock.Clock
	available int
}

func newFixture(t *testing.T, o c2d.Options) *fixture {
	f := &fixture{t: t, clock: clock.NewManual(start)}
	o.Available = func(id iot.Identity) {
		f.Depth(id) // the store can be called
		if id == device {
			f.available++
		}
	}
	f.Store = c2d.NewStore(f.clock, o)
	return f
}

func message(body string) c2d.Message {
	return c2d.Message{
		Message: iot.Message{System: iot.Properties{{Name: iot.MessageID, Value: "id-" + body}}, Body: []byte(body)},
		Ack:     c2d.AckFull,
	}
}

func (f *fixture) send(bodies ...string) {
	f.t.Helper()
	for _, body := range bodies {
		_, err := f.Enqueue(device, "generation", message(body))
		require.NoError(f.t, err)
	}
}

func (f *fixture) receive() c2d.Delivery {
	f.t.Helper()
	d, ok := f.Receive(device, 0, 0)
	require.True(f.t, ok, "there is a message")
	return d
}

func (f *fixture) expect(bodies ...string) {
	f.t.Helper()
	for _, body := range bodies {
		require.Equal(f.t, body, string(f.receive().Body))
	}
	f.nothing()
}

func (f *fixture) nothing() {
	f.t.Helper()
	_, ok := f.Receive(device, 0, 0)
	require.False(f.t, ok, "there is no message")
}

// outcomes are the feedback so far, as "message-id outcome".
func (f *fixture) outcomes() (all []string) {
	for _, r := range f.Feedback().History() {
		all = append(all, r.OriginalMessageID+" "+r.StatusCode)
	}
	return all
}

func TestAMessageIsDeliveredAsItWasSent(t *testing.T) {
	t.Parallel()
	f := newFixture(t, c2d.Options{})
	sent := c2d.Message{
		Message: iot.Message{
			System:     iot.Properties{{Name: iot.MessageID, Value: "1"}},
			Properties: iot.Properties{{Name: "a", Value: "b"}, {Name: "n", Null: true}},
			Body:       []byte("x"),
		},
		Expiry: start.Add(time.Hour), Ack: c2d.AckPositive,
	}
	sequence, err := f.Enqueue(device, "generation", sent)
	require.NoError(t, err)
	require.Equal(t, uint64(1), sequence)
	f.clock.Advance(time.Second)
	d := f.receive()
	require.Regexp(t, regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`), d.LockToken)
	require.Equal(t, c2d.Delivery{Message: sent, Sequence: 1, LockToken: d.LockToken, EnqueuedTime: start}, d)

	f.send("without expiry")
	require.Zero(t, f.receive().Expiry)
}

func TestMessagesAreDeliveredInOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t, c2d.Options{})
	f.send("1", "2", "3")
	one, two := f.receive(), f.receive()
	require.NoError(t, f.Abandon(device, two.LockToken))
	require.NoError(t, f.Release(device, one.LockToken))
	f.expect("1", "2", "3")
	f.clock.Advance(time.Minute)
	f.expect("1", "2", "3")
}

func TestQueuesAreSeparate(t *testing.T) {
	t.Parallel()
	s := c2d.NewStore(clock.NewManual(start), c2d.Options{})
	for _, id := range []iot.Identity{device, iot.Device("D"), iot.Module("d", "m")} {
		sequence, err := s.Enqueue(id, "", message(id.String()))
		require.NoError(t, err)
		require.Equal(t, uint64(1), sequence)
	}
	d, ok := s.Receive(iot.Module("d", "m"), 0, 0)
	require.True(t, ok)
	require.Equal(t, "d/m", string(d.Body))
	require.ErrorIs(t, s.Complete(device, d.LockToken), iot.ErrMessageLockLost)
	require.NoError(t, s.Complete(iot.Module("d", "m"), d.LockToken))
	require.Equal(t, 1, s.Depth(device))
}

func TestWhatIsNotTaken(t *testing.T) {
	t.Parallel()
	size := func(n int) c2d.Message { return c2d.Message{Message: iot.Message{Body: make([]byte, n)}} }
	until := func(at time.Time) c2d.Message { return c2d.Message{Expiry: at} }
	cases := map[string]struct {
		m    c2d.Message
		want error
	}{
		"64 KB are taken":                            {size(c2d.MaxMessage), nil},
		"more than 64 KB are not":                    {size(c2d.MaxMessage + 1), iot.ErrMessageTooLarge},
		"an expiry in the future is taken":           {until(start.Add(1)), nil},
		"an expiry of now is not":                    {until(start), iot.ErrInvalidExpiry},
		"an expiry in the past is not":               {until(start.Add(-time.Hour)), iot.ErrInvalidExpiry},
		"an expiry two days ahead is taken":          {until(start.Add(48 * time.Hour)), nil},
		"an expiry further ahead is not":             {until(start.Add(48*time.Hour + 1)), iot.ErrInvalidExpiry},
		"an expiry of the Unix epoch is none":        {until(time.Unix(0, 0)), nil},
		"an expiry before the Unix epoch is none":    {until(time.Date(1754, 8, 30, 0, 0, 0, 0, time.UTC)), nil},
		"an expiry just after the epoch is an error": {until(time.Unix(1, 0)), iot.ErrInvalidExpiry},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, c2d.Options{})
			_, err := f.Enqueue(device, "", c.m)
			require.ErrorIs(t, err, c.want)
			require.Equal(t, c.want == nil, f.Depth(device) == 1)
			require.Equal(t, f.Depth(device), f.available)
		})
	}
}

func TestAFullQueueTakesNoMore(t *testing.T) {
	t.Parallel()
	f := newFixture(t, c2d.Options{})
	for i := range 50 {
		f.send(fmt.Sprint(i))
	}
	_, err := f.Enqueue(device, "", message("50"))
	require.ErrorIs(t, err, iot.ErrQueueFull)
	d := f.receive()
	_, err = f.Enqueue(device, "", message("50"))
	require.ErrorIs(t, err, iot.ErrQueueFull, "a locked message takes its place")
	require.NoError(t, f.Complete(device, d.LockToken))
	sequence, err := f.Enqueue(device, "", message("50"))
	require.NoError(t, err)
	require.Equal(t, uint64(51), sequence, "what was refused has no number")
}

func TestALockRunsOut(t *testing.T) {
	t.Parallel()
	for name, lock := range map[string]time.Duration{"after a minute": 0, "after the time asked for": 5 * time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, c2d.Options{})
			f.send("1")
			d, _ := f.Receive(device, 0, lock)
			if lock == 0 {
				lock = f.Lock()
				require.Equal(t, time.Minute, lock)
			}
			f.clock.Advance(lock - 1)
			f.nothing()
			require.Equal(t, 1, f.available)
			f.clock.Advance(1)
			require.Equal(t, 2, f.available)
			again := f.receive()
			require.True(t, again.Redelivered)
			require.Zero(t, again.DeliveryCount)
			require.NotEqual(t, d.LockToken, again.LockToken)
			for _, settle := range []func(iot.Identity, string) error{f.Complete, f.Reject, f.Abandon} {
				require.ErrorIs(t, settle(device, d.LockToken), iot.ErrMessageLockLost)
			}
			require.NoError(t, f.Release(device, d.LockToken), "a lost lock needs no release")
			require.NoError(t, f.Complete(device, again.LockToken))
		})
	}
}

func TestATokenCountsOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, c2d.Options{})
	f.send("1", "2", "3")
	for _, settle := range []func(iot.Identity, string) error{f.Complete, f.Reject, f.Abandon} {
		d := f.receive()
		require.NoError(t, settle(device, d.LockToken))
		require.ErrorIs(t, settle(device, d.LockToken), iot.ErrMessageLockLost)
	}
	require.ErrorIs(t, f.Complete(device, ""), iot.ErrMessageLockLost)
	require.ErrorIs(t, f.Complete(iot.Device("unknown"), ""), iot.ErrMessageLockLost)
	require.ErrorIs(t, f.Abandon(iot.Device("unknown"), ""), iot.ErrMessageLockLost)
}

func TestDeliveriesAreCounted(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		o       c2d.Options
		forgo   func(f *fixture, d c2d.Delivery)
		allowed int // deliveries until the message is dead-lettered; 0: never
	}{
		"ten abandons are too many": {
			c2d.Options{}, func(f *fixture, d c2d.Delivery) { require.NoError(f.t, f.Abandon(device, d.LockToken)) }, 10,
		},
		"as many as the hub allows": {
			c2d.Options{MaxDeliveryCount: 1}, func(f *fixture, d c2d.Delivery) { require.NoError(f.t, f.Abandon(device, d.LockToken)) }, 1,
		},
		"a lock that runs out does not count": {
			c2d.Options{}, func(f *fixture, _ c2d.Delivery) { f.clock.Advance(time.Minute) }, 0,
		},
		"a lock that runs out counts when that is asked for": {
			c2d.Options{CountLockExpiry: true}, func(f *fixture, _ c2d.Delivery) { f.clock.Advance(time.Minute) }, 10,
		},
		"a lost link never counts": {
			c2d.Options{CountLockExpiry: true}, func(f *fixture, d c2d.Delivery) { require.NoError(f.t, f.Release(device, d.LockToken)) }, 0,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, c.o)
			f.send("1")
			for i := range 20 {
				d, ok := f.Receive(device, 0, 0)
				require.Equal(t, c.allowed == 0 || i < c.allowed, ok, "delivery %d", i+1)
				if !ok {
					break
				}
				require.Equal(t, i > 0, d.Redelivered)
				if c.allowed > 0 {
					require.Equal(t, i, d.DeliveryCount)
				} else {
					require.Zero(t, d.DeliveryCount)
				}
				c.forgo(f, d)
			}
			if c.allowed == 0 {
				require.Empty(t, f.outcomes())
				require.Equal(t, 21, f.available)
				return
			}
			require.Equal(t, []string{"id-1 DeliveryCountExceeded"}, f.outcomes())
			require.Equal(t, c.allowed, f.available)
			require.Zero(t, f.Depth(device))
		})
	}
}

func TestAMessageExpires(t *testing.T) {
	t.Parallel()
	t.Run("after an hour", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, c2d.Options{})
		f.send("1")
		f.clock.Advance(time.Hour - 1)
		require.Equal(t, 1, f.Depth(device))
		f.clock.Advance(1)
		require.Zero(t, f.Depth(device))
		require.Equal(t, []string{"id-1 Expired"}, f.outcomes())
		require.Equal(t, start.Add(time.Hour), f.Feedback().History()[0].EnqueuedTime)
		require.Equal(t, 1, f.available)
	})
	t.Run("when its sender says", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, c2d.Options{})
		f.send("1")
		m := message("2")
		m.Expiry = start.Add(time.Second)
		_, err := f.Enqueue(device, "", m)
		require.NoError(t, err)
		f.clock.Advance(time.Second)
		require.Equal(t, []string{"id-2 Expired"}, f.outcomes())
		f.expect("1")
	})
	t.Run("but not while it is locked", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, c2d.Options{DefaultTTL: time.Second})
		f.send("1")
		d := f.receive()
		f.clock.Advance(59 * time.Second)
		require.NoError(t, f.Complete(device, d.LockToken))
		require.Equal(t, []string{"id-1 Success"}, f.outcomes())
	})
	for name, end := range map[string]func(f *fixture, d c2d.Delivery){
		"when its lock has run out after its time": func(f *fixture, _ c2d.Delivery) { f.clock.Advance(time.Minute) },
		"when it is abandoned after its time":      func(f *fixture, d c2d.Delivery) { require.NoError(f.t, f.Abandon(device, d.LockToken)) },
		"when it is released after its time":       func(f *fixture, d c2d.Delivery) { require.NoError(f.t, f.Release(device, d.LockToken)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, c2d.Options{DefaultTTL: time.Second})
			f.send("1")
			d := f.receive()
			f.clock.Advance(2 * time.Second)
			end(f, d)
			require.Equal(t, []string{"id-1 Expired"}, f.outcomes())
			require.Equal(t, 1, f.available)
			require.Zero(t, f.Depth(device))
		})
	}
}

func TestOnlyMessagesAfterANumberAreReceived(t *testing.T) {
	t.Parallel()
	f := newFixture(t, c2d.Options{})
	require.Zero(t, f.Last(device))
	f.send("1", "2")
	require.Equal(t, uint64(2), f.Last(device))
	_, ok := f.Receive(device, 2, 0)
	require.False(t, ok)
	f.send("3")
	d, ok := f.Receive(device, 2, 0)
	require.True(t, ok)
	require.Equal(t, "3", string(d.Body))
	f.expect("1", "2")
}

func TestPurge(t *testing.T) {
	t.Parallel()
	f := newFixture(t, c2d.Options{})
	require.Zero(t, f.Purge(device))
	f.send("1", "2", "3")
	d := f.receive()
	require.Equal(t, 3, f.Purge(device))
	require.Zero(t, f.Purge(device))
	require.ErrorIs(t, f.Complete(device, d.LockToken), iot.ErrMessageLockLost)
	require.Equal(t, []string{"id-1 Purged", "id-2 Purged", "id-3 Purged"}, f.outcomes())
	f.send("4")
	require.Equal(t, uint64(4), f.receive().Sequence, "numbers go on")
}

func TestADeletedDeviceLeavesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, c2d.Options{})
	f.send("1", "2")
	d := f.receive()
	f.Delete(device)
	f.nothing()
	require.Zero(t, f.Depth(device))
	require.Zero(t, f.Last(device))
	require.ErrorIs(t, f.Complete(device, d.LockToken), iot.ErrMessageLockLost)
	f.clock.Advance(48 * time.Hour)
	require.Empty(t, f.outcomes())
	f.send("new")
	require.Equal(t, uint64(1), f.receive().Sequence)
	f.Delete(iot.Device("unknown"))
}

func TestClearForgetsEverything(t *testing.T) {
	t.Parallel()
	f := newFixture(t, c2d.Options{})
	f.send("1", "2")
	require.NoError(t, f.Complete(device, f.receive().LockToken))
	f.Clear()
	f.clock.Rewind()
	require.Empty(t, f.outcomes())
	f.nothing()
	f.clock.Advance(48 * time.Hour)
	require.Empty(t, f.outcomes())
	_, ok := f.Feedback().Receive()
	require.False(t, ok)
	f.send("new")
	require.Equal(t, uint64(1), f.receive().Sequence)
}

func TestAClockThatIsRewoundKeepsLocksAndExpiry(t *testing.T) {
	t.Parallel()
	f := newFixture(t, c2d.Options{})
	f.clock.Advance(time.Hour)
	f.send("1", "2")
	require.Equal(t, "1", string(f.receive().Body))
	f.clock.Rewind()
	f.clock.Advance(time.Hour + time.Minute)
	f.expect("1", "2")
	f.clock.Advance(time.Hour)
	require.Equal(t, []string{"id-1 Expired", "id-2 Expired"}, f.outcomes())
}

func TestAcknowledgementModes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]c2d.Ack{
		"": c2d.AckNone, "none": c2d.AckNone, "positive": c2d.AckPositive, "negative": c2d.AckNegative, "full": c2d.AckFull, "FULL": c2d.AckFull,
	} {
		a, err := c2d.ParseAck(text)
		require.NoError(t, err)
		require.Equal(t, want, a)
		again, err := c2d.ParseAck(a.String())
		require.NoError(t, err)
		require.Equal(t, a, again)
	}
	_, err := c2d.ParseAck("maybe")
	require.ErrorIs(t, err, iot.ErrArgumentInvalid)
}

// Senders, receivers, a purger and the clock work on few queues at once. Every
// message must have exactly one outcome.
func TestEveryMessageHasOneOutcome(t *testing.T) {
	t.Parallel()
	const senders, each = 3, 1000
	clk := clock.NewManual(start)
	o := c2d.Options{MaxDepth: senders * each, MaxDeliveryCount: 3}
	var s *c2d.Store
	wake := make(chan iot.Identity, 1)
	o.Available = func(id iot.Identity) {
		s.Depth(id)
		select {
		case wake <- id:
		default:
		}
	}
	s = c2d.NewStore(clk, o)
	ids := []iot.Identity{iot.Device("a"), iot.Device("b")}
	var sending, receiving sync.WaitGroup
	for n := range senders {
		sending.Go(func() {
			for i := range each {
				if _, err := s.Enqueue(ids[i%2], "", message(fmt.Sprint(n, " ", i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	sent := make(chan struct{})
	for range 2 {
		receiving.Go(func() {
			for n := 0; ; {
				var id iot.Identity
				select {
				case id = <-wake:
				case <-sent:
					return
				}
				for d, ok := s.Receive(id, 0, 0); ok; d, ok = s.Receive(id, 0, 0) {
					n++
					settle(s, clk, id, d, n)
				}
			}
		})
	}
	sending.Wait()
	close(sent)
	receiving.Wait()
	for _, id := range ids {
		s.Purge(id)
	}
	outcomes := map[string]int{}
	for _, r := range s.Feedback().History() {
		outcomes[r.OriginalMessageID]++
	}
	require.Len(t, outcomes, senders*each)
	for id, n := range outcomes {
		require.Equal(t, 1, n, id)
	}
}

// settle does one of the things that can be done with a delivery.
func settle(s *c2d.Store, clk *clock.Clock, id iot.Identity, d c2d.Delivery, n int) {
	switch n % 6 {
	case 0:
		clk.Advance(7 * time.Second)
	case 1:
		_ = s.Abandon(id, d.LockToken) // the clock may have been faster, here and below
	case 2:
		_ = s.Release(id, d.LockToken)
	case 3:
		_ = s.Reject(id, d.LockToken)
	default:
		_ = s.Complete(id, d.LockToken)
	}
}

// Its receiver may take only so many messages at a time: what is behind them
// must not wait for something else to happen.
func TestALockThatRunsOutOnAnExpiredMessageTellsOfTheOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, c2d.Options{})
	m := message("1")
	m.Expiry = start.Add(time.Second)
	_, err := f.Enqueue(device, "", m)
	require.NoError(t, err)
	f.receive()
	f.send("2")
	require.Equal(t, 2, f.available)
	f.clock.Advance(time.Minute)
	require.Equal(t, []string{"id-1 Expired"}, f.outcomes())
	require.Equal(t, 3, f.available)
	f.expect("2")
}
