package sdk_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"
	"github.com/Azure/go-amqp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

func TestTheEndpointDescribesItself(t *testing.T) {
	overEachWay(t, func(t *testing.T, w way) {
		d := newDevice(t)
		d.send("one", "two")
		last := d.sent(2)[1]
		client := consumer(t, w, events, azeventhubs.DefaultConsumerGroup)
		endpoint, err := client.GetEventHubProperties(soon(t), nil)
		require.NoError(t, err)
		assert.Equal(t, "linarite", endpoint.Name)
		assert.Equal(t, []string{"0", "1", "2", "3"}, endpoint.PartitionIDs)
		assert.False(t, endpoint.CreatedOn.After(last.EnqueuedTime))
		assert.False(t, endpoint.GeoReplicationEnabled)

		partition, err := client.GetPartitionProperties(soon(t), d.partition(), nil)
		require.NoError(t, err)
		assert.Equal(t, "linarite", partition.EventHubName)
		assert.Equal(t, d.partition(), partition.PartitionID)
		assert.False(t, partition.IsEmpty)
		assert.Zero(t, partition.BeginningSequenceNumber)
		assert.GreaterOrEqual(t, partition.LastEnqueuedSequenceNumber, last.SequenceNumber)
		assert.NotEmpty(t, partition.LastEnqueuedOffset)
		assert.False(t, partition.LastEnqueuedOn.Before(last.EnqueuedTime))
		_, err = client.GetPartitionProperties(soon(t), "4", nil)
		require.Error(t, err)
	})
}

func TestAnEventHasEverything(t *testing.T) {
	overEachWay(t, func(t *testing.T, w way) {
		d := newDevice(t)
		contentType, encoding, expiry := "application/json;charset=utf-8", "utf-8", time.UnixMilli(2051327045678).UTC()
		properties := map[string]any{
			"plain": "value", "empty": "", "slash": "/a/b", "unicode": "Grüße, 世界 ☃ 𝄞", "a name/with=all&of+them %?#": "x",
		}
		d.deliver(&amqp.Message{
			Properties: &amqp.MessageProperties{
				MessageID: "m-1.2:3_4", CorrelationID: "a correlation/with = ünïcode", UserID: []byte("somebody@example.com"),
				ContentType: &contentType, ContentEncoding: &encoding, AbsoluteExpiryTime: &expiry,
			},
			ApplicationProperties: properties,
			Annotations:           amqp.Annotations{"dt-subject": "thermostat1"},
			Data:                  [][]byte{[]byte(`{"where":"Grüße, 世界 ☃"}`)},
		})
		d.deliver(amqp.NewMessage([]byte{0, 1, 0x80, 0xff}))
		sent := d.sent(2)[0]

		r := reader(t, consumer(t, w, events, azeventhubs.DefaultConsumerGroup), d.partition(), earliest())
		came := take(t, r, d.id, 2)
		e := came[0]
		assert.JSONEq(t, `{"where":"Grüße, 世界 ☃"}`, string(e.Body))
		assert.Equal(t, properties, e.Properties)
		assert.Equal(t, "m-1.2:3_4", *e.MessageID)
		assert.Equal(t, "a correlation/with = ünïcode", e.CorrelationID)
		assert.Equal(t, contentType, *e.ContentType)
		assert.Equal(t, encoding, *e.RawAMQPMessage.Properties.ContentEncoding)
		assert.Equal(t, []byte("somebody@example.com"), e.RawAMQPMessage.Properties.UserID)
		assert.Equal(t, expiry, e.RawAMQPMessage.Properties.AbsoluteExpiryTime.UTC())
		assert.Equal(t, sent.SequenceNumber, e.SequenceNumber)
		assert.Equal(t, sent.Offset, e.Offset)
		assert.Equal(t, sent.EnqueuedTime.UTC(), e.EnqueuedTime.UTC())
		assert.Nil(t, e.PartitionKey)
		assert.Equal(t, map[string]any{
			"iothub-connection-device-id":          d.id,
			"iothub-connection-auth-generation-id": sent.SystemProperties["iothub-connection-auth-generation-id"],
			"iothub-connection-auth-method":        sent.SystemProperties["iothub-connection-auth-method"],
			"iothub-enqueuedtime":                  *e.EnqueuedTime,
			"iothub-message-source":                "Telemetry",
			"dt-subject":                           "thermostat1",
		}, e.SystemProperties)
		assert.Equal(t, []byte{0, 1, 0x80, 0xff}, came[1].Body)
		assert.Empty(t, came[1].Properties)
	})
}

func TestEventsOfAllPartitionsComeInOrder(t *testing.T) {
	overEachWay(t, func(t *testing.T, w way) {
		client := consumer(t, w, events, azeventhubs.DefaultConsumerGroup)
		partitions := map[string]bool{}
		for range 12 {
			d := newDevice(t)
			d.send("first", "second")
			partitions[d.partition()] = true
			r := reader(t, client, d.partition(), earliest())
			assert.Equal(t, []string{"first", "second"}, bodies(take(t, r, d.id, 2)))
			d.send("third")
			assert.Equal(t, []string{"third"}, bodies(take(t, r, d.id, 1)), "as it comes")
			require.NoError(t, r.Close(soon(t))) // a partition has at most five readers
		}
		assert.Greater(t, len(partitions), 1)
	})
}

