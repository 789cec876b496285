// Package rounds_test goes the whole round with each pair of SDKs: telemetry that
// each device SDK sends is read by each SDK for events, events of the hub's own
// too, and a message that each service SDK sends reaches each device SDK, and its
// sender hears of it.
//
// Each language is one program, beside the suite whose packages it uses
// (rounds.js, rounds.py, Rounds.java), that is told what to do and tells what it
// received, in lines of JSON. The raw client and the Go SDK are in the test.
package rounds_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

const address = "127.0.0.20" // the suite's own

// hub is the hub of the one test there is; caFile is its CA.
var (
	hub    *harness.Hub
	caFile string
)

// device is one of an SDK's, over a transport as the SDK calls it.
type device struct {
	sdk       *sdk
	transport string
	identity  harness.Identity
}

func (d *device) String() string { return d.sdk.name + " over " + d.transport }

// printed are the connection strings of the hub.
type printed struct {
	Events   string
	Policies map[string]string
}

func TestRounds(t *testing.T) {
	data := t.TempDir()
	config := filepath.Join(data, "linarite.yaml")
	require.NoError(t, os.WriteFile(config, []byte("routes: [{name: twins, source: TwinChangeEvents, endpointNames: [events]}]\n"), 0o600))
	hub = harness.Start(t, harness.Options{Address: address, Data: data, Args: []string{"--config", config}})
	caFile = filepath.Join(data, "trusted.pem")
	require.NoError(t, os.WriteFile(caFile, append(hub.CAPEM, '\n'), 0o600))
	var all printed
	hub.Control(t, "GET", "/v1/connection-strings", nil, &all)

	golang := newGolang(t)
	node := run(t, "node", "node", "node", "rounds.js")
	python := run(t, "python", "python", ".venv/bin/python", "rounds.py")
	java := run(t, "java", "java", "java", "-cp", filepath.Join("target", "test-classes")+":"+filepath.Join(".m2", "lib", "*"), "linarite.Rounds")
	devices := open(t, map[*sdk][]string{
		golang: {"AMQPS"},
		node:   {"Mqtt", "MqttWs", "Amqp", "AmqpWs"},
		python: {"Mqtt", "MqttWs"},
		java:   {"MQTT", "MQTT_WS", "AMQPS", "AMQPS_WS"},
	})
	readers := []*sdk{node, python, golang}
	t.Run("telemetry", func(t *testing.T) { telemetry(t, devices, readers, all.Events) })
	t.Run("changes", func(t *testing.T) { changes(t, devices[0], readers) })
	t.Run("messages", func(t *testing.T) { messages(t, devices, []*sdk{node, python, java}, all.Policies["service"]) })
}

// open registers and connects the devices.
func open(t *testing.T, transports map[*sdk][]string) []*device {
	t.Helper()
	var devices []*device
	for s, names := range transports {
		for _, transport := range names {
			d := &device{s, transport, hub.CreateDevice(t, s.name+"-"+transport)}
			s.ask(t, request{Do: "open", Device: d.identity.DeviceID, Transport: transport, ConnectionString: d.identity.ConnectionString()})
			devices = append(devices, d)
		}
	}
	slices.SortFunc(devices, func(a, b *device) int { return strings.Compare(a.String(), b.String()) })
	return devices
}

// telemetry lets each device send one event, which each of the readers reads.
func telemetry(t *testing.T, devices []*device, readers []*sdk, events string) {
	for _, reader := range readers {
		reader.ask(t, request{Do: "read", ConnectionString: events})
	}
	for _, d := range devices {
		id := d.identity.DeviceID
		sent := message{
			Body: `{"from":"` + id + `","where":"Grüße, 世界 ☃"}`, MessageID: "message of " + id, CorrelationID: "a/b=c+d%e &ü",
			ContentType: "application/json;charset=utf-8", ContentEncoding: "utf-8",
			Properties: map[string]string{"plain": "value", "unicode": "Grüße ☃", "a name/with=all&of+them %?#": "a=1&b=2"},
		}
		d.sdk.ask(t, request{Do: "send", Device: id, Message: &sent})
		stored := hub.WaitEvents(t, 1, harness.Filter{Device: id})[0]
		for _, reader := range readers {
			t.Run(fmt.Sprintf("%s to %s", d, reader.name), func(t *testing.T) {
				read := reader.await(t, "event of "+id, func(n notice) bool { return n.Kind == "event" && n.Device == id })
				assert.Equal(t, notice{
					Kind: "event", Device: id, Message: sent, Source: "Telemetry",
					Generation: stored.SystemProperties["iothub-connection-auth-generation-id"],
					Enqueued:   stored.EnqueuedTime.UnixMilli(), Sequence: stored.SequenceNumber, Offset: stored.Offset,
				}, read)
			})
		}
	}
}

