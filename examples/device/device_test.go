package main

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/hubtest"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/twin"
)

// The device against a whole hub in this process: no cloud, no container, no
// account, no waiting.
func TestDevice(t *testing.T) {
	h := hubtest.Start(t)
	d, err := newDevice(h.DeviceConnectionString("thermostat"), h.TLSConfig().RootCAs)
	if err != nil {
		t.Fatal(err)
	}
	d.address = h.MQTTAddr() // a free port
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.run(ctx) }()

	events := h.WaitEvents(1, hubtest.Filter{Device: "thermostat"})
	if got := string(events[0].Message.Body); got != `{"number":1,"temperature":20.1}` {
		t.Errorf("the device sent %s", got)
	}

	id := iot.Device("thermostat")
	answer, err := h.Hub().Invoke(ctx, id, hub.MethodCall{Name: "reboot", ConnectTimeout: 10 * time.Second})
	if err != nil || answer.Status != 200 {
		t.Errorf("the device answered %+v, %v", answer, err)
	}

	// The device reports what is desired before it answers the next call.
	if _, err := h.Hub().PatchTwin(id, twin.Update{Desired: json.RawMessage(`{"interval":5}`)}, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Hub().Invoke(ctx, id, hub.MethodCall{Name: "ping"}); err != nil {
		t.Fatal(err)
	}
	doc, err := h.Hub().Twin(id)
	if err != nil {
		t.Fatal(err)
	}
	var reported struct{ Interval int }
	if err := json.Unmarshal(doc.Properties.Reported, &reported); err != nil || reported.Interval != 5 {
		t.Errorf("the device reported %s", doc.Properties.Reported)
	}

	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