// Trap 4: deliveries that the reader has to settle would stop it for ever.
func TestManyMoreEventsComeThanAreFetchedAhead(t *testing.T) {
	overEachWay(t, func(t *testing.T, w way) {
		const count = 5000
		d := newDevice(t)
		d.sendMany(count, 500)
		options := earliest()
		options.Prefetch = 2000
		r := reader(t, consumer(t, w, events, group), d.partition(), options)
		for n, e := range take(t, r, d.id, count) {
			require.Equal(t, strconv.Itoa(n), string(e.Body))
		}
	})
}

func TestAReaderStartsWhereItWants(t *testing.T) {
	overEachWay(t, func(t *testing.T, w way) {
		d := newDevice(t)
		d.send("first", "second", "third")
		sent := d.sent(3)
		offset, number, before := sent[1].Offset, sent[1].SequenceNumber, sent[0].EnqueuedTime.Add(-time.Millisecond)
		at := sent[1].EnqueuedTime
		var later []string
		for _, e := range sent {
			if e.EnqueuedTime.After(at) {
				later = append(later, e.Body)
			}
		}
		yes := true
		hub.Advance(t, time.Second) // the end has a later time than all of them
		d.send("end")
		for name, c := range map[string]struct {
			at   azeventhubs.StartPosition
			want []string
		}{
			"at the beginning":           {azeventhubs.StartPosition{Earliest: &yes}, []string{"first", "second", "third"}},
			"behind an offset":           {azeventhubs.StartPosition{Offset: &offset}, []string{"third"}},
			"at an offset":               {azeventhubs.StartPosition{Offset: &offset, Inclusive: true}, []string{"second", "third"}},
			"behind a sequence number":   {azeventhubs.StartPosition{SequenceNumber: &number}, []string{"third"}},
			"at a sequence number":       {azeventhubs.StartPosition{SequenceNumber: &number, Inclusive: true}, []string{"second", "third"}},
			"behind a time":              {azeventhubs.StartPosition{EnqueuedTime: &at}, later},
			"at a time before the first": {azeventhubs.StartPosition{EnqueuedTime: &before, Inclusive: true}, []string{"first", "second", "third"}},
		} {
			r := reader(t, consumer(t, w, events, group), d.partition(), &azeventhubs.PartitionClientOptions{StartPosition: c.at})
			assert.Equal(t, slices.Concat(c.want, []string{"end"}), bodies(take(t, r, d.id, len(c.want)+1)), name)
			require.NoError(t, r.Close(soon(t)))
		}
	})
}

func TestAReaderAtTheEndGetsWhatComes(t *testing.T) {
	overEachWay(t, func(t *testing.T, w way) {
		d := newDevice(t)
		d.send("before")
		yes := true
		r := reader(t, consumer(t, w, events, azeventhubs.DefaultConsumerGroup), d.partition(),
			&azeventhubs.PartitionClientOptions{StartPosition: azeventhubs.StartPosition{Latest: &yes}})
		ctx := soon(t)
		came := make(chan string, 1)
		go func() {
			for {
				got, err := r.ReceiveEvents(ctx, 1, nil)
				if err != nil || got[0].SystemProperties["iothub-connection-device-id"] == d.id {
					came <- string(got[0].Body)
					return
				}
			}
		}()
		// The SDK does not say when it has attached, so there is one more event
		// until one arrives.
		for {
			select {
			case body := <-came:
				assert.Equal(t, "new", body)
				return
			default:
				d.send("new")
			}
		}
	})
}

// A reader that grants credit itself can take back what is not used, whether there are
// events for all of it or for none.
func TestAReaderDrainsItsCredit(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	d.send("0", "1", "2")
	conn, err := amqp.Dial(soon(t), "amqps://"+hub.Addr(harness.AMQPSPort), &amqp.ConnOptions{
		TLSConfig: hub.TLS(), SASLType: amqp.SASLTypePlain("service", harness.WellKnownKey),
	})
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	session, err := conn.NewSession(soon(t), nil)
	require.NoError(t, err)
	r, err := session.NewReceiver(soon(t), "linarite/ConsumerGroups/"+group+"/Partitions/"+d.partition(), &amqp.ReceiverOptions{Credit: -1})
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, r.IssueCredit(1))
		_, err = r.Receive(soon(t), nil)
		require.NoError(t, err)
		require.NoError(t, r.DrainCredit(soon(t), nil), "there is none left")
	}
	require.NoError(t, r.IssueCredit(1<<16))
	require.NoError(t, r.DrainCredit(soon(t), nil), "what is left has no event")
	require.NoError(t, r.Close(soon(t)))
}
