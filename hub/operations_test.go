package hub_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/monitoring"
	"github.com/linarite/linarite/routing"
)

// told are the operations that the monitoring endpoint was told of, as
// `category operation statusType`.
func told(h *hub.Hub) (all []string) {
	evs, _ := h.Operations().ReadAll(h.Operations().Start(), 0)
	for _, e := range evs {
		var o struct {
			Category, OperationName, StatusType json.RawMessage
		}
		if err := json.Unmarshal(e.Message.Body, &o); err != nil {
			panic(err)
		}
		all = append(all, strings.ReplaceAll(strings.TrimSpace(string(o.Category)+" "+string(o.OperationName)+" "+string(o.StatusType)), `"`, ""))
	}
	return all
}

func TestRecordsGoWhereTheyAreWanted(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	h, err := hub.New(hub.Options{ResourceLog: &out, Monitoring: monitoring.Settings{Connections: monitoring.Errors}})
	require.NoError(t, err)
	h.Record(monitoring.Record{Category: monitoring.Connections, Operation: "deviceConnect"})
	h.Record(monitoring.Record{Category: monitoring.Connections, Operation: "deviceConnect", Err: iot.ErrUnauthorized})
	h.Record(monitoring.Record{Category: monitoring.DirectMethods, Operation: "send"})
	h.Record(monitoring.Record{Category: monitoring.DeviceTelemetry, Operation: "ingress"})
	assert.Equal(t, []string{"Connections deviceConnect 401003"}, told(h))
	h.Close()
	assert.Equal(t, 3, strings.Count(out.String(), "\n"), "telemetry is logged when it fails")
	written, dropped := h.ResourceLogStatistics()
	assert.EqualValues(t, 3, written)
	assert.Zero(t, dropped)
}

// stuck is a writer that takes nothing until it is let go.
type stuck struct {
	entered chan struct{}
	release chan struct{}
}

func (s stuck) Write(p []byte) (int, error) {
	select {
	case s.entered <- struct{}{}:
	default:
	}
	<-s.release
	return len(p), nil
}

// A resource log that nobody takes makes nothing wait: records are dropped, and
// counted.
func TestAResourceLogThatIsNotTaken(t *testing.T) {
	t.Parallel()
	out := stuck{make(chan struct{}, 1), make(chan struct{})}
	h, err := hub.New(hub.Options{ResourceLog: out})
	require.NoError(t, err)
	r := monitoring.Record{Category: monitoring.DirectMethods, Operation: "send"}
	h.Record(r)
	<-out.entered
	for range hub.MaxLines + 10 {
		h.Record(r)
	}
	_, dropped := h.ResourceLogStatistics()
	assert.EqualValues(t, 10, dropped)
	close(out.release)
	require.Eventually(t, func() bool {
		written, _ := h.ResourceLogStatistics()
		return written == hub.MaxLines+1
	}, time.Minute, time.Millisecond)
	h.Close()
}

// disk has room for so many bytes.
type disk struct {
	mu   sync.Mutex
	room int
	text bytes.Buffer
}

func (d *disk) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := min(len(p), d.room)
	d.room -= n
	d.text.Write(p[:n])
	if n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

// What does not fit on a disk that is full is dropped and counted, and spoils none
// of what comes when there is room again.
func TestAResourceLogWhoseDiskIsFull(t *testing.T) {
	t.Parallel()
	r := monitoring.Record{Category: monitoring.DirectMethods, Operation: "send"}
	size := len(r.Line(monitoring.Resource("linarite"))) + 1
	out := &disk{room: size + size/2}
	h, err := hub.New(hub.Options{ResourceLog: out})
	require.NoError(t, err)
	record := func(wantWritten, wantDropped uint64) {
		h.Record(r)
		require.Eventually(t, func() bool {
			written, dropped := h.ResourceLogStatistics()
			return written == wantWritten && dropped == wantDropped
		}, time.Minute, time.Millisecond)
	}
	record(1, 0)
	record(1, 1) // half of it fits
	record(1, 2) // and nothing of this
	out.mu.Lock()
	out.room = 10 * size
	out.mu.Unlock()
	record(2, 2)
	record(3, 2)
	h.Close()

	lines := strings.Split(strings.TrimSuffix(out.text.String(), "\n"), "\n")
	require.Len(t, lines, 4)
	for i, line := range lines {
		assert.Equal(t, i != 1, json.Valid([]byte(line)), line)
	}
}

