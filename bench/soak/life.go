package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/linarite/linarite/test/harness"
)

// How devices live.
const (
	tokenLife   = 5 * time.Minute
	doomedLife  = time.Minute     // of the tokens of those that let them run out
	grace       = 5 * time.Minute // --sas-grace, its default
	oneInDoomed = 97              // as many devices are one that lets its tokens run out; of every kind
	shareQoS0   = 0.2             // of all that a device does
	shareReport = 0.06
)

// kinds are how devices reach the hub, and how many of 20 do so.
var kinds = []struct {
	name   string
	way    path
	amqp   bool
	twenty int
}{
	{"MQTT", mqttTLS, false, 15},
	{"MQTT over WebSocket", mqttWebSocket, false, 3},
	{"AMQP", amqpTLS, true, 1},
	{"AMQP over WebSocket", amqpWebSocket, true, 1},
}

// life is a device: it connects, sends, reports and answers, and connects anew
// every few minutes, in all the ways in which connections end.
type life struct {
	hub      *harness.Hub
	account  *account
	ledger   *ledger
	who      harness.Identity
	number   int
	random   *rand.Rand
	interval time.Duration // between two things it does
	spell    time.Duration // of a connection, on average

	way  path
	amqp bool

	wire    wire
	shown   time.Time // its token
	ever    bool      // it has been connected before
	behind  bool      // it has not caught up on this connection yet
	pending *content  // sent, and perhaps lost with its connection
}

func newLife(s *soak, number int, who harness.Identity, account *account) *life {
	d := &life{
		hub: s.hub, account: account, ledger: s.ledger, who: who, number: number,
		random: rand.New(rand.NewPCG(uint64(number), 3)), interval: s.o.interval, spell: s.o.spell,
	}
	for at, kind := 0, 0; kind < len(kinds); kind++ {
		if at += kinds[kind].twenty; number%20 < at {
			d.way, d.amqp = kinds[kind].way, kinds[kind].amqp
			break
		}
	}
	return d
}

// doomed says whether the device lets its tokens run out.
func (d *life) doomed() bool { return d.number%oneInDoomed == oneInDoomed-1 }

func (d *life) name() string { return d.who.DeviceID }

func (d *life) message(got *arrival) { d.account.message(got) }

func (d *life) changed(version int64, patch []byte) { d.account.changed(version, patch) }

func (d *life) read(view []byte) { d.account.twin(view) }

// call answers a method: with its name and its payload.
func (d *life) call(method string, payload []byte) (int, []byte) {
	return 200, fmt.Appendf(nil, `{"device":%q,"method":%q,"payload":%s}`, d.name(), method, payload)
}

// answerTo is what call answers.
type answerTo struct {
	Device, Method string
	Payload        json.RawMessage
}

// run lives until ctx ends, and leaves the device connected, with nothing open.
func (d *life) run(ctx context.Context) {
	for ctx.Err() == nil || d.wire == nil || d.behind {
		err := d.connected(ctx)
		if err == nil {
			continue
		}
		d.ledger.fault("%s: %v", d.name(), err)
		d.drop()
		if d.ledger.errors.Load() > maxErrors {
			return
		}
	}
}

// maxErrors is when there is no point in going on.
const maxErrors = 1000

// drop forgets a connection that failed.
func (d *life) drop() {
	if d.wire != nil {
		d.wire.reset()
		d.wire = nil
	}
}

// connected is one connection, from its beginning to its end.
func (d *life) connected(ctx context.Context) error {
	if d.wire == nil {
		w, err := d.dial()
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		d.wire = w
	}
	if err := d.catchUp(); err != nil {
		return err
	}
	if d.doomed() {
		return d.outlive(ctx)
	}
	end := time.Now().Add(d.vary(d.spell))
	for time.Now().Before(end) {
		if !d.pause(ctx) {
			return nil
		}
		if err := d.act(); err != nil {
			return err
		}
	}
	return d.part()
}

