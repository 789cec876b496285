package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Azure/go-amqp"

	"github.com/linarite/linarite/test/harness"
)

// hubPartitions is how many a hub has by default.
const hubPartitions = 4

// behind is how far behind a reader may be that keeps up.
const behind = time.Second

// readers are nuisances that must not be any.
func readers() []nuisance {
	return []nuisance{{"five readers that keep up and one that is stalled", fiveReaders}}
}

// followCommand makes this program be five readers.
const followCommand = "follow"

// fiveReaders is five readers that keep up, and one that takes nothing more once it
// is attached. Those that read are a program of their own, which others go before: what
// they do with an event must not count as the hub's delay.
func fiveReaders(l *linarite, _ []login) (stop func() error, err error) {
	dir, err := os.MkdirTemp("", "linarite-readers-")
	if err != nil {
		return nil, err
	}
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, l.hub.CAPEM, 0o600); err != nil {
		return nil, err
	}
	readers := exec.Command("nice", "-n", "19", os.Args[0], followCommand, l.address, ca)
	readers.Stderr = os.Stderr
	in, inErr := readers.StdinPipe()
	out, outErr := readers.StdoutPipe()
	if err := errors.Join(inErr, outErr, readers.Start()); err != nil {
		return nil, err
	}
	end := func() error {
		return errors.Join(in.Close(), readers.Wait(), os.RemoveAll(dir))
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return nil, errors.Join(err, end())
	}
	stalled, err := stall(context.Background(), l)
	if err != nil {
		return nil, errors.Join(err, end())
	}
	return func() error {
		_ = stalled.Close() // it may have been cut off
		return end()
	}, nil
}

// followHub reads at the hub of an address, over the partitions, until the input
// ends, and says on its output when it has begun.
func followHub(address, caFile string) error {
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return err
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(pem)
	l := &linarite{address: address, hub: &harness.Hub{Address: address, CA: trusted}}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var running sync.WaitGroup
	all := make([]*follower, 5)
	for n := range all {
		if all[n], err = follow(ctx, l, n%hubPartitions); err != nil {
			return err
		}
	}
	for _, f := range all {
		running.Go(func() { f.err = f.run(ctx) })
	}
	fmt.Println(followCommand)
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	cancel()
	running.Wait()
	failures := make([]error, len(all))
	for n, f := range all {
		failures[n] = f.end()
	}
	return errors.Join(failures...)
}

// follower is a reader that follows a partition.
type follower struct {
	conn *amqp.Conn
	in   *amqp.Receiver
	last time.Time // when the hub got the event that was read last
	late time.Duration
	err  error
}

func follow(ctx context.Context, l *linarite, partition int) (*follower, error) {
	conn, session, err := dialBackEnd(ctx, l)
	if err != nil {
		return nil, err
	}
	in, err := session.NewReceiver(ctx, partitionAddress(partition), fromLatest(1000))
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &follower{conn: conn, in: in}, nil
}

// fromLatest begins at the end of a partition.
func fromLatest(credit int32) *amqp.ReceiverOptions {
	return &amqp.ReceiverOptions{Credit: credit, Filters: []amqp.LinkFilter{
		amqp.NewSelectorFilter("amqp.annotation.x-opt-offset > '@latest'"),
	}}
}

func (f *follower) run(ctx context.Context) error {
	for {
		m, err := f.in.Receive(ctx, nil)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		f.last, _ = m.Annotations["x-opt-enqueued-time"].(time.Time)
		f.late = max(f.late, time.Since(f.last))
	}
}

// end is why the reader did not do what it should have.
func (f *follower) end() error {
	err := errors.Join(f.err, f.conn.Close())
	switch {
	case err != nil:
		return fmt.Errorf("a reader: %w", err)
	case f.last.IsZero():
		return errors.New("a reader has read nothing")
	case f.late > behind:
		return fmt.Errorf("a reader was %v behind", f.late)
	}
	return nil
}

// stall attaches a reader that takes nothing from then on.
func stall(ctx context.Context, l *linarite) (*amqp.Conn, error) {
	conn, err := tls.Dial("tcp", l.hub.Addr(harness.AMQPSPort), l.tls())
	if err != nil {
		return nil, err
	}
	g := &gate{Conn: conn, closed: make(chan struct{})}
	client, err := amqp.NewConn(ctx, g, &amqp.ConnOptions{
		SASLType: amqp.SASLTypePlain("iothubowner", harness.WellKnownKey), HostName: l.address,
	})
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	session, err := client.NewSession(ctx, nil)
	if err == nil {
		_, err = session.NewReceiver(ctx, partitionAddress(0), fromLatest(1_000_000))
	}
	g.shut.Store(true)
	return client, err
}

// gate is a connection from which nothing can be read once it is shut.
type gate struct {
	net.Conn
	shut   atomic.Bool
	once   sync.Once
	closed chan struct{}
}

// Read reads as long as the gate is open.
func (g *gate) Read(b []byte) (int, error) {
	if g.shut.Load() {
		<-g.closed
		return 0, net.ErrClosed
	}
	return g.Conn.Read(b)
}

// Close closes the connection.
func (g *gate) Close() error {
	g.once.Do(func() { close(g.closed) })
	return g.Conn.Close()
}
