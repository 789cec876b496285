package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/linarite/linarite/iot"
)

// maxBody is the largest request body, in bytes: a cloud-to-device message of
// 64 KB with every byte escaped, and room to spare.
const maxBody = 512 << 10

// stampLayout is how the API writes moments: UTC with milliseconds.
const stampLayout = "2006-01-02T15:04:05.000Z"

func stamp(t time.Time) string { return t.UTC().Format(stampLayout) }

// failure is the body of every refusal.
type failure struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// answer writes a JSON document.
func answer(w http.ResponseWriter, status int, doc any) error {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(doc) // the client has gone
	return nil
}

// fail answers with what is in the catalogue; anything else is a fault of ours,
// which is logged.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	var e *iot.Error
	switch {
	case errors.As(err, &e):
	case errors.Is(err, context.Canceled):
		e = iot.ErrServiceUnavailable.Because("the hub is shutting down")
	default:
		a.Log.Error().Err(err).Str("op", "control").Str("path", r.URL.Path).Msg("internal error")
		e = iot.ErrServer
	}
	var doc failure
	doc.Error.Code, doc.Error.Message = e.Name, e.Message
	_ = answer(w, e.Status, doc)
}

// missing says in words that a device is not there: IoT Hub's own text is the
// id alone.
func missing(err error, id iot.Identity) error {
	if errors.Is(err, iot.ErrDeviceNotFound) {
		return iot.ErrDeviceNotFound.Because("there is no device %q", id.DeviceID)
	}
	return err
}

// decode reads a request's JSON object. Members it does not know, a second value
// and too large a body are errors.
func decode(w http.ResponseWriter, r *http.Request, into any) error {
	if r.ContentLength > maxBody {
		return errBodyTooLarge()
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		if _, trailing := dec.Token(); trailing != io.EOF {
			err = errors.New("there is more than one value")
		}
	}
	var (
		large *http.MaxBytesError
		known *iot.Error
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case errors.As(err, &large):
		return errBodyTooLarge()
	case errors.Is(err, io.EOF):
		return iot.ErrDeserialization.Because("the body is missing: a JSON object is needed")
	}
	return iot.ErrDeserialization.Because("the body is not what is needed: %s", strings.TrimPrefix(err.Error(), "json: "))
}

func errBodyTooLarge() error {
	return iot.ErrEntityTooLarge.Because("the body is larger than %d bytes", maxBody)
}

// query is the query string of a request.
type query struct{ values url.Values }

// parameters reads the query string; names it does not know are errors, so that
// a misspelled filter does not select everything.
func parameters(r *http.Request, known ...string) (query, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return query{}, iot.ErrBadRequest.Because("the query string is malformed: %v", err)
	}
	for name := range values {
		if !slices.Contains(known, name) {
			return query{}, iot.ErrBadRequest.Because("unknown parameter %q: there are %s", name, strings.Join(known, ", "))
		}
	}
	return query{values}, nil
}

func (q query) text(name string) string { return q.values.Get(name) }

// number is a whole number between low and high; absent it is otherwise.
func (q query) number(name string, otherwise, low, high int) (int, error) {
	s := q.values.Get(name)
	if s == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		return 0, iot.ErrBadRequest.Because("%s=%s: must be a whole number from %d to %d", name, s, low, high)
	}
	return n, nil
}

// duration is a duration of at most limit; absent it is otherwise.
func (q query) duration(name string, otherwise, limit time.Duration) (time.Duration, error) {
	s := q.values.Get(name)
	if s == "" {
		return otherwise, nil
	}
	return duration(name, s, limit)
}

// duration reads a duration as Go writes it, "90s" or "1h30m", of at most limit.
func duration(name, s string, limit time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > limit {
		return 0, iot.ErrBadRequest.Because("%s %q: must be a duration such as 500ms, 90s or 1h30m, at most %s", name, s, short(limit))
	}
	return d, nil
}

// short is a duration without zero minutes and seconds.
func short(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}
