package wire_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// operation is a record of operations monitoring. IoT Hub: §23.2.
type operation struct {
	DurationMs                                        *int64
	AuthType, Protocol, Time, OperationName, Category string
	Level, StatusDescription, DeviceID, ModuleID      string
	StatusCode, StatusType, PartitionID               int
}

// resource is a record of the resource log. IoT Hub: §23.1.
type resource struct {
	Time, ResourceID, OperationName, Category, Level string
	ResultType, ResultDescription, Properties        string
	Location                                         string
}

// live is a connected device at whatever door.
type live interface {
	leave()           // says goodbye
	vanish()          // ends the socket
	breaksARule()     // does what IoT Hub closes a connection for
	sendsTooMuch()    // sends a message that is far too large
	isCutOff()        // waits for the hub to end it
	sendsNonsense()   // sends what is none of the protocol's
	protocol() string // as the records call it
}

type mqttLive struct {
	*client
	name string
}

func (m mqttLive) breaksARule()     { m.send(publish(1, "devices/other/messages/events/", "x")) }
func (m mqttLive) sendsNonsense()   { m.send([]byte{0xFF, 0xFF}) }
func (m mqttLive) isCutOff()        { m.closed() }
func (m mqttLive) protocol() string { return m.name }
func (m mqttLive) sendsTooMuch() {
	device := m.t.(interface{ device() identity }).device()
	m.trySend(publish(1, device.events(), strings.Repeat("x", 256<<10+1)))
}

type amqpLive struct {
	*attached
	name string
}

func (a amqpLive) leave()  { a.peer.send(performClose); a.peer.expect(performClose) }
func (a amqpLive) vanish() { _ = a.conn.Close() }
func (a amqpLive) breaksARule() {
	a.peer.send(performFlow, uint32(1), uint32(9), uint32(0), uint32(9), uint32(77))
}
func (a amqpLive) sendsNonsense()   { a.write([]byte{0, 0, 0, 1, 2, 0, 0, 0}) }
func (a amqpLive) sendsTooMuch()    { a.pushLarge(1<<20 + 1) }
func (a amqpLive) protocol() string { return a.name }
func (a amqpLive) isCutOff() {
	for {
		f, err := a.read()
		if err != nil || f.code == performDetach || f.code == performEnd || f.code == performClose {
			return
		}
	}
}

// pushLarge sends the link's first message, of so many bytes, in as many transfers
// as it takes or until the hub has enough.
func (l *attached) pushLarge(size int) {
	const part = 32 << 10
	encoded := message{body: make([]byte, size)}.bytes()
	for len(encoded) > 0 {
		now := encoded[:min(part, len(encoded))]
		encoded = encoded[len(now):]
		transfer := of(performTransfer, l.handle, uint32(0), []byte{1}, uint32(0), false, len(encoded) > 0)
		if _, err := l.conn.Write(frameOf(amqpFrame, 0, transfer, now)); err != nil {
			return
		}
	}
}

// deviceT is a test that knows its device.
type deviceT struct {
	testing.TB
	of identity
}

func (t deviceT) device() identity { return t.of }

// deviceDoors are the ways into a hub for devices.
var deviceDoors = map[string]func(t *testing.T, d identity) live{
	"MQTT":                func(t *testing.T, d identity) live { return overMQTT(t, d, d.hello()) },
	"MQTT over WebSocket": func(t *testing.T, d identity) live { return overMQTTWebSocket(t, d, d.hello()) },
	"AMQP": func(t *testing.T, d identity) live {
		return amqpLive{d.amqp(t).sender(d.address("messages/events")), "Amqp"}
	},
	"AMQP over WebSocket": func(t *testing.T, d identity) live {
		p := dialAMQPWebSocket(t, d.hub, "/$iothub/websocket")
		require.Zero(t, p.sasl("PLAIN", d.plain(d.Token(time.Hour))))
		return amqpLive{p.enter().sender(d.address("messages/events")), "AmqpWs"}
	},
}

func overMQTT(t *testing.T, d identity, hello connect) live {
	t.Helper()
	return mqttLive{d.enter(deviceT{t, d}, hello, accepted), "Mqtt"}
}

func overMQTTWebSocket(t *testing.T, d identity, hello connect) live {
	t.Helper()
	c := dialWebSocket(deviceT{t, d}, d.hub, webSocketPath, "mqtt")
	c.send(hello.bytes())
	c.expect(accepted)
	return mqttLive{c, "MqttWs"}
}

