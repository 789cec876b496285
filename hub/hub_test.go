package hub_test

import (
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/events"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/methods"
	"github.com/linarite/linarite/registry"
	"github.com/linarite/linarite/twin"
)

// link records what the hub does to a device.
type link struct {
	mu       sync.Mutex
	messages []c2d.Delivery
	desired  []int64
	closed   error
	methods  chan methods.Request
}

func newLink() *link { return &link{methods: make(chan methods.Request, 10)} }

func (l *link) Message(d c2d.Delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages = append(l.messages, d)
}

func (l *link) Method(r methods.Request) { l.methods <- r }

func (l *link) Desired(version int64, _ []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.desired = append(l.desired, version)
}

func (l *link) Close(reason error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed == nil {
		l.closed = reason
	}
}

func (l *link) reason() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// take empties the messages delivered so far.
func (l *link) take() []c2d.Delivery {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.messages
	l.messages = nil
	return taken
}

// fixture is a hub on a manual clock with device d.
type fixture struct {
	*hub.Hub
	t     *testing.T
	clock *clock.Clock
	read  events.Cursor // how far told has read
}

func start(t *testing.T, o hub.Options) *fixture {
	t.Helper()
	o.Clock = clock.NewManual(clock.Wall())
	h, err := hub.New(o)
	require.NoError(t, err)
	t.Cleanup(h.Close)
	f := &fixture{Hub: h, t: t, clock: o.Clock}
	f.create("d")
	return f
}

func (f *fixture) create(id string) {
	f.t.Helper()
	_, err := f.CreateDevice(registry.Device{ID: id})
	require.NoError(f.t, err)
}

// token signs for a device with its own key, for an hour of wall time.
func (f *fixture) token(id string) string {
	f.t.Helper()
	d, err := f.Device(id)
	require.NoError(f.t, err)
	token, err := auth.Sign("127.0.0.1/devices/"+id, d.Authentication.PrimaryKey, "", clock.Wall().Add(time.Hour))
	require.NoError(f.t, err)
	return token
}

func (f *fixture) connect(id string, l *link, resume bool) *hub.Session {
	f.t.Helper()
	s, err := f.Connect(hub.ConnectRequest{Identity: iot.Device(id), Token: f.token(id), Protocol: "Mqtt", Resume: resume}, l)
	require.NoError(f.t, err)
	return s
}

func (f *fixture) connectModule(device, module string) *hub.Session {
	f.t.Helper()
	m, err := f.Module(device, module)
	require.NoError(f.t, err)
	token, err := auth.Sign("127.0.0.1/devices/"+device+"/modules/"+module, m.Authentication.PrimaryKey, "", clock.Wall().Add(time.Hour))
	require.NoError(f.t, err)
	s, err := f.Connect(hub.ConnectRequest{Identity: iot.Module(device, module), Token: token}, newLink())
	require.NoError(f.t, err)
	return s
}

func (f *fixture) send(id, body string) {
	f.t.Helper()
	_, err := f.Send(iot.Device(id), c2d.Message{Message: iot.Message{Body: []byte(body)}})
	require.NoError(f.t, err)
}

func bodies(ds []c2d.Delivery) (all []string) {
	for _, d := range ds {
		all = append(all, string(d.Body))
	}
	return all
}

func TestANewerConnectionClosesTheOlder(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	older, newer := newLink(), newLink()
	first := f.connect("d", older, true)
	first.Keep("subscriptions")
	second := f.connect("d", newer, true)
	require.ErrorIs(t, older.reason(), iot.ErrConnectionReplaced)
	require.NoError(t, newer.reason())
	require.Equal(t, "subscriptions", second.Resumed())
	require.Equal(t, 1, f.ConnectedDevices())

	first.End(nil) // the older one's transport notices late
	require.Equal(t, 1, f.ConnectedDevices(), "the newer connection stays")
	second.End(nil)
	require.Equal(t, 0, f.ConnectedDevices())
}

