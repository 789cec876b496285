package control

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/routing"
)

// endpointHealth is how an endpoint fares.
type endpointHealth struct {
	State        string `json:"state"`
	Since        string `json:"since,omitempty"`
	LastSuccess  string `json:"lastSuccess,omitempty"`
	FailingSince string `json:"failingSince,omitempty"`
	Attempts     int    `json:"failedAttempts,omitempty"`
	Reason       string `json:"reason,omitempty"`
}

// describeEndpoint is an endpoint as the API shows it: as the seed file has it,
//
//	{"name":"archive","file":{"path":"archive.jsonl"}}
//
// and how it fares.
func describeEndpoint(v hub.EndpointView) map[string]any {
	return map[string]any{
		"name": v.Name, v.Type: v.Settings,
		"health": endpointHealth{
			State: string(v.Health.State), Since: stampOrNot(v.Health.Since), LastSuccess: stampOrNot(v.Health.LastGood),
			FailingSince: stampOrNot(v.Health.Failing), Attempts: v.Health.Attempts, Reason: v.Health.Reason,
		},
		"waiting": v.Waiting, "waitingBytes": v.WaitingBytes,
		"accepted": v.Accepted, "delivered": v.Delivered, "dropped": v.Dropped,
	}
}

// stampOrNot is a moment, or nothing when it never was.
func stampOrNot(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return stamp(t)
}

// listEndpoints answers with the custom endpoints.
func (a *api) listEndpoints(w http.ResponseWriter, _ *http.Request) error {
	doc := struct {
		Endpoints []map[string]any `json:"endpoints"`
	}{[]map[string]any{}}
	for _, v := range a.Hub.Endpoints() {
		doc.Endpoints = append(doc.Endpoints, describeEndpoint(v))
	}
	return answer(w, http.StatusOK, doc)
}

// endpoint answers with one endpoint.
func (a *api) endpoint(w http.ResponseWriter, r *http.Request) error {
	name := func(v hub.EndpointView) string { return v.Name }
	found, err := entry(a.Hub.Endpoints(), name, r.PathValue("name"), "endpoint")
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, describeEndpoint(*found))
}

// putEndpoint adds an endpoint, or gives the one of its name other settings.
func (a *api) putEndpoint(w http.ResponseWriter, r *http.Request) error {
	var members map[string]json.RawMessage
	if err := decode(w, r, &members); err != nil {
		return err
	}
	put, err := endpointOf(members, r.PathValue("name"))
	if err != nil {
		return err
	}
	err = a.Hub.ChangeRouting(func(c *routing.Config) error {
		c.PutEndpoint(put)
		return nil
	})
	if err != nil {
		return err
	}
	return a.endpoint(w, r)
}

// endpointOf is the endpoint that a document is about: the one member beside its
// name is the type, with the settings.
func endpointOf(members map[string]json.RawMessage, path string) (e routing.Endpoint, err error) {
	for member, value := range members {
		switch {
		case member == "name":
			if json.Unmarshal(value, &e.Name) != nil {
				return e, iot.ErrDeserialization.Because("name must be a string")
			}
		case e.Type != "":
			return e, iot.ErrArgumentInvalid.Because("an endpoint has one type; there are %s and %s", min(e.Type, member), max(e.Type, member))
		case len(value) == 0 || value[0] != '{':
			return e, iot.ErrDeserialization.Because("%s must be an object: the endpoint's settings", member)
		default:
			e.Type, e.Settings = member, value
		}
	}
	if e.Type == "" {
		return e, iot.ErrArgumentNull.Because(`the type is missing: a member such as "file" with the endpoint's settings`)
	}
	return e, sameName(&e.Name, path)
}

// deleteEndpoint removes an endpoint that no route and no enrichment names, with
// what waits for it.
func (a *api) deleteEndpoint(w http.ResponseWriter, r *http.Request) error {
	return a.remove(w, func(c *routing.Config) error {
		return without(&c.Endpoints, endpointName, r.PathValue("name"), "endpoint")
	})
}

// validateEndpoint is what the validationUrl of a webhook leads to: it confirms that
// the webhook wants events. Event Grid: end-point-validation-event-grid-events-schema.
func (a *api) validateEndpoint(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if a.Validate == nil {
		return iot.ErrNotFound.Because("no endpoint is validated so")
	}
	if err := a.Validate(name, r.URL.Query().Get("id")); err != nil {
		return err
	}
	return answer(w, http.StatusOK, map[string]string{"message": "the webhook of " + name + " is validated"})
}
