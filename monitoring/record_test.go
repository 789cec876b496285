package monitoring_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/monitoring"
)

var update = flag.Bool("update", false, "write the golden files anew")

var now = time.Date(2026, 1, 2, 3, 4, 5, 600_700_800, time.UTC)

const (
	ofDevice = `{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}`
	ofHub    = `{"scope":"hub","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}`
)

var (
	device = monitoring.Caller{Protocol: "Mqtt", AuthType: ofDevice, SDK: "py-azure-iot-device/2.14.0", RemoteAddr: "192.0.2.7:50123"}
	back   = monitoring.Caller{
		Protocol: "Http", AuthType: ofHub, SDK: "2021-04-12", UserAgent: "azure-iothub/1.17.0", Policy: "service", RemoteAddr: "[2001:db8:1:2::3]:50123",
	}
	sent = monitoring.Message{ID: "m-1", Size: 300, Ack: "full", DeliveryCount: 3, Enqueued: now.Add(-time.Minute), Expiry: now, Partition: 2}
)

// records has one of each kind, under the name of its golden files.
var records = map[string]monitoring.Record{
	"connected": {Category: monitoring.Connections, Operation: "deviceConnect", Identity: iot.Device("d1"), Caller: device},
	"refused": {
		Category: monitoring.Connections, Operation: "deviceConnect", Identity: iot.Module("d1", "m1"), Caller: device,
		Err: iot.ErrUnauthorized.Because("the signature of <d1> fits no key"),
	},
	"disconnected": {
		Category: monitoring.Connections, Operation: "deviceDisconnect", Identity: iot.Device("d1"), Caller: device,
		Duration: 90 * time.Second, Err: iot.ErrClosedRemotely,
	},
	"stranger": {
		Category: monitoring.Connections, Operation: "deviceConnect", Caller: monitoring.Caller{Protocol: "AmqpWs"}, Err: iot.ErrFormat,
	},
	"telemetry": {
		Category: monitoring.DeviceTelemetry, Operation: "ingress", Identity: iot.Device("d1"), Caller: device,
		Message: monitoring.Message{Size: 262145, Batch: true, Partition: 1}, Err: iot.ErrMessageTooLarge,
	},
	"expired": {
		Category: monitoring.C2DCommands, Operation: "messageExpired", Identity: iot.Device("d1"), Caller: back, Message: sent,
		Err: iot.ErrUndelivered.Because("Expired"),
	},
	"notCreated": {
		Category: monitoring.DeviceIdentityOperations, Operation: "create", Identity: iot.Device("d1"), Caller: back,
		Duration: 12 * time.Millisecond, Err: iot.ErrDeviceExists,
	},
	"orphaned": {
		Category: monitoring.Routes, Operation: "OrphanedMessage", Identity: iot.Device("d1"), Message: sent,
		Details: "no route takes the message",
	},
	"unhealthy": {
		Category: monitoring.Routes, Operation: "EndpointUnhealthy", Endpoint: "alarms", Details: "connection refused", Err: iot.ErrServer,
	},
	"undefined": {
		Category: monitoring.Routes, Operation: "UndefinedRouteEvaluation", Identity: iot.Device("d1"), Message: sent,
		Route: "hot", Details: "undefined", Err: iot.ErrDeserialization, Remark: true,
	},
	"twinRead":  {Category: monitoring.C2DTwinOperations, Operation: "read", Identity: iot.Device("d1"), Caller: back, Duration: time.Millisecond},
	"reported":  {Category: monitoring.D2CTwinOperations, Operation: "update", Identity: iot.Device("d1"), Caller: device},
	"method":    {Category: monitoring.DirectMethods, Operation: "send", Identity: iot.Device("d1"), Caller: back, Request: 2, Answer: 13},
	"noAnswer":  {Category: monitoring.DirectMethods, Operation: "send", Identity: iot.Device("d1"), Caller: back, Err: iot.ErrGatewayTimeout},
	"twinQuery": {Category: monitoring.TwinQueries, Operation: "query", Caller: back, Query: "SELECT * FROM devices", Request: 38, PageSize: 100, Continued: true, Answer: 900},
}

// TestRecordsAreWrittenAsTheGoldenFilesSay: the resource log's form of all, and that
// of the operations monitoring endpoint of those it has.
func TestRecordsAreWrittenAsTheGoldenFilesSay(t *testing.T) {
	t.Parallel()
	for name, r := range records {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r.Time = now
			line := r.Line(monitoring.Resource("plant"))
			golden(t, name+".line.json", line)
			require.NotContains(t, string(line), "\n")
			var envelope struct{ Properties string }
			require.NoError(t, json.Unmarshal(line, &envelope))
			require.True(t, json.Valid([]byte(envelope.Properties)), envelope.Properties)
			for _, c := range monitoring.Monitored() {
				if c == r.Category {
					golden(t, name+".event.json", r.Event())
				}
			}
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	var b bytes.Buffer
	require.NoError(t, json.Indent(&b, got, "", "  "))
	b.WriteByte('\n')
	if *update {
		require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), b.String())
}

func TestWhatIsToldOfAtTheEndpoint(t *testing.T) {
	t.Parallel()
	var s monitoring.Settings
	assert.True(t, s.Want(monitoring.Connections, false))
	assert.True(t, s.Want(monitoring.Routes, true))
	assert.False(t, s.Want(monitoring.Routes, false))
	assert.False(t, s.Want(monitoring.DirectMethods, true), "is in the resource log only")
	for _, setting := range []string{"Connections=none", "ROUTES=Verbose", "c2dCommands=error"} {
		require.NoError(t, s.Set(setting))
	}
	assert.False(t, s.Want(monitoring.Connections, true))
	assert.True(t, s.Want(monitoring.Routes, false))
	assert.True(t, s.Want(monitoring.C2DCommands, true))
	assert.False(t, s.Want(monitoring.C2DCommands, false))
}

func TestABadLevelIsRefused(t *testing.T) {
	t.Parallel()
	for _, setting := range []string{"", "connections", "connections=", "connections=standard", "jobs=error", "=error"} {
		s := monitoring.Settings{Routes: monitoring.Verbose}
		require.Error(t, s.Set(setting), setting)
		assert.Equal(t, monitoring.Settings{Routes: monitoring.Verbose}, s)
	}
}
