package hostile_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// most is how long the hub may be kept busy by one input, and slack what a busy
// machine may add to it.
const (
	most  = 30 * time.Second
	slack = 15 * time.Second
)

// patience is how long something may take that the hub has to end. With the race
// detector it is slower to fill what nobody reads.
func (v *victim) patience() time.Duration {
	if v.raced {
		return 3 * (most + slack)
	}
	return most + slack
}

// several is how many attackers there are for each patient input.
const several = 3

// patient are inputs that the hub lets go of when a deadline of its own has
// passed.
var patient = map[string]input{
	// Nothing, or not all of it.
	"a TCP connection to MQTT that says nothing":    waits(dials(harness.MQTTPort), nil),
	"a TCP connection to HTTPS that says nothing":   waits(dials(harness.HTTPSPort), nil),
	"a TCP connection to control that says nothing": waits(dials(harness.ControlPort), nil),
	"half a ClientHello to MQTT":                    waits(dials(harness.MQTTPort), []byte{tlsHandshake, 3, 1, 1, 0, 1}),
	"half a ClientHello to HTTPS":                   waits(dials(harness.HTTPSPort), []byte{tlsHandshake, 3, 1, 1, 0, 1}),
	"a TLS connection to MQTT that says nothing":    waits(shakesHands(harness.MQTTPort), nil),
	"a TLS connection to HTTPS that says nothing":   waits(shakesHands(harness.HTTPSPort), nil),
	"half a CONNECT":                                waits(shakesHands(harness.MQTTPort), bytesOf(0x10, 100, protocol)),
	"all but a byte of a CONNECT of 160 KB": waits(shakesHands(harness.MQTTPort),
		bytesOf(header(0x10, 160<<10), noPayload, long(160<<10-len(noPayload)-1))),
	"a CONNECT without an end, byte by byte":         dribbles(shakesHands(harness.MQTTPort), bytesOf(header(0x10, 100), protocol), []byte{0}),
	"half a request":                                 waits(shakesHands(harness.HTTPSPort), []byte("GET /devices HTTP/1.1\r\nHost: x\r\n")),
	"half a request to control":                      waits(dials(harness.ControlPort), []byte("GET /health HTTP/1.1\r\nHost: x\r\n")),
	"headers without an end, byte by byte":           dribbles(shakesHands(harness.HTTPSPort), []byte("GET /devices HTTP/1.1\r\nX: "), []byte("x")),
	"headers of control without an end":              dribbles(dials(harness.ControlPort), []byte("GET /health HTTP/1.1\r\nX: "), []byte("x")),
	"half an upgrade":                                waits(shakesHands(harness.HTTPSPort), []byte("GET /$iothub/websocket HTTP/1.1\r\nUpgrade: websocket\r\n")),
	"half a body":                                    stalls(harness.HTTPSPort, request("PUT", devicePath, "", "Content-Length: 1000")+`{"deviceId"`),
	"half a body without a token":                    stalls(harness.HTTPSPort, plain("PUT", devicePath, "", "Content-Length: 1000")+`{"deviceId"`),
	"half a body to control":                         stalls(harness.ControlPort, plain("POST", "/v1/clock", "", "Content-Length: 1000")+`{"advance"`),
	"half a chunk":                                   stalls(harness.HTTPSPort, chunked("PUT", devicePath, "100\r\n{")),
	"half a chunk of 16 EB":                          stalls(harness.HTTPSPort, chunked("PUT", devicePath, "FFFFFFFFFFFFFFFF\r\nx\r\n")),
	"half a length of a chunk":                       stalls(harness.HTTPSPort, chunked("PUT", devicePath, "nonsense")),
	"a body that is waited for and does not come":    stalls(harness.HTTPSPort, request("PUT", devicePath, "", "Content-Length: 1000", "Expect: 100-continue")),
	"a body without an end, byte by byte":            dribbles(asks(harness.ControlPort, plain("POST", "/v1/clock", "", "Content-Length: 1000")), nil, []byte(" ")),
	"a TCP connection to AMQP that says nothing":     waits(dials(harness.AMQPSPort), nil),
	"a WebSocket that says nothing":                  waits((*attacker).upgraded, nil),
	"half a frame":                                   waits((*attacker).upgraded, bytesOf(wsHeader(wsFinal|wsBinary, 0x80, 100), 0, 0, 0, 0, 0x10)),
	"half a message":                                 waits((*attacker).upgraded, frame(wsBinary, 0x10, 100, protocol)),
	"pings without a CONNECT":                        dribbles((*attacker).upgraded, nil, frame(wsFinal|wsPing, "still here")),
	"fragments of nothing without a CONNECT":         dribbles((*attacker).upgraded, frame(wsBinary, 0x10), frame(wsContinuation)),
	"a device whose keep-alive of a second runs out": fallsSilent,

	// Answers that nobody takes.
	"a device that does not take its messages":      deaf(sendMessages),
	"a device that does not take desired changes":   deaf(changeDesired),
	"a device that does not take calls":             deaf(callMethods),
	"a device that does not take twin answers":      deaf(askForTwin),
	"a device that does not take answers to pings":  deaf(pingOn),
	"a WebSocket that does not take its pongs":      deafSurfer,
	"a back end that does not take its answers":     unread(harness.HTTPSPort, request("GET", "/twins/{device}", "")),
	"a reader of the journal that does not read it": unread(harness.ControlPort, plain("GET", "/v1/events?max=10000", "")),
	"a reader of metrics that does not read them":   unread(harness.ControlPort, plain("GET", "/metrics", "")),
}

