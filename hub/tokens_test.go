package hub_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/methods"
	"github.com/linarite/linarite/registry"
)

// inbox is a link that keeps what it gets.
type inbox struct {
	messages []c2d.Delivery
	reason   error
}

func (i *inbox) Message(d c2d.Delivery) { i.messages = append(i.messages, d) }
func (i *inbox) Method(methods.Request) {}
func (i *inbox) Desired(int64, []byte)  {}
func (i *inbox) Close(reason error)     { i.reason = reason }

// admitted is a hub whose clock stands, and a session of its device d.
func admitted(t *testing.T) (*hub.Hub, *clock.Clock, *hub.Session, *inbox) {
	t.Helper()
	clk := clock.NewManual(clock.Wall())
	h, err := hub.New(hub.Options{Clock: clk})
	require.NoError(t, err)
	t.Cleanup(h.Close)
	_, err = h.CreateDevice(registry.Device{ID: "d", Authentication: iot.Authentication{
		Type: iot.AuthenticationSAS, PrimaryKey: auth.WellKnownKey, SecondaryKey: auth.WellKnownKey,
	}})
	require.NoError(t, err)
	link := &inbox{}
	s, err := h.Connect(hub.ConnectRequest{Identity: iot.Device("d"), Token: deviceToken(t, time.Hour), Resume: true}, link)
	require.NoError(t, err)
	return h, clk, s, link
}

func deviceToken(t *testing.T, life time.Duration) string {
	t.Helper()
	s, err := auth.Sign("127.0.0.1/devices/d", auth.WellKnownKey, "", clock.Wall().Add(life))
	require.NoError(t, err)
	return s
}

func TestARenewedTokenTakesThePlaceOfTheOld(t *testing.T) {
	t.Parallel()
	_, clk, s, link := admitted(t)
	require.ErrorIs(t, s.Renew(deviceToken(t, -time.Hour)), iot.ErrUnauthorized)
	require.NoError(t, s.Renew(deviceToken(t, 3*time.Hour)))
	clk.Advance(2 * time.Hour)
	require.NoError(t, link.reason)
	clk.Advance(2 * time.Hour)
	require.ErrorIs(t, link.reason, iot.ErrUnauthorized)
	require.ErrorIs(t, s.Renew(deviceToken(t, 100*time.Hour)), iot.ErrClosedRemotely)
}

func TestAnIdentitysTokenIsCheckedBeforeItConnects(t *testing.T) {
	t.Parallel()
	h, _, _, _ := admitted(t)
	_, err := h.AuthorizeDevice(iot.Device("d"), deviceToken(t, time.Hour))
	require.NoError(t, err)
	_, err = h.AuthorizeDevice(iot.Device("d"), "")
	require.ErrorIs(t, err, iot.ErrUnauthorized)
	_, err = h.AuthorizeDevice(iot.Device("e"), deviceToken(t, time.Hour))
	require.ErrorIs(t, err, iot.ErrDeviceNotFound)
	_, err = h.AuthorizeEvents(deviceToken(t, time.Hour), 0, "")
	require.ErrorIs(t, err, iot.ErrUnauthorizedAccess)
}

// Whoever deletes a device while it is being registered leaves nothing of it.
func TestAStrangerIsRegisteredWhollyOrNotAtAll(t *testing.T) {
	t.Parallel()
	h, err := hub.New(hub.Options{AutoCreate: true})
	require.NoError(t, err)
	t.Cleanup(h.Close)
	token := deviceToken(t, time.Hour)
	for range 2000 {
		var both sync.WaitGroup
		both.Go(func() { _, _ = h.AuthorizeDevice(iot.Device("d"), token) })
		both.Go(func() {
			for range 20 {
				_ = h.DeleteDevice("d", "*")
			}
		})
		both.Wait()
		_, there := h.Device("d")
		_, seen := h.DigitalTwin("d")
		require.Equal(t, there == nil, seen == nil, "%v, %v", there, seen)
	}
}

func TestAReleasedMessageComesAgainAndIsNotCounted(t *testing.T) {
	t.Parallel()
	h, _, s, link := admitted(t)
	_, err := h.Send(iot.Device("d"), c2d.Message{})
	require.NoError(t, err)
	s.Listen(hub.Listening{Messages: true})
	require.Len(t, link.messages, 1)
	require.NoError(t, s.Release(link.messages[0]))
	require.Len(t, link.messages, 2)
	assert.Zero(t, link.messages[1].DeliveryCount)
}