func TestWhatAConnectionKeptIsForgottenWithoutResume(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	f.connect("d", newLink(), true).Keep("subscriptions")
	require.Nil(t, f.connect("d", newLink(), false).Resumed())
	require.Nil(t, f.connect("d", newLink(), true).Resumed())
}

func TestAModuleAndItsDeviceAreDifferentIdentities(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	_, err := f.CreateModule(registry.Module{ID: "m", DeviceID: "d"})
	require.NoError(t, err)
	device := newLink()
	f.connect("d", device, true)
	f.connectModule("d", "m")
	require.NoError(t, device.reason())
	require.Equal(t, 1, f.ConnectedDevices())
}

func TestMessagesWaitForTheDeviceToListen(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	l := newLink()
	s := f.connect("d", l, true)
	f.send("d", "one")
	require.Empty(t, l.take())
	s.Listen(hub.Listening{Messages: true})
	require.Equal(t, []string{"one"}, bodies(l.take()))
	f.send("d", "two")
	require.Equal(t, []string{"two"}, bodies(l.take()))
}

func TestACleanConnectionGetsOnlyWhatIsSentAfterItListens(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	f.send("d", "before")
	l := newLink()
	s := f.connect("d", l, false)
	s.Listen(hub.Listening{Messages: true})
	f.send("d", "after")
	require.Equal(t, []string{"after"}, bodies(l.take()))
	s.End(nil)

	resumed := newLink()
	f.connect("d", resumed, true).Listen(hub.Listening{Messages: true})
	require.Equal(t, []string{"before", "after"}, bodies(resumed.take()), "nothing is lost")
}

func TestUnsettledMessagesComeBackInOrder(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	l := newLink()
	s := f.connect("d", l, true)
	s.Listen(hub.Listening{Messages: true})
	for _, body := range []string{"one", "two", "three"} {
		f.send("d", body)
	}
	got := l.take()
	require.NoError(t, s.Complete(got[1]))
	s.End(iot.ErrClosedRemotely)

	l = newLink()
	s = f.connect("d", l, true)
	s.Listen(hub.Listening{Messages: true})
	again := l.take()
	require.Equal(t, []string{"one", "three"}, bodies(again))
	require.True(t, again[0].Redelivered)
	require.Equal(t, got[0].Sequence, again[0].Sequence)

	f.clock.Advance(61 * time.Second) // the locks run out on the live connection
	require.Equal(t, []string{"one", "three"}, bodies(l.take()))
}

func TestAtMostAWindowOfMessagesIsUnsettled(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	l := newLink()
	s := f.connect("d", l, true)
	s.Listen(hub.Listening{Messages: true})
	for range 40 {
		f.send("d", "m")
	}
	got := l.take()
	require.Len(t, got, 16)
	require.NoError(t, s.Complete(got[0]))
	require.Len(t, l.take(), 1)
}

func TestDesiredPropertiesReachOnlyAConnectedListener(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	patch := twin.Update{Desired: json.RawMessage(`{"a":1}`)}
	_, err := f.PatchTwin(iot.Device("d"), patch, "")
	require.NoError(t, err)
	l := newLink()
	s := f.connect("d", l, true)
	s.Listen(hub.Listening{Desired: true})
	require.Empty(t, l.desired, "changes from before are not told")
	_, err = f.PatchTwin(iot.Device("d"), patch, "")
	require.NoError(t, err)
	_, err = f.PatchTwin(iot.Device("d"), twin.Update{Tags: json.RawMessage(`{"t":1}`)}, "")
	require.NoError(t, err)
	require.Equal(t, []int64{3}, l.desired)
}

func TestTheTokensEndClosesTheConnection(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{SASGrace: time.Minute})
	l := newLink()
	f.connect("d", l, true)
	f.clock.Advance(time.Hour + 30*time.Second)
	require.NoError(t, l.reason())
	f.clock.Advance(time.Minute)
	require.ErrorIs(t, l.reason(), iot.ErrUnauthorized)
}

func TestADisabledOrDeletedDeviceIsDisconnected(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	l := newLink()
	f.connect("d", l, true)
	d, err := f.Device("d")
	require.NoError(t, err)
	d.Status = registry.Disabled
	_, err = f.UpdateDevice(d.Device, "*")
	require.NoError(t, err)
	require.ErrorIs(t, l.reason(), iot.ErrDeviceDisabled)
	_, err = f.Connect(hub.ConnectRequest{Identity: iot.Device("d"), Token: f.token("d")}, newLink())
	require.ErrorIs(t, err, iot.ErrDeviceDisabled)
	require.Len(t, f.Refusals(), 1)

	f.create("gone")
	l = newLink()
	s := f.connect("gone", l, true)
	require.NoError(t, f.DeleteDevice("gone", "*"))
	require.ErrorIs(t, l.reason(), iot.ErrDeviceNotFound)
	require.Equal(t, hub.Refuse, s.Telemetry(iot.Message{}).Action, "nothing comes from a device that is no more")
}

func TestResetBringsBackTheSeededStart(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{Seed: func(h *hub.Hub) error {
		_, err := h.CreateDevice(registry.Device{ID: "seeded"})
		return err
	}})
	l := newLink()
	s := f.connect("seeded", l, true)
	s.Listen(hub.Listening{Messages: true})
	require.Equal(t, hub.Accept, s.Telemetry(iot.Message{Body: []byte("x")}).Action)
	f.send("seeded", "m")
	_, err := f.Send(iot.Device("seeded"), c2d.Message{Ack: c2d.AckFull})
	require.NoError(t, err)
	require.NoError(t, s.Complete(l.take()[1]))
	require.Len(t, f.Feedback().History(), 1)
	_, err = f.PatchTwin(iot.Device("seeded"), twin.Update{Desired: json.RawMessage(`{"changed":1}`)}, "")
	require.NoError(t, err)
	f.clock.Advance(time.Hour)

	require.NoError(t, f.Reset())
	require.Error(t, l.reason())
	require.Equal(t, hub.Refuse, s.Telemetry(iot.Message{}).Action, "the old world cannot write into the new one")
	total, _, _ := f.Statistics()
	require.Equal(t, 1, total)
	seeded, err := f.Device("seeded")
	require.NoError(t, err)
	require.Zero(t, seeded.MessageCount)
	require.Empty(t, f.Feedback().History())
	doc, err := f.Twin(iot.Device("seeded"))
	require.NoError(t, err)
	require.NotContains(t, string(doc.Properties.Desired), "changed")
	evs, _ := f.Events().ReadAll(f.Events().Start(), 10)
	require.Empty(t, evs)
	require.Zero(t, f.clock.Offset())
	require.Empty(t, f.Connections())
}

func TestAutoCreateTakesTheWellKnownKeyOnly(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{AutoCreate: true})
	known, err := auth.Sign("127.0.0.1/devices/new", auth.WellKnownKey, "", clock.Wall().Add(time.Hour))
	require.NoError(t, err)
	other, err := auth.Sign("127.0.0.1/devices/other", "b3RoZXItb3RoZXItb3RoZXItb3RoZXI=", "", clock.Wall().Add(time.Hour))
	require.NoError(t, err)
	_, err = f.Connect(hub.ConnectRequest{Identity: iot.Device("new"), Token: known}, newLink())
	require.NoError(t, err)
	_, err = f.Device("new")
	require.NoError(t, err)
	_, err = f.Connect(hub.ConnectRequest{Identity: iot.Device("other"), Token: other}, newLink())
	require.Error(t, err)
	_, err = f.Device("other")
	require.ErrorIs(t, err, iot.ErrDeviceNotFound)
}
