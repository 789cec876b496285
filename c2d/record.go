package c2d

import (
	"encoding/json"
	"time"
)

// What becomes of a message, as feedback puts it. IoT Hub: contract.md §8.7.
const (
	Success               = "Success"               // completed
	Expired               = "Expired"               // not completed in time
	DeliveryCountExceeded = "DeliveryCountExceeded" // abandoned too often
	Rejected              = "Rejected"
	Purged                = "Purged" // by a back end
)

// Record tells a back end what became of one message. Its JSON is what the
// service SDKs read, with a time of three decimals:
//
//	{"originalMessageId":"1","enqueuedTimeUtc":"2026-01-01T00:00:00.000Z","statusCode":"Success",
//	 "description":"Success","deviceId":"d","deviceGenerationId":"636…"}
//
// IoT Hub: contract.md §8.7.
type Record struct {
	OriginalMessageID  string    `json:"originalMessageId"`
	EnqueuedTime       time.Time `json:"enqueuedTimeUtc"` // of the outcome
	StatusCode         string    `json:"statusCode"`
	Description        string    `json:"description"` // the status code again
	DeviceID           string    `json:"deviceId"`
	DeviceGenerationID string    `json:"deviceGenerationId"`
}

// MarshalJSON writes the record.
func (r Record) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		OriginalMessageID  string `json:"originalMessageId"`
		EnqueuedTime       string `json:"enqueuedTimeUtc"`
		StatusCode         string `json:"statusCode"`
		Description        string `json:"description"`
		DeviceID           string `json:"deviceId"`
		DeviceGenerationID string `json:"deviceGenerationId"`
	}{
		r.OriginalMessageID, r.EnqueuedTime.UTC().Format("2006-01-02T15:04:05.000Z"), r.StatusCode,
		r.Description, r.DeviceID, r.DeviceGenerationID,
	})
}
