// Package monitoring is what a hub tells of its operations: a Record says what was
// done, for whom and with what outcome, and is written in two forms, as an event of
// the operations monitoring endpoint and as an Azure Monitor resource log. What is
// to be told of at the endpoint, Settings say for each category.
//
// IoT Hub: contract.md §23, iot-hub-operations-monitoring, monitor-iot-hub-reference.
package monitoring

import (
	"time"

	"github.com/linarite/linarite/iot"
)

// Category is the kind of an operation, as resource logs name it.
type Category string

// The categories. The last four are in the resource log only.
const (
	Connections              Category = "Connections"
	DeviceTelemetry          Category = "DeviceTelemetry"
	C2DCommands              Category = "C2DCommands"
	DeviceIdentityOperations Category = "DeviceIdentityOperations"
	FileUploadOperations     Category = "FileUploadOperations"
	Routes                   Category = "Routes"
	C2DTwinOperations        Category = "C2DTwinOperations"
	D2CTwinOperations        Category = "D2CTwinOperations"
	DirectMethods            Category = "DirectMethods"
	TwinQueries              Category = "TwinQueries"
)

// Record is one operation and its outcome.
type Record struct {
	Category  Category
	Operation string // such as deviceConnect
	Time      time.Time
	Duration  time.Duration
	Err       *iot.Error   // why it failed; nil: it did not
	Remark    bool         // Err is nothing that went wrong: the level is Information
	Identity  iot.Identity // whom it is about; zero: nobody
	Caller    Caller

	Message Message // telemetry, messages to devices, and what is routed
	Request int     // bytes that were asked with
	Answer  int     // bytes that were answered

	Query     string // of twins
	PageSize  int
	Continued bool

	Route    string // the names of a route and of an endpoint
	Endpoint string
	Details  string
}

// Caller is who asked for an operation, as far as that is known.
type Caller struct {
	Protocol   string // Mqtt, MqttWs, Amqp, AmqpWs, Http
	AuthType   string // JSON text, contract.md §23.1
	SDK        string // a device's client type, a back end's api-version
	UserAgent  string
	Policy     string
	RemoteAddr string
}

// Message is a message that an operation was about.
type Message struct {
	ID            string
	Size          int
	Batch         bool
	Ack           string // none, positive, negative or full
	DeliveryCount int
	Enqueued      time.Time // zero: it was not
	Expiry        time.Time
	Partition     int // of the built-in endpoint, to which the device's messages go
}

// level is the record's in either form.
func (r *Record) level() string {
	if r.failed() {
		return "Error"
	}
	return "Information"
}

func (r *Record) failed() bool { return r.Err != nil && !r.Remark }

// stamp is a moment, with seven digits as Azure has it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }
