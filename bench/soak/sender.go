package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/Azure/go-amqp"

	"github.com/linarite/linarite/test/harness"
)

// Tokens of back ends are short, so that they are renewed often.
const (
	backEndToken = 3 * time.Minute
	renewal      = time.Minute
)

// ownerToken is a back end's token.
func ownerToken(hub *harness.Hub) string {
	return harness.Sign(hub.Address, harness.WellKnownKey, "iothubowner", time.Now().Add(backEndToken))
}

// renewed shows fresh tokens on a back end's connection until ctx ends, and with
// it the connection.
func (b *backEnd) renewed(ctx context.Context, c *claimant) {
	tick := time.NewTicker(renewal)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := c.renew(ownerToken(b.hub)); err != nil && ctx.Err() == nil {
			b.ledger.fault("a back end renews its token: %v", err)
			return
		}
		b.ledger.add(renewals)
	}
}

// send sends messages to the devices, with feedback asked for, until ctx ends.
func (b *backEnd) send(ctx context.Context, perSecond float64) error {
	c, err := dialClaimant(b.hub, amqpTLS, b.hub.Address, ownerToken(b.hub))
	if err != nil {
		return err
	}
	defer func() { _ = c.conn.Close() }()
	opening, cancel := waiting()
	defer cancel()
	out, err := c.session.NewSender(opening, "/messages/devicebound", nil)
	if err != nil {
		return err
	}
	go b.renewed(ctx, c)
	b.every(ctx, perSecond, 8, func(a *account) error {
		m := messageOf(a.nextMessage())
		to := "/devices/" + a.id + "/messages/devicebound"
		m.Properties.To = &to
		m.ApplicationProperties["iothub-ack"] = "full"
		sending, cancel := waiting()
		defer cancel()
		err := out.Send(sending, m, nil)
		if err == nil {
			b.ledger.add(messagesSent)
		}
		return err
	})
	return nil
}

// feedback takes what became of messages, over one connection after another,
// until ctx ends.
func (b *backEnd) feedback(ctx context.Context, spell time.Duration) {
	for ctx.Err() == nil {
		if err := b.listen(ctx, spell); err != nil {
			b.ledger.fault("feedback: %v", err)
			return
		}
	}
}

// listen takes feedback over one connection.
func (b *backEnd) listen(ctx context.Context, spell time.Duration) error {
	c, err := dialClaimant(b.hub, amqpWebSocket, b.hub.Address, ownerToken(b.hub))
	if err != nil {
		return err
	}
	defer func() { _ = c.conn.Close() }()
	ctx, cancel := context.WithTimeout(ctx, spell)
	defer cancel()
	go b.renewed(ctx, c)
	in, err := c.session.NewReceiver(ctx, "/messages/serviceBound/feedback", &amqp.ReceiverOptions{Credit: credit})
	for err == nil {
		var m *amqp.Message
		if m, err = in.Receive(ctx, nil); err != nil {
			break
		}
		if err = b.outcomes(m.GetData()); err == nil {
			err = in.AcceptMessage(context.Background(), m)
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// outcomes notes a batch of feedback.
func (b *backEnd) outcomes(body []byte) error {
	var records []struct{ OriginalMessageID, StatusCode, DeviceID string }
	if err := json.Unmarshal(body, &records); err != nil {
		return err
	}
	for _, r := range records {
		if strings.HasPrefix(r.DeviceID, passingPrefix) {
			continue // it has been deleted, and its feedback with it, unless it came before
		}
		a := b.ledger.of(r.DeviceID)
		if a == nil || !strings.HasPrefix(r.OriginalMessageID, r.DeviceID) {
			return fmt.Errorf("feedback of a device %q on message %q", r.DeviceID, r.OriginalMessageID)
		}
		a.outcome(r.OriginalMessageID, r.StatusCode)
	}
	return nil
}
