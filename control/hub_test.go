package control_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/control"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
)

func TestConnections(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	v := d.connect(iot.Device("d1"))
	v.Listen(hub.Listening{Messages: true, Desired: true})
	m := d.connect(iot.Module("d1", "m1"))
	d.hub.Clock().Advance(time.Second)
	m.End(iot.ErrClosedRemotely.Because("gone"))
	_, err := d.hub.Connect(hub.ConnectRequest{
		Identity: iot.Device("d9"), Token: "SharedAccessSignature x", Protocol: "MqttWs", RemoteAddr: "192.0.2.1:1",
	}, v)
	require.Error(t, err)

	a := d.ask("GET", "/v1/connections", "")
	assert.Equal(t, http.StatusOK, a.status)
	var doc struct {
		Refused []struct {
			Time, DeviceID, Protocol, RemoteAddress, Reason string
			Code                                            int
		}
	}
	a.into(t, http.StatusOK, &doc)
	require.Len(t, doc.Refused, 1)
	assert.Equal(t, "d9", doc.Refused[0].DeviceID)
	assert.Equal(t, 401, doc.Refused[0].Code/1000)
	before, _, _ := strings.Cut(a.body, `,"refused"`)
	assert.JSONEq(t, `{"connections":[
		{"deviceId":"d1","connected":true,"since":"2026-11-24T10:00:00.000Z","protocol":"Mqtt","authentication":"sas",
		 "agent":"agent/1","remoteAddress":"127.0.0.1:4711","listening":{"messages":true,"methods":false,"desired":true}},
		{"deviceId":"d1","moduleId":"m1","connected":false,"listening":{"messages":false,"methods":false,"desired":false},
		 "lastDisconnect":{"time":"2026-11-24T10:00:01.000Z","code":404104,"reason":"DeviceConnectionClosedRemotely: gone"}}
	]}`, before+"}")
}

func TestDisconnecting(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	v, m := d.connect(iot.Device("d1")), d.connect(iot.Module("d1", "m1"))

	assert.Equal(t, http.StatusNoContent, d.ask("DELETE", "/v1/connections/d1/modules/m1", "").status)
	assert.ErrorIs(t, <-m.closed, iot.ErrClosedRemotely)
	assert.Empty(t, v.closed, "a module and its device are different identities")
	assert.Equal(t, http.StatusNoContent, d.ask("DELETE", "/v1/connections/d1", "").status)
	assert.ErrorIs(t, <-v.closed, iot.ErrClosedRemotely)

	d.ask("DELETE", "/v1/connections/d1", "").refused(t, 404, "GenericNotFound", "d1 is not connected")
	d.ask("DELETE", "/v1/connections/d1/modules/m2", "").refused(t, 404, "GenericNotFound", "d1/m2 is not connected")
}

func TestTheClock(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	assert.JSONEq(t, `{"now":"2026-11-24T10:00:00.000Z","offset":"0s"}`, d.ask("GET", "/v1/clock", "").body)
	assert.JSONEq(t, `{"now":"2026-11-24T10:01:30.000Z","offset":"1m30s"}`, d.ask("POST", "/v1/clock", `{"advance":"90s"}`).body)
	assert.JSONEq(t, `{"now":"2026-11-24T10:01:30.500Z","offset":"1m30.5s"}`, d.ask("POST", "/v1/clock", `{"advance":"500ms"}`).body)
	assert.JSONEq(t, `{"now":"2026-11-24T10:01:30.500Z","offset":"1m30.5s"}`, d.ask("GET", "/v1/clock", "").body)
}

func TestWhatFallsDueHasHappenedWhenTheClockAnswers(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	v := d.connect(iot.Device("d1"))
	d.ask("POST", "/v1/clock", `{"advance":"48h"}`)
	require.Len(t, v.closed, 1)
	assert.ErrorIs(t, <-v.closed, iot.ErrUnauthorized, "its token has run out")
}

func TestMovesOfTheClockThatAreRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for name, body := range map[string]string{
		"backwards": `{"advance":"-1s"}`, "not at all": `{}`, "without a unit": `{"advance":"90"}`,
		"too far": `{"advance":"87600h1s"}`, "in words": `{"advance":"an hour"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d.ask("POST", "/v1/clock", body).refused(t, 400, "GenericBadRequest", "must be a duration such as")
		})
	}
}

func TestTheClockStopsSomewhere(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for range 20 {
		d.ask("POST", "/v1/clock", `{"advance":"87600h"}`)
	}
	d.ask("POST", "/v1/clock", `{"advance":"1ns"}`).refused(t, 400, "GenericBadRequest", "/v1/reset takes it back")
}

func TestReset(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	v := d.connect(iot.Device("d1"))
	v.says(t, "hello")
	d.tell("d1", `{}`)
	d.ask("POST", "/v1/clock", `{"advance":"1s"}`)
	ca := d.ask("GET", "/v1/ca.pem", "").body

	assert.Equal(t, http.StatusNoContent, d.ask("POST", "/v1/reset", "").status)
	assert.Len(t, v.closed, 1)
	assert.Empty(t, d.journal("").Events)
	assert.Equal(t, `{"connections":[],"refused":[]}`, strings.TrimSpace(d.ask("GET", "/v1/connections", "").body))
	assert.JSONEq(t, `{"now":"2026-11-24T10:00:00.000Z","offset":"0s"}`, d.ask("GET", "/v1/clock", "").body)
	assert.Contains(t, d.ask("GET", "/v1/connection-strings", "").body, `"devices":{}`)
	assert.Equal(t, ca, d.ask("GET", "/v1/ca.pem", "").body)
}

func TestTheCA(t *testing.T) {
	t.Parallel()
	a := newDesk(t).ask("GET", "/v1/ca.pem", "")
	assert.Equal(t, "-----BEGIN CERTIFICATE-----\n", a.body)
	without := newDesk(t, func(o *control.Options) { o.CA = nil })
	without.ask("GET", "/v1/ca.pem", "").refused(t, 404, "GenericNotFound", "ask who issued it")
}

func TestConnectionStrings(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.register(iot.Module("d1", "m1"))
	d.register(iot.Device("d2"))
	_, err := d.hub.CreateDevice(registry.Device{ID: "x509", Authentication: iot.Authentication{Type: iot.AuthenticationCA}})
	require.NoError(t, err)

	var doc struct {
		HTTPS             string
		Service, Events   string
		Policies, Devices map[string]string
	}
	d.ask("GET", "/v1/connection-strings", "").into(t, http.StatusOK, &doc)
	const key = "bGluYXJpdGUtd2VsbC1rbm93bi1rZXktMzItYnl0ZXM="
	assert.Equal(t, "HostName=127.0.0.1;SharedAccessKeyName=iothubowner;SharedAccessKey="+key, doc.Service)
	assert.Equal(t, doc.Service, doc.Policies["iothubowner"])
	assert.Equal(t, "127.0.0.1:8443", doc.HTTPS)
	assert.Len(t, doc.Policies, 5)
	assert.Equal(t, d.hub.EventsConnectionString(), doc.Events)
	assert.Len(t, doc.Devices, 4)
	assert.Equal(t, "HostName=127.0.0.1;DeviceId=x509;x509=true", doc.Devices["x509"])
	assert.Regexp(t, `^HostName=127\.0\.0\.1;DeviceId=d1;SharedAccessKey=\S+$`, doc.Devices["d1"])
	assert.Regexp(t, `^HostName=127\.0\.0\.1;DeviceId=d1;ModuleId=m1;SharedAccessKey=\S+$`, doc.Devices["d1/m1"])

	doc.Devices = nil
	d.ask("GET", "/v1/connection-strings?device=d1", "").into(t, http.StatusOK, &doc)
	assert.Len(t, doc.Devices, 2)
	d.ask("GET", "/v1/connection-strings?device=d3", "").refused(t, 404, "DeviceNotFound", `there is no device "d3"`)
	d.ask("GET", "/v1/connection-strings?devcie=d1", "").refused(t, 400, "GenericBadRequest", "unknown parameter")
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.connect(iot.Device("d1")).says(t, "1")
	d.connect(iot.Module("d2", "m1")).says(t, "2")
	_, err := d.hub.CreateDevice(registry.Device{ID: "d3", Status: registry.Disabled})
	require.NoError(t, err)
	d.hub.Refused(iot.Device("d1"), "192.0.2.1:1", "Mqtt", iot.ErrUnauthorized)
	d.tell("d2", `{"messageId":"m1","ack":"full","ttl":"1m"}`)
	d.tell("d2", `{}`)
	d.hub.Clock().Advance(time.Minute)

	a := d.ask("GET", "/metrics", "")
	for _, line := range []string{
		`linarite_info{hub="linarite",version="v1.2.3"} 1`,
		`linarite_total_devices{status="enabled"} 2`,
		`linarite_total_devices{status="disabled"} 1`,
		`linarite_connected_devices 1`,
		`linarite_connected_modules 1`,
		`linarite_c2d_queued_messages 1`,
		`linarite_c2d_feedback_records{status="Expired"} 1`,
		`linarite_clock_offset_seconds 60`,
		`linarite_events_appended_total{partition="0"}`,
		`linarite_events_retained{partition="3"}`,
		`linarite_d2c_telemetry_ingress_total{outcome="all"} 2`,
		`linarite_d2c_telemetry_ingress_total{outcome="success"} 2`,
		`linarite_d2c_telemetry_ingress_total{outcome="throttled"} 0`,
		`linarite_c2d_commands_egress_total{outcome="complete"} 0`,
		`linarite_c2d_messages_undelivered_total{outcome="expired"} 1`,
		`linarite_c2d_methods_total{outcome="failure"} 0`,
		`linarite_twin_operations_total{by="d2c",operation="update",outcome="success"} 0`,
		`linarite_twin_queries_total{outcome="success"} 0`,
		`linarite_connections_refused_total{code="401003"} 1`,
		`go_goroutines `,
	} {
		assert.Contains(t, a.body, "\n"+line)
	}
}
