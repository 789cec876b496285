package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
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
	body := []byte{0, 1}
	for _, filter := range filters {
		body = append(appendString(body, filter), 1)
	}
	if _, err := d.conn.Write(packet(0x82, body)); err != nil {
		return err
	}
	first, answer, err := d.read()
	if err != nil {
		return err
	}
	if first != 0x90 || len(answer) != 2+len(filters) {
		return fmt.Errorf("%s: % x is no SUBACK", d.clientID, answer)
	}
	for _, granted := range answer[2:] {
		if granted > 1 {
			return fmt.Errorf("%s: a subscription is refused: % x", d.clientID, answer)
		}
	}
	return nil
}

// read is the next packet: its first byte and what follows the fixed header.
func (d *device) read() (first byte, body []byte, err error) {
	if first, err = d.in.ReadByte(); err != nil {
		return 0, nil, err
	}
	length, err := binary.ReadUvarint(d.in) // MQTT's remaining length is one
	if err != nil {
		return 0, nil, err
	}
	body = make([]byte, length)
	_, err = io.ReadFull(d.in, body)
	return first, body, err
}

// message is the next PUBLISH: its topic, its packet id (0 for none) and its
// payload.
func (d *device) message() (topic string, id uint16, payload []byte, err error) {
	for {
		first, body, err := d.read()
		if err != nil {
			return "", 0, nil, err
		}
		if first>>4 != 3 {
			continue
		}
		n := int(binary.BigEndian.Uint16(body))
		topic, body = string(body[2:2+n]), body[2+n:]
		if first&0x06 != 0 {
			id, body = binary.BigEndian.Uint16(body), body[2:]
		}
		return topic, id, body, nil
	}
}

func (d *device) publish(topic string, payload []byte) error {
	_, err := d.conn.Write(plainPacket(topic, payload))
	return err
}

func (d *device) acknowledge(id uint16) error {
	_, err := d.conn.Write(binary.BigEndian.AppendUint16([]byte{0x40, 2}, id))
	return err
}
