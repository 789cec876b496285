package main

import (
	"context"
	"crypto/tls"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"

	"github.com/linarite/linarite/bench/machine"
)

// serveCommand is the first argument of a process that is mochi.
const serveCommand = "serve-mochi"

// newMochi is the broker that the hub embeds, as it is without the hub: its own
// listener, its defaults, anybody may do anything. It runs in a process of this
// same program.
func newMochi(dir string) (*server, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cert, err := makeCertificate(mochiAddress)
	if err != nil {
		return nil, err
	}
	certFile, keyFile, err := cert.save(filepath.Join(dir, nameMochi))
	if err != nil {
		return nil, err
	}
	return &server{
		label: nameMochi, address: mochiAddress, trusted: cert.trusted,
		command: []string{program, serveCommand, mochiAddress + ":8883", certFile, keyFile},
	}, nil
}

// serveMochi runs until it is told to stop.
func serveMochi(address, certFile, keyFile string) error {
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return err
	}
	if err := machine.RaiseFileLimit(); err != nil {
		return err
	}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	s := mqtt.New(&mqtt.Options{Logger: slog.New(slog.DiscardHandler)})
	if err := s.AddHook(new(auth.AllowHook), nil); err != nil {
		return err
	}
	if err := s.AddListener(listeners.NewTCP(listeners.Config{
		ID: "tls", Address: address, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
	})); err != nil {
		return err
	}
	if err := s.Serve(); err != nil {
		return err
	}
	<-stop.Done()
	return s.Close()
}
