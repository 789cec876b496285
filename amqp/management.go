package amqp

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/amqp/transport"
)

// builtinEvents is the name of the event endpoint that every hub has; the hub's
// own name is its other name.
const builtinEvents = "messages/events"

// What can be read at $management.
const (
	typeHub       = "com.microsoft:eventhub"
	typePartition = "com.microsoft:partition"
)

// management attaches a link to the node that describes the event endpoint, for
// a peer with a token of a back end's.
func (p *peer) management(l *transport.Link) (transport.Node, *codec.Error) {
	if err := p.claims.any(); err != nil {
		return transport.Node{}, failure(err)
	}
	return p.serve(l, "$management", p.manage), nil
}

// manage answers a request: READ of the endpoint or of one of its partitions.
// The types of the values are what the clients cast to (amqp.md, trap 7).
func (p *peer) manage(m *codec.Message) answer {
	entity := strings.Trim(m.Application.Text("name"), "/")
	if !strings.EqualFold(m.Application.Text("operation"), "READ") {
		return answer{status: http.StatusNotImplemented, description: "the operation is not READ", condition: "amqp:not-implemented"}
	}
	if !p.isEntity(entity) {
		return answer{
			status: http.StatusNotFound, description: "The messaging entity '" + entity + "' could not be found.",
			condition: conditionNotFound,
		}
	}
	if err := p.claims.allow(need{entity + "/$management", true}); err != nil {
		return denied(err)
	}
	switch m.Application.Text("type") {
	case typeHub:
		return p.readHub(entity)
	case typePartition:
		return p.readPartition(entity, m.Application.Get("partition"))
	}
	return answer{status: http.StatusBadRequest, description: "nothing of that type can be read", condition: conditionInvalidField}
}

func (p *peer) isEntity(name string) bool {
	return strings.EqualFold(name, p.srv.hub.Name()) || strings.EqualFold(name, builtinEvents)
}

func (p *peer) readHub(entity string) answer {
	ids := make([]string, p.srv.hub.Events().Partitions())
	for i := range ids {
		ids[i] = strconv.Itoa(i)
	}
	return answer{status: http.StatusOK, description: "OK", body: codec.Map{
		{Key: "name", Value: entity},
		{Key: "type", Value: typeHub},
		{Key: "created_at", Value: p.srv.created},
		{Key: "partition_count", Value: int32(len(ids))},
		{Key: "partition_ids", Value: ids},
		{Key: "georeplication_factor", Value: int32(1)},
	}}
}

func (p *peer) readPartition(entity string, partition any) answer {
	n, err := strconv.ParseUint(codec.Text(partition), 10, 31)
	if err != nil || int(n) >= p.srv.hub.Events().Partitions() {
		return answer{
			status: http.StatusBadRequest, description: "there is no such partition", condition: conditionRange,
		}
	}
	b := p.srv.hub.Events().Bounds(int(n))
	if b.LastEnqueued.IsZero() {
		b.LastEnqueued = time.Unix(0, 0)
	}
	return answer{status: http.StatusOK, description: "OK", body: codec.Map{
		{Key: "name", Value: entity},
		{Key: "type", Value: typePartition},
		{Key: "partition", Value: strconv.FormatUint(n, 10)},
		{Key: "begin_sequence_number", Value: b.First},
		{Key: "last_enqueued_sequence_number", Value: b.Last},
		{Key: "last_enqueued_offset", Value: strconv.FormatInt(b.LastOffset, 10)},
		{Key: "last_enqueued_time_utc", Value: b.LastEnqueued},
		{Key: "is_partition_empty", Value: b.Empty},
	}}
}
