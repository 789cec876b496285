package control

import (
	"net/http"
	"time"

	"github.com/linarite/linarite/iot"
)

// maxAdvance is how far one request may move the clock.
const maxAdvance = 10 * 365 * 24 * time.Hour

// readClock answers with the hub's time and how far it is ahead of the
// machine's.
func (a *api) readClock(w http.ResponseWriter, _ *http.Request) error {
	c := a.Hub.Clock()
	return answer(w, http.StatusOK, struct {
		Now    string `json:"now"`
		Offset string `json:"offset"`
	}{stamp(c.Now()), c.Offset().String()})
}

// advanceClock moves the clock; what falls due has happened when it answers.
func (a *api) advanceClock(w http.ResponseWriter, r *http.Request) error {
	var move struct {
		Advance string `json:"advance"`
	}
	if err := decode(w, r, &move); err != nil {
		return err
	}
	d, err := duration("advance", move.Advance, maxAdvance)
	if err != nil {
		return err
	}
	if c := a.Hub.Clock(); c.Offset() > maxOffset-d {
		return iot.ErrBadRequest.Because("the clock is %s ahead already; /v1/reset takes it back", c.Offset())
	}
	a.Hub.Clock().Advance(d)
	a.Log.Info().Str("op", "clock").Str("offset", a.Hub.Clock().Offset().String()).Msg("advanced by " + d.String())
	return a.readClock(w, r)
}

// maxOffset keeps the clock's sums within what a duration can hold.
const maxOffset = 200 * 365 * 24 * time.Hour

// reset brings the hub back to its seeded start.
func (a *api) reset(w http.ResponseWriter, _ *http.Request) error {
	if err := a.Hub.Reset(); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
