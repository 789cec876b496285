package methods_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/methods"
)

var device = iot.Device("d")

func begin(t *testing.T, c *methods.Calls, id iot.Identity) *methods.Call {
	t.Helper()
	call, err := c.Begin(id, "reboot", []byte(`{"a":1}`), 30*time.Second)
	require.NoError(t, err)
	return call
}

func calls() (*methods.Calls, *clock.Clock) {
	clk := clock.NewManual(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	return methods.NewCalls(clk), clk
}

func TestAnAnswerReachesWhoeverAsked(t *testing.T) {
	t.Parallel()
	c, _ := calls()
	first, second := begin(t, c, device), begin(t, c, device)
	require.Equal(t, methods.Request{RID: first.Request.RID, Name: "reboot", Payload: []byte(`{"a":1}`)}, first.Request)
	require.NotEqual(t, first.Request.RID, second.Request.RID)

	require.True(t, c.Answer(device, second.Request.RID, methods.Response{Status: 200, Payload: json.RawMessage(`2`)}))
	require.True(t, c.Answer(device, first.Request.RID, methods.Response{Status: 404}))
	r, err := second.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, methods.Response{Status: 200, Payload: json.RawMessage(`2`)}, r)
	r, err = first.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, methods.Response{Status: 404}, r)
}

func TestAnswersThatNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	cases := map[string]func(c *methods.Calls, clk *clock.Clock, call *methods.Call) (iot.Identity, string){
		"a second one": func(c *methods.Calls, _ *clock.Clock, call *methods.Call) (iot.Identity, string) {
			c.Answer(device, call.Request.RID, methods.Response{})
			return device, call.Request.RID
		},
		"one after the time is over": func(_ *methods.Calls, clk *clock.Clock, call *methods.Call) (iot.Identity, string) {
			clk.Advance(30 * time.Second)
			return device, call.Request.RID
		},
		"one after the caller has gone": func(_ *methods.Calls, _ *clock.Clock, call *methods.Call) (iot.Identity, string) {
			call.Cancel()
			return device, call.Request.RID
		},
		"one after the connection was lost": func(c *methods.Calls, _ *clock.Clock, call *methods.Call) (iot.Identity, string) {
			c.Drop(device, iot.ErrDeviceNotOnline)
			return device, call.Request.RID
		},
		"one from before the hub was reset": func(c *methods.Calls, _ *clock.Clock, call *methods.Call) (iot.Identity, string) {
			c.Clear()
			_, _ = c.Begin(device, "reboot", nil, time.Minute)
			return device, call.Request.RID
		},
		"another device's": func(_ *methods.Calls, _ *clock.Clock, call *methods.Call) (iot.Identity, string) {
			return iot.Device("e"), call.Request.RID
		},
		"a module's of the device": func(_ *methods.Calls, _ *clock.Clock, call *methods.Call) (iot.Identity, string) {
			return iot.Module("d", "m"), call.Request.RID
		},
		"one with an unknown request id": func(*methods.Calls, *clock.Clock, *methods.Call) (iot.Identity, string) {
			return device, "nonsense"
		},
		"one without request id": func(*methods.Calls, *clock.Clock, *methods.Call) (iot.Identity, string) {
			return device, ""
		},
	}
	for name, prepare := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, clk := calls()
			id, rid := prepare(c, clk, begin(t, c, device))
			require.False(t, c.Answer(id, rid, methods.Response{Status: 200}))
			require.False(t, c.Fail(id, rid, iot.ErrFormat))
		})
	}
}

func TestHowACallFails(t *testing.T) {
	t.Parallel()
	large := json.RawMessage(make([]byte, methods.MaxPayload+1))
	cases := map[string]struct {
		end  func(c *methods.Calls, clk *clock.Clock, call *methods.Call)
		want error
	}{
		"nobody answers in time": {
			func(_ *methods.Calls, clk *clock.Clock, _ *methods.Call) { clk.Advance(30 * time.Second) },
			iot.ErrGatewayTimeout,
		},
		"the connection is lost": {
			func(c *methods.Calls, _ *clock.Clock, _ *methods.Call) { c.Drop(device, iot.ErrDeviceNotOnline) },
			iot.ErrDeviceNotOnline,
		},
		"the answer makes no sense": {
			func(c *methods.Calls, _ *clock.Clock, call *methods.Call) {
				require.True(t, c.Fail(device, call.Request.RID, iot.ErrDeserialization))
			},
			iot.ErrDeserialization,
		},
		"the answer is too large": {
			func(c *methods.Calls, _ *clock.Clock, call *methods.Call) {
				require.True(t, c.Answer(device, call.Request.RID, methods.Response{Payload: large}))
			},
			iot.ErrMessageTooLarge,
		},
		"the hub is reset": {
			func(c *methods.Calls, _ *clock.Clock, _ *methods.Call) { c.Clear() },
			iot.ErrServiceUnavailable,
		},
		"the caller cancels": {
			func(_ *methods.Calls, _ *clock.Clock, call *methods.Call) { call.Cancel() },
			context.Canceled,
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, clk := calls()
			call := begin(t, c, device)
			outcome := make(chan error, 1)
			go func() {
				_, err := call.Wait(t.Context())
				outcome <- err
			}()
			test.end(c, clk, call)
			require.ErrorIs(t, <-outcome, test.want)
			_, err := call.Wait(t.Context())
			require.ErrorIs(t, err, test.want, "the outcome stays")
		})
	}
}

