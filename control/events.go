package control

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/linarite/linarite/events"
	"github.com/linarite/linarite/iot"
)

// How many events one answer has, and how long a request may wait.
const (
	defaultEvents = 1000
	maxEvents     = 10_000
	defaultWait   = 5 * time.Second
	maxWait       = 5 * time.Minute
)

// event is an event as the API shows it.
type event struct {
	Partition        int                `json:"partition"`
	SequenceNumber   int64              `json:"sequenceNumber"`
	Offset           string             `json:"offset"`
	EnqueuedTime     string             `json:"enqueuedTime"`
	Source           string             `json:"source"`
	DeviceID         string             `json:"deviceId,omitempty"`
	ModuleID         string             `json:"moduleId,omitempty"`
	SystemProperties map[string]string  `json:"systemProperties"`
	Properties       map[string]*string `json:"properties"`
	Body             string             `json:"body"`
	BodyEncoding     string             `json:"bodyEncoding"`
}

// events answers with the journal, and waits for it to grow when asked to.
func (a *api) events(w http.ResponseWriter, r *http.Request) error {
	q, err := parameters(r, "endpoint", "device", "module", "source", "property", "after", "max", "wait", "timeout")
	if err != nil {
		return err
	}
	f := Filter{Device: q.text("device"), Module: q.text("module"), Source: q.text("source")}
	if f.Properties, err = q.properties("property"); err != nil {
		return err
	}
	log, err := a.endpointLog(q.text("endpoint"))
	if err != nil {
		return err
	}
	from, err := position(log, q.text("after"))
	if err != nil {
		return err
	}
	limit, err := q.number("max", defaultEvents, 1, maxEvents)
	if err != nil {
		return err
	}
	wait, timeout, err := q.wait(limit)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	found, next := f.Read(ctx, log, from, wait, limit)
	if err := r.Context().Err(); err != nil {
		return err
	}
	writeEvents(w, found, next)
	return nil
}

// writeEvents answers with one event after another, as
//
//	{"events":[event, …],"cursor":"…"}
//
// so that no more than one is in memory twice, however slowly the client reads.
func writeEvents(w http.ResponseWriter, found []events.Event, next events.Cursor) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_, _ = io.WriteString(w, `{"events":[`)
	for i := range found {
		if i > 0 {
			_, _ = io.WriteString(w, ",")
		}
		if enc.Encode(describe(&found[i])) != nil {
			return // the client has gone, or does not read
		}
	}
	_, _ = io.WriteString(w, `],"cursor":`)
	_ = enc.Encode(next.String())
	_, _ = io.WriteString(w, "}\n")
}

// wait is how many events or records to wait for, and how long.
func (q query) wait(limit int) (n int, timeout time.Duration, err error) {
	if n, err = q.number("wait", 0, 0, limit); err != nil {
		return 0, 0, err
	}
	timeout, err = q.duration("timeout", defaultWait, maxWait)
	return n, timeout, err
}

// properties are the conditions `name=value` of a repeatable parameter; without
// `=` the property must be there without a value.
func (q query) properties(name string) (iot.Properties, error) {
	var wanted iot.Properties
	for _, condition := range q.values[name] {
		key, value, valued := strings.Cut(condition, "=")
		if key == "" {
			return nil, iot.ErrBadRequest.Because("%s=%s: must be name=value", name, condition)
		}
		wanted = append(wanted, iot.Property{Name: key, Value: value, Null: !valued})
	}
	return wanted, nil
}

// endpointLog is the log of an endpoint that keeps events.
func (a *api) endpointLog(name string) (*events.Log, error) {
	switch name {
	case "", "events":
		return a.Hub.Events(), nil
	case "operationsMonitoringEvents":
		return a.Hub.Operations(), nil
	}
	return nil, iot.ErrBadRequest.Because("endpoint=%s: must be events or operationsMonitoringEvents", name)
}

// position is where to read on: a cursor, "end", or the start of the log.
func position(log *events.Log, after string) (events.Cursor, error) {
	switch after {
	case "":
		return log.Start(), nil
	case "end":
		return log.End(), nil
	}
	c, err := events.ParseCursor(after)
	if err != nil || len(c) != len(log.Start()) {
		return nil, iot.ErrBadRequest.Because("after=%s: must be the cursor of an earlier answer, or end", after)
	}
	return c, nil
}

func describe(e *events.Event) event {
	doc := event{
		Partition: e.Partition, SequenceNumber: e.Sequence, Offset: strconv.FormatInt(e.Offset, 10),
		EnqueuedTime: stamp(e.Enqueued), Source: e.Source,
		SystemProperties: map[string]string{iot.EnqueuedTime: stamp(e.Enqueued)},
		Properties:       map[string]*string{},
	}
	if e.Source != "" {
		doc.SystemProperties[iot.MessageSource] = e.Source
	}
	for i := range e.Message.System {
		doc.SystemProperties[e.Message.System[i].Name] = e.Message.System[i].Value
	}
	for i := range e.Message.Properties {
		p := &e.Message.Properties[i]
		if doc.Properties[p.Name] = &p.Value; p.Null {
			doc.Properties[p.Name] = nil
		}
	}
	if e.Origin != nil {
		doc.origin(e.Origin)
	}
	doc.Body, doc.BodyEncoding = text(e.Message.Body)
	return doc
}

// origin adds what the hub stamps on a device's message (contract.md §7.3).
func (doc *event) origin(o *iot.Origin) {
	doc.DeviceID, doc.ModuleID = o.DeviceID, o.ModuleID
	for name, value := range map[string]string{
		iot.ConnectionDeviceID: o.DeviceID, iot.ConnectionModuleID: o.ModuleID,
		iot.ConnectionGenerationID: o.GenerationID, iot.ConnectionAuthMethod: o.AuthMethod,
		iot.DataSchema: o.ModelID,
	} {
		if value != "" {
			doc.SystemProperties[name] = value
		}
	}
}

// text is a body as a JSON string, in base64 when it is not UTF-8.
func text(body []byte) (s, encoding string) {
	if utf8.Valid(body) {
		return string(body), "utf-8"
	}
	return base64.StdEncoding.EncodeToString(body), "base64"
}