// dial connects with a fresh token.
func (d *life) dial() (w wire, err error) {
	ttl := tokenLife
	if d.doomed() {
		ttl = doomedLife
	}
	token, shown := d.who.Token(ttl), time.Now()
	if d.amqp {
		w, err = dialAMQP(d.hub, d.way, d.who, token, d)
	} else {
		w, err = dialMQTT(d.hub, d.way, d.who, token, d, !d.ever)
	}
	if err == nil {
		d.ever, d.behind, d.shown = true, true, shown
		d.ledger.add(connects)
	}
	return w, err
}

// catchUp makes good what the end of the last connection left open.
func (d *life) catchUp() error {
	if d.pending != nil {
		d.account.repeats(*d.pending)
		if err := d.wire.send(*d.pending, true); err != nil {
			return fmt.Errorf("send again: %w", err)
		}
		d.account.acknowledged(*d.pending)
		d.pending = nil
	}
	if err := d.wire.twin(); err != nil {
		return fmt.Errorf("read the twin: %w", err)
	}
	d.behind = false
	return nil
}

// pause waits for the time of the next act; false means that it is over.
func (d *life) pause(ctx context.Context) bool {
	timer := time.NewTimer(d.vary(d.interval))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// vary is a time of which mean is the mean.
func (d *life) vary(mean time.Duration) time.Duration {
	return mean/2 + time.Duration(d.random.Int64N(int64(mean)))
}

// act does one of the things that devices do.
func (d *life) act() error {
	if d.amqp && !d.doomed() && time.Since(d.shown) > tokenLife/4 {
		d.shown = time.Now()
		if err := d.wire.renew(d.who.Token(tokenLife)); err != nil {
			return fmt.Errorf("renew the token: %w", err)
		}
		d.ledger.add(renewals)
	}
	switch dice := d.random.Float64(); {
	case dice < shareQoS0 && !d.doomed():
		d.ledger.add(sentQoS0)
		return d.wire.send(d.account.next(qos0), false)
	case dice < shareQoS0+shareReport:
		return d.report()
	}
	return d.telemetry()
}

func (d *life) report() error {
	version, err := d.wire.report(d.account.nextReport())
	if err != nil {
		d.account.unanswered()
		return fmt.Errorf("report: %w", err)
	}
	d.account.reportedIs(version)
	return nil
}

func (d *life) telemetry() error {
	c := d.account.next(qos1)
	if err := d.wire.send(c, false); err != nil {
		d.pending = &c
		return fmt.Errorf("telemetry: %w", err)
	}
	d.account.acknowledged(c)
	return nil
}

// part ends the connection in one of the ways there are. What was sent before has
// come through: a reset may take with it what the hub has not read.
func (d *life) part() error {
	if err := d.telemetry(); err != nil {
		return err
	}
	switch d.random.IntN(4) {
	case 0:
		return d.lose()
	case 1:
		return d.replace()
	}
	d.ledger.add(goodbyes)
	err := d.wire.goodbye()
	d.wire = nil
	return err
}

// lose has the connection reset with a message under way.
func (d *life) lose() error {
	c := d.account.next(qos1)
	d.pending = &c
	if err := d.wire.start(c); err != nil {
		return fmt.Errorf("telemetry: %w", err)
	}
	d.ledger.add(resets)
	d.drop()
	return nil
}

// replace connects anew while there is a connection, which the hub has to end.
func (d *life) replace() error {
	old := d.wire
	w, err := d.dial()
	if err != nil {
		return fmt.Errorf("connect once more: %w", err)
	}
	d.ledger.add(takeovers)
	d.wire = w
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-old.over():
		return nil
	case <-late.C:
		old.reset()
		return fmt.Errorf("the hub does not end the connection that was replaced")
	}
}

// outlive lives until the token has run out and the hub ends the connection. It
// must not do so before.
func (d *life) outlive(ctx context.Context) error {
	for {
		if !d.pause(ctx) {
			return nil
		}
		err := d.act()
		if err == nil {
			continue
		}
		if life := time.Since(d.shown); life < doomedLife+grace-time.Second {
			return fmt.Errorf("after %s, with a token for %s: %w", life, doomedLife, err)
		}
		d.ledger.add(expiries)
		d.drop()
		return nil
	}
}
