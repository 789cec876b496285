package hub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
	"github.com/linarite/linarite/twin"
)

// listen connects d for good and makes it listen to messages.
func (f *fixture) listen(l *link) *hub.Session {
	f.t.Helper()
	s := f.connect("d", l, true)
	s.Listen(hub.Listening{Messages: true})
	return s
}

func TestAPurgeMakesRoomInTheWindow(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	l := newLink()
	s := f.listen(l)
	for range 40 {
		f.send("d", "old")
	}
	held := l.take()
	require.Len(t, held, 16)
	n, err := f.Purge(iot.Device("d"))
	require.NoError(t, err)
	require.Equal(t, 40, n)
	f.send("d", "new")
	got := l.take()
	require.Equal(t, []string{"new"}, bodies(got), "what was purged takes no room")
	require.ErrorIs(t, s.Complete(held[0]), iot.ErrMessageLockLost)
	require.NoError(t, s.Complete(got[0]))
}

func TestMessagesThatExpireUnsettledMakeRoomInTheWindow(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	l := newLink()
	f.listen(l)
	for range 16 {
		_, err := f.Send(iot.Device("d"), c2d.Message{Expiry: f.clock.Now().Add(30 * time.Second)})
		require.NoError(t, err)
	}
	f.send("d", "next")
	require.Len(t, l.take(), 16)
	f.clock.Advance(59 * time.Second)
	require.Empty(t, l.take(), "they are locked until their minute is over")
	f.clock.Advance(time.Second)
	require.Equal(t, []string{"next"}, bodies(l.take()))
}

// Connections of one identity that come at once close one another, and the last
// one gets what the first had not settled, in order.
func TestConnectionsThatComeAtOnceKeepTheOrder(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	const held = 16
	f.listen(newLink())
	for range held {
		f.send("d", "m")
	}
	token := f.token("d")
	for range 300 {
		links := make([]*link, 4)
		var connecting sync.WaitGroup
		for i := range links {
			links[i] = newLink()
			connecting.Go(func() {
				s, err := f.Connect(hub.ConnectRequest{Identity: iot.Device("d"), Token: token, Resume: true}, links[i])
				if err != nil {
					t.Error(err)
					return
				}
				s.Listen(hub.Listening{Messages: true})
			})
		}
		connecting.Wait()
		alive := 0
		for _, l := range links {
			got := l.take()
			for i := 1; i < len(got); i++ {
				require.Less(t, got[i-1].Sequence, got[i].Sequence)
			}
			if l.reason() == nil {
				alive++
				require.Len(t, got, held)
			}
		}
		require.Equal(t, 1, alive)
		require.Equal(t, 1, f.ConnectedDevices())
	}
}

func TestAConnectionThatIsOverIsNotKeptByItsMessages(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	gone := func() weak.Pointer[link] {
		l := newLink()
		s := f.connect("d", l, true)
		require.Equal(t, hub.Accept, s.Telemetry(iot.Message{Body: []byte("x")}).Action)
		s.End(nil)
		return weak.Make(l)
	}()
	for range 5 {
		runtime.GC()
	}
	require.Nil(t, gone.Value())
	evs, _ := f.Events().ReadAll(nil, 0)
	require.Equal(t, iot.Device("d"), evs[0].Origin.Identity)
}

// waits returns once n back ends wait for a device.
func (f *fixture) waits(n int) {
	for f.Waiting() != n {
		runtime.Gosched()
	}
}

// patient calls a method of d, which is to wait for it for five minutes of the
// hub's time, and for ten seconds of the machine's.
func (f *fixture) patient(id iot.Identity) <-chan error {
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_, err := f.Invoke(ctx, id, hub.MethodCall{Name: "x", ConnectTimeout: hub.MaxConnectTimeout})
		done <- err
	}()
	return done
}

func TestNobodyWaitsForADeviceThatIsDeleted(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	_, err := f.CreateModule(registry.Module{ID: "m", DeviceID: "d"})
	require.NoError(t, err)
	module, device := f.patient(iot.Module("d", "m")), f.patient(iot.Device("d"))
	f.waits(2)
	require.NoError(t, f.DeleteModule("d", "m", "*"))
	require.ErrorIs(t, <-module, iot.ErrModuleNotFound)
	require.NoError(t, f.DeleteDevice("d", "*"))
	require.ErrorIs(t, <-device, iot.ErrDeviceNotFound)
}