// endings are the ways in which a connection ends, with the code that each has.
// Those of MQTT alone have no row for AMQP. IoT Hub: §5.3.
var endings = []struct {
	name        string
	happens     func(t *testing.T, d identity, l live)
	code        int    // 0: a goodbye
	status      string // its name
	text        string // in its description
	onlyMQTT    bool
	amqp        int    // its code over AMQP, where it is another
	amqpStatus  string // and its name
	replacement bool   // a newer connection came, which lives on
}{
	{name: "the device says goodbye", happens: func(_ *testing.T, _ identity, l live) { l.leave() }},
	{
		name: "the socket closes", happens: func(_ *testing.T, _ identity, l live) { l.vanish() },
		code: 404104, status: "DeviceConnectionClosedRemotely", text: "without",
	},
	{
		name:    "a newer connection of the identity",
		happens: func(t *testing.T, d identity, _ live) { deviceDoors["MQTT"](t, d) },
		code:    400027, status: "ConnectionForcefullyClosedOnNewConnection", text: "newer connection",
		amqp: 409002, amqpStatus: "LinkCreationConflict", replacement: true,
	},
	{
		name:    "the device is disabled",
		happens: func(t *testing.T, d identity, _ live) { d.disable(t) },
		code:    403012, status: "DeviceDisabled", text: "disabled",
	},
	{
		name: "the device is deleted",
		happens: func(t *testing.T, d identity, _ live) {
			require.Equal(t, 204, d.hub.REST(t, "DELETE", "/devices/"+d.DeviceID, nil, "If-Match", "*").Status)
		},
		code: 404001, status: "DeviceNotFound", text: "deleted",
	},
	{
		name:    "somebody ends it at the control API",
		happens: func(t *testing.T, d identity, _ live) { d.hub.Kick(t, d.DeviceID, "") },
		code:    404104, status: "DeviceConnectionClosedRemotely", text: "control API",
	},
	{
		name:    "the token runs out",
		happens: func(t *testing.T, d identity, _ live) { d.hub.Advance(t, 66*time.Minute) },
		code:    401003, status: "IotHubUnauthorized", text: "expired",
	},
	{
		name: "the device breaks a rule", happens: func(_ *testing.T, _ identity, l live) { l.breaksARule() },
		code: 400003, status: "InvalidOperation", amqp: 400006, amqpStatus: "IotHubFormatError",
	},
	{
		name: "the device sends nonsense", happens: func(_ *testing.T, _ identity, l live) { l.sendsNonsense() },
		code: 400006, status: "IotHubFormatError",
	},
	{
		name: "a message is too large", happens: func(_ *testing.T, _ identity, l live) { l.sendsTooMuch() },
		code: 413001, status: "MessageTooLarge", text: "bytes",
	},
	{
		name: "a PUBLISH with QoS 2", happens: func(_ *testing.T, d identity, l live) { l.(mqttLive).send(packetOf(0x34, text(d.events()), 0, 1)) },
		code: 400003, status: "InvalidOperation", text: "QoS 2", onlyMQTT: true,
	},
	{
		name: "a filter that there is not", happens: func(_ *testing.T, _ identity, l live) { l.(mqttLive).send(subscribe(1, 0, "#")) },
		code: 400003, status: "InvalidOperation", text: "SUBSCRIBE", onlyMQTT: true,
	},
	{
		name: "a second CONNECT", happens: func(_ *testing.T, d identity, l live) { l.(mqttLive).send(d.hello().bytes()) },
		code: 400006, status: "IotHubFormatError", text: "second CONNECT", onlyMQTT: true,
	},
}

// TestHowConnectionsEnd does all that ends a connection, at each door, and compares
// what operations monitoring and the resource log say of it. The hub is its own,
// whose clock it moves.
func TestHowConnectionsEnd(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "resource.jsonl")
	h, err := harness.Launch(harness.Options{Address: operationsAddress, Args: []string{
		"--resource-log", file, "--operations-monitoring", "deviceTelemetry=none",
	}})
	require.NoError(t, err)
	defer func() { _ = h.Kill() }()
	want := map[string]operation{} // by device
	for door, enter := range deviceDoors {
		for _, e := range endings {
			if strings.HasPrefix(door, "AMQP") && e.onlyMQTT {
				continue
			}
			t.Run(door+": "+e.name, func(t *testing.T) {
				d := newDeviceOf(t, h)
				l := enter(t, d)
				e.happens(t, d, l)
				if e.code != 0 && e.name != "the socket closes" {
					l.isCutOff()
				}
				code, status := e.code, e.status
				if strings.HasPrefix(door, "AMQP") && e.amqp != 0 {
					code, status = e.amqp, e.amqpStatus
				}
				want[d.DeviceID] = ended(t, d, l, code, status, e.text, e.replacement)
			})
		}
	}
	keepAliveExpires(t, h, want)
	for _, enter := range deviceDoors { // who is connected when the hub stops
		d := newDeviceOf(t, h)
		l := enter(t, d)
		want[d.DeviceID] = operation{
			OperationName: "deviceDisconnect", Level: "Error", StatusType: 404104, Protocol: l.protocol(),
			StatusDescription: "DeviceConnectionClosedRemotely",
		}
	}
	require.NoError(t, h.Stop())
	comparesResourceLog(t, file, want)
}

