package control_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// journal is the answer of /v1/events.
type journal struct {
	Events []struct {
		Partition        int
		SequenceNumber   int64
		Offset           string
		EnqueuedTime     time.Time
		Source           string
		DeviceID         string
		ModuleID         string
		SystemProperties map[string]string
		Properties       map[string]*string
		Body             string
		BodyEncoding     string
	}
	Cursor string
}

func (j journal) bodies() string {
	var all []string
	for _, e := range j.Events {
		all = append(all, e.Body)
	}
	return strings.Join(all, " ")
}

func (d *desk) journal(query string) (j journal) {
	d.t.Helper()
	d.ask("GET", "/v1/events?"+query, "").into(d.t, http.StatusOK, &j)
	return j
}

// says sends telemetry.
func (v *device) says(t *testing.T, body string, properties ...iot.Property) {
	t.Helper()
	require.Equal(t, hub.Accept, v.Telemetry(iot.Message{Properties: properties, Body: []byte(body)}).Action)
}

func TestAnEventInFull(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	m := d.connect(iot.Module("d1", "m1"))
	require.Equal(t, hub.Accept, m.Telemetry(iot.Message{
		System: iot.Properties{{Name: iot.MessageID, Value: "id<1>"}, {Name: iot.ContentType, Value: "application/json"}},
		Properties: iot.Properties{
			{Name: "a", Value: "b"}, {Name: "empty"}, {Name: "none", Null: true},
		},
		Body: []byte(`{"x":"é"}`),
	}).Action)

	j := d.journal("")
	require.Len(t, j.Events, 1)
	e := j.Events[0]
	b, empty := "b", ""
	assert.Equal(t, map[string]*string{"a": &b, "empty": &empty, "none": nil}, e.Properties)
	assert.Equal(t, `{"x":"é"}`, e.Body)
	assert.Equal(t, "utf-8", e.BodyEncoding)
	assert.Equal(t, "Telemetry", e.Source)
	assert.Equal(t, start, e.EnqueuedTime)
	assert.Equal(t, "0", e.Offset)
	assert.Equal(t, []string{"d1", "m1"}, []string{e.DeviceID, e.ModuleID})
	generation := e.SystemProperties[iot.ConnectionGenerationID]
	assert.NotEmpty(t, generation)
	assert.JSONEq(t, `{"scope":"module","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}`,
		e.SystemProperties[iot.ConnectionAuthMethod])
	delete(e.SystemProperties, iot.ConnectionAuthMethod)
	assert.Equal(t, map[string]string{
		"message-id": "id<1>", "content-type": "application/json",
		"iothub-connection-device-id": "d1", "iothub-connection-module-id": "m1",
		"iothub-connection-auth-generation-id": generation,
		"iothub-enqueuedtime":                  "2026-11-24T10:00:00.000Z", "iothub-message-source": "Telemetry",
	}, e.SystemProperties)
}

func TestABodyThatIsNotText(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.connect(iot.Device("d1")).says(t, "\xff\x00")
	e := d.journal("").Events[0]
	assert.Equal(t, "/wA=", e.Body)
	assert.Equal(t, "base64", e.BodyEncoding)
	assert.Empty(t, e.Properties)
}

func TestFilters(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.connect(iot.Device("d1")).says(t, "one", iot.Property{Name: "a", Value: "1"}, iot.Property{Name: "b", Value: "x=y"})
	d.connect(iot.Device("d2")).says(t, "two", iot.Property{Name: "a", Value: "2"})
	d.connect(iot.Module("d1", "m")).says(t, "three", iot.Property{Name: "a", Value: "1"}, iot.Property{Name: "n", Null: true})
	for query, bodies := range map[string]string{
		"device=d1":                         "one three",
		"device=d1&module=m":                "three",
		"module=m":                          "three",
		"device=d2&module=m":                "",
		"device=D1":                         "",
		"property=a%3D1":                    "one three",
		"property=a%3D2":                    "two",
		"property=a=1&property=b=x%3Dy":     "one",
		"property=n":                        "three",
		"property=a":                        "",
		"property=a=":                       "",
		"source=Telemetry":                  "one two three",
		"source=twinChangeEvents":           "",
		"device=d1&property=a=1&source=":    "one three",
		"max=10000&wait=3&timeout=1ns":      "one two three",
		"wait=0&timeout=5m&after=&device=":  "one two three",
		"device=d1&device=d2&property=a%3D": "",
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			assert.ElementsMatch(t, strings.Fields(bodies), strings.Fields(d.journal(query).bodies()))
		})
	}
}

