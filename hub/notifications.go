package hub

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/routing"
	"github.com/linarite/linarite/twin"
)

// notification is an event that the hub itself sends about an identity.
type notification struct {
	source    routing.Source
	schema    string // iothub-message-schema
	operation string // opType
	content   string // content type; default application/json
	about     iot.Identity
	at        time.Time // of the operation
	body      []byte
}

// notifies says whether anybody wants the events of a source, so that they need
// not be made when nobody does.
func (h *Hub) notifies(s routing.Source) bool { return h.routes.Load().table.Wants(s) }

// emit sends an event the way of its source's routes.
//
// IoT Hub: contract.md §20.1, iot-hub-non-telemetry-event-schema.
func (h *Hub) emit(n notification) {
	properties := iot.Properties{
		{Name: "hubName", Value: h.name},
		{Name: "deviceId", Value: n.about.DeviceID},
		{Name: "operationTimestamp", Value: iot.Timestamp(n.at)},
	}
	if n.about.IsModule() {
		properties = append(properties, iot.Property{Name: "moduleId", Value: n.about.ModuleID})
	}
	h.route(&routing.Message{
		Source: n.source, Enqueued: h.clock.Now(), Origin: &iot.Origin{Identity: n.about},
		Message: iot.Message{
			System: iot.Properties{
				{Name: iot.ContentType, Value: cmp.Or(n.content, "application/json")},
				{Name: iot.ContentEncoding, Value: "utf-8"},
				{Name: iot.CorrelationID, Value: newCorrelation()},
				{Name: iot.UserID, Value: h.name},
			},
			Properties: append(properties,
				iot.Property{Name: "iothub-message-schema", Value: n.schema},
				iot.Property{Name: "opType", Value: n.operation}),
			Body: n.body,
		},
	})
}

// twinChanged tells what a back end has changed of a twin.
func (h *Hub) twinChanged(id iot.Identity, c twin.Change) {
	switch {
	case c.Replaced:
		h.tellTwin(id, "replaceTwin", appendTwin(nil, id, c.Twin))
	case c.Event != nil:
		h.tellTwin(id, "updateTwin", c.Event)
	}
}

func (h *Hub) tellTwin(id iot.Identity, operation string, body []byte) {
	h.emit(notification{
		source: routing.TwinChangeEvents, schema: "twinChangeNotification", operation: operation,
		about: id, at: h.clock.Now(), body: body,
	})
}

// digitalTwin is the digital twin of a Plug and Play device, and nothing for all
// others, before a change that digitalTwinChanged is to tell of.
func (h *Hub) digitalTwin(id iot.Identity) *twin.Digital {
	if id.IsModule() || !h.notifies(routing.DigitalTwinChangeEvents) {
		return nil
	}
	s, err := h.twins.Snapshot(id)
	if err != nil || s.ModelID() == "" {
		return nil
	}
	d := s.Digital()
	return &d
}

// digitalTwinChanged tells how a digital twin has changed, as a JSON patch. That
// devices which announced no model have no such events is [inferred].
//
// IoT Hub: contract.md §20.1; the body and its content type are those that the
// Plug and Play tutorials recorded, where opType is still updateTwin.
func (h *Hub) digitalTwinChanged(id iot.Identity, before *twin.Digital) {
	if before == nil {
		return
	}
	after, err := h.twins.Digital(id)
	if err != nil {
		return // it cannot be: we hold the device's lock
	}
	patch := before.PatchTo(after)
	if patch == nil {
		return
	}
	h.emit(notification{
		source: routing.DigitalTwinChangeEvents, schema: "digitalTwinChangeNotification", operation: "updateDigitalTwin",
		content: "application/json-patch+json", about: id, at: h.clock.Now(), body: patch,
	})
}

// lifecycleEvent tells of an identity that was created, or is being deleted, while
// its twin is there. A module has names of its own; with a device its modules are
// deleted, and told of, too [inferred].
//
// IoT Hub: contract.md §20.1, iot-hub-non-telemetry-event-schema.
func (h *Hub) lifecycleEvent(id iot.Identity, verb string) {
	if !h.notifies(routing.DeviceLifecycleEvents) {
		return
	}
	t, err := h.twins.Twin(id)
	if err != nil {
		return // there never was one
	}
	kind, schema := "Device", "deviceLifecycleNotification"
	if id.IsModule() {
		kind, schema = "Module", "moduleLifecycleNotification"
	}
	h.emit(notification{
		source: routing.DeviceLifecycleEvents, schema: schema, operation: verb + kind + "Identity",
		about: id, at: h.clock.Now(), body: appendTwin(nil, id, t),
	})
}

// appendTwin writes a twin as events have it.
// IoT Hub: contract.md §20.1.
func appendTwin(b []byte, id iot.Identity, t twin.Twin) []byte {
	w := bytes.NewBuffer(b)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	err := enc.Encode(struct {
		DeviceID   string          `json:"deviceId"`
		ModuleID   string          `json:"moduleId,omitempty"`
		ETag       string          `json:"etag"`
		Version    int64           `json:"version"`
		Tags       json.RawMessage `json:"tags,omitempty"`
		Properties TwinProperties  `json:"properties"`
	}{id.DeviceID, id.ModuleID, t.ETag, t.Version, t.Tags, TwinProperties{Desired: t.Desired, Reported: t.Reported}})
	if err != nil {
		panic(err) // the sections are the store's own JSON
	}
	return bytes.TrimSuffix(w.Bytes(), []byte("\n"))
}

// newCorrelation is an id for one event.
func newCorrelation() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