// TestPatientInputs carries all of them out at once, several times each, on a hub
// of their own, since they take as long as the hub's deadlines.
func TestPatientInputs(t *testing.T) {
	t.Parallel()
	v := start(t, patientAddress, "--config", withGroups(t, groupsOfReaders...))
	v.welcome(t)
	v.fillJournal(t)
	patient := patientInputs()
	names := slices.Sorted(maps.Keys(patient))
	everyone := v.patients(t, several*len(names))
	before := v.vitals(t)
	stop := v.watch(t)
	var all sync.WaitGroup
	for i, a := range everyone {
		name := names[i%len(names)]
		all.Go(func() {
			began := time.Now()
			err := patient[name](a)
			if took := time.Since(began); err == nil && took > a.patience() {
				err = fmt.Errorf("it took the hub %s", took)
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	all.Wait()
	cost := stop() - before.memory
	t.Logf("%d inputs at once cost %s", len(everyone), megabytes(cost))
	v.affords(t, cost, len(everyone)*perInput/garbage)
	v.recovers(t, before)
}

// withGroups is a seed file with consumer groups.
func withGroups(t *testing.T, groups ...string) string {
	t.Helper()
	config := filepath.Join(t.TempDir(), "hub.yaml")
	require.NoError(t, os.WriteFile(config, []byte("consumerGroups: ["+strings.Join(groups, ", ")+"]\n"), 0o600))
	return config
}

// patientInputs are all of them.
func patientInputs() map[string]input {
	all := maps.Clone(patient)
	for way, open := range overAMQP {
		maps.Copy(all, patientAMQP(way, open))
	}
	return all
}

// patients are attackers with devices of their own, whose twins are as large as
// they may be.
func (v *victim) patients(t *testing.T, n int) []*attacker {
	t.Helper()
	full := `{"tags":{"a":"` + long(4000) + `"},"properties":{"desired":{"a":"` + long(4000) + `","b":"` + long(4000) + `","c":"` + long(4000) + `"}}}`
	all := make([]*attacker, n)
	for i := range all {
		device := v.CreateDevice(t, fmt.Sprintf("patient%d", i))
		v.secrets.add(device.Key)
		require.Equal(t, 200, v.REST(t, "PATCH", "/twins/"+device.DeviceID, full).Status)
		all[i] = &attacker{victim: v, device: device}
	}
	return all
}

// fillJournal has a device send 16 MB of telemetry, as much as one answer of the
// journal may have.
func (v *victim) fillJournal(t *testing.T) {
	t.Helper()
	a := &attacker{victim: v, device: v.devices[0]}
	p, err := a.join()
	require.NoError(t, err)
	defer p.Close()
	for range 64 {
		p.send(publish(1, a.events(), long(250<<10)))
		_, err := p.packet()
		require.NoError(t, err)
	}
}