func TestNobodyWaitsAcrossAReset(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{Seed: func(h *hub.Hub) error {
		_, err := h.CreateDevice(registry.Device{ID: "seeded"})
		return err
	}})
	done := f.patient(iot.Device("seeded"))
	f.waits(1)
	require.NoError(t, f.Reset())
	require.ErrorIs(t, <-done, iot.ErrDeviceNotFound, "the device of the new world is another one")
}

func TestNobodyWaitsForAHubThatIsClosed(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	done := f.patient(iot.Device("d"))
	f.waits(1)
	token := f.token("d")
	f.Close()
	require.ErrorIs(t, <-done, iot.ErrServiceUnavailable)
	_, err := f.Connect(hub.ConnectRequest{Identity: iot.Device("d"), Token: token}, newLink())
	require.ErrorIs(t, err, iot.ErrServiceUnavailable)
	_, err = f.Send(iot.Device("d"), c2d.Message{})
	require.ErrorIs(t, err, iot.ErrServiceUnavailable)
}

// Whatever happens beside a reset happens before it or after it: no device is
// left without a twin, and no message in a queue whose device is gone.
func TestAResetIsOneStep(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	for round := range 100 {
		var beside sync.WaitGroup
		for w := range 3 {
			beside.Go(func() {
				for i := range 10 {
					id := fmt.Sprintf("%d-%d", w, i)
					d, err := f.CreateDevice(registry.Device{ID: id})
					if err != nil {
						t.Error(err)
						return
					}
					_, _ = f.Send(iot.Device(id), c2d.Message{})
					token, err := auth.Sign("127.0.0.1/devices/"+id, d.Authentication.PrimaryKey, "", clock.Wall().Add(time.Hour))
					if err != nil {
						t.Error(err)
					}
					_, _ = f.Connect(hub.ConnectRequest{Identity: iot.Device(id), Token: token}, newLink())
				}
			})
		}
		require.NoError(t, f.Reset())
		beside.Wait()
		connected := 0
		for _, d := range f.Devices(1000) {
			_, err := f.Twin(iot.Device(d.ID))
			require.NoError(t, err, "round %d", round)
			if d.Presence.Connected {
				connected++
			}
		}
		require.Equal(t, connected, f.ConnectedDevices())
		require.NoError(t, f.Reset())
		for w := range 3 {
			for i := range 10 {
				d, err := f.CreateDevice(registry.Device{ID: fmt.Sprintf("%d-%d", w, i)})
				require.NoError(t, err)
				require.Zero(t, d.MessageCount)
				require.NoError(t, f.DeleteDevice(d.ID, "*"))
			}
		}
	}
}

func TestARefusalWithoutAReasonIsOneAllTheSame(t *testing.T) {
	t.Parallel()
	forced := hub.Verdict{}
	f := start(t, hub.Options{Verdicts: func(hub.Operation, iot.Identity) hub.Verdict { return forced }})
	s := f.connect("d", newLink(), true)
	forced.Action = hub.Refuse
	require.Equal(t, iot.ErrServiceUnavailable, s.Telemetry(iot.Message{}).Err)
	for _, forced.Action = range []hub.Action{hub.Refuse, hub.CutBefore, hub.CutAfter} {
		_, err := f.Connect(hub.ConnectRequest{Identity: iot.Device("d"), Token: f.token("d")}, newLink())
		require.ErrorIs(t, err, iot.ErrServiceUnavailable)
	}
}

// Desired properties are told in the order of their versions, whoever writes.
func TestDesiredPropertiesAreToldInOrder(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	l := newLink()
	f.connect("d", l, true).Listen(hub.Listening{Desired: true})
	var writing sync.WaitGroup
	for range 4 {
		writing.Go(func() {
			for range 50 {
				_, err := f.PatchTwin(iot.Device("d"), twin.Update{Desired: json.RawMessage(`{"a":1}`)}, "")
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	writing.Wait()
	require.Len(t, l.desired, 200)
	for i, version := range l.desired {
		require.Equal(t, int64(i+2), version)
	}
}
