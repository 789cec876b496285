package hubtest_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/hubtest"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTelemetry(t *testing.T) {
	t.Parallel()
	h := hubtest.Start(t)
	d := connect(t, h, "d1")
	h.WaitConnected("d1")
	connect(t, h, "d2").publishes("a=1", "of another")
	d.publishes("a=1&b=2", "one")
	d.publishes("a=2", "two")

	all := h.WaitEvents(2, hubtest.Filter{Device: "d1"})
	require.Len(t, all, 2)
	assert.Equal(t, []string{"one", "two"}, []string{string(all[0].Message.Body), string(all[1].Message.Body)})
	assert.Len(t, h.WaitEvents(2, hubtest.Filter{Properties: iot.Properties{{Name: "a", Value: "1"}}}), 2)

	require.NoError(t, d.Close())
	h.WaitDisconnected("d1")
}

func TestMessagesAndFeedback(t *testing.T) {
	t.Parallel()
	h := hubtest.Start(t)
	d := connect(t, h, "d1")
	d.subscribes("devices/d1/messages/devicebound/#")
	m := c2d.Message{Ack: c2d.AckFull}
	m.System = iot.Properties{{Name: iot.MessageID, Value: "m1"}}
	_, err := h.Hub().Send(iot.Device("d1"), m)
	require.NoError(t, err)
	assert.Contains(t, d.delivered(), "devices/d1/messages/devicebound/%24.mid=m1")
	records := h.WaitFeedback(1)
	require.Len(t, records, 1)
	assert.Equal(t, "m1", records[0].OriginalMessageID)
	assert.Equal(t, "Success", records[0].StatusCode)
}

func TestDevicesWithCertificates(t *testing.T) {
	t.Parallel()
	h := hubtest.Start(t)
	show(t, h, "d1").publishes("", "by certificate")
	show(t, h, "d2/m1")
	h.WaitConnected("d2/m1")
	show(t, h, "d1").publishes("", "with another one")
	method := h.WaitEvents(2, hubtest.Filter{Device: "d1"})[0].Origin.AuthMethod
	assert.Contains(t, method, `"type":"x509Certificate"`)
	assert.Contains(t, h.DeviceConnectionString("d1"), ";x509=true")
	assert.Contains(t, h.DeviceConnectionString("d2"), ";SharedAccessKey=")
}

func TestTheClockIsTheTests(t *testing.T) {
	t.Parallel()
	h := hubtest.Start(t)
	connect(t, h, "d1")
	h.WaitConnected("d1")
	h.Clock().Advance(2 * time.Hour)
	h.WaitDisconnected("d1") // its token has run out
}

func TestWhatClientsNeed(t *testing.T) {
	t.Parallel()
	h := hubtest.StartWith(t, hubtest.Options{Hostnames: []string{"hub.example"}, Name: "hub1"})
	assert.Equal(t, "HostName=hub.example;SharedAccessKeyName=iothubowner;SharedAccessKey="+auth.WellKnownKey, h.ServiceConnectionString())
	assert.True(t, strings.HasSuffix(h.EventsConnectionString(), ";EntityPath=hub1"))
	device := h.DeviceConnectionString("d1")
	assert.Regexp(t, `^HostName=hub\.example;DeviceId=d1;SharedAccessKey=\S+$`, device)
	assert.Equal(t, device, h.DeviceConnectionString("d1"), "it is registered once")
	module := h.ModuleConnectionString("d9", "m1")
	assert.Regexp(t, `^HostName=hub\.example;DeviceId=d9;ModuleId=m1;SharedAccessKey=\S+$`, module)
	assert.Equal(t, module, h.ModuleConnectionString("d9", "m1"))

	file, err := os.ReadFile(h.CAFile())
	require.NoError(t, err)
	assert.Equal(t, h.CAPEM(), file)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: h.TLSConfig(), DisableKeepAlives: true}}
	for _, url := range []string{h.HTTPSURL() + "/devices", h.ControlURL() + "/health"} {
		resp, err := client.Get(url)
		require.NoError(t, err)
		_ = resp.Body.Close()
	}
}

// failed is a test that keeps why it failed, and goes on.
type failed struct {
	testing.TB
	why []string
}

func (f *failed) Helper() {}
func (f *failed) Fatalf(format string, args ...any) {
	f.why = append(f.why, fmt.Sprintf(format, args...))
}

