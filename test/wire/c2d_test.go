package wire_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// receiver connects with CleanSession 0 and subscribes to messages.
func (i identity) receiver(t testing.TB) *client {
	t.Helper()
	c := i.resume(t, accepted)
	c.subscribe(1, i.deviceBound())
	return c
}

// tell sends the device a message with a text for a body.
func (i identity) tell(t testing.TB, body string) {
	t.Helper()
	i.hub.Send(t, i.DeviceID, harness.CloudMessage{Body: body})
}

// queued is how many messages wait for the device, as its document says.
func (i identity) queued(t testing.TB) int {
	t.Helper()
	var doc struct{ CloudToDeviceMessageCount int }
	i.hub.REST(t, "GET", "/devices/"+i.DeviceID, nil).JSON(t, &doc)
	return doc.CloudToDeviceMessageCount
}

func TestTheTopicOfAMessage(t *testing.T) {
	t.Parallel()
	exp := `\d{4}-\d\d-\d\dT\d\d%3A\d\d%3A\d\d\.\d{7}Z`
	for name, c := range map[string]struct {
		message harness.CloudMessage
		bag     string // a pattern; TO stands for %24.to and its value
	}{
		"nothing but an id": {harness.CloudMessage{MessageID: "m-1"}, `%24\.mid=m-1&TO`},
		"not even an id":    {harness.CloudMessage{}, `%24\.mid=[0-9a-f-]+&TO`},
		"application properties": {
			harness.CloudMessage{MessageID: "1", Properties: map[string]string{"a": "b", "c": "d"}}, `%24\.mid=1&TO&a=b&c=d`,
		},
		"all there is, system properties first": {
			harness.CloudMessage{
				MessageID: "m 1", CorrelationID: "c/1", UserID: "u+1", ContentType: "application/json", ContentEncoding: "utf-8",
				Ack: "full", TTL: "1h", Properties: map[string]string{"a": "b"},
			},
			`%24\.mid=m%201&%24\.cid=c%2F1&%24\.uid=u%2B1&TO&%24\.ct=application%2Fjson&%24\.ce=utf-8&%24\.exp=` + exp + `&iothub-ack=full&a=b`,
		},
		"what has to be encoded": {
			harness.CloudMessage{MessageID: "1", Properties: map[string]string{"a b&c=d": "100% +/?#$ü"}},
			`%24\.mid=1&TO&a%20b%26c%3Dd=100%25%20%2B%2F%3F%23%24%C3%BC`,
		},
		"an empty value":   {harness.CloudMessage{MessageID: "1", Properties: map[string]string{"a": ""}}, `%24\.mid=1&TO&a=`},
		"an ack":           {harness.CloudMessage{MessageID: "1", Ack: "negative"}, `%24\.mid=1&TO&iothub-ack=negative`},
		"no ack wanted":    {harness.CloudMessage{MessageID: "1", Ack: "none"}, `%24\.mid=1&TO`},
		"a key like ours":  {harness.CloudMessage{MessageID: "1", Properties: map[string]string{"$.mid": "x"}}, `%24\.mid=1&TO&%24\.mid=x`},
		"a key with slash": {harness.CloudMessage{MessageID: "1", Properties: map[string]string{"a/b": "c"}}, `%24\.mid=1&TO&a%2Fb=c`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDevice(t)
			client := d.receiver(t)
			c.message.Body = "hello"
			hub.Send(t, d.DeviceID, c.message)
			p := client.publication()
			to := `%24\.to=%2Fdevices%2F` + d.DeviceID + `%2Fmessages%2FdeviceBound`
			require.Regexp(t, "^"+regexp.QuoteMeta(d.path())+"/messages/devicebound/"+strings.ReplaceAll(c.bag, "TO", to)+"$", p.topic)
			require.Equal(t, publication{topic: p.topic, body: "hello", qos: 1, id: p.id}, p, "no DUP, no RETAIN")
			require.NotZero(t, p.id)
		})
	}
}

func TestNothingComesBeforeTheSubscription(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := d.resume(t, accepted)
	d.tell(t, "waits")
	c.subscribe(1, twinAnswers, methods, desired)
	c.send(publish(0, "$iothub/twin/GET/?$rid=1", ""))
	require.Equal(t, "$iothub/twin/res/200/?$rid=1", c.publication().topic)
	c.ping()
	c.subscribe(1, d.deviceBound()) // the SUBACK comes first, then the message
	require.Equal(t, "waits", c.publication().body)
}

