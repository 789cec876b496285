package control

import (
	"context"
	"net/http"

	"github.com/linarite/linarite/c2d"
)

// maxRecords is the most records a request may wait for.
const maxRecords = 1000

// Feedback collects the records of what became of a device's messages, or of
// all devices' when device is empty, oldest first. It waits until there are wait
// of them or ctx ends. It reads the hub's memory of them, not the queue, so that
// a back end misses nothing.
func Feedback(ctx context.Context, f *c2d.Feedback, device string, wait int) []c2d.Record {
	for {
		changed := f.Changed()
		found := []c2d.Record{}
		for _, r := range f.History() {
			if device == "" || r.DeviceID == device {
				found = append(found, r)
			}
		}
		if len(found) >= wait {
			return found
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return found
		}
	}
}

// feedback answers with what became of cloud-to-device messages.
func (a *api) feedback(w http.ResponseWriter, r *http.Request) error {
	q, err := parameters(r, "device", "wait", "timeout")
	if err != nil {
		return err
	}
	wait, timeout, err := q.wait(maxRecords)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	records := Feedback(ctx, a.Hub.Feedback(), q.text("device"), wait)
	if err := r.Context().Err(); err != nil {
		return err
	}
	return answer(w, http.StatusOK, struct {
		Records []c2d.Record `json:"records"`
	}{records})
}
