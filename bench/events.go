package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"
	"github.com/Azure/go-amqp"

	"github.com/linarite/linarite/events"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/test/harness"
)

// eventSize is the body of an event, in bytes.
const eventSize = 300

// reading is one reader of one partition, which has so many events of 300 bytes,
// from the first to the last.
type reading struct {
	events int
	rate   bound // over AMQP, of events in a second
}

// reading measures what go-amqp and azeventhubs read through TLS, and what can be
// read out of an event log in this process.
func (c *contest) reading(l *linarite, r reading) (err error) {
	if err := l.start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.stop()) }()
	partition, err := r.fill(l)
	if err != nil {
		return err
	}
	log := r.log()
	var plain, sdk, raw, cpu series
	for range c.rounds {
		before := sample(l.pid(), nil)
		took, err := timed(func() error { return r.readPlain(l, partition) })
		if err != nil {
			return fmt.Errorf("go-amqp: %w", err)
		}
		used := sample(l.pid(), nil)
		plain, cpu = append(plain, r.perSecond(took)), append(cpu, micro(used.since(before).cpu)/float64(r.events))
		if took, err = timed(func() error { return r.readSDK(l, partition) }); err != nil {
			return fmt.Errorf("azeventhubs: %w", err)
		}
		sdk = append(sdk, r.perSecond(took))
		if took, err = timed(func() error { return r.readRaw(log) }); err != nil {
			return err
		}
		raw = append(raw, r.perSecond(took))
	}
	c.report.addOwn("events read over AMQP by go-amqp", "/s", plain, r.rate)
	c.report.addOwn("CPU of the hub for each", "µs", cpu, bound{})
	c.report.addOwn("events read over AMQP by azeventhubs", "/s", sdk, bound{})
	c.report.addOwn("events read from a log in this process", "/s", raw, bound{})
	return nil
}

func timed(do func() error) (time.Duration, error) {
	began := time.Now()
	err := do()
	return time.Since(began), err
}

func (r reading) perSecond(took time.Duration) float64 { return float64(r.events) / took.Seconds() }

// fill has one device send all events, and returns where they are.
func (r reading) fill(l *linarite) (partition int, err error) {
	logins, err := l.logins(1)
	if err != nil {
		return 0, err
	}
	conns, err := connectAll(l, logins)
	if err != nil {
		return 0, err
	}
	p := newPublisher(conns[0], logins[0].topic, eventSize, 100)
	var measuring, stop atomic.Bool
	ended := make(chan error, 1)
	go func() { ended <- p.run(&measuring, &stop) }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for p.acked.Load() < int64(r.events) {
		select {
		case err := <-ended:
			return 0, err
		case <-tick.C:
		}
	}
	stop.Store(true)
	if err := errors.Join(<-ended, leaveAll(conns)); err != nil {
		return 0, err
	}
	return partitionOf(l, logins[0].clientID)
}

// partitionOf is where a device's events are.
func partitionOf(l *linarite, device string) (int, error) {
	text, err := l.hub.Call(http.MethodGet, "/v1/events?max=1&device="+device, nil)
	if err != nil {
		return 0, err
	}
	var page struct{ Events []harness.Event }
	if err := json.Unmarshal(text, &page); err != nil || len(page.Events) == 0 {
		return 0, fmt.Errorf("no event of %s: %s", device, text)
	}
	return page.Events[0].Partition, nil
}

// readPlain reads by go-amqp.
func (r reading) readPlain(l *linarite, partition int) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, session, err := dialBackEnd(ctx, l)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	in, err := session.NewReceiver(ctx, partitionAddress(partition), &amqp.ReceiverOptions{Credit: 5000})
	if err != nil {
		return err
	}
	for range r.events {
		m, err := in.Receive(ctx, nil)
		if err != nil {
			return err
		}
		if len(m.GetData()) != eventSize {
			return fmt.Errorf("an event of %d bytes", len(m.GetData()))
		}
	}
	return nil
}

// dialBackEnd connects a back end and begins a session.
func dialBackEnd(ctx context.Context, l *linarite) (*amqp.Conn, *amqp.Session, error) {
	conn, err := amqp.Dial(ctx, "amqps://"+l.hub.Addr(harness.AMQPSPort), &amqp.ConnOptions{
		SASLType: amqp.SASLTypePlain("iothubowner", harness.WellKnownKey), TLSConfig: l.tls(), HostName: l.address,
	})
	if err != nil {
		return nil, nil, err
	}
	session, err := conn.NewSession(ctx, nil)
	if err != nil {
		_ = conn.Close()
	}
	return conn, session, err
}

func partitionAddress(partition int) string {
	return "linarite/ConsumerGroups/$Default/Partitions/" + strconv.Itoa(partition)
}

// readSDK reads by the SDK of Event Hubs.
func (r reading) readSDK(l *linarite, partition int) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	text := fmt.Sprintf("Endpoint=sb://%s/;SharedAccessKeyName=iothubowner;SharedAccessKey=%s;EntityPath=linarite",
		l.address, harness.WellKnownKey)
	client, err := azeventhubs.NewConsumerClientFromConnectionString(text, "", azeventhubs.DefaultConsumerGroup,
		&azeventhubs.ConsumerClientOptions{TLSConfig: l.tls()})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close(ctx) }()
	earliest := true
	reader, err := client.NewPartitionClient(strconv.Itoa(partition), &azeventhubs.PartitionClientOptions{
		StartPosition: azeventhubs.StartPosition{Earliest: &earliest}, Prefetch: 5000,
	})
	if err != nil {
		return err
	}
	defer func() { _ = reader.Close(ctx) }()
	for n := 0; n < r.events; {
		got, err := reader.ReceiveEvents(ctx, min(1000, r.events-n), nil)
		if err != nil {
			return err
		}
		n += len(got)
	}
	return nil
}

// log is a log with the same events.
func (r reading) log() *events.Log {
	log := events.NewLog(clock.New(), events.Options{Partitions: 1})
	body := make([]byte, eventSize)
	for range r.events {
		log.Append("device", events.Event{Source: "Telemetry", Message: iot.Message{Body: body}})
	}
	return log
}

// readRaw reads as many at once as the nodes of AMQP do.
func (r reading) readRaw(log *events.Log) error {
	for next := int64(0); next < int64(r.events); {
		got, after := log.Read(0, next, 256)
		for i := range got {
			if len(got[i].Message.Body) != eventSize {
				return errors.New("an event that is not whole")
			}
		}
		next = after
	}
	return nil
}
