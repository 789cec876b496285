package mqtt_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/mqtt"
)

const deviceBound = "devices/d/messages/devicebound/"

// listen subscribes to cloud-to-device messages.
func (c *client) listen(qos byte) *client {
	c.t.Helper()
	c.send(subscribe(1, qos, deviceBound+"#"))
	c.expect(0x90, 3, 0, 1, qos)
	return c
}

// to is the property that every message has.
const to = "%24.to=%2Fdevices%2Fd%2Fmessages%2FdeviceBound"

func TestTheTopicOfACloudToDeviceMessage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		send c2d.Message
		want string
	}{
		"with nothing": {c2d.Message{}, to},
		"with everything, system properties first": {c2d.Message{
			Message: iot.Message{
				System: iot.Properties{
					{Name: iot.ContentEncoding, Value: "utf-8"},
					{Name: iot.ContentType, Value: "application/json"},
					{Name: iot.UserID, Value: "u"},
					{Name: iot.CorrelationID, Value: "c"},
					{Name: iot.MessageID, Value: "m"},
					{Name: iot.CreationTime, Value: "x"},
				},
				Properties: iot.Properties{{Name: "a", Value: "b"}, {Name: "c", Value: "d"}},
			},
			Expiry: time.Date(2099, 1, 2, 3, 4, 5, 678912345, time.UTC), Ack: c2d.AckFull,
		}, "%24.mid=m&%24.cid=c&%24.uid=u&" + to + "&%24.ct=application%2Fjson&%24.ce=utf-8&" +
			"%24.exp=2099-01-02T03%3A04%3A05.6789123Z&iothub-ack=full&a=b&c=d"},
		"with seven digits of a whole second": {c2d.Message{
			Expiry: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
		}, to + "&%24.exp=2099-01-01T00%3A00%3A00.0000000Z"},
		"with values to be encoded": {c2d.Message{Message: iot.Message{
			Properties: iot.Properties{{Name: "k =&/+%$", Value: "v =&/+%#?é"}},
		}}, to + "&k%20%3D%26%2F%2B%25%24=v%20%3D%26%2F%2B%25%23%3F%C3%A9"},
		"with null and empty values": {c2d.Message{Message: iot.Message{
			Properties: iot.Properties{{Name: "null", Null: true}, {Name: "empty"}},
		}}, to + "&null&empty="},
		"with an ack that is in the properties too": {c2d.Message{
			Message: iot.Message{Properties: iot.Properties{{Name: "iothub-ack", Value: "positive"}}}, Ack: c2d.AckPositive,
		}, to + "&iothub-ack=positive"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, deviceBound+c.want, mqtt.DeviceBoundTopic("d", &c.send))
		})
	}
}

func TestAMessageArrives(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d")).listen(1)
	r.sendMessage(c2d.Message{
		Message: iot.Message{
			System:     iot.Properties{{Name: iot.MessageID, Value: "m"}},
			Properties: iot.Properties{{Name: "a", Value: "b"}}, Body: []byte("hello"),
		},
		Expiry: r.clock.Now().Add(time.Hour), Ack: c2d.AckFull,
	})
	expiry := strings.ReplaceAll(r.clock.Now().Add(time.Hour).Format("2006-01-02T15:04:05.0000000Z"), ":", "%3A")
	require.Equal(t, message{
		topic: deviceBound + "%24.mid=m&" + to + "&%24.exp=" + expiry + "&iothub-ack=full&a=b", body: "hello", qos: 1, id: 2,
	}, c.message())
}

func TestNothingComesBeforeTheSubscription(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.resume(iot.Device("d"), 0)
	r.sendText("a")
	c.quiet()
	c.listen(1)
	require.Equal(t, "a", c.message().body)
}

func TestMessagesWaitForADeviceThatIsOffline(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.resume(iot.Device("d"), 0).listen(1)
	c.send(disconnect)
	c.closed()
	r.goodbye(iot.Device("d"))
	r.sendText("a")
	r.sendText("b")
	c = r.resume(iot.Device("d"), 1)
	require.Equal(t, message{topic: deviceBound + to, body: "a", qos: 1, id: 2}, c.message())
	require.Equal(t, message{topic: deviceBound + to, body: "b", qos: 1, id: 3}, c.message())
}

