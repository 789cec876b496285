package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os/exec"
	"syscall"
	"time"
)

// patience is how long a broker may take to start or to stop.
const patience = 10 * time.Second

// server is a broker that takes anybody and keeps nothing.
type server struct {
	label, address string
	trusted        *x509.CertPool
	command        []string
	process        *exec.Cmd
}

func (s *server) name() string { return s.label }
func (s *server) addr() string { return s.address + ":8883" }
func (s *server) pid() int     { return s.process.Process.Pid }

func (s *server) tls() *tls.Config {
	return &tls.Config{RootCAs: s.trusted, ServerName: s.address, MinVersion: tls.VersionTLS12}
}

func (s *server) start() error {
	s.process = s.ready()
	if err := s.process.Start(); err != nil {
		return err
	}
	return retry(patience, func() error {
		conn, err := net.Dial("tcp", s.addr())
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

func (s *server) stop() error { return end(s.process) }

func (s *server) ready() *exec.Cmd { return exec.Command(s.command[0], s.command[1:]...) }

func (s *server) logins(n int) ([]login, error) {
	all := make([]login, n)
	for i := range all {
		id := fmt.Sprintf("bench-%05d", i)
		all[i] = login{clientID: id, topic: telemetryTopic(id)}
	}
	return all, nil
}

func (s *server) fresh(string) (*exec.Cmd, login, error) {
	return s.ready(), login{clientID: "first"}, nil
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
