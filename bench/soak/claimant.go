package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/Azure/go-amqp"

	"github.com/linarite/linarite/test/harness"
)

// claimant is an AMQP connection that shows a token, and others as time goes by.
type claimant struct {
	*socket
	conn     *amqp.Conn
	session  *amqp.Session
	audience string

	mu      sync.Mutex // one put-token at a time
	out     *amqp.Sender
	in      *amqp.Receiver
	request uint64
}

// dialClaimant opens a connection and shows its first token.
func dialClaimant(hub *harness.Hub, way path, audience, token string) (*claimant, error) {
	s, err := dial(hub, way)
	if err != nil {
		return nil, err
	}
	c := &claimant{socket: s, audience: audience}
	if err := c.open(hub.Address, token); err != nil {
		s.reset()
		return nil, err
	}
	return c, nil
}

func (c *claimant) open(host, token string) (err error) {
	ctx, cancel := waiting()
	defer cancel()
	c.conn, err = amqp.NewConn(ctx, c.socket, &amqp.ConnOptions{HostName: host, SASLType: amqp.SASLTypeAnonymous()})
	if err != nil {
		return err
	}
	if c.session, err = c.conn.NewSession(ctx, nil); err != nil {
		return err
	}
	if c.out, err = c.session.NewSender(ctx, "$cbs", nil); err != nil {
		return err
	}
	if c.in, err = c.session.NewReceiver(ctx, "$cbs", nil); err != nil {
		return err
	}
	return c.renew(token)
}

// renew shows a token.
func (c *claimant) renew(token string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, cancel := waiting()
	defer cancel()
	c.request++
	answerTo := "cbs"
	err := c.out.Send(ctx, &amqp.Message{
		Properties: &amqp.MessageProperties{MessageID: c.request, ReplyTo: &answerTo},
		ApplicationProperties: map[string]any{
			"operation": "put-token", "type": "servicebus.windows.net:sastoken", "name": c.audience,
		},
		Value: token,
	}, nil)
	if err != nil {
		return err
	}
	m, err := c.in.Receive(ctx, nil)
	if err != nil {
		return err
	}
	if status := m.ApplicationProperties["status-code"]; status != int32(200) {
		return fmt.Errorf("put-token is answered with %v %v", status, m.ApplicationProperties["status-description"])
	}
	return c.in.AcceptMessage(ctx, m)
}

// waiting is how long the hub may take.
func waiting() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}
