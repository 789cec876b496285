package endpoints

import (
	"net/url"
	"sync"
	"time"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// validFor is how long a validationUrl is good for, on the hub's clock.
// Event Grid: end-point-validation-event-grid-events-schema (manual validation).
const validFor = 10 * time.Minute

// Validations are webhooks that were asked whether they want events, and took the
// question without an answer: whoever opens the URL that they were sent answers for
// them. There is at most one of each webhook.
type Validations struct {
	base string

	mu      sync.Mutex
	waiting map[string]*validation // by code
}

// validation is a question that is open.
type validation struct {
	endpoint  string
	hub       hub.SinkOptions
	expires   time.Time
	confirmed bool
}

// NewValidations is none. base is the URL under which the control API has its
// endpoints, with a slash at its end.
func NewValidations(base string) *Validations {
	return &Validations{base: base, waiting: map[string]*validation{}}
}

// Confirm says that an endpoint's webhook wants events. Error: 404000 for a code
// that it was not sent, or too long ago.
func (v *Validations) Confirm(endpoint, code string) error {
	v.mu.Lock()
	open, ok := v.waiting[code]
	ok = ok && open.endpoint == endpoint && open.hub.Clock.Now().Before(open.expires)
	if ok {
		open.confirmed = true
	}
	v.mu.Unlock()
	if !ok {
		return iot.ErrNotFound.Because("the endpoint %q waits for no validation of this id, or no longer", endpoint)
	}
	open.hub.Retry()
	return nil
}

// begin opens a question, and gives the URL that answers it.
func (v *Validations) begin(endpoint, code string, h hub.SinkOptions) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.waiting[code] = &validation{endpoint: endpoint, hub: h, expires: h.Clock.Now().Add(validFor)}
	return v.base + url.PathEscape(endpoint) + "/validate?id=" + code
}

// look is how a question stands; it is closed when it is no longer open.
func (v *Validations) look(code string) (confirmed, open bool, expires time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	asked, ok := v.waiting[code]
	if !ok {
		return false, false, time.Time{}
	}
	if asked.confirmed || !asked.hub.Clock.Now().Before(asked.expires) {
		delete(v.waiting, code)
		return asked.confirmed, false, asked.expires
	}
	return false, true, asked.expires
}

// end closes a question.
func (v *Validations) end(code string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.waiting, code)
}
