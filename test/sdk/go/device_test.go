package sdk_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/Azure/go-amqp"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// batch is the message-format of Event Hubs' batches: each data section is a
// whole message.
const batch uint32 = 0x80013700

// device sends telemetry through go-amqp.
type device struct {
	t      *testing.T
	id     string
	sender *amqp.Sender
}

// newDevice registers and connects a device with an id that no other test has.
func newDevice(t *testing.T) *device {
	t.Helper()
	d := &device{t: t, id: "go-" + strconv.FormatInt(time.Now().UnixNano(), 36)}
	identity := hub.CreateDevice(t, d.id)
	conn, err := amqp.Dial(soon(t), "amqps://"+hub.Addr(harness.AMQPSPort), &amqp.ConnOptions{
		TLSConfig: hub.TLS(),
		SASLType:  amqp.SASLTypePlain(d.id+"@sas."+hub.Address, identity.Token(time.Hour)),
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	session, err := conn.NewSession(soon(t), nil)
	require.NoError(t, err)
	d.sender, err = session.NewSender(soon(t), "/devices/"+d.id+"/messages/events", nil)
	require.NoError(t, err)
	return d
}

// send sends messages with these bodies.
func (d *device) send(bodies ...string) {
	d.t.Helper()
	for _, body := range bodies {
		d.deliver(amqp.NewMessage([]byte(body)))
	}
}

// deliver sends a message; the hub has it when this returns.
func (d *device) deliver(m *amqp.Message) {
	d.t.Helper()
	require.NoError(d.t, d.sender.Send(soon(d.t), m, nil))
}

// sendMany sends messages with the numbers up to count for bodies, in batches.
func (d *device) sendMany(count, size int) {
	d.t.Helper()
	for n := 0; n < count; {
		whole := &amqp.Message{Format: batch}
		for ; n < count && len(whole.Data) < size; n++ {
			one, err := amqp.NewMessage([]byte(strconv.Itoa(n))).MarshalBinary()
			require.NoError(d.t, err)
			whole.Data = append(whole.Data, one)
		}
		require.NoError(d.t, d.sender.Send(context.Background(), whole, nil))
	}
}

// sent is what the hub says of all that the device sent so far.
func (d *device) sent(count int) []harness.Event {
	d.t.Helper()
	return hub.WaitEvents(d.t, count, harness.Filter{Device: d.id})
}

// partition is where the device's events are; it has sent some.
func (d *device) partition() string {
	d.t.Helper()
	return strconv.Itoa(d.sent(1)[0].Partition)
}
