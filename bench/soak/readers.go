package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"

	"github.com/linarite/linarite/test/harness"
)

// partitions are the hub's, by default.
const partitions = 4

// readOverAMQP reads a partition with the SDK of Event Hubs until ctx ends,
// beginning anew every spell where it had come to.
func (s *soak) readOverAMQP(ctx context.Context, partition int) {
	last := int64(-1)
	for ctx.Err() == nil {
		if err := s.readSpell(ctx, partition, &last); err != nil && ctx.Err() == nil {
			s.ledger.fault("partition %d: %v", partition, err)
			return
		}
	}
}

// readSpell reads over one connection. last is the event that was read last.
func (s *soak) readSpell(ctx context.Context, partition int, last *int64) error {
	text := fmt.Sprintf("Endpoint=sb://%s/;SharedAccessKeyName=iothubowner;SharedAccessKey=%s;EntityPath=linarite",
		s.hub.Address, harness.WellKnownKey)
	client, err := azeventhubs.NewConsumerClientFromConnectionString(text, "", azeventhubs.DefaultConsumerGroup,
		&azeventhubs.ConsumerClientOptions{TLSConfig: s.hub.TLS()})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close(context.WithoutCancel(ctx)) }()
	reader, err := client.NewPartitionClient(strconv.Itoa(partition), &azeventhubs.PartitionClientOptions{
		StartPosition: azeventhubs.StartPosition{SequenceNumber: last},
	})
	if err != nil {
		return err
	}
	defer func() { _ = reader.Close(context.WithoutCancel(ctx)) }()
	ctx, cancel := context.WithTimeout(ctx, s.o.spell)
	defer cancel()
	for {
		events, err := reader.ReceiveEvents(ctx, 1, nil)
		for _, e := range events {
			if e.SequenceNumber != *last+1 {
				s.ledger.lose(max(e.SequenceNumber-*last-1, 1), "events of partition %d: number %d came after %d", partition, e.SequenceNumber, *last)
			}
			*last = e.SequenceNumber
			s.readEvent(e)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
	}
}

// readEvent notes an event.
func (s *soak) readEvent(e *azeventhubs.ReceivedEventData) {
	device, _ := e.SystemProperties["iothub-connection-device-id"].(string)
	got := &arrival{properties: texts(e.Properties), body: e.Body}
	if e.MessageID != nil {
		got.id = *e.MessageID
	}
	if e.ContentType != nil {
		got.contentType = *e.ContentType
	}
	s.read(overAMQP, device, got)
}

func (s *soak) read(reader int, device string, got *arrival) {
	a := s.ledger.of(device)
	if a == nil {
		s.ledger.fault("an event of a device %q", device)
		return
	}
	a.readBy(reader, got)
}

// readOverHTTP reads the journal of the control API until ctx ends.
func (s *soak) readOverHTTP(ctx context.Context) {
	cursor := ""
	for ctx.Err() == nil {
		next, err := s.readPage(cursor)
		if err != nil {
			s.ledger.fault("the journal: %v", err)
			return
		}
		cursor = next
	}
}

// readPage reads what there is from a cursor on, or waits for a second.
func (s *soak) readPage(cursor string) (next string, err error) {
	text, err := s.hub.Call(http.MethodGet, "/v1/events?wait=1&timeout=1s&max=1000&after="+cursor, nil)
	if err != nil {
		return "", err
	}
	var page struct {
		Events []harness.Event `json:"events"`
		Cursor string          `json:"cursor"`
	}
	if err := json.Unmarshal(text, &page); err != nil {
		return "", err
	}
	for i := range page.Events {
		e := &page.Events[i]
		got := &arrival{
			id: e.SystemProperties["message-id"], contentType: e.SystemProperties["content-type"],
			properties: texts(e.Properties), body: []byte(e.Body),
		}
		if e.BodyEncoding == "base64" {
			if got.body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
				return "", err
			}
		}
		s.read(overHTTP, e.DeviceID, got)
	}
	return page.Cursor, nil
}

// awaitSettled waits until all that was promised has come, or for as long as that
// may take.
func (s *soak) awaitSettled() {
	late := time.NewTimer(s.o.settling)
	defer late.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if n, _ := s.ledger.due(); n == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-late.C:
			return
		}
	}
}
