package main

import (
	"bufio"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/linarite/linarite/bench/mqtt"
	"github.com/linarite/linarite/test/harness"
)

// keepAlive is far longer than a device is ever silent.
const keepAlive = 5 * time.Minute

// The topics of all devices.
const (
	topicMethods = "$iothub/methods/POST/"
	topicTwin    = "$iothub/twin/res/"
	topicDesired = "$iothub/twin/PATCH/properties/desired/"
)

// mqttWire is a device over MQTT.
type mqttWire struct {
	*socket
	device device
	nextID uint16
	acks   chan uint16
	twins  chan twinAnswer

	writing sync.Mutex

	ended chan struct{}
	once  sync.Once
	why   error
}

// twinAnswer is the hub's to a request about the twin.
type twinAnswer struct {
	status  string
	version int64
	body    []byte
}

// dialMQTT connects a device. As SDKs do, it subscribes the first time only: the
// hub keeps its subscriptions.
func dialMQTT(hub *harness.Hub, way path, who harness.Identity, token string, d device, first bool) (wire, error) {
	s, err := dial(hub, way)
	if err != nil {
		return nil, err
	}
	w := &mqttWire{
		socket: s, device: d, ended: make(chan struct{}),
		acks: make(chan uint16, 8), twins: make(chan twinAnswer, 8),
	}
	if err := w.enter(who, token, first); err != nil {
		_ = s.Close()
		return nil, err
	}
	return w, nil
}

func (w *mqttWire) enter(who harness.Identity, token string, first bool) error {
	if err := w.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	err := mqtt.Enter(w, mqtt.Connect{ClientID: who.ClientID(), UserName: who.UserName(), Password: token, KeepAlive: keepAlive})
	if err != nil {
		return err
	}
	if err := w.SetDeadline(time.Time{}); err != nil {
		return err
	}
	go w.listen()
	if !first {
		return nil
	}
	id := w.id()
	err = w.write(mqtt.Subscribe(id, "devices/"+who.DeviceID+"/messages/devicebound/#",
		topicMethods+"#", topicTwin+"#", topicDesired+"#"))
	if err != nil {
		return err
	}
	return w.await(id)
}

func (w *mqttWire) id() uint16 {
	if w.nextID++; w.nextID == 0 {
		w.nextID = 1
	}
	return w.nextID
}

func (w *mqttWire) write(packet []byte) error {
	w.writing.Lock()
	defer w.writing.Unlock()
	_, err := w.Write(packet)
	return err
}

// await waits for the acknowledgement of what was sent with an id.
func (w *mqttWire) await(id uint16) error {
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case got := <-w.acks:
		if got != id {
			return fmt.Errorf("packet %d is acknowledged, not %d", got, id)
		}
		return nil
	case <-w.ended:
		return w.why
	case <-late.C:
		return errSilent
	}
}

// publish is telemetry as a PUBLISH.
func (w *mqttWire) publish(c content, id uint16, again bool) error {
	bag := "%24.mid=" + url.PathEscape(c.id()) + "&%24.ct=" + url.QueryEscape(c.contentType())
	for name, value := range c.properties() {
		bag += "&" + escape(name) + "=" + escape(value)
	}
	return w.write(mqtt.Message{
		Topic: "devices/" + c.device + "/messages/events/" + bag, ID: id, Dup: again, Payload: c.body(),
	}.Packet())
}

// escape is for names and values of property bags, where a plus is a plus.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

func (w *mqttWire) send(c content, again bool) error {
	if c.stream == qos0 {
		return w.publish(c, 0, false)
	}
	id := w.id()
	if err := w.publish(c, id, again); err != nil {
		return err
	}
	return w.await(id)
}

func (w *mqttWire) start(c content) error { return w.publish(c, w.id(), false) }

func (w *mqttWire) report(patch string) (int64, error) {
	a, err := w.ask("PATCH/properties/reported/", patch, "204")
	return a.version, err
}

func (w *mqttWire) twin() error {
	_, err := w.ask("GET/", " ", "200")
	return err
}

