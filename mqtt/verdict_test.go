package mqtt_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/mqtt"
)

// judged opens a room in which everything after CONNECT has the same verdict.
func judged(t *testing.T, v hub.Verdict) *room {
	t.Helper()
	return open(t, hub.Options{Log: zerolog.Nop(), Verdicts: func(o hub.Operation, _ iot.Identity) hub.Verdict {
		if o == hub.OpConnect {
			return hub.Verdict{}
		}
		return v
	}}, mqtt.Options{Log: zerolog.Nop()})
}

func TestVerdictsOnTelemetry(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		verdict hub.Verdict
		qos1    []byte // all that a message with QoS 1 brings
		stored  int
		code    int
	}{
		"refuse":                   {hub.Verdict{Action: hub.Refuse, Err: iot.ErrThrottled}, nil, 0, 429001},
		"cut before":               {hub.Verdict{Action: hub.CutBefore, Err: iot.ErrServer}, nil, 1, 500001},
		"cut after":                {hub.Verdict{Action: hub.CutAfter, Err: iot.ErrServer}, puback(1), 1, 500001},
		"cut after, for no reason": {hub.Verdict{Action: hub.CutAfter}, puback(1), 1, 404104},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, id := range []uint16{0, 1} {
				r := judged(t, c.verdict)
				cl := r.join(iot.Device("d"))
				cl.send(publish(id, "devices/d/messages/events/", ""))
				got := cl.rest()
				if id == 1 {
					require.Equal(t, string(c.qos1), string(got))
				} else {
					require.Empty(t, got)
				}
				require.Equal(t, c.code, r.goodbye(iot.Device("d")).Code)
				all, _ := r.Events().ReadAll(r.Events().Start(), 10)
				require.Len(t, all, c.stored)
			}
		})
	}
}

func TestVerdictsOnATwinRequest(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		action hub.Action
		want   bool
	}{
		"cut before": {hub.CutBefore, false}, "cut after": {hub.CutAfter, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := judged(t, hub.Verdict{Action: c.action, Err: iot.ErrServer})
			cl := r.join(iot.Device("d")).listenTwin()
			cl.send(publish(7, "$iothub/twin/GET/?$rid=1", ""))
			if c.want {
				cl.expect(puback(7)...)
				require.Equal(t, "$iothub/twin/res/200/?$rid=1", cl.message().topic)
			}
			cl.closed()
		})
	}
}

func TestARefusedConnection(t *testing.T) {
	t.Parallel()
	r := open(t, hub.Options{Log: zerolog.Nop(), Verdicts: func(hub.Operation, iot.Identity) hub.Verdict {
		return hub.Verdict{Action: hub.Refuse, Err: iot.ErrThrottled}
	}}, mqtt.Options{Log: zerolog.Nop()})
	c := r.dial()
	c.send(hello(t, iot.Device("d")).bytes())
	c.expect(0x20, 2, 0, 5)
	c.closed()
	require.Equal(t, 429001, r.refusal(c).Code)
}

// The answer is held back on the hub's clock; what was answered before is not.
func TestADelay(t *testing.T) {
	t.Parallel()
	r := judged(t, hub.Verdict{Delay: time.Hour})
	c := r.join(iot.Device("d"))
	c.send([]byte{0xC0, 0}, publish(1, "devices/d/messages/events/", ""))
	c.expect(0xD0, 0)
	require.NoError(t, c.conn.SetReadDeadline(clock.Wall().Add(50*time.Millisecond)))
	_, err := c.r.Peek(1)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	for errors.Is(err, os.ErrDeadlineExceeded) { // the wait may begin only now
		r.clock.Advance(time.Hour)
		require.NoError(t, c.conn.SetReadDeadline(clock.Wall().Add(50*time.Millisecond)))
		_, err = c.r.Peek(1)
	}
	c.expect(puback(1)...)
}

// What the hub sends is not held back with the answer.
func TestADelayHoldsNothingElseBack(t *testing.T) {
	t.Parallel()
	r := judged(t, hub.Verdict{Delay: time.Hour})
	c := r.join(iot.Device("d")).listen(1)
	c.send(publish(1, "devices/d/messages/events/", ""))
	r.journal(1)
	r.sendText("meanwhile")
	require.Equal(t, "meanwhile", c.message().body)
}

func TestADelayEndsWithTheConnection(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*room){
		"when it is replaced":    func(r *room) { r.join(iot.Device("d")) },
		"when the server closes": func(r *room) { require.NoError(r.t, r.srv.Close()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := judged(t, hub.Verdict{Delay: time.Hour})
			c := r.join(iot.Device("d"))
			c.send(publish(1, "devices/d/messages/events/", ""))
			r.journal(1)
			end(r)
			c.closed()
		})
	}
}
