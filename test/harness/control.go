package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"
)

// Event is a message in the journal of /v1/events.
type Event struct {
	Partition        int               `json:"partition"`
	SequenceNumber   int64             `json:"sequenceNumber"`
	Offset           string            `json:"offset"`
	EnqueuedTime     time.Time         `json:"enqueuedTime"`
	Source           string            `json:"source"`
	DeviceID         string            `json:"deviceId"`
	ModuleID         string            `json:"moduleId"`
	SystemProperties map[string]string `json:"systemProperties"`
	Properties       map[string]any    `json:"properties"` // nil is a name without a value
	Body             string            `json:"body"`
	BodyEncoding     string            `json:"bodyEncoding"` // utf-8 or base64
}

// Filter says which events are wanted; empty fields want all.
type Filter struct {
	Device, Module, Source string
	Properties             []string // each `name=value`
	After                  string   // cursor of an earlier page
	Operations             bool     // of operations monitoring, not those of the built-in endpoint
}

// Events is what the journal holds now, oldest first, and the cursor after it.
func (h *Hub) Events(tb testing.TB, f Filter) ([]Event, string) {
	tb.Helper()
	return h.events(tb, f, nil)
}

// WaitEvents waits until the journal holds at least count of the events and
// returns all there are.
func (h *Hub) WaitEvents(tb testing.TB, count int, f Filter) []Event {
	tb.Helper()
	events, _ := h.events(tb, f, waiting(count))
	if len(events) < count {
		tb.Fatalf("%d of %d events came for %+v\n%s", len(events), count, f, h.Log())
	}
	return events
}

func (h *Hub) events(tb testing.TB, f Filter, query url.Values) ([]Event, string) {
	tb.Helper()
	if query == nil {
		query = url.Values{}
	}
	for name, value := range map[string]string{"device": f.Device, "module": f.Module, "source": f.Source, "after": f.After} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if f.Operations {
		query.Set("endpoint", "operationsMonitoringEvents")
	}
	for _, property := range f.Properties {
		query.Add("property", property)
	}
	var page struct {
		Events []Event `json:"events"`
		Cursor string  `json:"cursor"`
	}
	h.Control(tb, http.MethodGet, "/v1/events?"+query.Encode(), nil, &page)
	return page.Events, page.Cursor
}

// CloudMessage is a cloud-to-device message as the control API takes it.
type CloudMessage struct {
	Body            string            `json:"body"`
	BodyEncoding    string            `json:"bodyEncoding,omitempty"`
	Properties      map[string]string `json:"properties,omitempty"`
	MessageID       string            `json:"messageId,omitempty"`
	CorrelationID   string            `json:"correlationId,omitempty"`
	UserID          string            `json:"userId,omitempty"`
	ContentType     string            `json:"contentType,omitempty"`
	ContentEncoding string            `json:"contentEncoding,omitempty"`
	Ack             string            `json:"ack,omitempty"`
	TTL             string            `json:"ttl,omitempty"`
}

// Send puts a cloud-to-device message into a device's queue and returns its
// message id.
func (h *Hub) Send(tb testing.TB, device string, m CloudMessage) string {
	tb.Helper()
	var sent struct {
		MessageID string `json:"messageId"`
	}
	h.Control(tb, http.MethodPost, "/v1/devices/"+url.PathEscape(device)+"/messages", m, &sent)
	return sent.MessageID
}

// Enqueue is Send for callers that are no tests.
func (h *Hub) Enqueue(device string, m CloudMessage) error {
	_, err := h.Call(http.MethodPost, "/v1/devices/"+url.PathEscape(device)+"/messages", m)
	return err
}

// Feedback is what became of a cloud-to-device message.
type Feedback struct {
	OriginalMessageID  string `json:"originalMessageId"`
	EnqueuedTimeUTC    string `json:"enqueuedTimeUtc"`
	StatusCode         string `json:"statusCode"`
	Description        string `json:"description"`
	DeviceID           string `json:"deviceId"`
	DeviceGenerationID string `json:"deviceGenerationId"`
}

