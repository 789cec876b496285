package sdk_test

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// checkpoints is where processors agree on who reads what, and from where on.
type checkpoints struct {
	mu      sync.Mutex
	version int
	owned   map[string]azeventhubs.Ownership
	reached map[string]azeventhubs.Checkpoint
}

func newCheckpoints() *checkpoints {
	return &checkpoints{owned: map[string]azeventhubs.Ownership{}, reached: map[string]azeventhubs.Checkpoint{}}
}

func (c *checkpoints) ClaimOwnership(
	_ context.Context, wanted []azeventhubs.Ownership, _ *azeventhubs.ClaimOwnershipOptions,
) ([]azeventhubs.Ownership, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var claimed []azeventhubs.Ownership
	for _, o := range wanted {
		if held, ok := c.owned[o.PartitionID]; ok && (o.ETag == nil || *o.ETag != *held.ETag) {
			continue // somebody was quicker
		}
		c.version++
		tag := azcore.ETag(strconv.Itoa(c.version))
		o.ETag, o.LastModifiedTime = &tag, time.Now()
		c.owned[o.PartitionID] = o
		claimed = append(claimed, o)
	}
	return claimed, nil
}

func (c *checkpoints) ListOwnership(
	context.Context, string, string, string, *azeventhubs.ListOwnershipOptions,
) ([]azeventhubs.Ownership, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Values(c.owned)), nil
}

func (c *checkpoints) ListCheckpoints(
	context.Context, string, string, string, *azeventhubs.ListCheckpointsOptions,
) ([]azeventhubs.Checkpoint, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Values(c.reached)), nil
}

func (c *checkpoints) SetCheckpoint(_ context.Context, reached azeventhubs.Checkpoint, _ *azeventhubs.SetCheckpointOptions) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reached[reached.PartitionID] = reached
	return nil
}

// processor is a processor at work, and the partitions that it is given.
type processor struct {
	partitions chan *azeventhubs.ProcessorPartitionClient
}

// process starts a processor, which ends with the test.
func process(t *testing.T, w way, store azeventhubs.CheckpointStore) processor {
	t.Helper()
	yes := true
	client := consumer(t, w, events, "processors-"+filepath.Base(t.Name()))
	sdk, err := azeventhubs.NewProcessor(client, store, &azeventhubs.ProcessorOptions{
		UpdateInterval: 20 * time.Millisecond,
		StartPositions: azeventhubs.StartPositions{Default: azeventhubs.StartPosition{Earliest: &yes}},
	})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	p := processor{partitions: make(chan *azeventhubs.ProcessorPartitionClient, 16)}
	var running sync.WaitGroup
	running.Go(func() { _ = sdk.Run(ctx) })
	running.Go(func() {
		for partition := sdk.NextPartitionClient(ctx); partition != nil; partition = sdk.NextPartitionClient(ctx) {
			p.partitions <- partition
		}
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	return p
}

// next is the next partition that the processor is given.
func (p processor) next(t *testing.T) *azeventhubs.ProcessorPartitionClient {
	t.Helper()
	select {
	case partition := <-p.partitions:
		return partition
	case <-soon(t).Done():
		t.Fatal("the processor was given no partition")
		return nil
	}
}

// onePerPartition are devices, by the partition of each, that have sent one event.
func onePerPartition(t *testing.T) map[string]*device {
	t.Helper()
	devices := map[string]*device{}
	for len(devices) < 4 {
		d := newDevice(t)
		d.send("one")
		devices[d.partition()] = d
	}
	return devices
}

func TestProcessorsShareThePartitionsAndGoOnAtTheirCheckpoints(t *testing.T) {
	overEachWay(t, func(t *testing.T, w way) {
		devices := onePerPartition(t)
		store := newCheckpoints()
		first := process(t, w, store)
		alone := map[string]*azeventhubs.ProcessorPartitionClient{}
		for range devices {
			partition := first.next(t)
			alone[partition.PartitionID()] = partition
		}
		require.Len(t, alone, len(devices), "alone it has all of them")
		for id, d := range devices {
			one := take(t, alone[id], d.id, 1)[0]
			require.NoError(t, alone[id].UpdateCheckpoint(soon(t), one, nil))
			d.send("two")
		}

		second := process(t, w, store)
		for range len(devices) / 2 {
			taken := second.next(t)
			id := taken.PartitionID()
			assert.Equal(t, []string{"two"}, bodies(take(t, taken, devices[id].id, 1)))
			assert.Equal(t, azeventhubs.ErrorCodeOwnershipLost, failure(t, alone[id]).Code)
			delete(alone, id)
		}
		require.Len(t, alone, len(devices)/2, "another takes half of them")
		for id, kept := range alone {
			assert.Equal(t, []string{"two"}, bodies(take(t, kept, devices[id].id, 1)))
		}
	})
}
