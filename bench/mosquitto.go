package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// patience is how long a broker may take to start or to stop.
const patience = 10 * time.Second

// mosquitto is Debian's Mosquitto at its best: nobody has to authenticate,
// nothing is kept on disk, and replies leave at once.
type mosquitto struct {
	binary  string
	config  string // path of its configuration
	trusted *x509.CertPool
	process *exec.Cmd
}

// mosquittoConfig takes the address, the certificate's and the key's path. It
// stays root, as which it may be started, to read the key.
const mosquittoConfig = `listener 8883 %s
certfile %s
keyfile %s
allow_anonymous true
set_tcp_nodelay true
persistence false
log_dest none
user root
`

func newMosquitto(dir string) (*mosquitto, error) {
	binary, err := exec.LookPath("mosquitto")
	if err != nil {
		binary = "/usr/sbin/mosquitto" // not on everybody's path
		if _, err := os.Stat(binary); err != nil {
			return nil, fmt.Errorf("mosquitto is not installed: %w", err)
		}
	}
	cert, err := makeCertificate(mosquittoAddress)
	if err != nil {
		return nil, err
	}
	m := &mosquitto{binary: binary, config: filepath.Join(dir, "mosquitto.conf"), trusted: cert.trusted}
	certFile, keyFile := filepath.Join(dir, "server.pem"), filepath.Join(dir, "server-key.pem")
	text := fmt.Sprintf(mosquittoConfig, mosquittoAddress, certFile, keyFile)
	return m, errors.Join(
		os.WriteFile(certFile, cert.certPEM, 0o600),
		os.WriteFile(keyFile, cert.keyPEM, 0o600),
		os.WriteFile(m.config, []byte(text), 0o600),
	)
}

func (m *mosquitto) name() string { return "mosquitto" }
func (m *mosquitto) addr() string { return mosquittoAddress + ":8883" }
func (m *mosquitto) pid() int     { return m.process.Process.Pid }

func (m *mosquitto) tls() *tls.Config {
	return &tls.Config{RootCAs: m.trusted, ServerName: mosquittoAddress, MinVersion: tls.VersionTLS12}
}

func (m *mosquitto) start() error {
	m.process = exec.Command(m.binary, "-c", m.config)
	if err := m.process.Start(); err != nil {
		return err
	}
	return retry(patience, func() error {
		conn, err := net.Dial("tcp", m.addr())
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

func (m *mosquitto) stop() error { return end(m.process) }

func (m *mosquitto) logins(n int) ([]login, error) {
	all := make([]login, n)
	for i := range all {
		id := fmt.Sprintf("bench-%05d", i)
		all[i] = login{clientID: id, topic: telemetryTopic(id)}
	}
	return all, nil
}

func (m *mosquitto) fresh(string) (*exec.Cmd, login, error) {
	return exec.Command(m.binary, "-c", m.config), login{clientID: "first"}, nil
}

// end asks a process to stop and waits until it has.
func end(process *exec.Cmd) error {
	if err := process.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	late := time.AfterFunc(patience, func() { _ = process.Process.Kill() })
	defer late.Stop()
	return process.Wait()
}
