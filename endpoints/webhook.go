package endpoints

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/routing"
)

// Schemas of webhooks.
const (
	schemaEventGrid   = "eventGrid"
	schemaCloudEvents = "cloudEvents"
)

// Bounds of webhookSettings. Event Grid: delivery-and-retry (30 s),
// delivery-properties (batches).
const (
	defaultTimeout = 30 * time.Second
	maxTimeout     = 2 * time.Minute
	maxBatch       = 5000
	maxAnswer      = 64 << 10 // bytes that are read of an answer, and of its headers
)

// origin is who sends CloudEvents; receivers may name it in their answer to the
// handshake. Event Grid: end-point-validation-cloud-events-schema.
const origin = "eventgrid.azure.net"

// webhookSettings are those of a webhook.
type webhookSettings struct {
	URL               string `json:"url"`
	Schema            string `json:"schema"`            // eventGrid, cloudEvents
	MaxEventsPerBatch int    `json:"maxEventsPerBatch"` // in one POST
	Timeout           string `json:"timeout"`           // for an answer
}

// webhook posts messages to a URL as events of Event Grid or as CloudEvents. Who
// is there has to say first that it wants them.
type webhook struct {
	webhookSettings
	name     string // the endpoint's
	hub      hub.SinkOptions
	timeout  time.Duration
	client   *http.Client
	manual   *Validations
	asked    string // the code of the question that may be open; empty: none was asked
	willing  bool   // the receiver has said that it wants events
	attempt  uint64 // the message that was tried last
	attempts int    // how often
}

func (o Opener) openWebhook(e routing.Endpoint, s hub.SinkOptions) (*webhook, error) {
	w := &webhook{
		webhookSettings: webhookSettings{Schema: schemaEventGrid, MaxEventsPerBatch: 1, Timeout: defaultTimeout.String()},
		name:            e.Name, hub: s, manual: o.Validations,
	}
	if err := read(e.Settings, &w.webhookSettings); err != nil {
		return nil, err
	}
	if err := w.check(); err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true
	transport.MaxResponseHeaderBytes = maxAnswer
	w.client = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return w, nil
}

func (w *webhook) check() error {
	at, err := url.Parse(w.URL)
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return invalid("url", "must be one of http or https")
	}
	if w.Schema != schemaEventGrid && w.Schema != schemaCloudEvents {
		return invalid("schema", "must be %s or %s, not %q", schemaEventGrid, schemaCloudEvents, w.Schema)
	}
	if w.MaxEventsPerBatch < 1 || w.MaxEventsPerBatch > maxBatch {
		return invalid("maxEventsPerBatch", "must be 1 to %d, not %d", maxBatch, w.MaxEventsPerBatch)
	}
	if w.timeout, err = time.ParseDuration(w.Timeout); err != nil || w.timeout <= 0 || w.timeout > maxTimeout {
		return invalid("timeout", "must be a duration up to %s, such as 10s, not %q", maxTimeout, w.Timeout)
	}
	return nil
}

// Deliver posts the messages, in order. What the receiver says is wrong with a
// message, rather than with itself, ends the attempts for it: it is dropped.
// Event Grid: delivery-and-retry.
func (w *webhook) Deliver(ctx context.Context, batch []routing.Message) (done int, err error) {
	if !w.willing {
		if err := w.shakeHands(ctx); err != nil {
			return 0, err
		}
		w.willing = true
	}
	for done < len(batch) {
		part := batch[done:min(done+w.MaxEventsPerBatch, len(batch))]
		status, err := w.post(ctx, part)
		switch {
		case err != nil:
			return done, err
		case hopeless(status):
			w.hub.Refused(len(part), fmt.Sprintf("the webhook answered %d", status))
		case status < 200 || status > 204:
			return done, fmt.Errorf("the webhook answered %d", status)
		}
		done += len(part)
	}
	return done, nil
}

// hopeless says whether trying again would lead nowhere.
// Event Grid: delivery-and-retry, for webhooks.
func hopeless(status int) bool {
	return status == http.StatusBadRequest || status == http.StatusUnauthorized || status == http.StatusRequestEntityTooLarge
}

// post sends some messages.
func (w *webhook) post(ctx context.Context, part []routing.Message) (status int, err error) {
	if w.attempt != part[0].Sequence || w.attempts == 0 {
		w.attempt, w.attempts = part[0].Sequence, 0
	}
	count := strconv.Itoa(w.attempts)
	w.attempts++
	body, contentType := w.encode(part)
	headers := map[string]string{
		"Content-Type": contentType, "aeg-event-type": "Notification", "aeg-subscription-name": w.name,
		"aeg-delivery-count": count, "aeg-metadata-version": "1",
	}
	if w.Schema == schemaCloudEvents {
		headers["Origin"] = origin
	}
	status, _, err = w.do(ctx, http.MethodPost, body, headers)
	return status, err
}

