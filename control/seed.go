package control

import (
	"errors"
	"io"
	"net/http"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/seed"
)

// applySeed applies a config file on top of what there is. What only a start can
// heed, as addresses, is named in the answer; a later reset forgets the rest.
// Reading one takes many times its size of memory, so that one is read at a time.
func (a *api) applySeed(w http.ResponseWriter, r *http.Request) error {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, seed.MaxSize))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return iot.ErrEntityTooLarge.Because("the body is larger than %d bytes", large.Limit)
		}
		return iot.ErrBadRequest.Because("the body cannot be read: %v", err)
	}
	a.seeding.Lock()
	defer a.seeding.Unlock()
	file, err := seed.Parse("the body", data)
	if err != nil {
		return iot.ErrDeserialization.Because("%s", err)
	}
	if err := file.Apply(a.Hub); err != nil {
		return err
	}
	ignored := file.StartOnly()
	if ignored == nil {
		ignored = []string{}
	}
	return answer(w, http.StatusOK, struct {
		Ignored []string `json:"ignored"`
	}{ignored})
}

// seedSchema is the JSON Schema of the config file.
func (a *api) seedSchema(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/schema+json")
	_, _ = io.WriteString(w, seed.Schema) // the client has gone
	return nil
}
