package hub_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/methods"
)

// invoke calls a method in the background.
func (f *fixture) invoke(call hub.MethodCall) <-chan result {
	done := make(chan result, 1)
	go func() {
		r, err := f.Invoke(context.Background(), iot.Device("d"), call)
		done <- result{r, err}
	}()
	return done
}

type result struct {
	methods.Response
	err error
}

func TestAMethodIsAnswered(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	l := newLink()
	s := f.connect("d", l, true)
	s.Listen(hub.Listening{Methods: true})
	done := f.invoke(hub.MethodCall{Name: "reboot", Payload: json.RawMessage(`{"a":1}`)})
	call := <-l.methods
	require.Equal(t, "reboot", call.Name)
	require.JSONEq(t, `{"a":1}`, string(call.Payload))
	require.True(t, s.Answer(call.RID, methods.Response{Status: 202, Payload: json.RawMessage(`"ok"`)}))
	r := <-done
	require.NoError(t, r.err)
	require.Equal(t, 202, r.Status)
	require.False(t, s.Answer(call.RID, methods.Response{}), "a second answer is late")
}

func TestAMethodFailsWhenTheDeviceIsNotThere(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	require.ErrorIs(t, (<-f.invoke(hub.MethodCall{Name: "x"})).err, iot.ErrDeviceNotOnline)
	f.connect("d", newLink(), true)
	require.ErrorIs(t, (<-f.invoke(hub.MethodCall{Name: "x"})).err, iot.ErrDeviceNotOnline, "connected, but not listening to methods")
	_, err := f.Invoke(context.Background(), iot.Device("nobody"), hub.MethodCall{Name: "x"})
	require.ErrorIs(t, err, iot.ErrDeviceNotFound)
}

func TestAMethodWaitsForTheDeviceToCome(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	done := f.invoke(hub.MethodCall{Name: "x", ConnectTimeout: time.Minute})
	f.waits(1)
	l := newLink()
	s := f.connect("d", l, true)
	s.Listen(hub.Listening{Methods: true})
	s.Answer((<-l.methods).RID, methods.Response{Status: 200})
	require.NoError(t, (<-done).err)
}

func TestAMethodDoesNotWaitLongerThanItMay(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	done := f.patient(iot.Device("d"))
	f.waits(1)
	// The timer is set after the caller is counted, so one step may not be enough.
	for waiting := true; waiting; {
		select {
		case err := <-done:
			require.ErrorIs(t, err, iot.ErrDeviceNotOnline)
			waiting = false
		default:
			f.clock.Advance(time.Minute)
		}
	}
}

func TestAMethodTimesOutOnTheHubsClock(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	l := newLink()
	f.connect("d", l, true).Listen(hub.Listening{Methods: true})
	done := f.invoke(hub.MethodCall{Name: "x", ResponseTimeout: 5 * time.Second})
	<-l.methods
	f.clock.Advance(6 * time.Second)
	require.ErrorIs(t, (<-done).err, iot.ErrGatewayTimeout)
}

func TestAMethodEndsWithTheConnection(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	l := newLink()
	s := f.connect("d", l, true)
	s.Listen(hub.Listening{Methods: true})
	done := f.invoke(hub.MethodCall{Name: "x"})
	<-l.methods
	s.End(iot.ErrClosedRemotely)
	require.ErrorIs(t, (<-done).err, iot.ErrDeviceNotOnline)
}

func TestTimeoutsOfAMethodAreBounded(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	for name, call := range map[string]hub.MethodCall{
		"too short an answer time":  {Name: "x", ResponseTimeout: 4 * time.Second},
		"too long an answer time":   {Name: "x", ResponseTimeout: 301 * time.Second},
		"too long a connect time":   {Name: "x", ConnectTimeout: 301 * time.Second},
		"a negative connect time":   {Name: "x", ConnectTimeout: -time.Second},
		"a name with a slash in it": {Name: "a/b"},
		"no name":                   {},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, (<-f.invoke(call)).err, iot.ErrArgumentInvalid)
		})
	}
}

func TestVerdictsAreExecutedAsForced(t *testing.T) {
	t.Parallel()
	forced := hub.Verdict{}
	f := start(t, hub.Options{Verdicts: func(hub.Operation, iot.Identity) hub.Verdict { return forced }})
	s := f.connect("d", newLink(), true)
	forced = hub.Verdict{Action: hub.Refuse, Err: iot.ErrThrottled}
	require.Equal(t, forced, s.TwinRequest())
	_, v := s.Report([]byte(`{"a":1}`), 0)
	require.Equal(t, forced, v)
	require.Equal(t, forced, s.Telemetry(iot.Message{}))
	_, err := f.Connect(hub.ConnectRequest{Identity: iot.Device("d"), Token: f.token("d")}, newLink())
	require.ErrorIs(t, err, iot.ErrThrottled)

	forced = hub.Verdict{Action: hub.CutBefore}
	require.Equal(t, forced, s.Telemetry(iot.Message{Body: []byte("stored all the same")}))
	evs, _ := f.Events().ReadAll(f.Events().Start(), 10)
	require.Len(t, evs, 1)
}
