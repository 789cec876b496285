package c2d_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/iot"
)

// outcome brings one record about.
func (f *fixture) outcome(id string) {
	f.t.Helper()
	f.send(id)
	require.NoError(f.t, f.Complete(device, f.receive().LockToken))
}

func (f *fixture) batch() c2d.Batch {
	f.t.Helper()
	b, ok := f.Feedback().Receive()
	require.True(f.t, ok, "there is a batch")
	return b
}

func (f *fixture) noBatch() {
	f.t.Helper()
	_, ok := f.Feedback().Receive()
	require.False(f.t, ok, "there is no batch")
}

func TestSendersHearOfTheOutcomesTheyAskedFor(t *testing.T) {
	t.Parallel()
	positive, negative := []c2d.Ack{c2d.AckPositive, c2d.AckFull}, []c2d.Ack{c2d.AckNegative, c2d.AckFull}
	cases := map[string]struct {
		end   func(f *fixture)
		heard []c2d.Ack
	}{
		c2d.Success:  {func(f *fixture) { require.NoError(f.t, f.Complete(device, f.receive().LockToken)) }, positive},
		c2d.Rejected: {func(f *fixture) { require.NoError(f.t, f.Reject(device, f.receive().LockToken)) }, negative},
		c2d.Expired:  {func(f *fixture) { f.clock.Advance(time.Hour) }, negative},
		c2d.Purged:   {func(f *fixture) { f.Purge(device) }, negative},
		c2d.DeliveryCountExceeded: {func(f *fixture) {
			for range 10 {
				require.NoError(f.t, f.Abandon(device, f.receive().LockToken))
			}
		}, negative},
	}
	for outcome, c := range cases {
		t.Run(outcome, func(t *testing.T) {
			t.Parallel()
			for _, ack := range []c2d.Ack{c2d.AckNone, c2d.AckPositive, c2d.AckNegative, c2d.AckFull} {
				f := newFixture(t, c2d.Options{})
				m := message("1")
				m.Ack = ack
				_, err := f.Enqueue(device, "generation", m)
				require.NoError(t, err)
				c.end(f)
				var want []string
				for _, heard := range c.heard {
					if heard == ack {
						want = []string{"id-1 " + outcome}
					}
				}
				require.Equal(t, want, f.outcomes(), ack)
			}
		})
	}
}

func TestARecordIsWhatTheSDKsRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t, c2d.Options{})
	f.send("1")
	f.clock.Advance(1500*time.Millisecond + 7)
	require.NoError(t, f.Complete(device, f.receive().LockToken))
	text, err := json.Marshal(f.Feedback().History())
	require.NoError(t, err)
	require.Equal(t, `[{"originalMessageId":"id-1","enqueuedTimeUtc":"2026-01-01T00:00:01.500Z","statusCode":"Success",`+
		`"description":"Success","deviceId":"d","deviceGenerationId":"generation"}]`, string(text))
	var back []c2d.Record
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, start.Add(1500*time.Millisecond), back[0].EnqueuedTime)
}

func TestAMessageWithoutIdGivesARecordWithoutId(t *testing.T) {
	t.Parallel()
	f := newFixture(t, c2d.Options{})
	_, err := f.Enqueue(device, "generation", c2d.Message{Ack: c2d.AckFull})
	require.NoError(t, err)
	f.Purge(device)
	require.Equal(t, []string{" Purged"}, f.outcomes())
}

func TestABatchIsClosed(t *testing.T) {
	t.Parallel()
	t.Run("fifteen seconds after its last record", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, c2d.Options{})
		f.outcome("1")
		f.clock.Advance(10 * time.Second)
		f.outcome("2")
		f.clock.Advance(15*time.Second - 1)
		f.noBatch()
		f.clock.Advance(1)
		b := f.batch()
		require.Equal(t, start.Add(25*time.Second), b.EnqueuedTime)
		require.Equal(t, f.Feedback().History(), b.Records)
		require.Len(t, b.Records, 2)
	})
	t.Run("with its sixty-fourth record", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, c2d.Options{})
		for i := range 65 {
			f.outcome(fmt.Sprint(i))
		}
		require.Len(t, f.batch().Records, 64)
		f.noBatch()
		f.clock.Advance(15 * time.Second)
		require.Len(t, f.batch().Records, 1)
	})
}

