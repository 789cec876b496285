package amqp_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/amqp/codec"
)

func read(entity, kind string, partition any) codec.Map {
	return codec.Map{
		{Key: "operation", Value: "READ"}, {Key: "name", Value: entity}, {Key: "type", Value: kind}, {Key: "partition", Value: partition},
	}
}

// Trap 7: the types of the answers.
func TestTheEndpointCanBeRead(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join("service")
	c.requests("$management")
	for _, entity := range []string{"linarite", "messages/events"} {
		m := c.ask(uint64(7), read(entity, "com.microsoft:eventhub", nil), nil)
		assert.Equal(t, int32(200), m.Application.Get("status-code"))
		assert.Equal(t, int32(200), m.Application.Get("statusCode"))
		assert.Equal(t, uint64(7), m.Properties.CorrelationID)
		body := m.Value.(codec.Map)
		assert.Equal(t, entity, body.Get("name"))
		assert.Equal(t, []string{"0", "1", "2", "3"}, body.Get("partition_ids"))
		assert.Equal(t, int32(4), body.Get("partition_count"))
		assert.Equal(t, int32(1), body.Get("georeplication_factor"))
		assert.IsType(t, time.Time{}, body.Get("created_at"))
	}
}

func TestAPartitionCanBeRead(t *testing.T) {
	t.Parallel()
	r := one(t)
	c := r.join("service")
	c.requests("$management")
	body := c.ask("x", read("linarite", "com.microsoft:partition", "0"), nil).Value.(codec.Map)
	assert.Equal(t, int64(-1), body.Get("last_enqueued_sequence_number"))
	assert.Equal(t, true, body.Get("is_partition_empty"))
	r.log(2)
	evs, _ := r.Events().Read(0, 0, 0)
	body = c.ask("x", read("linarite", "com.microsoft:partition", "0"), nil).Value.(codec.Map)
	assert.Equal(t, "0", body.Get("partition"))
	assert.Equal(t, int64(0), body.Get("begin_sequence_number"))
	assert.Equal(t, int64(1), body.Get("last_enqueued_sequence_number"))
	assert.NotEqual(t, "-1", body.Get("last_enqueued_offset"))
	assert.Equal(t, evs[1].Enqueued.Truncate(time.Millisecond), body.Get("last_enqueued_time_utc"))
	assert.Equal(t, false, body.Get("is_partition_empty"))
}

func TestWhatManagementRefuses(t *testing.T) {
	t.Parallel()
	c := enter(t).join("service")
	c.requests("$management")
	for _, k := range []struct {
		name        string
		application codec.Map
		status      int32
	}{
		{"another entity", read("other", "com.microsoft:eventhub", nil), 404},
		{"another type", read("linarite", "com.microsoft:topic", nil), 400},
		{"another partition", read("linarite", "com.microsoft:partition", "9"), 400},
		{"no partition", read("linarite", "com.microsoft:partition", nil), 400},
		{"another operation", codec.Map{{Key: "operation", Value: "DELETE"}, {Key: "name", Value: "linarite"}}, 501},
		{"nothing", nil, 501},
	} {
		require.Equal(t, k.status, c.ask("x", k.application, nil).Application.Get("status-code"), k.name)
	}
}

func TestATokenForOnePartitionDoesNotReadTheEndpoint(t *testing.T) {
	t.Parallel()
	c := enter(t).stranger()
	c.requests("$cbs")
	audience := host + "/linarite/ConsumerGroups/$Default/Partitions/0"
	require.Equal(t, int32(200), c.putToken(audience, eventsToken(t, audience)))
	c.receive("linarite/ConsumerGroups/$Default/Partitions/0", 1)
	assert.Equal(t, "amqp:unauthorized-access", string(c.refused(codec.RoleReceiver, "linarite/ConsumerGroups/$Default/Partitions/1").Condition))
	c.requests("$management")
	assert.Equal(t, int32(401), c.ask("x", read("linarite", "com.microsoft:eventhub", nil), nil).Application.Get("status-code"))
}