// ended waits for the record of a connection's end, and compares it and that of its
// beginning.
func ended(t *testing.T, d identity, l live, code int, status, text string, replaced bool) operation {
	t.Helper()
	count := 2
	if replaced {
		count = 3
	}
	var found []operation
	for _, e := range d.hub.WaitEvents(t, count, harness.Filter{Operations: true, Device: d.DeviceID}) {
		require.Equal(t, "application/json", e.SystemProperties["content-type"])
		var o operation
		require.NoError(t, json.Unmarshal([]byte(e.Body), &o))
		found = append(found, o)
	}
	require.Len(t, found, count, "%v", found)
	began, over := found[0], found[1]
	require.Equal(t, "deviceConnect", began.OperationName)
	require.Equal(t, "Information", began.Level)
	require.Zero(t, began.StatusCode)
	for _, o := range found[:2] {
		require.Equal(t, "Connections", o.Category)
		require.Equal(t, l.protocol(), o.Protocol)
		require.JSONEq(t, `{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}`, o.AuthType)
		require.NotNil(t, o.DurationMs)
		require.Equal(t, d.DeviceID, o.DeviceID)
	}
	require.Equal(t, "deviceDisconnect", over.OperationName)
	require.Equal(t, code, over.StatusType, over.StatusDescription)
	if code == 0 {
		require.Equal(t, "Information", over.Level)
		return over
	}
	require.Equal(t, "Error", over.Level)
	require.Equal(t, code/1000, over.StatusCode)
	require.True(t, strings.HasPrefix(over.StatusDescription, status+": "), over.StatusDescription)
	require.Contains(t, over.StatusDescription, text)
	return over
}

// keepAliveExpires is the ending that takes a while, on wall time: of AMQP, whose
// idle timeout is minutes, amqp's own tests have it.
func keepAliveExpires(t *testing.T, h *harness.Hub, want map[string]operation) {
	t.Helper()
	for _, enter := range []func(*testing.T, identity, connect) live{overMQTT, overMQTTWebSocket} {
		d := newDeviceOf(t, h)
		hello := d.hello()
		hello.keepAlive = 1
		l := enter(t, d, hello)
		t.Run(l.protocol()+": the keep-alive expires", func(t *testing.T) {
			want[d.DeviceID] = ended(t, d, l, 404104, "DeviceConnectionClosedRemotely", "keep-alive of 1s expired", false)
		})
	}
}

// comparesResourceLog compares the ends of connections in the resource log with
// those of operations monitoring.
func comparesResourceLog(t *testing.T, file string, want map[string]operation) {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NotContains(t, string(content), "sig=")
	found := map[string]resource{}
	for line := range strings.Lines(string(content)) {
		var r resource
		require.NoError(t, json.Unmarshal([]byte(line), &r), line)
		var p struct{ DeviceID, Protocol, AuthType, MaskedIPAddress string }
		require.NoError(t, json.Unmarshal([]byte(r.Properties), &p), line)
		if _, first := found[p.DeviceID]; r.OperationName == "deviceDisconnect" && !first {
			found[p.DeviceID] = r
			require.Regexp(t, `^127\.\d+\.\d+\.XXX$`, p.MaskedIPAddress)
			require.Equal(t, want[p.DeviceID].Protocol, p.Protocol)
		}
	}
	for device, o := range want {
		r, ok := found[device]
		require.True(t, ok, device)
		require.Equal(t, "Connections", r.Category)
		require.Equal(t, o.Level, r.Level)
		require.Equal(t, o.StatusType, number(t, r.ResultType))
		name, _, _ := strings.Cut(o.StatusDescription, ":")
		require.Equal(t, name, r.ResultDescription)
		require.True(t, strings.HasSuffix(r.ResourceID, "/PROVIDERS/MICROSOFT.DEVICES/IOTHUBS/LINARITE"), r.ResourceID)
	}
}

// number is a code as the resource log writes it, empty for none.
func number(t *testing.T, s string) (n int) {
	t.Helper()
	if s == "" {
		return 0
	}
	require.NoError(t, json.Unmarshal([]byte(s), &n))
	return n
}