func TestResetEmptiesOperationsMonitoring(t *testing.T) {
	t.Parallel()
	h, err := hub.New(hub.Options{})
	require.NoError(t, err)
	defer h.Close()
	h.Refused(iot.Device("d"), "192.0.2.1:1", "Mqtt", iot.ErrUnauthorized)
	require.NotEmpty(t, told(h))
	require.NoError(t, h.Reset())
	assert.Empty(t, told(h))
}

// Each flow says how its operations ended, once, and counts them.
func TestFlowsSayHowTheirOperationsEnded(t *testing.T) {
	t.Parallel()
	verdict := hub.Verdict{}
	var out bytes.Buffer
	f := start(t, hub.Options{
		ResourceLog: &out, Monitoring: monitoring.Settings{Routes: monitoring.Verbose},
		Verdicts: func(hub.Operation, iot.Identity) hub.Verdict { return verdict },
	})
	l := newLink()
	s := f.connect("d", l, true)
	s.Telemetry(iot.Message{Body: []byte("ok")})
	s.Telemetry(iot.Message{Body: make([]byte, hub.MaxTelemetry+1)})
	s.NotIngested(3, iot.ErrFormat)
	verdict = hub.Verdict{Action: hub.Refuse, Err: iot.ErrThrottled}
	s.Telemetry(iot.Message{})
	s.TwinRequest()
	verdict = hub.Verdict{}
	s.Twin(func([]byte) {})
	s.Listen(hub.Listening{Messages: true, Desired: true})
	_, v := s.Report([]byte(`{"a":1}`), 0)
	require.Equal(t, hub.Accept, v.Action)
	s.Report([]byte(`[]`), 0)
	for range 3 {
		f.send("d", "x")
	}
	three := l.take()
	require.NoError(t, s.Complete(three[0]))
	require.NoError(t, s.Reject(three[1]))
	require.NoError(t, s.Abandon(three[2]))
	require.Error(t, s.Complete(three[0]))
	s.Listen(hub.Listening{})
	f.clock.Advance(61 * time.Minute) // the last message's lock and life run out
	require.NoError(t, f.ChangeRouting(func(c *routing.Config) error { c.Fallback.Disabled = true; return nil }))
	s.Telemetry(iot.Message{})
	_, err := f.Invoke(t.Context(), iot.Device("d"), hub.MethodCall{Name: "m"})
	require.ErrorIs(t, err, iot.ErrDeviceNotOnline)
	_, err = f.Query(t.Context(), hub.QueryRequest{Text: "SELECT * FROM devices"})
	require.NoError(t, err)
	s.End(nil)

	all := told(f.Hub)
	assert.ElementsMatch(t, []string{
		"Connections deviceConnect", "DeviceTelemetry ingress 413001", "DeviceTelemetry ingress 429001", "DeviceTelemetry ingress 400006",
		"C2DCommands complete 412002", "C2DCommands messageExpired 412000", "routes OrphanedMessage", "Connections deviceDisconnect",
	}, all)
	m := f.Metrics()
	assert.EqualValues(t, []uint64{5, 2, 1}, []uint64{m.TelemetryAttempts, m.TelemetryAccepted, m.TelemetryThrottled})
	assert.EqualValues(t, []uint64{1, 1, 1, 1}, []uint64{m.MessagesCompleted, m.MessagesRejected, m.MessagesAbandoned, m.MessagesExpired})
	assert.EqualValues(t, []uint64{0, 1, 1, 0}, []uint64{m.Methods, m.MethodsFailed, m.Queries, m.QueriesFailed})
	assert.EqualValues(t, []uint64{1, 1, 1, 1}, []uint64{m.DeviceReads, m.DeviceReadsFailed, m.DeviceUpdates, m.DeviceUpdatesFailed})
	assert.Zero(t, m.QueuedMessages)
	assert.Zero(t, m.ConnectedDevices)
	f.Close()
	assert.Equal(t, 5, strings.Count(out.String(), `"category":"D2CTwinOperations"`), out.String())
	require.NoError(t, f.Reset())
	assert.Zero(t, f.Metrics().TelemetryAttempts)
}