// ask sends a request about the twin.
func (w *mqttWire) ask(what, body, status string) (twinAnswer, error) {
	err := w.write(mqtt.Message{Topic: "$iothub/twin/" + what + "?$rid=1", Payload: []byte(body)}.Packet())
	if err != nil {
		return twinAnswer{}, err
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case a := <-w.twins:
		if a.status != status {
			return a, fmt.Errorf("twin %s is answered with %s %s", what, a.status, a.body)
		}
		return a, nil
	case <-w.ended:
		return twinAnswer{}, w.why
	case <-late.C:
		return twinAnswer{}, errSilent
	}
}

// renew does nothing: over MQTT a fresh token needs another connection.
func (w *mqttWire) renew(string) error { return nil }

func (w *mqttWire) goodbye() error {
	if err := w.write(mqtt.Disconnect()); err != nil {
		return err
	}
	select {
	case <-w.ended: // the hub closes
	case <-time.After(patience):
		return errSilent
	}
	_ = w.Close() // the hub has closed it
	return nil
}

func (w *mqttWire) over() <-chan struct{} { return w.ended }

func (w *mqttWire) reason() error { return w.why }

// listen takes what the hub sends until the connection is over.
func (w *mqttWire) listen() {
	in := bufio.NewReader(w)
	for {
		p, err := mqtt.Read(in)
		if err == nil {
			err = w.take(p)
		}
		if err != nil {
			w.once.Do(func() {
				w.why = fmt.Errorf("the connection has ended: %w", err)
				_ = w.Close()
				close(w.ended)
			})
			return
		}
	}
}

func (w *mqttWire) take(p mqtt.Packet) error {
	switch p.Type() {
	case mqtt.TypePuback, mqtt.TypeSuback:
		id, err := p.ID()
		if err == nil {
			w.acks <- id
		}
		return err
	case mqtt.TypePublish:
		m, err := p.Message()
		if err == nil {
			err = w.dispatch(m)
		}
		if err == nil && m.ID != 0 {
			err = w.write(mqtt.Puback(m.ID))
		}
		return err
	case mqtt.TypePingresp:
		return nil
	}
	return fmt.Errorf("a packet of type %#x from the hub", p.Type())
}

// dispatch hands a message to whom it concerns.
func (w *mqttWire) dispatch(m mqtt.Message) error {
	if bag, ok := strings.CutPrefix(m.Topic, "devices/"+w.device.name()+"/messages/devicebound/"); ok {
		got, err := deviceBoundArrival(bag, m.Payload)
		if err == nil {
			w.device.message(got)
		}
		return err
	}
	if rest, ok := strings.CutPrefix(m.Topic, topicTwin); ok {
		status, query, _ := strings.Cut(rest, "/?")
		version, err := numberIn(query, "$version")
		if status == "200" {
			w.device.read(m.Payload)
		}
		w.twins <- twinAnswer{status, version, m.Payload}
		return err
	}
	if rest, ok := strings.CutPrefix(m.Topic, topicDesired); ok {
		version, err := numberIn(strings.TrimPrefix(rest, "?"), "$version")
		w.device.changed(version, m.Payload)
		return err
	}
	if rest, ok := strings.CutPrefix(m.Topic, topicMethods); ok {
		name, rid, _ := strings.Cut(rest, "/?$rid=")
		status, answer := w.device.call(name, m.Payload)
		return w.write(mqtt.Message{Topic: fmt.Sprintf("$iothub/methods/res/%d/?$rid=%s", status, rid), Payload: answer}.Packet())
	}
	return fmt.Errorf("a message on topic %q", m.Topic)
}

// numberIn is a number of a topic's end, 0 when it is not there.
func numberIn(query, name string) (int64, error) {
	for pair := range strings.SplitSeq(query, "&") {
		if text, ok := strings.CutPrefix(pair, name+"="); ok {
			return strconv.ParseInt(text, 10, 64)
		}
	}
	return 0, nil
}

// deviceBoundArrival is a message to a device with the property bag of its topic.
func deviceBoundArrival(bag string, body []byte) (*arrival, error) {
	got := &arrival{properties: map[string]string{}, body: body}
	for pair := range strings.SplitSeq(bag, "&") {
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err1 := url.PathUnescape(rawName)
		value, err2 := url.PathUnescape(rawValue)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		switch name {
		case "$.mid":
			got.id = value
		case "$.ct":
			got.contentType = value
		case "$.to", "$.exp", "iothub-ack":
		default:
			got.properties[name] = value
		}
	}
	return got, nil
}
