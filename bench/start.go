package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// starts measures the first start of each broker, by turns.
func (c *contest) starts(n int, b bound) error {
	f := figures{}
	for i := range n {
		for _, one := range c.brokers {
			dir := filepath.Join(c.scratch, one.name()+strconv.Itoa(i), "data")
			elapsed, err := firstConnack(one, dir)
			if err != nil {
				return err
			}
			f.add("start", one, micro(elapsed)/1000)
		}
	}
	c.report.add("first start, exec to CONNACK", "ms", f["start"], b)
	return nil
}

// firstConnack starts a broker that has never run before and returns the time
// from exec to a client's CONNACK.
func firstConnack(b broker, dir string) (elapsed time.Duration, err error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return 0, err
	}
	command, who, err := b.fresh(dir)
	if err != nil {
		return 0, err
	}
	// Its certificate is about to be made, so nobody can trust it yet.
	trust := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	started := time.Now()
	if err := command.Start(); err != nil {
		return 0, err
	}
	err = retry(patience, func() error {
		conn, err := connect(b.addr(), trust, who)
		if err != nil {
			return err
		}
		elapsed = time.Since(started)
		return leave(conn)
	})
	if err != nil {
		_ = command.Process.Kill()
		_ = command.Wait()
		return 0, fmt.Errorf("%s does not start: %w\n%s", b.name(), err, said.String())
	}
	return elapsed, end(command)
}
