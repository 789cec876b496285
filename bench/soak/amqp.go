package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/Azure/go-amqp"

	"github.com/linarite/linarite/test/harness"
)

// credit is how many messages a device takes at once.
const credit = 16

// amqpWire is a device over AMQP.
type amqpWire struct {
	*claimant
	device device

	events, twinOut, answers *amqp.Sender
	twins                    chan twinAnswer

	ended chan struct{}
	once  sync.Once
	why   error
}

// dialAMQP connects a device and opens all its links.
func dialAMQP(hub *harness.Hub, way path, who harness.Identity, token string, d device) (wire, error) {
	c, err := dialClaimant(hub, way, who.Resource(), token)
	if err != nil {
		return nil, err
	}
	w := &amqpWire{claimant: c, device: d, ended: make(chan struct{}), twins: make(chan twinAnswer, 8)}
	if err := w.attach("/devices/" + who.DeviceID); err != nil {
		c.reset()
		return nil, err
	}
	return w, nil
}

// attach opens the links of the device at an address.
func (w *amqpWire) attach(at string) (err error) {
	ctx, cancel := waiting()
	defer cancel()
	if w.events, err = w.session.NewSender(ctx, at+"/messages/events", nil); err != nil {
		return err
	}
	if err := w.listen(ctx, at+"/messages/devicebound", nil, w.message); err != nil {
		return err
	}
	// The two links of twin and methods belong together by this property.
	id := map[string]any{"com.microsoft:channel-correlation-id": "twin:" + w.device.name()}
	if w.twinOut, err = w.session.NewSender(ctx, at+"/twin", &amqp.SenderOptions{Properties: id}); err != nil {
		return err
	}
	if err := w.listen(ctx, at+"/twin", id, w.ofTwin); err != nil {
		return err
	}
	id = map[string]any{"com.microsoft:channel-correlation-id": "methods:" + w.device.name()}
	if w.answers, err = w.session.NewSender(ctx, at+"/methods/devicebound", &amqp.SenderOptions{Properties: id}); err != nil {
		return err
	}
	if err := w.listen(ctx, at+"/methods/devicebound", id, w.call); err != nil {
		return err
	}
	_, err = w.ask("PUT", "/notifications/twin/properties/desired", "")
	return err
}

// listen opens a link and takes what comes on it until the connection is over.
func (w *amqpWire) listen(ctx context.Context, at string, properties map[string]any, take func(*amqp.Message) error) error {
	in, err := w.session.NewReceiver(ctx, at, &amqp.ReceiverOptions{Credit: credit, Properties: properties})
	if err != nil {
		return err
	}
	go func() {
		for {
			m, err := in.Receive(context.Background(), nil)
			if err == nil {
				err = take(m)
			}
			if err == nil {
				err = in.AcceptMessage(context.Background(), m)
			}
			if err != nil {
				w.end(fmt.Errorf("the connection has ended: %w", err))
				return
			}
		}
	}()
	return nil
}

func (w *amqpWire) end(why error) {
	w.once.Do(func() {
		w.why = why
		w.reset()
		close(w.ended)
	})
}

func (w *amqpWire) message(m *amqp.Message) error {
	got, err := arrivalOf(m)
	if err == nil {
		delete(got.properties, "iothub-ack")
		w.device.message(got)
	}
	return err
}

// ofTwin takes an answer, or a change of desired properties, which has no
// correlation-id.
func (w *amqpWire) ofTwin(m *amqp.Message) error {
	version, _ := m.Annotations["version"].(int64)
	if m.Properties == nil || m.Properties.CorrelationID == nil {
		w.device.changed(version, m.GetData())
		return nil
	}
	a := twinAnswer{fmt.Sprint(m.Annotations["status"]), version, m.GetData()}
	if a.status == "200" && len(a.body) > 0 { // else it answers the wish to be told of changes
		w.device.read(a.body)
	}
	w.twins <- a
	return nil
}

