package endpoints

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/routing"
)

// event is a message as Event Grid has it, whatever the schema.
// IoT Hub: contract.md §20.2, iot-hub-event-grid.
type event struct {
	id, topic, subject string
	kind               string // eventType
	time               string
	data               any
	dataVersion        string
}

// gridEvent is one in the Event Grid schema.
// Event Grid: event-schema.
type gridEvent struct {
	ID              string `json:"id"`
	Topic           string `json:"topic"`
	Subject         string `json:"subject"`
	EventType       string `json:"eventType"`
	EventTime       string `json:"eventTime"`
	Data            any    `json:"data"`
	DataVersion     string `json:"dataVersion"`
	MetadataVersion string `json:"metadataVersion"`
}

func (e *event) grid() gridEvent {
	return gridEvent{
		ID: e.id, Topic: e.topic, Subject: e.subject, EventType: e.kind, EventTime: e.time, Data: e.data,
		DataVersion: e.dataVersion, MetadataVersion: "1",
	}
}

// cloudEvent is one in version 1.0 of CloudEvents. Source and type are Event
// Grid's topic and event type. Event Grid: cloud-event-schema.
type cloudEvent struct {
	ID              string `json:"id"`
	Source          string `json:"source"`
	SpecVersion     string `json:"specversion"`
	Type            string `json:"type"`
	Subject         string `json:"subject"`
	Time            string `json:"time"`
	DataContentType string `json:"datacontenttype"`
	Data            any    `json:"data"`
}

func (e *event) cloud() cloudEvent {
	return cloudEvent{
		ID: e.id, Source: e.topic, SpecVersion: "1.0", Type: e.kind, Subject: e.subject, Time: e.time,
		DataContentType: "application/json", Data: e.data,
	}
}

// topicOf is the hub as a resource.
// Differs: subscription and group are the emulator's own.
func topicOf(hub string) string {
	return "/SUBSCRIPTIONS/00000000-0000-0000-0000-000000000000/RESOURCEGROUPS/LINARITE/PROVIDERS/MICROSOFT.DEVICES/IOTHUBS/" +
		strings.ToUpper(hub)
}

// eventOf is a message as an event.
// Differs: Event Grid has no events for changes of twins and jobs; they are named
// Linarite.{source} and have the data of telemetry.
func eventOf(m *routing.Message, hub, id string) event {
	e := event{id: id, topic: topicOf(hub), time: iot.Timestamp(m.Enqueued), dataVersion: "1", subject: subjectOf(m)}
	switch operation, _ := m.Properties.Get("opType"); {
	case m.Source == routing.DeviceMessages:
		e.kind, e.dataVersion, e.data = "Microsoft.Devices.DeviceTelemetry", "", telemetryOf(m)
	case m.Source == routing.DeviceLifecycleEvents && strings.HasPrefix(operation, "create"):
		e.kind, e.data = "Microsoft.Devices.DeviceCreated", lifecycleOf(m, hub)
	case m.Source == routing.DeviceLifecycleEvents:
		e.kind, e.data = "Microsoft.Devices.DeviceDeleted", lifecycleOf(m, hub)
	case m.Source == routing.DeviceConnectionStateEvents && strings.HasSuffix(operation, "Disconnected"):
		e.kind, e.data = "Microsoft.Devices.DeviceDisconnected", stateOf(m, hub)
	case m.Source == routing.DeviceConnectionStateEvents:
		e.kind, e.data = "Microsoft.Devices.DeviceConnected", stateOf(m, hub)
	default:
		e.kind, e.data = "Linarite."+string(m.Source), telemetryOf(m)
	}
	return e
}

// subjectOf is whom an event is about.
// IoT Hub: contract.md §20.2; that of a module is [unsourced].
func subjectOf(m *routing.Message) string {
	if m.Origin == nil {
		return "devices"
	}
	return "devices/" + m.Origin.String()
}

// telemetry is the data of a message.
type telemetry struct {
	Properties       map[string]string `json:"properties"`
	SystemProperties map[string]string `json:"systemProperties"`
	Body             json.RawMessage   `json:"body"`
}

