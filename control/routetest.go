package control

import (
	"encoding/json"
	"net/http"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/routing"
)

// tried is a message that routes are tried with.
type tried struct {
	Source   string          `json:"source"` // default: DeviceMessages
	DeviceID string          `json:"deviceId"`
	ModuleID string          `json:"moduleId"`
	ModelID  string          `json:"modelId"`
	Subject  string          `json:"subject"`
	Twin     json.RawMessage `json:"twin"` // stands in for the sender's
	Body     string          `json:"body"`
	Encoding string          `json:"bodyEncoding"`

	Properties      properties `json:"properties"`
	MessageID       string     `json:"messageId"`
	CorrelationID   string     `json:"correlationId"`
	UserID          string     `json:"userId"`
	ContentType     string     `json:"contentType"`
	ContentEncoding string     `json:"contentEncoding"`
	CreationTime    string     `json:"creationTimeUtc"`
}

// triedRoute is what a route makes of the message.
type triedRoute struct {
	Name    string `json:"name"`
	Matched bool   `json:"matched"`
	Skipped string `json:"skipped,omitempty"` // why it was not asked
	Result  string `json:"result,omitempty"`  // of the condition
	Clause  string `json:"clause,omitempty"`  // that decided
	Column  int    `json:"column,omitempty"`
	Seen    []seen `json:"seen,omitempty"` // what the clause asked for
	Error   string `json:"error,omitempty"`
}

type seen struct {
	Name  string `json:"name"`
	Value string `json:"value"` // JSON, or undefined
}

// testRoutes says what would become of a message, and why. It sends nothing.
func (a *api) testRoutes(w http.ResponseWriter, r *http.Request) error {
	var t tried
	if err := decode(w, r, &t); err != nil {
		return err
	}
	m, err := t.message()
	if err != nil {
		return err
	}
	m.Enqueued = a.Hub.Clock().Now()
	explained, decision, err := a.Hub.ExplainRoutes(m, t.Twin)
	if err != nil {
		return err
	}
	doc := struct {
		Routes    []triedRoute `json:"routes"`
		Fallback  bool         `json:"fallback"`
		Endpoints []string     `json:"endpointNames"`
	}{[]triedRoute{}, decision.Fallback, decision.Names()}
	for _, e := range explained {
		doc.Routes = append(doc.Routes, describeTried(e))
	}
	return answer(w, http.StatusOK, doc)
}

func describeTried(e routing.Explanation) triedRoute {
	doc := triedRoute{Name: e.Route.Name, Skipped: e.Skipped, Matched: e.Matched}
	if e.Skipped != "" {
		return doc
	}
	doc.Result, doc.Clause, doc.Column = e.Condition.Outcome.String(), e.Condition.Clause, e.Condition.Column
	for _, s := range e.Condition.Seen {
		doc.Seen = append(doc.Seen, seen{s.Name, s.Value})
	}
	if e.Condition.Err != nil {
		doc.Error = e.Condition.Err.Error()
	}
	return doc
}

// message is the message as its routes see it.
func (t *tried) message() (*routing.Message, error) {
	body, err := decodeBody(t.Body, t.Encoding)
	if err != nil {
		return nil, err
	}
	m := &routing.Message{
		Source:  routing.Source(t.Source),
		Origin:  &iot.Origin{Identity: iot.Module(t.DeviceID, t.ModuleID), ModelID: t.ModelID},
		Message: iot.Message{Body: body, Properties: iot.Properties(t.Properties)},
	}
	if m.Source == "" {
		m.Source = routing.DeviceMessages
	}
	if m.Source.MessageSource() == "" {
		return nil, iot.ErrArgumentInvalid.Because("source %q: there are %v", t.Source, routing.Sources())
	}
	m.System = present([]iot.Property{
		{Name: iot.MessageID, Value: t.MessageID},
		{Name: iot.CorrelationID, Value: t.CorrelationID},
		{Name: iot.UserID, Value: t.UserID},
		{Name: iot.ContentType, Value: t.ContentType},
		{Name: iot.ContentEncoding, Value: t.ContentEncoding},
		{Name: iot.CreationTime, Value: t.CreationTime},
		{Name: iot.Subject, Value: t.Subject},
	})
	return m, nil
}
