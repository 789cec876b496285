package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"

	"github.com/linarite/linarite/bench/mqtt"
)

// device is a connected client that subscribes and reads what comes.
type device struct {
	login
	conn net.Conn
	in   *bufio.Reader
}

// enlist connects clients with the four subscriptions of an SDK.
func enlist(b broker, logins []login) ([]*device, error) {
	devices := make([]*device, len(logins))
	err := parallel(16, len(logins), func(i int) error {
		conn, err := connect(b.addr(), b.tls(), logins[i])
		if err != nil {
			return err
		}
		devices[i] = &device{login: logins[i], conn: conn, in: bufio.NewReaderSize(conn, 1024)}
		return devices[i].subscribe()
	})
	if err != nil {
		_ = dismiss(devices)
		return nil, err
	}
	return devices, nil
}

// dismiss has them all leave.
func dismiss(devices []*device) error {
	var failures []error
	for _, d := range devices {
		if d != nil {
			failures = append(failures, leave(d.conn))
		}
	}
	return errors.Join(failures...)
}

// The topics of an SDK; the first goes on with the device's id.
const (
	deviceBoundSuffix = "/messages/devicebound/#"
	twinAnswers       = "$iothub/twin/res/#"
	desiredPatches    = "$iothub/twin/PATCH/properties/desired/#"
	methodRequests    = "$iothub/methods/POST/#"
)

// subscribe waits for the SUBACK.
func (d *device) subscribe() error {
	filters := []string{"devices/" + d.clientID + deviceBoundSuffix, twinAnswers, desiredPatches, methodRequests}
	if _, err := d.conn.Write(mqtt.Subscribe(1, filters...)); err != nil {
		return err
	}
	answer, err := mqtt.Read(d.in)
	if err != nil {
		return err
	}
	if answer.Type() != mqtt.TypeSuback || len(answer.Body) != 2+len(filters) {
		return fmt.Errorf("%s: % x is no SUBACK", d.clientID, answer.Body)
	}
	for _, granted := range answer.Body[2:] {
		if granted > 1 {
			return fmt.Errorf("%s: a subscription is refused: % x", d.clientID, answer.Body)
		}
	}
	return nil
}

// message is the next PUBLISH: its topic, its packet id (0 for none) and its
// payload.
func (d *device) message() (topic string, id uint16, payload []byte, err error) {
	for {
		p, err := mqtt.Read(d.in)
		if err != nil {
			return "", 0, nil, err
		}
		if p.Type() == mqtt.TypePublish {
			m, err := p.Message()
			return m.Topic, m.ID, m.Payload, err
		}
	}
}

func (d *device) publish(topic string, payload []byte) error {
	_, err := d.conn.Write(plainPacket(topic, payload))
	return err
}

func (d *device) acknowledge(id uint16) error {
	_, err := d.conn.Write(mqtt.Puback(id))
	return err
}