func TestReadingOnFromACursor(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	v := d.connect(iot.Device("d1"))
	other := d.connect(iot.Device("d2"))
	for _, body := range []string{"1", "2", "3"} {
		v.says(t, body)
		other.says(t, "other")
		d.hub.Clock().Advance(time.Second)
	}
	first := d.journal("device=d1&max=2")
	assert.Equal(t, "1 2", first.bodies())
	second := d.journal("device=d1&after=" + first.Cursor)
	assert.Equal(t, "3", second.bodies())
	assert.Empty(t, d.journal("after="+second.Cursor).bodies(), "the cursor is past what did not fit as well")
	v.says(t, "4")
	assert.Equal(t, "4", d.journal("after="+second.Cursor).bodies())
	assert.Empty(t, d.journal("after=end").bodies())
}

func TestWaiting(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	v := d.connect(iot.Device("d1"))
	other := d.connect(iot.Device("d2"))
	done := make(chan journal)
	go func() { done <- d.journal("device=d1&wait=2&timeout=1m") }()
	v.says(t, "1")
	other.says(t, "other")
	v.says(t, "2")
	assert.Equal(t, "1 2", (<-done).bodies())
}

func TestWaitingInVain(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.connect(iot.Device("d1")).says(t, "1")
	assert.Equal(t, "1", d.journal("wait=2&timeout=10ms").bodies())
}

func TestWaitingAcrossAReset(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	v := d.connect(iot.Device("d1"))
	v.says(t, "before")
	v.says(t, "before")
	after := d.journal("").Cursor
	done := make(chan journal)
	go func() { done <- d.journal("wait=1&timeout=1m&after=" + after) }()
	d.ask("POST", "/v1/reset", "")
	d.connect(iot.Device("d1")).says(t, "after")
	assert.Equal(t, "after", (<-done).bodies())
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	v := d.connect(iot.Device("d1"))
	large := strings.Repeat("x", 250*1024)
	const sent = 80 // of which 16 MiB hold 66
	for range sent {
		v.says(t, large)
	}
	var got int
	query := ""
	for {
		var j journal
		d.send(d.request("GET", "/v1/events?"+query, "")).into(t, http.StatusOK, &j)
		if len(j.Events) == 0 {
			break
		}
		assert.LessOrEqual(t, len(j.Events), 66)
		got += len(j.Events)
		query = "after=" + j.Cursor
	}
	assert.Equal(t, sent, got)
}

func TestQueriesThatAreRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for query, because := range map[string]string{
		"devcie=d1":             `unknown parameter "devcie"`,
		"max=0":                 "max=0: must be a whole number from 1 to 10000",
		"max=10001":             "from 1 to 10000",
		"max=many":              "max=many",
		"wait=-1":               "wait=-1",
		"max=5&wait=6":          "wait=6: must be a whole number from 0 to 5",
		"wait=1&timeout=5":      `timeout "5": must be a duration`,
		"wait=1&timeout=-1s":    "must be a duration",
		"wait=1&timeout=5m0.1s": "at most 5m",
		"property=%3Dx":         "must be name=value",
		"after=1.2":             "must be the cursor of an earlier answer",
		"after=x":               "must be the cursor of an earlier answer",
		"after=-1.0.0.0":        "must be the cursor of an earlier answer",
		"%zz=1":                 "malformed",
		url.QueryEscape("a;b"):  "unknown parameter",
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			d.ask("GET", "/v1/events?"+query, "").refused(t, http.StatusBadRequest, "GenericBadRequest", because)
		})
	}
}