// encode writes messages in the webhook's schema.
func (w *webhook) encode(part []routing.Message) (body []byte, contentType string) {
	if w.Schema == schemaEventGrid {
		all := make([]gridEvent, len(part))
		for i := range part {
			e := eventOf(&part[i], w.hub.Hub, w.idOf(&part[i]))
			all[i] = e.grid()
		}
		return marshal(all), "application/json; charset=utf-8"
	}
	all := make([]cloudEvent, len(part))
	for i := range part {
		e := eventOf(&part[i], w.hub.Hub, w.idOf(&part[i]))
		all[i] = e.cloud()
	}
	if w.MaxEventsPerBatch == 1 {
		return marshal(all[0]), "application/cloudevents+json; charset=utf-8"
	}
	return marshal(all), "application/cloudevents-batch+json; charset=utf-8"
}

// idOf is a message's id as an event: the same whenever it is sent.
func (w *webhook) idOf(m *routing.Message) string {
	b := fmt.Sprintf("%s%016x", w.hub.Log, m.Sequence)
	return b[:8] + "-" + b[8:12] + "-" + b[12:16] + "-" + b[16:20] + "-" + b[20:]
}

// shakeHands asks the receiver whether it wants events.
func (w *webhook) shakeHands(ctx context.Context) error {
	if w.Schema == schemaCloudEvents {
		return w.askPermission(ctx)
	}
	return w.validate(ctx)
}

// validate sends a code that the receiver has to send back, or else a URL that
// somebody has to open.
// Event Grid: end-point-validation-event-grid-events-schema.
func (w *webhook) validate(ctx context.Context) error {
	if w.asked != "" {
		if confirmed, open, expires := w.manual.look(w.asked); confirmed || open {
			return w.awaited(confirmed, expires)
		}
	}
	code := rand.Text()
	data := map[string]string{"validationCode": code}
	if w.manual != nil {
		w.asked, data["validationUrl"] = code, w.manual.begin(w.name, code, w.hub)
	}
	said, status, err := w.ask(ctx, code, data)
	if w.manual != nil && err == nil && status == http.StatusOK && said != code {
		confirmed, _, expires := w.manual.look(code)
		return w.awaited(confirmed, expires)
	}
	w.forget()
	if err == nil && (status != http.StatusOK || said != code) {
		err = fmt.Errorf("the webhook did not answer the validation event with its code, but with %d", status)
	}
	return err
}

// ask sends the validation event, and gives the code of the answer.
func (w *webhook) ask(ctx context.Context, id string, data map[string]string) (code string, status int, err error) {
	body := marshal([]gridEvent{{
		ID: id, Topic: topicOf(w.hub.Hub), EventType: "Microsoft.EventGrid.SubscriptionValidationEvent",
		EventTime: iot.Timestamp(w.hub.Clock.Now()), Data: data, DataVersion: "2", MetadataVersion: "1",
	}})
	status, answer, err := w.do(ctx, http.MethodPost, body, map[string]string{
		"Content-Type": "application/json; charset=utf-8", "aeg-event-type": "SubscriptionValidation",
		"aeg-subscription-name": w.name,
	})
	var said struct {
		ValidationResponse string `json:"validationResponse"`
	}
	_ = json.Unmarshal(answer.body, &said) // what is no JSON has no code
	return said.ValidationResponse, status, err
}

// awaited says that the receiver took the validation event and has not answered it.
func (w *webhook) awaited(confirmed bool, expires time.Time) error {
	if confirmed {
		w.asked = ""
		return nil
	}
	return fmt.Errorf("the webhook has not answered the validation event: its validationUrl may be opened until %s", iot.Timestamp(expires))
}

// forget closes the question that may be open.
func (w *webhook) forget() {
	if w.asked != "" {
		w.manual.end(w.asked)
		w.asked = ""
	}
}

// askPermission asks as CloudEvents have it.
// CloudEvents: HTTP 1.1 Web Hooks §4, abuse protection.
func (w *webhook) askPermission(ctx context.Context) error {
	status, answer, err := w.do(ctx, http.MethodOptions, nil, map[string]string{
		"WebHook-Request-Origin": origin, "aeg-subscription-name": w.name,
	})
	if err != nil {
		return err
	}
	if allowed := answer.header.Get("WebHook-Allowed-Origin"); status/100 != 2 || allowed != "*" && allowed != origin {
		return fmt.Errorf("the webhook did not allow the origin %s, but answered %d", origin, status)
	}
	return nil
}

// answer is what a receiver says.
type answer struct {
	header http.Header
	body   []byte
}

// do makes a request. What goes wrong once the status is there is no error: the
// receiver has said what it had to say.
func (w *webhook) do(ctx context.Context, method string, body []byte, headers map[string]string) (int, answer, error) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, w.URL, bytes.NewReader(body))
	if err != nil {
		return 0, answer{}, failure(err)
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := w.client.Do(request)
	if err != nil {
		return 0, answer{}, failure(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return response.StatusCode, answer{response.Header, text}, nil
}

// failure says what went wrong with a request, in words that hold neither its URL
// nor what came back: there may be secrets in both.
func failure(err error) error {
	var network *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("the webhook did not answer in time")
	case errors.As(err, &certificate):
		return certificate
	case errors.As(err, &network):
		return network
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the webhook hung up instead of answering")
	}
	return errors.New("the webhook did not answer as HTTP has it")
}

// Close lets go of connections. Nobody can answer for the receiver any more.
func (w *webhook) Close() error {
	w.forget()
	w.client.CloseIdleConnections()
	return nil
}