func (w *amqpWire) call(m *amqp.Message) error {
	if m.Properties == nil {
		return fmt.Errorf("a method without properties")
	}
	name, _ := m.ApplicationProperties["IoThub-methodname"].(string)
	status, answer := w.device.call(name, m.GetData())
	ctx, cancel := waiting()
	defer cancel()
	return w.answers.Send(ctx, &amqp.Message{
		Properties:            &amqp.MessageProperties{CorrelationID: m.Properties.CorrelationID},
		ApplicationProperties: map[string]any{"IoThub-status": int32(status)},
		Data:                  [][]byte{answer},
	}, nil)
}

// send sends telemetry; of QoS 0 is what is settled beforehand.
func (w *amqpWire) send(c content, _ bool) error {
	ctx, cancel := waiting()
	defer cancel()
	return w.events.Send(ctx, messageOf(c), &amqp.SendOptions{Settled: c.stream == qos0})
}

func (w *amqpWire) start(c content) error {
	ctx, cancel := waiting()
	defer cancel()
	_, err := w.events.SendWithReceipt(ctx, messageOf(c), nil)
	return err
}

func (w *amqpWire) report(patch string) (int64, error) {
	a, err := w.ask("PATCH", "/properties/reported", patch)
	if err == nil && a.status != "204" {
		err = fmt.Errorf("a report is answered with %s %s", a.status, a.body)
	}
	return a.version, err
}

func (w *amqpWire) twin() error {
	a, err := w.ask("GET", "", "")
	if err == nil && a.status != "200" {
		err = fmt.Errorf("the twin is answered with %s %s", a.status, a.body)
	}
	return err
}

// ask sends a request about the twin.
func (w *amqpWire) ask(operation, resource, body string) (twinAnswer, error) {
	ctx, cancel := waiting()
	defer cancel()
	annotations := amqp.Annotations{"operation": operation}
	if resource != "" {
		annotations["resource"] = resource
	}
	err := w.twinOut.Send(ctx, &amqp.Message{
		Annotations: annotations, Properties: &amqp.MessageProperties{CorrelationID: "1"}, Data: [][]byte{[]byte(body)},
	}, nil)
	if err != nil {
		return twinAnswer{}, err
	}
	select {
	case a := <-w.twins:
		return a, nil
	case <-w.ended:
		return twinAnswer{}, w.why
	case <-ctx.Done():
		return twinAnswer{}, errSilent
	}
}

// goodbye closes. What becomes of the socket after the two closes does not matter.
func (w *amqpWire) goodbye() error {
	err := w.conn.Close()
	select {
	case <-w.ended:
	case <-time.After(patience):
		return errSilent
	}
	if refused := (*amqp.ConnError)(nil); errors.As(err, &refused) && refused.RemoteErr != nil {
		return err
	}
	return nil
}

func (w *amqpWire) over() <-chan struct{} { return w.ended }

func (w *amqpWire) reason() error { return w.why }

// messageOf is a message as AMQP has it.
func messageOf(c content) *amqp.Message {
	properties := map[string]any{}
	for name, value := range c.properties() {
		properties[name] = value
	}
	kind := c.contentType()
	return &amqp.Message{
		Properties:            &amqp.MessageProperties{MessageID: c.id(), ContentType: &kind},
		ApplicationProperties: properties, Data: [][]byte{c.body()},
	}
}

// arrivalOf is a message that came over AMQP.
func arrivalOf(m *amqp.Message) (*arrival, error) {
	if m.Properties == nil || m.Properties.ContentType == nil {
		return nil, fmt.Errorf("a message without properties")
	}
	got := &arrival{
		id: fmt.Sprint(m.Properties.MessageID), contentType: *m.Properties.ContentType,
		properties: texts(m.ApplicationProperties), body: m.GetData(),
	}
	return got, nil
}

// texts are properties as text; one without a value is none of ours.
func texts(properties map[string]any) map[string]string {
	all := make(map[string]string, len(properties))
	for name, value := range properties {
		all[name] = fmt.Sprint(value)
	}
	return all
}
