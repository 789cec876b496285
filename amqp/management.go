package amqp

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/amqp/transport"
	"github.com/linarite/linarite/events"
)

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
	name := strings.Trim(m.Application.Text("name"), "/")
	if !strings.EqualFold(m.Application.Text("operation"), "READ") {
		return answer{status: http.StatusNotImplemented, description: "the operation is not READ", condition: "amqp:not-implemented"}
	}
	e, rest, ok := p.srv.entity(place{path: name})
	if !ok || rest != "" {
		return answer{
			status: http.StatusNotFound, description: "The messaging entity '" + name + "' could not be found.",
			condition: conditionNotFound,
		}
	}
	if err := p.claims.allow(need{name + "/$management", true}); err != nil {
		return denied(err)
	}
	switch m.Application.Text("type") {
	case typeHub:
		return p.readHub(name, e.log)
	case typePartition:
		return readPartition(name, e.log, m.Application.Get("partition"))
	}
	return answer{status: http.StatusBadRequest, description: "nothing of that type can be read", condition: conditionInvalidField}
}

func (p *peer) readHub(name string, log *events.Log) answer {
	ids := make([]string, log.Partitions())
	for i := range ids {
		ids[i] = strconv.Itoa(i)
	}
	return answer{status: http.StatusOK, description: "OK", body: codec.Map{
		{Key: "name", Value: name},
		{Key: "type", Value: typeHub},
		{Key: "created_at", Value: p.srv.created},
		{Key: "partition_count", Value: int32(len(ids))},
		{Key: "partition_ids", Value: ids},
		{Key: "georeplication_factor", Value: int32(1)},
	}}
}

func readPartition(name string, log *events.Log, partition any) answer {
	n, err := strconv.ParseUint(codec.Text(partition), 10, 31)
	if err != nil || int(n) >= log.Partitions() {
		return answer{
			status: http.StatusBadRequest, description: "there is no such partition", condition: conditionRange,
		}
	}
	b := log.Bounds(int(n))
	if b.LastEnqueued.IsZero() {
		b.LastEnqueued = time.Unix(0, 0)
	}
	return answer{status: http.StatusOK, description: "OK", body: codec.Map{
		{Key: "name", Value: name},
		{Key: "type", Value: typePartition},
		{Key: "partition", Value: strconv.FormatUint(n, 10)},
		{Key: "begin_sequence_number", Value: b.First},
		{Key: "last_enqueued_sequence_number", Value: b.Last},
		{Key: "last_enqueued_offset", Value: strconv.FormatInt(b.LastOffset, 10)},
		{Key: "last_enqueued_time_utc", Value: b.LastEnqueued},
		{Key: "is_partition_empty", Value: b.Empty},
	}}
}
