package rounds_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"
	"github.com/Azure/go-amqp"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// golang carries requests out in this process: devices are raw AMQP clients, and
// azeventhubs reads events.
type golang struct {
	*sdk
	ctx     context.Context
	senders map[string]*amqp.Sender
}

// newGolang makes one that ends with the test.
func newGolang(t *testing.T) *sdk {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	g := &golang{sdk: newSDK("go"), ctx: ctx, senders: map[string]*amqp.Sender{}}
	g.ask = func(tb testing.TB, r request) {
		tb.Helper()
		require.NoError(tb, g.carryOut(t, r), r.Do)
	}
	return g.sdk
}

func (g *golang) carryOut(t *testing.T, r request) error {
	switch r.Do {
	case "open":
		return g.open(t, r)
	case "send":
		m := r.Message
		properties := map[string]any{}
		for name, value := range m.Properties {
			properties[name] = value
		}
		return g.senders[r.Device].Send(g.ctx, &amqp.Message{
			Properties: &amqp.MessageProperties{
				MessageID: m.MessageID, CorrelationID: m.CorrelationID, ContentType: &m.ContentType, ContentEncoding: &m.ContentEncoding,
			},
			ApplicationProperties: properties,
			Data:                  [][]byte{[]byte(m.Body)},
		}, nil)
	case "read":
		return g.read(t, r.ConnectionString)
	}
	return fmt.Errorf("no %s", r.Do)
}

// open connects a device by PLAIN with a token.
func (g *golang) open(t *testing.T, r request) error {
	_, key, _ := strings.Cut(r.ConnectionString, "SharedAccessKey=")
	token := harness.Sign(hub.Address+"/devices/"+r.Device, key, "", time.Now().Add(time.Hour))
	conn, err := amqp.Dial(g.ctx, "amqps://"+hub.Addr(harness.AMQPSPort), &amqp.ConnOptions{
		TLSConfig: hub.TLS(), SASLType: amqp.SASLTypePlain(r.Device+"@sas."+hub.Address, token),
	})
	if err != nil {
		return err
	}
	t.Cleanup(func() { _ = conn.Close() })
	session, err := conn.NewSession(g.ctx, nil)
	if err != nil {
		return err
	}
	prefix := "/devices/" + url.PathEscape(r.Device)
	if g.senders[r.Device], err = session.NewSender(g.ctx, prefix+"/messages/events", nil); err != nil {
		return err
	}
	receiver, err := session.NewReceiver(g.ctx, prefix+"/messages/devicebound", nil)
	if err != nil {
		return err
	}
	go g.receive(receiver, r.Device)
	return nil
}

// receive takes a device's messages until the connection is closed.
func (g *golang) receive(r *amqp.Receiver, device string) {
	for {
		m, err := r.Receive(g.ctx, nil)
		if err != nil {
			return
		}
		n := notice{Kind: "message", Device: device, Message: message{
			Body:          string(m.Data[0]),
			MessageID:     fmt.Sprint(m.Properties.MessageID),
			CorrelationID: fmt.Sprint(m.Properties.CorrelationID),
			Properties:    texts(m.ApplicationProperties),
		}}
		if err := r.AcceptMessage(g.ctx, m); err != nil {
			n = notice{Kind: "failure", Reason: err.Error()}
		}
		g.tell(n)
	}
}

// read reads all partitions from their beginning.
func (g *golang) read(t *testing.T, connectionString string) error {
	client, err := azeventhubs.NewConsumerClientFromConnectionString(connectionString, "", azeventhubs.DefaultConsumerGroup,
		&azeventhubs.ConsumerClientOptions{TLSConfig: hub.TLS()})
	if err != nil {
		return err
	}
	t.Cleanup(func() { _ = client.Close(context.Background()) })
	endpoint, err := client.GetEventHubProperties(g.ctx, nil)
	if err != nil {
		return err
	}
	for _, partition := range endpoint.PartitionIDs {
		yes := true
		reader, err := client.NewPartitionClient(partition, &azeventhubs.PartitionClientOptions{
			StartPosition: azeventhubs.StartPosition{Earliest: &yes},
		})
		if err != nil {
			return err
		}
		go g.take(reader)
	}
	return nil
}

// take takes a partition's events.
func (g *golang) take(r *azeventhubs.PartitionClient) {
	for {
		events, err := r.ReceiveEvents(g.ctx, 1, nil)
		if err != nil {
			if g.ctx.Err() == nil {
				g.tell(notice{Kind: "failure", Reason: err.Error()})
			}
			return
		}
		for _, e := range events {
			system := texts(e.SystemProperties)
			g.tell(notice{
				Kind:   "event",
				Device: system["iothub-connection-device-id"],
				Message: message{
					Body: string(e.Body), MessageID: text(e.MessageID), CorrelationID: fmt.Sprint(e.CorrelationID), ContentType: text(e.ContentType),
					ContentEncoding: text(e.RawAMQPMessage.Properties.ContentEncoding), Properties: texts(e.Properties),
				},
				Generation: system["iothub-connection-auth-generation-id"],
				Source:     system["iothub-message-source"],
				Enqueued:   e.EnqueuedTime.UnixMilli(), Sequence: e.SequenceNumber, Offset: e.Offset,
			})
		}
	}
}

// text is what a field points at, if anything.
func text(field *string) string {
	if field == nil {
		return ""
	}
	return *field
}

// texts are properties as text.
func texts(of map[string]any) map[string]string {
	out := map[string]string{}
	for name, value := range of {
		out[name] = fmt.Sprint(value)
	}
	return out
}
