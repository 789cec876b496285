package endpoints_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/endpoints"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/routing"
)

// base is where the validations of these tests are said to be.
const base = "http://127.0.0.1:8080/v1/endpoints/"

// hesitant is a webhook whose receiver takes the validation event without an answer.
type hesitant struct {
	hub.Sink
	*endpoints.Validations
	*receiver
	t       *testing.T
	clock   *clock.Clock
	retries atomic.Int32
}

func newHesitant(t *testing.T) *hesitant {
	t.Helper()
	h := &hesitant{Validations: endpoints.NewValidations(base), receiver: newReceiver(t), t: t, clock: clock.NewManual(moment)}
	h.shy = true
	var err error
	h.Sink, err = endpoints.Opener{Validations: h.Validations}.Open(
		routing.Endpoint{Name: "archive", Type: "webhook", Settings: json.RawMessage(h.settings(""))},
		hub.SinkOptions{Hub: "plant", Log: "0123456789abcdef", Clock: h.clock, Retry: func() { h.retries.Add(1) }},
	)
	require.NoError(t, err)
	return h
}

// waits tries to deliver, in vain.
func (h *hesitant) waits() {
	h.t.Helper()
	done, err := h.Deliver(h.t.Context(), telemetry("1"))
	require.ErrorContains(h.t, err, "its validationUrl may be opened until 2026-01-02T03:")
	require.Zero(h.t, done)
}

// asked is the id of the one validation event that came since the last call.
func (h *hesitant) asked() (id string) {
	h.t.Helper()
	took := h.took()
	require.Len(h.t, took, 1)
	var events []struct {
		Data struct{ ValidationCode, ValidationURL string }
	}
	require.NoError(h.t, json.Unmarshal([]byte(took[0].body), &events))
	at, err := url.Parse(events[0].Data.ValidationURL)
	require.NoError(h.t, err)
	require.Equal(h.t, base+"archive/validate", "http://"+at.Host+at.Path)
	id = at.Query().Get("id")
	require.Len(h.t, id, 26)
	return id
}

func TestAWebhookMayBeConfirmedByWhoeverHasItsURL(t *testing.T) {
	t.Parallel()
	h := newHesitant(t)
	h.waits()
	id := h.asked()
	h.waits()
	require.Empty(t, h.took(), "the question is open")
	h.clock.Advance(9 * time.Minute)
	require.ErrorIs(t, h.Confirm("other", id), iot.ErrNotFound)
	require.ErrorIs(t, h.Confirm("archive", "guessed"), iot.ErrNotFound)
	require.Zero(t, h.retries.Load())
	require.NoError(t, h.Confirm("archive", id))
	require.EqualValues(t, 1, h.retries.Load(), "it is tried at once")
	require.NoError(t, h.Confirm("archive", id), "twice is no more than once")
	deliver(t, h, telemetry("1"))
	assert.Equal(t, "Notification", h.took()[0].header.Get("aeg-event-type"))
	assert.ErrorIs(t, h.Confirm("archive", id), iot.ErrNotFound, "it is over")
}

func TestAValidationLastsTenMinutes(t *testing.T) {
	t.Parallel()
	h := newHesitant(t)
	h.waits()
	first := h.asked()
	h.clock.Advance(10 * time.Minute)
	require.ErrorIs(t, h.Confirm("archive", first), iot.ErrNotFound)
	h.waits()
	second := h.asked()
	require.NotEqual(t, first, second, "it is asked anew")
	require.ErrorIs(t, h.Confirm("archive", first), iot.ErrNotFound)
	require.NoError(t, h.Confirm("archive", second))
	require.NoError(t, h.Close())
	assert.ErrorIs(t, h.Confirm("archive", second), iot.ErrNotFound, "the endpoint is gone")
}

// A receiver may open the URL while it is being asked.
func TestAWebhookMayConfirmBeforeItAnswers(t *testing.T) {
	t.Parallel()
	h := newHesitant(t)
	h.answer = func(w http.ResponseWriter, _ *http.Request) {
		if h.answer = nil; !assert.NoError(t, h.Confirm("archive", h.last())) {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}
	deliver(t, h, telemetry("1"))
}

// last is the id that the receiver was sent, for its own use.
func (h *hesitant) last() string {
	var events []struct{ ID string }
	_ = json.Unmarshal([]byte(h.requests[len(h.requests)-1].body), &events)
	return events[0].ID
}

// Only a 200 takes the question. Event Grid:
// end-point-validation-event-grid-events-schema.
func TestAWebhookThatFailsCannotBeConfirmed(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusAccepted, http.StatusNotFound, http.StatusInternalServerError} {
		h := newHesitant(t)
		h.answers(status)
		_, err := h.Deliver(t.Context(), telemetry("1"))
		require.ErrorContains(t, err, "did not answer the validation event with its code")
		require.ErrorIs(t, h.Confirm("archive", h.asked()), iot.ErrNotFound)
	}
}
