package sdk_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// owner are options of a reader that reads alone.
func owner(level int64) *azeventhubs.PartitionClientOptions {
	options := earliest()
	options.OwnerLevel = &level
	return options
}

func TestAHigherOwnerTakesAPartition(t *testing.T) {
	overEachWay(t, func(t *testing.T, w way) {
		d := newDevice(t)
		d.send("event")
		client := consumer(t, w, events, ownGroup(t))
		for _, low := range []*azeventhubs.PartitionClientOptions{earliest(), owner(1)} {
			lower := reader(t, client, d.partition(), low)
			take(t, lower, d.id, 1)
			higher := reader(t, client, d.partition(), owner(2))
			take(t, higher, d.id, 1)
			assert.Equal(t, azeventhubs.ErrorCodeOwnershipLost, failure(t, lower).Code)
			late := reader(t, client, d.partition(), low)
			require.ErrorContains(t, failure(t, late), "amqp:link:stolen", "and stays out")
			d.send("event")
			assert.Equal(t, []string{"event"}, bodies(take(t, higher, d.id, 1)), "the owner reads on")
			require.NoError(t, higher.Close(soon(t)))
		}
	})
}

// ownGroup is a consumer group that no other test reads, whichever way.
func ownGroup(t *testing.T) string {
	t.Helper()
	name := "owners-" + filepath.Base(t.Name())
	require.Contains(t, groups, name)
	return name
}

// failure is why a reader can read no more.
func failure(t *testing.T, r partitionReader) *azeventhubs.Error {
	t.Helper()
	ctx := soon(t)
	for {
		_, err := r.ReceiveEvents(ctx, 1, nil)
		if err == nil {
			continue // it had that one already
		}
		var why *azeventhubs.Error
		require.ErrorAs(t, err, &why)
		return why
	}
}

func TestConsumerGroups(t *testing.T) {
	overEachWay(t, func(t *testing.T, w way) {
		d := newDevice(t)
		d.send("event")
		for _, name := range []string{azeventhubs.DefaultConsumerGroup, group, strings.ToUpper(group)} {
			r := reader(t, consumer(t, w, events, name), d.partition(), earliest())
			assert.Equal(t, []string{"event"}, bodies(take(t, r, d.id, 1)), name)
			require.NoError(t, r.Close(soon(t)))
		}
		r := reader(t, consumer(t, w, events, "nobody"), d.partition(), earliest())
		_, err := r.ReceiveEvents(soon(t), 1, nil)
		require.ErrorContains(t, err, "amqp:not-found")
	})
}

func TestNothingIsSentIntoTheEndpoint(t *testing.T) {
	t.Parallel()
	client, err := azeventhubs.NewProducerClientFromConnectionString(events, "", &azeventhubs.ProducerClientOptions{
		TLSConfig: hub.TLS(), RetryOptions: azeventhubs.RetryOptions{MaxRetries: -1},
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, client.Close(context.Background())) }()
	_, err = client.NewEventDataBatch(soon(t), nil)
	require.ErrorContains(t, err, "amqp:not-allowed")
}

func TestStrangersReadNothing(t *testing.T) {
	overEachWay(t, func(t *testing.T, w way) {
		for name, connectionString := range map[string]string{
			"a wrong key":            strings.Replace(events, harness.WellKnownKey, "AAAA"+harness.WellKnownKey[4:], 1),
			"a policy there is not":  strings.Replace(events, "KeyName=service", "KeyName=nobody", 1),
			"a policy without right": strings.Replace(events, "KeyName=service", "KeyName=registryRead", 1),
		} {
			require.NotEqual(t, events, connectionString)
			client := consumer(t, w, connectionString, azeventhubs.DefaultConsumerGroup)
			_, err := client.GetEventHubProperties(soon(t), nil)
			require.ErrorContains(t, err, "IotHubUnauthorizedAccess", name) // as the SDK has it from the management link
			r := reader(t, client, "0", earliest())
			assert.Equal(t, azeventhubs.ErrorCodeUnauthorizedAccess, failure(t, r).Code, name)
		}
	})
}