// WaitFeedback waits until there are at least count records of a device.
func (h *Hub) WaitFeedback(tb testing.TB, count int, device string) []Feedback {
	tb.Helper()
	query := waiting(count)
	query.Set("device", device)
	var page struct {
		Records []Feedback `json:"records"`
	}
	h.Control(tb, http.MethodGet, "/v1/feedback?"+query.Encode(), nil, &page)
	if len(page.Records) < count {
		tb.Fatalf("%d of %d feedback records came for %s\n%s", len(page.Records), count, device, h.Log())
	}
	return page.Records
}

// Connection is an identity that is, or was, connected.
type Connection struct {
	DeviceID       string    `json:"deviceId"`
	ModuleID       string    `json:"moduleId"`
	Connected      bool      `json:"connected"`
	Since          time.Time `json:"since"`
	Protocol       string    `json:"protocol"`
	Authentication string    `json:"authentication"`
	Agent          string    `json:"agent"`
	RemoteAddress  string    `json:"remoteAddress"`
	Listening      struct {
		Messages bool `json:"messages"`
		Methods  bool `json:"methods"`
		Desired  bool `json:"desired"`
	} `json:"listening"`
	LastDisconnect *struct {
		Time   time.Time `json:"time"`
		Code   int       `json:"code"`
		Reason string    `json:"reason"`
	} `json:"lastDisconnect"`
}

// Refusal is a connection that was not let in.
type Refusal struct {
	Time          time.Time `json:"time"`
	DeviceID      string    `json:"deviceId"`
	ModuleID      string    `json:"moduleId"`
	Protocol      string    `json:"protocol"`
	RemoteAddress string    `json:"remoteAddress"`
	Code          int       `json:"code"`
	Reason        string    `json:"reason"`
}

// Connections is who is connected, or was, and who was refused.
func (h *Hub) Connections(tb testing.TB) ([]Connection, []Refusal) {
	tb.Helper()
	var page struct {
		Connections []Connection `json:"connections"`
		Refused     []Refusal    `json:"refused"`
	}
	h.Control(tb, http.MethodGet, "/v1/connections", nil, &page)
	return page.Connections, page.Refused
}

// Kick closes an identity's connection; module is "" for the device's own.
func (h *Hub) Kick(tb testing.TB, device, module string) {
	tb.Helper()
	path := "/v1/connections/" + url.PathEscape(device)
	if module != "" {
		path += "/modules/" + url.PathEscape(module)
	}
	h.Control(tb, http.MethodDelete, path, nil, nil)
}

// Now is the hub's clock.
func (h *Hub) Now(tb testing.TB) time.Time {
	tb.Helper()
	return h.clock(tb, http.MethodGet, nil)
}

// Advance moves the hub's clock forward and returns its new time; what fell due
// has happened by then.
func (h *Hub) Advance(tb testing.TB, d time.Duration) time.Time {
	tb.Helper()
	return h.clock(tb, http.MethodPost, map[string]string{"advance": d.String()})
}

func (h *Hub) clock(tb testing.TB, method string, body any) time.Time {
	tb.Helper()
	var clock struct {
		Now time.Time `json:"now"`
	}
	h.Control(tb, method, "/v1/clock", body, &clock)
	return clock.Now
}

// Reset takes the hub back to its start.
func (h *Hub) Reset(tb testing.TB) {
	tb.Helper()
	h.Control(tb, http.MethodPost, "/v1/reset", nil, nil)
}

// Control calls the control API. body is sent as JSON unless it is nil; answer
// is filled from the response unless it is nil. A status other than 2xx fails
// the test.
func (h *Hub) Control(tb testing.TB, method, path string, body, answer any) {
	tb.Helper()
	text, err := h.Call(method, path, body)
	if err != nil {
		tb.Fatal(err)
	}
	if answer == nil {
		return
	}
	if err := json.Unmarshal(text, answer); err != nil {
		tb.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
}

// Call is Control for callers that are no tests: it returns the answer's body. A
// status other than 2xx is an error.
func (h *Hub) Call(method, path string, body any) ([]byte, error) {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		sent = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, "http://"+h.Addr(ControlPort)+path, sent)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := h.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, response.Status, text)
	}
	return text, err
}

// waiting asks the control API to wait for count items.
func waiting(count int) url.Values {
	return url.Values{"wait": {strconv.Itoa(count)}, "timeout": {Deadline.String()}}
}