// TestWhatOperationsTellOf does an operation of each category, and reads what is
// told of it. IoT Hub: §23.1, §23.2.
func TestWhatOperationsTellOf(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "resource.jsonl")
	h, err := harness.Launch(harness.Options{Address: categoriesAddress, Args: []string{
		"--resource-log", file, "--operations-monitoring", "Routes=verbose", "--operations-monitoring", "connections=none",
	}})
	require.NoError(t, err)
	defer func() { _ = h.Kill() }()
	d := newDeviceOf(t, h)

	sender := d.amqp(t).sender(d.address("messages/events"))
	sender.pushLarge(288 << 10)
	sender.deliveries++
	outcome, _ := sender.settlement(0)
	require.EqualValues(t, outcomeRejected, outcome)
	sender.write(frameOf(amqpFrame, 0, of(performTransfer, sender.handle, uint32(1), []byte{1}, uint32(0), false), []byte("no sections")))
	sender.deliveries++
	outcome, _ = sender.settlement(1)
	require.EqualValues(t, outcomeRejected, outcome)
	sender.accepts(message{})
	itsPartition := d.theEvent(t).Partition
	require.Equal(t, 409, h.REST(t, "PUT", "/devices/"+d.DeviceID, map[string]any{"deviceId": d.DeviceID}).Status)
	require.Equal(t, 200, h.REST(t, "GET", "/twins/"+d.DeviceID, nil).Status)
	require.Equal(t, 404, h.REST(t, "POST", "/twins/"+d.DeviceID+"/methods", map[string]any{"methodName": "m"}).Status)
	require.Equal(t, 200, h.REST(t, "POST", "/devices/query", map[string]any{"query": "SELECT * FROM devices"}).Status)
	h.Send(t, d.DeviceID, harness.CloudMessage{Body: "x", MessageID: "late", Ack: "full", TTL: "1m"})
	h.Advance(t, 2*time.Minute)
	h.Control(t, "PUT", "/v1/routes/$fallback", map[string]any{"isEnabled": false}, nil)
	sender.accepts(message{})
	outcome, _ = backEnd(t, h, "service").sender("/messages/devicebound").deliver(message{properties: map[int]any{2: "/devices/nobody/messages/devicebound"}})
	require.EqualValues(t, outcomeRejected, outcome)
	backEnd(t, h, "device").refused(true, partition("linarite", "$Default", 0), terms{})
	stranger := dialAMQP(t, h).enter().rpc("$cbs")
	require.EqualValues(t, 401, stranger.putToken(sasToken, h.Address+"/linarite", "SharedAccessSignature sr=a&sig=b&se=1&skn=service"))

	var told []string
	for _, e := range h.WaitEvents(t, 8, harness.Filter{Operations: true}) {
		var o operation
		require.NoError(t, json.Unmarshal([]byte(e.Body), &o))
		if o.OperationName == "ingress" && o.DeviceID == d.DeviceID {
			require.Equal(t, itsPartition, o.PartitionID)
		}
		told = append(told, fmt.Sprintf("%s %s %s %d", o.Category, o.OperationName, o.Level, max(o.StatusType, o.StatusCode)))
	}
	require.ElementsMatch(t, []string{
		"DeviceTelemetry ingress Error 413001", "DeviceTelemetry ingress Error 400006", "DeviceIdentityOperations create Error 409",
		"C2DCommands messageExpired Error 412000", "routes OrphanedMessage Information 0", "C2DCommands ingress Error 404001",
		"DeviceTelemetry egress Error 401002", "DeviceTelemetry egress Error 401002",
	}, told)
	require.NoError(t, h.Stop())
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	var logged []string
	for line := range strings.Lines(string(content)) {
		var r resource
		require.NoError(t, json.Unmarshal([]byte(line), &r), line)
		require.True(t, json.Valid([]byte(r.Properties)), line)
		if r.Category != "Connections" {
			logged = append(logged, strings.TrimSpace(r.Category+" "+r.OperationName+" "+r.ResultType))
		}
	}
	require.ElementsMatch(t, []string{
		"DeviceTelemetry ingress 413001", "DeviceTelemetry ingress 400006", "DeviceIdentityOperations create 409001", "C2DTwinOperations read",
		"DirectMethods send 404103", "TwinQueries query", "C2DCommands messageExpired 412000", "Routes OrphanedMessage",
		"C2DCommands ingress 404001", "DeviceTelemetry egress 401002", "DeviceTelemetry egress 401002",
	}, logged)
}

// The resource log may be standard output, which the other log is not.
func TestTheResourceLogOnStandardOutput(t *testing.T) {
	t.Parallel()
	h := harness.Start(t, harness.Options{Address: outputAddress, Args: []string{"--resource-log", "-"}})
	d := newDeviceOf(t, h)
	overMQTT(t, d, d.hello()).leave()
	var r resource
	line := h.WaitLog(t, `"operationName":"deviceDisconnect"`, d.DeviceID)
	require.NoError(t, json.Unmarshal([]byte(line), &r), line)
	require.Equal(t, "Connections", r.Category)
	require.Equal(t, "Information", r.Level)
	require.Empty(t, r.ResultType)
}