func TestABatchIsHandedOutUntilSomebodyIsDoneWithIt(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		end func(f *fixture, b c2d.Batch)
		// again says that the batch comes back; counted, that it was counted.
		again, counted bool
	}{
		"completed": {end: func(f *fixture, b c2d.Batch) { require.NoError(f.t, f.Feedback().Complete(b.LockToken)) }},
		"rejected":  {end: func(f *fixture, b c2d.Batch) { require.NoError(f.t, f.Feedback().Reject(b.LockToken)) }},
		"abandoned": {
			end:   func(f *fixture, b c2d.Batch) { require.NoError(f.t, f.Feedback().Abandon(b.LockToken)) },
			again: true, counted: true,
		},
		"lock lost": {end: func(f *fixture, _ c2d.Batch) { f.clock.Advance(time.Minute) }, again: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, c2d.Options{})
			f.outcome("1")
			f.clock.Advance(15 * time.Second)
			first := f.batch()
			f.noBatch()
			changed := f.Feedback().Changed()
			c.end(f, first)
			for _, settle := range []func(string) error{f.Feedback().Complete, f.Feedback().Reject, f.Feedback().Abandon} {
				require.ErrorIs(t, settle(first.LockToken), iot.ErrMessageLockLost)
			}
			if !c.again {
				f.noBatch()
				return
			}
			<-changed
			second := f.batch()
			require.Equal(t, c.counted, second.DeliveryCount == 1)
			require.Equal(t, first.Records, second.Records)
			require.NotEqual(t, first.LockToken, second.LockToken)
		})
	}
}

func TestABatchIsGivenUp(t *testing.T) {
	t.Parallel()
	t.Run("after ten abandons", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, c2d.Options{})
		f.outcome("1")
		f.clock.Advance(15 * time.Second)
		for range 10 {
			require.NoError(t, f.Feedback().Abandon(f.batch().LockToken))
		}
		f.noBatch()
	})
	t.Run("after an hour", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, c2d.Options{})
		f.outcome("1")
		f.clock.Advance(15*time.Second + time.Hour - 1)
		require.NoError(t, f.Feedback().Abandon(f.batch().LockToken))
		f.clock.Advance(1)
		f.noBatch()
		require.Len(t, f.Feedback().History(), 1, "history remembers")
	})
}

func TestOldFeedbackMakesRoom(t *testing.T) {
	t.Parallel()
	const batches = 1001
	f := newFixture(t, c2d.Options{})
	for i := range batches * 64 {
		f.outcome(fmt.Sprint(i))
	}
	require.Equal(t, "id-64", f.batch().Records[0].OriginalMessageID)
	history := f.Feedback().History()
	require.Len(t, history, 10_000)
	require.Equal(t, fmt.Sprint("id-", batches*64-10_000), history[0].OriginalMessageID)
	f.outcome("last")
	require.Equal(t, fmt.Sprint("id-", batches*64-10_000), history[0].OriginalMessageID, "what was shown stays")
	require.Equal(t, "id-last", f.Feedback().History()[9999].OriginalMessageID)
}

func TestADeletedDevicesPendingFeedbackIsDiscarded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, c2d.Options{})
	other := iot.Device("other")
	complete := func(id iot.Identity, message string) {
		m := c2d.Message{Ack: c2d.AckFull, Message: iot.Message{System: iot.Properties{{Name: iot.MessageID, Value: message}}}}
		_, err := f.Enqueue(id, "", m)
		require.NoError(t, err)
		d, _ := f.Receive(id, 0, 0)
		require.NoError(t, f.Complete(id, d.LockToken))
	}
	complete(device, "received")
	f.clock.Advance(15 * time.Second)
	received := f.batch()
	complete(device, "waiting")
	complete(other, "stays")
	f.clock.Advance(15 * time.Second)
	complete(device, "alone in its batch")
	f.clock.Advance(15 * time.Second)
	complete(device, "not batched yet")

	f.Delete(device)
	f.clock.Advance(15 * time.Second)
	b := f.batch()
	require.Len(t, b.Records, 1)
	require.Equal(t, "stays", b.Records[0].OriginalMessageID)
	f.noBatch()
	require.Len(t, received.Records, 1, "a batch that was handed out is not changed")
	require.NoError(t, f.Feedback().Complete(received.LockToken))
	require.Len(t, f.Feedback().History(), 5)
}

func TestALockedBatchWithoutRecordsIsNotHandedOutAgain(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(f *fixture, b c2d.Batch){
		"abandoned": func(f *fixture, b c2d.Batch) { require.NoError(f.t, f.Feedback().Abandon(b.LockToken)) },
		"lock lost": func(f *fixture, _ c2d.Batch) { f.clock.Advance(time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, c2d.Options{})
			f.outcome("1")
			f.clock.Advance(15 * time.Second)
			b := f.batch()
			f.Delete(device)
			end(f, b)
			f.noBatch()
		})
	}
}

func TestWhoeverWaitsForFeedbackIsTold(t *testing.T) {
	t.Parallel()
	f := newFixture(t, c2d.Options{})
	recorded := f.Feedback().Changed()
	f.outcome("1")
	<-recorded
	batched := f.Feedback().Changed()
	f.clock.Advance(15*time.Second - 1)
	select {
	case <-batched:
		require.Fail(t, "nothing has changed yet")
	default:
	}
	f.clock.Advance(1)
	<-batched
}
