package amqp

import (
	"fmt"
	"strings"
	"sync"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/amqp/transport"
)

// maxReaders is how many readers without an epoch a partition has in a consumer
// group. Event Hubs: event-hubs-quotas.
const maxReaders = 5

// epochProperty is the owner level that a reader attaches with.
const epochProperty = "com.microsoft:epoch"

// owners knows who reads which partition in which consumer group. A reader with
// an epoch reads alone: it ends those with a lower one or none, and is refused
// when there is one with a higher. Of two with the same the newer stays.
//
// Event Hubs: event-hubs-event-processor-host.md, epoch.
type owners struct {
	mu   sync.Mutex
	held map[partitionAddress]map[*owner]struct{}
}

// owner is a reader's place.
type owner struct {
	at    partitionAddress
	link  *transport.Link
	epoch int64
	alone bool // it has an epoch
}

func newOwners() *owners { return &owners{held: map[partitionAddress]map[*owner]struct{}{}} }

// enter gives a link a place, and ends the links that had to leave theirs.
func (o *owners) enter(l *transport.Link, at partitionAddress) (*owner, *codec.Error) {
	at.group = strings.ToLower(at.group)
	own := &owner{at: at, link: l}
	own.epoch, own.alone = epochOf(l.Properties)
	o.mu.Lock()
	if refusal := o.refuses(own); refusal != nil {
		o.mu.Unlock()
		return nil, refusal
	}
	var leaving []*owner
	if own.alone {
		for other := range o.held[at] {
			leaving = append(leaving, other)
		}
		delete(o.held, at)
	}
	if o.held[at] == nil {
		o.held[at] = map[*owner]struct{}{}
	}
	o.held[at][own] = struct{}{}
	o.mu.Unlock()
	for _, other := range leaving {
		other.link.Detach(codec.Failure(conditionStolen, fmt.Sprintf(
			"New receiver with higher epoch of '%d' is created hence current receiver with epoch '%d' is getting disconnected. "+
				"If you are recreating the receiver, make sure a higher epoch is used.", own.epoch, other.epoch)))
	}
	return own, nil
}

// refuses says why a reader cannot have a place. The caller holds mu.
func (o *owners) refuses(own *owner) *codec.Error {
	for other := range o.held[own.at] {
		if other.alone && !own.alone {
			return codec.Failure(conditionStolen, fmt.Sprintf(
				"At least one receiver for the endpoint is created with epoch of '%d', and so non-epoch receiver is not allowed.", other.epoch))
		}
		if other.alone && other.epoch > own.epoch {
			return codec.Failure(conditionStolen, fmt.Sprintf(
				"Receiver with a higher epoch '%d' already exists. Receiver with epoch %d cannot be created.", other.epoch, own.epoch))
		}
	}
	if !own.alone && len(o.held[own.at]) >= maxReaders {
		return codec.Failure(conditionLimit, fmt.Sprintf(
			"Exceeded the maximum number of allowed receivers per partition in a consumer group which is %d.", maxReaders))
	}
	return nil
}

// leave gives a place up.
func (o *owners) leave(own *owner) {
	o.mu.Lock()
	defer o.mu.Unlock()
	places := o.held[own.at]
	delete(places, own)
	if len(places) == 0 {
		delete(o.held, own.at)
	}
}

// epochOf is the epoch that a link attaches with.
func epochOf(properties codec.Map) (epoch int64, ok bool) {
	return integer(properties.Get(epochProperty))
}