// Deadline is almost here: less the margin of a wait it has passed.
func (f *failed) Deadline() (time.Time, bool) { return clock.Wall().Add(time.Second), true }

func TestWaitsThatFail(t *testing.T) {
	t.Parallel()
	f := &failed{TB: t}
	h := hubtest.Start(f)
	h.WaitEvents(1, hubtest.Filter{Device: "d1"})
	h.WaitFeedback(1)
	h.WaitConnected("d1")
	h.DeviceConnectionString("no id")
	h.DeviceCertificate("d1/no id")
	require.GreaterOrEqual(t, len(f.why), 7)
	assert.Contains(t, f.why[0], "0 of 1 events came that fit {Device:d1")
	assert.Contains(t, f.why[1], "0 of 1 feedback records came")
	assert.Contains(t, f.why[2], "d1: connected is still false")
	assert.Contains(t, f.why[3], "register no id: ")
	assert.Contains(t, f.why[5], "register d1/no id: ")
	assert.Contains(t, f.why[6], "a certificate for d1/no id: ")
}

func TestTwoHubsDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	one, other := hubtest.Start(t), hubtest.Start(t)
	a, b := connect(t, one, "d1"), connect(t, other, "d1")
	one.WaitConnected("d1")
	other.WaitConnected("d1")
	a.publishes("", "to one")
	b.publishes("", "to the other")
	require.Len(t, one.WaitEvents(1, hubtest.Filter{}), 1)
	require.Len(t, other.WaitEvents(1, hubtest.Filter{}), 1)
	assert.Equal(t, "to one", string(one.WaitEvents(1, hubtest.Filter{})[0].Message.Body))

	one.Clock().Advance(time.Minute)
	assert.Zero(t, other.Clock().Offset())
	require.NoError(t, one.Hub().DeleteDevice("d1", "*"))
	b.publishes("", "still there")
	assert.Len(t, other.WaitEvents(2, hubtest.Filter{}), 2)

	_, err := (&http.Client{Transport: &http.Transport{TLSClientConfig: one.TLSConfig()}}).Get(other.HTTPSURL())
	assert.ErrorContains(t, err, "certificate")
	assert.False(t, bytes.Equal(one.CAPEM(), other.CAPEM()))
}

// call asks for a method of a device that never answers, and says when the
// device has been asked.
func call(t *testing.T, h *hubtest.Hub, d *device) (done chan struct{}) {
	t.Helper()
	token, err := auth.Sign("127.0.0.1", auth.WellKnownKey, "service", clock.Wall().Add(time.Hour))
	require.NoError(t, err)
	r, err := http.NewRequest(http.MethodPost, h.HTTPSURL()+"/twins/"+d.id+"/methods?api-version=2021-04-12",
		strings.NewReader(`{"methodName":"wait","responseTimeoutInSeconds":300}`))
	require.NoError(t, err)
	r.Header.Set("Authorization", token)
	done = make(chan struct{})
	go func() {
		defer close(done)
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: h.TLSConfig(), DisableKeepAlives: true}}
		if resp, err := client.Do(r); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}()
	require.Contains(t, d.delivered(), "$iothub/methods/POST/wait/?$rid=")
	return done
}

// ender is a test that ends its hub when told to, and not after its clients.
type ender struct {
	testing.TB
	end func()
}

// Cleanup keeps what hubtest.Start wants done.
func (e *ender) Cleanup(f func()) { e.end = f }

func TestAHundredHubsLeaveNothing(t *testing.T) {
	before := goleak.IgnoreCurrent()
	for i := range 100 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			e := &ender{TB: t}
			h := hubtest.Start(e)
			connect(t, h, "d1").publishes("", "hello")
			d := connect(t, h, "d2")
			d.subscribes("$iothub/methods/POST/#")
			for _, addr := range []string{h.MQTTAddr(), strings.TrimPrefix(h.HTTPSURL(), "https://")} {
				silent, err := net.Dial("tcp", addr)
				require.NoError(t, err)
				t.Cleanup(func() { _ = silent.Close() })
			}
			done := call(t, h, d)
			e.end() // while the devices live, the sockets say nothing and the method waits
			<-done
			_, err := d.Read(make([]byte, 1))
			require.Error(t, err)
		})
	}
	goleak.VerifyNone(t, before)
}
