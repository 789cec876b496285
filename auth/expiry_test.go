package auth_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
)

const thermostatResource = "127.0.0.1/devices/thermostat-1"

func TestATokenIsGoodUntilItsExpiryAndTheGrace(t *testing.T) {
	t.Parallel()
	a, clk := newAuthorizer()
	token := signed(t, thermostatResource, deviceKey, "")
	p, err := a.Device(thermostat, token)
	require.NoError(t, err)
	assert.Equal(t, start.Add(65*time.Minute), p.Expires)

	clk.Advance(65 * time.Minute)
	_, err = a.Device(thermostat, token)
	require.NoError(t, err, "the last moment counts")

	clk.Advance(time.Nanosecond)
	_, err = a.Device(thermostat, token)
	require.ErrorIs(t, err, iot.ErrUnauthorized)
	assert.ErrorContains(t, err,
		"the token expired at 2026-11-24T11:00:00Z (grace 5m0s), and the hub's clock says 2026-11-24T11:05:00Z")
}

func TestATokenThatWasOldWhenItCameIsRefused(t *testing.T) {
	t.Parallel()
	a, clk := newAuthorizer()
	token, err := auth.Sign(thermostatResource, deviceKey, "", start.Add(-5*time.Minute-time.Second))
	require.NoError(t, err)
	for range 2 {
		_, err = a.Device(thermostat, token)
		require.ErrorContains(t, err, "the token expired at 2026-11-24T09:54:59Z")
		clk.Advance(time.Hour)
	}
	ancient, err := auth.Sign("127.0.0.1", auth.WellKnownKey, "service", time.Unix(-1, 0))
	require.NoError(t, err)
	_, err = a.Service(ancient, auth.ServiceConnect, "")
	require.ErrorIs(t, err, iot.ErrUnauthorizedAccess)
}

// A client knows the machine's time only: what it signs after the hub's clock
// was advanced must have the life that the client gave it.
func TestATokenSignedAfterTheClockWasAdvanced(t *testing.T) {
	t.Parallel()
	a, clk := newAuthorizer()
	before := signed(t, thermostatResource, deviceKey, "")
	_, err := a.Device(thermostat, before)
	require.NoError(t, err)
	clk.Advance(24 * time.Hour)

	_, err = a.Device(thermostat, before)
	require.ErrorIs(t, err, iot.ErrUnauthorized, "its life has run on the hub's clock")

	after := signed(t, thermostatResource, moduleKey, "")
	p, err := a.Device(thermostat, after)
	require.NoError(t, err)
	assert.Equal(t, start.Add(25*time.Hour+5*time.Minute), p.Expires)

	clk.Advance(66 * time.Minute)
	_, err = a.Device(thermostat, after)
	require.ErrorContains(t, err, "the token expired at 2026-11-25T11:00:00Z")
}

// Back ends sign for each request, to the second: the token of a request before
// the clock was advanced may be, to the letter, that of a request after.
func TestABackEndThatSignsTwiceWithinASecond(t *testing.T) {
	t.Parallel()
	for same := false; !same; {
		a, clk := newAuthorizer()
		token := signed(t, "127.0.0.1", auth.WellKnownKey, "service")
		second := clock.Wall().Unix()
		_, err := a.Service(token, auth.ServiceConnect, "")
		require.NoError(t, err)
		clk.Advance(24 * time.Hour)
		_, err = a.Service(token, auth.ServiceConnect, "")
		if same = second == clock.Wall().Unix(); same { // else the second passed in between: again
			require.NoError(t, err)
		}
	}
}

func TestATokenOfLongLifeNeverEnds(t *testing.T) {
	t.Parallel()
	a, _ := newAuthorizer()
	end := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	token, err := auth.Sign(thermostatResource, deviceKey, "", end)
	require.NoError(t, err)
	p, err := a.Device(thermostat, token)
	require.NoError(t, err)
	assert.Equal(t, end.Add(5*time.Minute), p.Expires)
}

func TestTheMemoryOfTokensIsBounded(t *testing.T) {
	t.Parallel()
	s := auth.NewSightings(10)
	for token := range uint64(1000) {
		assert.Equal(t, time.Duration(token), s.First(token, time.Duration(token)))
		assert.Zero(t, s.First(0, time.Hour), "a token in use stays")
		assert.LessOrEqual(t, s.Len(), 20)
	}
	assert.Equal(t, time.Duration(995), s.First(995, time.Hour), "a recent token stays")
	assert.Equal(t, time.Hour, s.First(1, time.Hour), "an old one is forgotten")
}
