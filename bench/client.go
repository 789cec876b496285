package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/linarite/linarite/bench/mqtt"
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
	err := mqtt.Enter(conn, mqtt.Connect{
		ClientID: who.clientID, UserName: who.userName, Password: who.password, Clean: true, KeepAlive: keepAlive,
	})
	if err != nil {
		return err
	}
	return conn.SetDeadline(time.Time{})
}

// leave sends DISCONNECT and closes.
func leave(conn net.Conn) error {
	_, err := conn.Write(mqtt.Disconnect())
	return errors.Join(err, conn.Close())
}

// publishPacket is a PUBLISH with QoS 1, and where its packet id is in it.
func publishPacket(topic string, payload []byte) (frame []byte, id int) {
	frame = mqtt.Message{Topic: topic, ID: 1, Payload: payload}.Packet()
	return frame, len(frame) - len(payload) - 2
}

// plainPacket is a PUBLISH with QoS 0.
func plainPacket(topic string, payload []byte) []byte {
	return mqtt.Message{Topic: topic, Payload: payload}.Packet()
}
