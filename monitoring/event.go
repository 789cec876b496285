package monitoring

import "strconv"

// Event is the record as an event of the operations monitoring endpoint. Members
// that are not known are left out, and so is the status of what succeeded, which
// is [unsourced].
//
// IoT Hub: contract.md §23.2, iot-hub-operations-monitoring.
func (r *Record) Event() []byte {
	var o object
	switch r.Category {
	case Connections:
		o.add("durationMs", r.Duration.Milliseconds())
		r.caller(&o)
		r.outcome(&o, string(Connections))
	case DeviceIdentityOperations:
		r.outcome(&o, string(DeviceIdentityOperations))
		o.add("durationMs", r.Duration.Milliseconds())
		o.some("userAgent", r.Caller.UserAgent)
		o.some("sharedAccessPolicy", r.Caller.Policy)
	case Routes:
		r.routed(&o)
	default:
		o.add("messageSizeInBytes", r.Message.Size)
		if r.Category == DeviceTelemetry {
			o.add("batching", bit(r.Message.Batch))
		} else {
			o.add("deliveryAcknowledgement", acknowledgement(r.Message.Ack))
		}
		r.caller(&o)
		r.outcome(&o, string(r.Category))
		o.add("EventProcessedUtcTime", stamp(r.Time))
		o.add("PartitionId", r.Message.Partition)
		if !r.Message.Enqueued.IsZero() {
			o.add("EventEnqueuedUtcTime", stamp(r.Message.Enqueued))
		}
	}
	return o.end()
}

func (r *Record) caller(o *object) {
	o.some("authType", r.Caller.AuthType)
	o.some("protocol", r.Caller.Protocol)
}

// outcome is what the records of most categories have in common.
func (r *Record) outcome(o *object, category string) {
	o.add("time", stamp(r.Time))
	o.add("operationName", r.Operation)
	o.add("category", category)
	o.add("level", r.level())
	if r.Err != nil {
		o.add("statusCode", r.Err.Status)
		if r.Category != DeviceIdentityOperations {
			o.add("statusType", r.Err.Code)
		}
		o.add("statusDescription", r.Err.Error())
	}
	r.about(o)
}

func (r *Record) about(o *object) {
	o.some("deviceId", r.Identity.DeviceID)
	o.some("moduleId", r.Identity.ModuleID)
}

// routed is a record of what became of a message on its way, or of an endpoint.
// Its category is written in lower case.
func (r *Record) routed(o *object) {
	o.add("messageSizeInBytes", r.Message.Size)
	o.add("time", stamp(r.Time))
	o.add("operationName", r.Operation)
	o.add("category", "routes")
	o.add("level", r.level())
	r.about(o)
	o.some("messageId", r.Message.ID)
	o.some("routeName", r.Route)
	o.some("endpointName", r.Endpoint)
	o.some("details", r.Details)
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// acknowledgement is the number of what feedback a sender asked for.
// IoT Hub: DeliveryAcknowledgement of the service SDKs.
func acknowledgement(ack string) int {
	switch ack {
	case "positive":
		return 1
	case "negative":
		return 2
	case "full":
		return 3
	}
	return 0
}

func digits(n int64) string { return strconv.FormatInt(n, 10) }
