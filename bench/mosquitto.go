package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

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

// newMosquitto is Debian's Mosquitto at its best: nobody has to authenticate,
// nothing is kept on disk, and replies leave at once.
func newMosquitto(dir string) (*server, error) {
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
	certFile, keyFile, err := cert.save(filepath.Join(dir, nameMosquitto))
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "mosquitto.conf")
	text := fmt.Sprintf(mosquittoConfig, mosquittoAddress, certFile, keyFile)
	return &server{
		label: nameMosquitto, address: mosquittoAddress, trusted: cert.trusted, command: []string{binary, "-c", config},
	}, os.WriteFile(config, []byte(text), 0o600)
}
