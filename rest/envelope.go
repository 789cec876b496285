package rest

import (
	"net/http"
	"strings"
	"time"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// envelope is how an operation wraps its errors; IoT Hub has three ways.
// IoT Hub: contract.md §12.4 (LIVE), §11.2.
type envelope uint8

const (
	// plain is used by device identities, twins and most others:
	// {"Message":"ErrorCode:<Name>;<text>","ExceptionMessage":"Tracking ID:<id>"}
	plain envelope = iota
	// flat is used by module identities, for most of their errors:
	// {"errorCode":n,"message":"…","trackingId":"…","timestampUtc":"…"}
	flat
	// nested is used by direct methods:
	// {"Message":"{\"errorCode\":n,…}","ExceptionMessage":""}
	nested
)

// wrapped is the body of a plain or nested error.
type wrapped struct {
	Message          string
	ExceptionMessage string
}

// flatError is the body of a flat error.
type flatError struct {
	ErrorCode    int      `json:"errorCode"`
	Message      string   `json:"message"`
	TrackingID   string   `json:"trackingId"`
	TimestampUTC hub.Time `json:"timestampUtc"`
}

// nestedError is the text inside a nested error. Info is always null: the C# SDK
// reads the text as a map of strings (contract.md §1.13).
type nestedError struct {
	ErrorCode    int       `json:"errorCode"`
	TrackingID   string    `json:"trackingId"`
	Message      string    `json:"message"`
	Info         *struct{} `json:"info"`
	TimestampUTC hub.Time  `json:"timestampUtc"`
}

// reply is the error as the caller of an operation gets to see it. request is
// the request's id; its digits are the tracking id as well, so that either leads
// to the line in our log.
func (e envelope) reply(err *iot.Error, request string, now time.Time) reply {
	r := reply{status: err.Status, header: map[string]string{"iothub-errorcode": err.Name}}
	r.body = e.body(err, trackingID(request, now), hub.Time(now))
	if err.Status == http.StatusTooManyRequests {
		r.header["Connection"] = "close"
	}
	return r
}

func (e envelope) body(err *iot.Error, tracking string, now hub.Time) []byte {
	switch e {
	case flat:
		return mustEncode(flatError{ErrorCode: err.Code, Message: err.Message, TrackingID: tracking, TimestampUTC: now})
	case nested:
		text := mustEncode(nestedError{ErrorCode: err.Code, Message: err.Message, TrackingID: tracking, TimestampUTC: now})
		return mustEncode(wrapped{Message: string(text)})
	}
	return mustEncode(wrapped{
		Message:          "ErrorCode:" + err.Name + ";" + err.Message,
		ExceptionMessage: "Tracking ID:" + tracking,
	})
}

// trackingID is `<32 hex>-G:<n>-TimeStamp:MM/dd/yyyy HH:mm:ss`.
func trackingID(request string, now time.Time) string {
	digits := strings.ToUpper(strings.ReplaceAll(request, "-", ""))
	return digits + "-G:0-TimeStamp:" + now.UTC().Format("01/02/2006 15:04:05")
}

// mustEncode is for errors, which consist of numbers and strings only.
func mustEncode(v any) []byte {
	b, err := encode(v)
	if err != nil {
		panic(err)
	}
	return b
}