// telemetryOf has the names of system properties that Event Grid uses.
func telemetryOf(m *routing.Message) telemetry {
	system := map[string]string{
		iot.EnqueuedTime: iot.Timestamp(m.Enqueued), iot.MessageSource: m.Source.MessageSource(),
	}
	for _, p := range m.System {
		system[gridName(p.Name)] = p.Value
	}
	if o := m.Origin; o != nil {
		for name, value := range map[string]string{
			iot.ConnectionDeviceID: o.DeviceID, iot.ConnectionModuleID: o.ModuleID, iot.ConnectionAuthMethod: o.AuthMethod,
			iot.ConnectionGenerationID: o.GenerationID, iot.DataSchema: o.ModelID,
		} {
			if value != "" {
				system[name] = value
			}
		}
	}
	return telemetry{Properties: propertiesOf(m), SystemProperties: system, Body: bodyOf(m)}
}

// gridName is a sender's system property as Event Grid spells it:
// iothub-content-type.
func gridName(name string) string {
	if strings.HasPrefix(name, "iothub-") || strings.HasPrefix(name, "dt-") {
		return name
	}
	return "iothub-" + name
}

// owner is whom an event of the hub is about.
type owner struct {
	HubName  string `json:"hubName"`
	DeviceID string `json:"deviceId"`
	ModuleID string `json:"moduleId,omitempty"`
}

func ownerOf(m *routing.Message, hub string) owner {
	return owner{HubName: hub, DeviceID: m.Origin.DeviceID, ModuleID: m.Origin.ModuleID}
}

// connectionState is the data of a connection that came or went; info is the
// message's body.
type connectionState struct {
	Info json.RawMessage `json:"deviceConnectionStateEventInfo"`
	owner
}

func stateOf(m *routing.Message, hub string) connectionState {
	return connectionState{Info: m.Body, owner: ownerOf(m, hub)}
}

// lifecycle is the data of an identity that was created or deleted.
type lifecycle struct {
	Twin json.RawMessage `json:"twin"`
	owner
}

// unknownTime is what Azure writes where nothing has happened yet.
const unknownTime = "0001-01-01T00:00:00Z"

// lifecycleOf has a whole twin: what the message has of it, and what a new one is
// besides. IoT Hub: contract.md §20.2 ("the twin is a default one").
func lifecycleOf(m *routing.Message, hub string) lifecycle {
	var known struct {
		ETag       string          `json:"etag"`
		Version    int64           `json:"version"`
		Tags       json.RawMessage `json:"tags,omitempty"`
		Properties json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(m.Body, &known); err != nil {
		panic(fmt.Sprintf("the body of a lifecycle event: %v", err)) // the hub's own JSON
	}
	who := ownerOf(m, hub)
	return lifecycle{owner: who, Twin: marshal(struct {
		DeviceID                  string             `json:"deviceId"`
		ModuleID                  string             `json:"moduleId,omitempty"`
		ETag                      string             `json:"etag"`
		DeviceETag                string             `json:"deviceEtag"`
		Status                    string             `json:"status"`
		StatusUpdateTime          string             `json:"statusUpdateTime"`
		ConnectionState           string             `json:"connectionState"`
		LastActivityTime          string             `json:"lastActivityTime"`
		CloudToDeviceMessageCount int                `json:"cloudToDeviceMessageCount"`
		AuthenticationType        string             `json:"authenticationType"`
		X509Thumbprint            map[string]*string `json:"x509Thumbprint"`
		Version                   int64              `json:"version"`
		Tags                      json.RawMessage    `json:"tags,omitempty"`
		Properties                json.RawMessage    `json:"properties"`
	}{
		who.DeviceID, who.ModuleID, known.ETag, "null", "enabled", unknownTime, "Disconnected", unknownTime, 0, "sas",
		map[string]*string{"primaryThumbprint": nil, "secondaryThumbprint": nil},
		known.Version, known.Tags, known.Properties,
	})}
}