func TestPubackCompletes(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d")).listen(1)
	r.sendMessage(c2d.Message{Ack: c2d.AckFull, Message: iot.Message{System: iot.Properties{{Name: iot.MessageID, Value: "x"}}}})
	c.send(puback(c.message().id))
	c.quiet()
	history := r.Feedback().History()
	require.Len(t, history, 1)
	require.Equal(t, "Success", history[0].StatusCode)
	require.Equal(t, "x", history[0].OriginalMessageID)
	d, err := r.Device("d")
	require.NoError(t, err)
	require.Zero(t, d.MessageCount)
}

func TestQoS0CompletesWhenWritten(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d")).listen(0)
	for i := range 40 { // more than the hub lets be unsettled
		r.sendText(fmt.Sprint(i))
	}
	for i := range 40 {
		require.Equal(t, message{topic: deviceBound + to, body: fmt.Sprint(i)}, c.message())
	}
	require.Eventually(t, func() bool {
		d, err := r.Device("d")
		return err == nil && d.MessageCount == 0
	}, patience, time.Millisecond)
}

func TestUnacknowledgedMessagesComeBackInOrderWithDUP(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.resume(iot.Device("d"), 0).listen(1)
	for _, body := range []string{"a", "b", "c"} {
		r.sendText(body)
	}
	c.message()
	id := c.message().id
	c.message()
	c.send(puback(id)) // b
	c.quiet()
	require.NoError(t, c.conn.Close())
	r.goodbye(iot.Device("d"))
	r.sendText("d")
	c = r.resume(iot.Device("d"), 1)
	for _, want := range []message{{body: "a", id: 2, dup: true}, {body: "c", id: 4, dup: true}, {body: "d", id: 5}} {
		want.topic, want.qos = deviceBound+to, 1
		require.Equal(t, want, c.message())
	}
}

func TestAMessageComesBackWhenItsLockRunsOut(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d")).listen(1)
	r.sendText("a")
	first := c.message()
	require.False(t, first.dup)
	r.clock.Advance(61 * time.Second)
	again := c.message()
	require.True(t, again.dup)
	require.Equal(t, first.id, again.id, "the same message, the same id")
	c.send(puback(again.id))
	c.quiet()
	r.clock.Advance(61 * time.Second)
	c.quiet()
}

func TestALatePubackChangesNothing(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d")).listen(1)
	r.sendMessage(c2d.Message{Expiry: r.clock.Now().Add(time.Minute)})
	id := c.message().id
	r.clock.Advance(2 * time.Minute)
	c.send(puback(id), puback(id), puback(4711))
	c.quiet()
}

func TestMessagesBeyondTheWindowFollowAcknowledgements(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d")).listen(1)
	for i := range 50 {
		r.sendText(fmt.Sprint(i))
	}
	for i := range 50 {
		m := c.message()
		require.Equal(t, fmt.Sprint(i), m.body)
		c.send(puback(m.id))
	}
}

func TestPacketIDsOfMessages(t *testing.T) {
	t.Parallel()
	ids := mqtt.PacketIDs(5, 6, 5+0x4000, 5, 5+2*0x4000)
	require.Equal(t, []uint16{6, 7, 8, 6, 9}, ids, "the next free id where an older delivery has it")
	require.Equal(t, []uint16{0x4000, 1}, mqtt.PacketIDs(0x3FFF, 0x4000))
}

func TestDeliveriesThatAreNeverAcknowledgedAreForgotten(t *testing.T) {
	t.Parallel()
	var sequences []uint64
	for i := range uint64(40000) {
		sequences = append(sequences, i)
	}
	ids := mqtt.PacketIDs(sequences...)
	require.Equal(t, uint16(39999&0x3FFF)+1, ids[39999])
}

func TestAMessageWhosePropertiesDoNotFitIsRejected(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d")).listen(1)
	r.sendMessage(c2d.Message{Ack: c2d.AckFull, Message: iot.Message{
		Properties: iot.Properties{{Name: "k", Value: strings.Repeat("%", 30000)}},
	}})
	r.sendText("next")
	require.Equal(t, "next", c.message().body)
	require.Eventually(t, func() bool { return len(r.Feedback().History()) == 1 }, patience, time.Millisecond)
	require.Equal(t, "Rejected", r.Feedback().History()[0].StatusCode)
}

func TestTheLargestCloudToDeviceMessage(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d")).listen(1)
	body := strings.Repeat("x", c2d.MaxMessage)
	r.sendText(body)
	require.Equal(t, body, c.message().body)
}