func TestMessagesWaitForADeviceThatIsOffline(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	d.away(t)
	for _, body := range []string{"a", "b", "c"} {
		d.tell(t, body)
	}
	c := d.resume(t, resumed) // and no SUBSCRIBE
	for _, body := range []string{"a", "b", "c"} {
		p := c.publication()
		require.Equal(t, body, p.body)
		require.False(t, p.dup)
		c.send(puback(p.id))
	}
	c.ping()
	require.Zero(t, d.queued(t))
}

// TestMessagesFromBeforeACleanSession is open in Azure's documents (§8.8); COMPATIBILITY.md says
// what was decided.
func TestMessagesFromBeforeACleanSession(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	d.tell(t, "old")
	c := d.join(t)
	c.subscribe(1, d.deviceBound())
	d.tell(t, "new")
	p := c.publication()
	require.Equal(t, "new", p.body, "what was queued before is not delivered over it")
	c.send(puback(p.id))
	c.ping()
	c.leave()
	require.Equal(t, 1, d.queued(t), "and is not lost")
	require.Equal(t, "old", d.receiver(t).publication().body)
}

func TestPubackCompletes(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := d.receiver(t)
	id := hub.Send(t, d.DeviceID, harness.CloudMessage{Body: "x", Ack: "full"})
	p := c.publication()
	require.Equal(t, 1, d.queued(t))
	c.send(puback(p.id))
	record := hub.WaitFeedback(t, 1, d.DeviceID)[0]
	require.Equal(t, id, record.OriginalMessageID)
	require.Equal(t, "Success", record.StatusCode)
	require.Zero(t, d.queued(t))
	c.send(puback(p.id)) // once more changes nothing
	c.ping()
	c.leave()
	d.resume(t, resumed).ping()
}

func TestQoS0CompletesWhenWritten(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := d.join(t)
	c.subscribe(0, d.deviceBound())
	hub.Send(t, d.DeviceID, harness.CloudMessage{Body: "x", Ack: "positive"})
	require.Equal(t, byte(0), c.publication().qos)
	require.Equal(t, "Success", hub.WaitFeedback(t, 1, d.DeviceID)[0].StatusCode)
	require.Zero(t, d.queued(t))
}

func TestUnacknowledgedMessagesComeBack(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*client){
		"after a goodbye":          (*client).leave,
		"after a broken line":      (*client).vanish,
		"after a newer connection": func(*client) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDevice(t)
			c := d.receiver(t)
			ids := map[string]uint16{}
			for _, body := range []string{"a", "b", "c", "d"} {
				d.tell(t, body)
				p := c.publication()
				require.Equal(t, body, p.body)
				ids[body] = p.id
			}
			c.send(puback(ids["b"])) // out of order, and the only one
			c.ping()
			end(c)
			c = d.resume(t, resumed)
			for _, body := range []string{"a", "c", "d"} {
				p := c.publication()
				require.Equal(t, body, p.body, "in their order")
				require.True(t, p.dup)
				require.Equal(t, ids[body], p.id, "under the id they had")
				c.send(puback(p.id))
			}
			d.tell(t, "e")
			p := c.publication()
			require.Equal(t, "e", p.body)
			require.False(t, p.dup)
			c.send(puback(p.id))
			c.ping()
			require.Zero(t, d.queued(t))
		})
	}
}

// TestPacketIDsOfTheTwoDirectionsAreIndependent: both sides count from 1, so
// that a broker which mixes them up loses messages (broker.md 2.2).
func TestPacketIDsOfTheTwoDirectionsAreIndependent(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := d.receiver(t)
	var ids []uint16
	for range 3 {
		hub.Send(t, d.DeviceID, harness.CloudMessage{Body: "x", Ack: "full"})
		ids = append(ids, c.publication().id)
	}
	for _, id := range []uint16{ids[0], ids[1], ids[2], 1, 2, 3} {
		c.send(publish(id, d.events(), "up"))
		c.expect(puback(id))
		c.send(subscribe(id, 1, twinAnswers))
		c.expect(packetOf(0x90, id, 1))
		c.send(unsubscribe(id, twinAnswers))
		c.expect(packetOf(0xB0, id))
	}
	require.Equal(t, 3, d.queued(t), "none of that was an acknowledgement")
	for _, id := range ids {
		c.send(puback(id))
	}
	require.Len(t, hub.WaitFeedback(t, 3, d.DeviceID), 3)
	require.Zero(t, d.queued(t))
	c.ping()
}
