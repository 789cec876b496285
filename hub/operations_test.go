package hub_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/monitoring"
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
	h.Close()
	written, _ := h.ResourceLogStatistics()
	assert.EqualValues(t, hub.MaxLines+1, written)
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
