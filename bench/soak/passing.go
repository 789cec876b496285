package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/linarite/linarite/test/harness"
)

// passingPrefix begins the ids of devices that come and go.
const passingPrefix = "passing-"

// passing is a device that is made, used and deleted.
type passing struct {
	*account
	messages chan string
}

func (p *passing) name() string { return p.id }

func (p *passing) message(got *arrival) { p.messages <- string(got.body) }

func (p *passing) changed(int64, []byte) {}

func (p *passing) read([]byte) {}

func (p *passing) call(string, []byte) (int, []byte) { return 200, nil }

// comeAndGo makes identities and deletes them, so many a second, until ctx ends.
func (b *backEnd) comeAndGo(ctx context.Context, perSecond float64) {
	tick := time.NewTicker(time.Duration(float64(time.Second) / perSecond))
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		id := fmt.Sprintf("%s%06d", passingPrefix, i)
		if err := b.pass(&passing{b.ledger.open(id), make(chan string, 8)}); err != nil {
			b.ledger.fault("%s: %v", id, err)
			continue
		}
		b.ledger.add(identities)
	}
}

// pass is the life of a device that leaves something of everything behind: a twin,
// a connection, a message in its queue. The hub must forget it all.
func (b *backEnd) pass(p *passing) error {
	who, err := b.hub.Register(p.id, "")
	if err != nil {
		return err
	}
	if _, err := b.rest(http.MethodPatch, "/twins/"+p.id, `{"tags":{"passing":true},"properties":{"desired":{"a":1}}}`, http.StatusOK); err != nil {
		return err
	}
	for range 2 {
		if err := b.hub.Enqueue(p.id, harness.CloudMessage{Body: p.id, Ack: "full"}); err != nil {
			return err
		}
	}
	w, err := dialMQTT(b.hub, mqttTLS, who, who.Token(tokenLife), p, true)
	if err != nil {
		return err
	}
	defer w.reset()
	if err := p.use(w); err != nil {
		return err
	}
	deleted, err := b.hub.Service(http.MethodDelete, "/devices/"+p.id, nil, "If-Match", "*")
	if err != nil || deleted.Status != http.StatusNoContent {
		return fmt.Errorf("DELETE: %d %s (%w)", deleted.Status, deleted.Body, err)
	}
	select {
	case <-w.over():
	case <-time.After(patience):
		return fmt.Errorf("the hub keeps the connection of a device that was deleted")
	}
	_, err = b.rest(http.MethodGet, "/devices/"+p.id, nil, http.StatusNotFound)
	return err
}

// use is what it does while it lives.
func (p *passing) use(w wire) error {
	c := p.next(qos1)
	if err := w.send(c, false); err != nil {
		return err
	}
	p.acknowledged(c)
	if _, err := w.report(`{"passing":true}`); err != nil {
		return err
	}
	for range 2 {
		select {
		case body := <-p.messages:
			if body != p.id {
				return fmt.Errorf("a message to it is %q", body)
			}
		case <-w.over():
			return w.reason()
		case <-time.After(patience):
			return fmt.Errorf("its messages do not come")
		}
	}
	return nil
}
