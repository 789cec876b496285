package main

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// keepAlive is long enough for no client to have to ping.
const keepAlive = 600 * time.Second

// ioTimeout is how long a broker may be silent.
const ioTimeout = 20 * time.Second

// connect dials a broker and returns when it has accepted the client.
func connect(addr string, trust *tls.Config, who login) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: ioTimeout}
	conn, err := tls.DialWithDialer(dialer, "tcp", addr, trust)
	if err != nil {
		return nil, err
	}
	if err := enter(conn, who); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("%s: %w", who.clientID, err)
	}
	return conn, nil
}

// enter sends CONNECT and reads CONNACK.
func enter(conn net.Conn, who login) error {
	if err := conn.SetDeadline(time.Now().Add(ioTimeout)); err != nil {
		return err
	}
	if _, err := conn.Write(connectPacket(who)); err != nil {
		return err
	}
	var connack [4]byte
	if _, err := io.ReadFull(conn, connack[:]); err != nil {
		return fmt.Errorf("no CONNACK: %w", err)
	}
	if connack != [4]byte{0x20, 2, 0, 0} {
		return fmt.Errorf("CONNACK % x", connack)
	}
	return conn.SetDeadline(time.Time{})
}

// leave sends DISCONNECT and closes.
func leave(conn net.Conn) error {
	_, err := conn.Write([]byte{0xe0, 0})
	return errors.Join(err, conn.Close())
}

// connectPacket is a CONNECT of MQTT 3.1.1 with CleanSession 1.
func connectPacket(who login) []byte {
	flags := byte(0x02)
	if who.userName != "" {
		flags |= 0xc0
	}
	body := appendString(nil, "MQTT")
	body = append(body, 4, flags)
	body = binary.BigEndian.AppendUint16(body, uint16(keepAlive/time.Second))
	body = appendString(body, who.clientID)
	if who.userName != "" {
		body = appendString(body, who.userName)
		body = appendString(body, who.password)
	}
	return packet(0x10, body)
}

// publishPacket is a PUBLISH with QoS 1, and where its packet id is in it.
func publishPacket(topic string, payload []byte) (frame []byte, id int) {
	body := appendString(nil, topic)
	afterTopic := len(body)
	body = append(body, 0, 0)
	body = append(body, payload...)
	frame = packet(0x32, body)
	return frame, len(frame) - len(body) + afterTopic
}

// plainPacket is a PUBLISH with QoS 0.
func plainPacket(topic string, payload []byte) []byte {
	return packet(0x30, append(appendString(nil, topic), payload...))
}

// packet puts the fixed header before a body.
func packet(first byte, body []byte) []byte {
	frame := []byte{first}
	for n := len(body); ; {
		digit := byte(n & 0x7f)
		if n >>= 7; n == 0 {
			return append(append(frame, digit), body...)
		}
		frame = append(frame, digit|0x80)
	}
}

func appendString(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}
