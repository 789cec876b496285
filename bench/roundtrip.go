package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/linarite/linarite/test/harness"
)

// roundtrips measures how long one device waits while many others are connected
// and subscribed.
type roundtrips struct {
	devices       int
	rounds, calls int
	twinP50       bound
	twinP99       bound
	methodP50     bound
	methodP99     bound
}

// roundtrips runs on the hub alone: no other broker has twins and methods.
func (c *contest) roundtrips(l *linarite, r roundtrips) (err error) {
	if err := l.start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.stop()) }()
	logins, err := l.logins(r.devices)
	if err != nil {
		return err
	}
	devices, err := enlist(l, logins)
	if err != nil {
		return err
	}
	subscribed := fmt.Sprintf("one active of %d", r.devices)
	if err := r.measure(c.report, "twin GET, "+subscribed, r.twinP50, r.twinP99, devices[0].twinRead); err != nil {
		return err
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = devices[1].serveMethods() }) // ends with its connection
	err = r.measure(c.report, "direct method through REST, "+subscribed, r.methodP50, r.methodP99, func() error {
		return call(l.hub, devices[1].clientID)
	})
	err = errors.Join(err, dismiss(devices))
	serving.Wait()
	return err
}

// measure makes calls and reports their latency.
func (r roundtrips) measure(report *report, name string, p50, p99 bound, call func() error) error {
	var half, most series
	for range r.rounds {
		var latency histogram
		for range r.calls {
			began := time.Now()
			if err := call(); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			latency.record(time.Since(began))
		}
		half = append(half, micro(latency.quantile(0.5)))
		most = append(most, micro(latency.quantile(0.99)))
	}
	report.addOwn(name+", p50", "µs", half, p50)
	report.addOwn(name+", p99", "µs", most, p99)
	return nil
}

// twinRead asks for the twin and waits for it.
func (d *device) twinRead() error {
	if err := d.publish("$iothub/twin/GET/?$rid=1", nil); err != nil {
		return err
	}
	topic, _, _, err := d.message()
	if err == nil && !strings.HasPrefix(topic, "$iothub/twin/res/200/") {
		err = fmt.Errorf("the answer is %s", topic)
	}
	return err
}

// serveMethods answers methods until the connection ends.
func (d *device) serveMethods() error {
	for {
		topic, _, _, err := d.message()
		if err != nil {
			return err
		}
		_, rid, _ := strings.Cut(topic, "$rid=")
		if err := d.publish("$iothub/methods/res/200/?$rid="+rid, []byte(`{"done":true}`)); err != nil {
			return err
		}
	}
}

// call invokes a method of a device.
func call(hub *harness.Hub, device string) error {
	answer, err := hub.Service(http.MethodPost, "/twins/"+device+"/methods",
		`{"methodName":"reboot","responseTimeoutInSeconds":10,"payload":{"delay":1}}`)
	if err == nil && (answer.Status != http.StatusOK || !bytes.Contains(answer.Body, []byte(`"done":true`))) {
		err = fmt.Errorf("%d: %s", answer.Status, answer.Body)
	}
	return err
}
