package wire_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// refusedMessage sends a cloud-to-device message that has to be refused and
// returns the status and the error's JSON.
func (i identity) refusedMessage(t testing.TB, m harness.CloudMessage) (status int, text string) {
	t.Helper()
	body, err := json.Marshal(m)
	require.NoError(t, err)
	url := "http://" + i.hub.Addr(harness.ControlPort) + "/v1/devices/" + i.DeviceID + "/messages"
	response, err := http.Post(url, "application/json", bytes.NewReader(body))
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(answer)
}

func TestAQueueOfFifty(t *testing.T) {
	t.Parallel()
	const depth = 50
	d := newDevice(t)
	for i := range depth {
		d.tell(t, fmt.Sprint(i))
	}
	status, text := d.refusedMessage(t, harness.CloudMessage{Body: "one more"})
	require.Equal(t, 403, status)
	require.Contains(t, text, "DeviceMaximumQueueDepthExceeded")
	c := d.receiver(t)
	for i := range depth {
		p := c.publication()
		require.Equal(t, fmt.Sprint(i), p.body)
		c.send(puback(p.id))
	}
	c.ping()
	require.Zero(t, d.queued(t))
}

func TestTheSizeOfACloudToDeviceMessage(t *testing.T) {
	t.Parallel()
	const limit = 64 * 1024
	d := newDevice(t)
	c := d.receiver(t)
	hub.Send(t, d.DeviceID, harness.CloudMessage{Body: strings.Repeat("x", limit-1), MessageID: "m"})
	require.Len(t, c.publication().body, limit-1)
	status, text := d.refusedMessage(t, harness.CloudMessage{Body: strings.Repeat("x", limit), MessageID: "m"})
	require.Equal(t, 413, status)
	require.Contains(t, text, "MessageTooLarge")
}

func TestAModuleGetsNoMessages(t *testing.T) {
	t.Parallel()
	m := newModule(t)
	c := m.join(t)
	c.subscribe(1, m.path()+"/#", m.path()+"/inputs/#", m.deviceBound())
	hub.Send(t, m.DeviceID, harness.CloudMessage{Body: "for the device"})
	c.ping()
	d := m
	d.ModuleID = ""
	require.Equal(t, 1, d.queued(t))
}

func TestAPurgedQueue(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	d.away(t)
	hub.Send(t, d.DeviceID, harness.CloudMessage{Body: "x", Ack: "negative"})
	r := hub.REST(t, "DELETE", "/devices/"+d.DeviceID+"/commands", nil)
	require.Equal(t, 200, r.Status, "%s", r.Body)
	require.Contains(t, string(r.Body), `"totalMessagesPurged":1`)
	require.Equal(t, "Purged", hub.WaitFeedback(t, 1, d.DeviceID)[0].StatusCode)
	c := d.resume(t, resumed)
	d.tell(t, "next")
	require.Equal(t, "next", c.publication().body)
}

func TestASlowDeviceIsGivenSixteenAtATime(t *testing.T) {
	t.Parallel()
	const window = 16
	d := newDevice(t)
	d.away(t)
	for i := range window + 4 {
		d.tell(t, fmt.Sprint(i))
	}
	c := d.resume(t, resumed)
	var first uint16
	for i := range window {
		p := c.publication()
		require.Equal(t, fmt.Sprint(i), p.body)
		if i == 0 {
			first = p.id
		}
	}
	c.ping()
	c.send(puback(first))
	require.Equal(t, fmt.Sprint(window), c.publication().body)
	c.ping()
}

// TestNothingIsLostOnABadLine: a device that keeps losing its connection in the
// middle of things gets every message, each time in order, until it has
// acknowledged it.
func TestNothingIsLostOnABadLine(t *testing.T) {
	t.Parallel()
	const count = 40
	d := newDevice(t)
	d.away(t)
	for i := range count {
		hub.Send(t, d.DeviceID, harness.CloudMessage{Body: fmt.Sprintf("%02d", i), Ack: "full"})
	}
	got := map[string]bool{}
	for round := 0; ; round++ {
		c := d.resume(t, resumed)
		left := d.queued(t)
		if left == 0 {
			break
		}
		last := ""
		for n := range min(left, 1+round%5) {
			p := c.publication()
			require.Greater(t, p.body, last, "in order")
			last, got[p.body] = p.body, true
			if n%2 == 0 {
				c.send(puback(p.id)) // which may be lost with the line
			}
		}
		switch round % 3 {
		case 0:
			c.vanish()
		case 1:
			c.send(disconnect)
		default: // the next connection takes over
		}
	}
	require.Len(t, got, count)
	records := hub.WaitFeedback(t, count, d.DeviceID)
	require.Len(t, records, count, "one outcome for each")
	for _, r := range records {
		require.Equal(t, "Success", r.StatusCode)
	}
}