// changes lets each of the readers, which are reading, see an event of the hub's
// own, which a route brings: a twin has changed.
func changes(t *testing.T, d *device, readers []*sdk) {
	id := d.identity.DeviceID
	answer := hub.REST(t, "PATCH", "/twins/"+id, `{"tags":{"where":"Grüße ☃"}}`)
	require.Equal(t, 200, answer.Status, "%s", answer.Body)
	const source = "twinChangeEvents"
	stored := hub.WaitEvents(t, 1, harness.Filter{Device: id, Source: source})[0]
	require.Equal(t, "updateTwin", stored.Properties["opType"])
	require.Contains(t, stored.Body, "Grüße ☃")
	want := notice{
		Kind: "event", Device: id, Source: source,
		Message: message{
			Body: stored.Body, CorrelationID: stored.SystemProperties["correlation-id"], ContentType: "application/json",
			ContentEncoding: "utf-8", Properties: texts(stored.Properties),
		},
		Enqueued: stored.EnqueuedTime.UnixMilli(), Sequence: stored.SequenceNumber, Offset: stored.Offset,
	}
	for _, reader := range readers {
		t.Run("to "+reader.name, func(t *testing.T) {
			read := reader.await(t, source, func(n notice) bool { return n.Kind == "event" && n.Source == source })
			assert.Equal(t, want, read)
		})
	}
}

// messages lets each service SDK send one message to each device, and hear that
// it was received. Feedback is one queue for all, so that they take turns.
func messages(t *testing.T, devices []*device, services []*sdk, connectionString string) {
	for _, service := range services {
		for _, d := range devices {
			id := d.identity.DeviceID
			sent := message{
				Body: "Grüße von " + service.name, MessageID: service.name + " to " + id, CorrelationID: "a/b=c+d%e &ü", Ack: "full",
				Properties: map[string]string{"plain": "value", "unicode": "Grüße ☃", "a name/with=all&of+them %?#": "a=1&b=2"},
			}
			service.ask(t, request{Do: "sendToDevice", Device: id, Message: &sent, ConnectionString: connectionString})
			t.Run(fmt.Sprintf("%s to %s", service.name, d), func(t *testing.T) {
				received := d.sdk.await(t, sent.MessageID, func(n notice) bool {
					return n.Kind == "message" && n.Device == id && n.Message.MessageID == sent.MessageID
				}).Message
				// Some SDKs show what is IoT Hub's own among the properties.
				maps.DeleteFunc(received.Properties, func(name, _ string) bool { return strings.HasPrefix(name, "iothub-") })
				sent.Ack = ""
				assert.Equal(t, sent, received)
			})
		}
		heard(t, service, devices)
	}
}

// heard wants a service SDK to hear of its messages to all devices. A batch of
// feedback is complete when none has come for 15 seconds.
func heard(t *testing.T, service *sdk, devices []*device) {
	for _, d := range devices {
		hub.WaitFeedback(t, 1, d.identity.DeviceID)
	}
	hub.Advance(t, 16*time.Second)
	service.ask(t, request{Do: "feedback"})
	for _, d := range devices {
		t.Run(fmt.Sprintf("%s hears of %s", service.name, d), func(t *testing.T) {
			id := d.identity.DeviceID
			service.await(t, "feedback of "+id, func(n notice) bool {
				return slices.ContainsFunc(n.Records, func(r harness.Feedback) bool {
					return r.OriginalMessageID == service.name+" to "+id && r.DeviceID == id && strings.EqualFold(r.StatusCode, "Success")
				})
			})
		})
	}
	service.ask(t, request{Do: "leave"})
}