func TestACallerThatGoesAwayEndsTheCall(t *testing.T) {
	t.Parallel()
	c, _ := calls()
	call := begin(t, c, device)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := call.Wait(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, c.Answer(device, call.Request.RID, methods.Response{}))

	call = begin(t, c, device)
	require.True(t, c.Answer(device, call.Request.RID, methods.Response{Status: 1}))
	r, err := call.Wait(ctx)
	require.NoError(t, err, "an answer that is there counts")
	require.Equal(t, 1, r.Status)
}

func TestACallIsAnsweredUntilItsTimeIsOver(t *testing.T) {
	t.Parallel()
	c, clk := calls()
	call := begin(t, c, device)
	clk.Advance(30*time.Second - 1)
	require.True(t, c.Answer(device, call.Request.RID, methods.Response{Status: 200}))
	clk.Advance(time.Minute)
	_, err := call.Wait(t.Context())
	require.NoError(t, err)
}

func TestALostConnectionTakesOnlyItsOwnCalls(t *testing.T) {
	t.Parallel()
	c, _ := calls()
	begin(t, c, device)
	module := begin(t, c, iot.Module("d", "m"))
	c.Drop(device, iot.ErrDeviceNotOnline)
	require.True(t, c.Answer(iot.Module("d", "m"), module.Request.RID, methods.Response{}))
}

func TestOnlySoManyCallsAreInFlightForOneIdentity(t *testing.T) {
	t.Parallel()
	c, _ := calls()
	first := begin(t, c, device)
	for range methods.MaxInFlight - 1 {
		begin(t, c, device)
	}
	_, err := c.Begin(device, "reboot", nil, time.Minute)
	require.ErrorIs(t, err, iot.ErrTooManyMethods)
	begin(t, c, iot.Module("d", "m"))
	require.True(t, c.Answer(device, first.Request.RID, methods.Response{}))
	begin(t, c, device)
}

func TestWhatCannotBeCalled(t *testing.T) {
	t.Parallel()
	c, _ := calls()
	_, err := c.Begin(device, "re boot", nil, time.Minute)
	require.ErrorIs(t, err, iot.ErrArgumentInvalid)
	_, err = c.Begin(device, "reboot", make([]byte, methods.MaxPayload+1), time.Minute)
	require.ErrorIs(t, err, iot.ErrMessageTooLarge)
	_, err = c.Begin(device, "reboot", make([]byte, methods.MaxPayload), time.Minute)
	require.NoError(t, err)
}

// Answers, timeouts, lost connections, cancellations and resets race for the
// same calls: each call must have exactly one outcome.
func TestEveryCallHasOneOutcome(t *testing.T) {
	t.Parallel()
	c, clk := calls()
	ids := []iot.Identity{device, iot.Module("d", "m"), iot.Device("e")}
	requests := make(chan methods.Request, 1000)
	var callers, others sync.WaitGroup
	for caller := range 4 {
		callers.Go(func() {
			for i := range 1000 {
				ctx, cancel := context.WithCancel(t.Context())
				call, err := c.Begin(ids[(caller+i)%3], "m", nil, time.Duration(i%5+1)*time.Second)
				if err != nil {
					t.Error(err)
					cancel()
					return
				}
				requests <- call.Request
				if i%7 == 0 {
					cancel()
				}
				if r, err := call.Wait(ctx); (err == nil) != (r.Status == 200) {
					t.Errorf("answer %v with error %v", r, err)
				}
				cancel()
			}
		})
	}
	for range 2 {
		others.Go(func() {
			for r := range requests {
				n := len(r.RID) + int(r.RID[len(r.RID)-1])
				switch n % 4 {
				case 0:
					clk.Advance(5 * time.Second)
				case 1:
					c.Drop(ids[n%3], iot.ErrDeviceNotOnline)
				default:
					for _, id := range ids {
						c.Answer(id, r.RID, methods.Response{Status: 200})
					}
				}
			}
		})
	}
	finished := make(chan struct{})
	go func() { callers.Wait(); close(finished) }()
	for waiting := true; waiting; { // whatever was dropped before it began is timed out
		select {
		case <-finished:
			waiting = false
		default:
			clk.Advance(time.Second)
		}
	}
	close(requests)
	others.Wait()
}

func BenchmarkCall(b *testing.B) {
	c := methods.NewCalls(clock.New())
	b.ReportAllocs()
	for b.Loop() {
		call, err := c.Begin(device, "reboot", nil, 30*time.Second)
		if err != nil || !c.Answer(device, call.Request.RID, methods.Response{Status: 200}) {
			b.Fatal(err)
		}
		if _, err := call.Wait(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleCalls() {
	c := methods.NewCalls(clock.New())
	call, _ := c.Begin(iot.Device("thermostat"), "reboot", []byte(`{"delay":5}`), 30*time.Second)
	// The transport writes call.Request to the device, whose answer comes back:
	c.Answer(iot.Device("thermostat"), call.Request.RID, methods.Response{Status: 200, Payload: json.RawMessage(`"ok"`)})
	r, _ := call.Wait(context.Background())
	fmt.Println(r.Status, string(r.Payload))
	// Output: 200 "ok"
}
