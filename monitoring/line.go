package monitoring

import (
	"net/netip"
	"strings"
)

// Location stands in resource logs for the region of the hub.
const Location = "local"

// Resource is the id of a hub as an Azure resource, as resource logs have it.
func Resource(hub string) string {
	return "/SUBSCRIPTIONS/00000000-0000-0000-0000-000000000000/RESOURCEGROUPS/LINARITE/PROVIDERS/MICROSOFT.DEVICES/IOTHUBS/" +
		strings.ToUpper(hub)
}

// Line is the record as a resource log, one line of JSON without its end: what
// Azure writes one behind another into a storage account. resource is the hub's.
//
// IoT Hub: contract.md §23.1, monitor-iot-hub-reference.
func (r *Record) Line(resource string) []byte {
	var o object
	o.add("time", stamp(r.Time))
	o.add("resourceId", resource)
	o.add("operationName", r.Operation)
	o.add("category", string(r.Category))
	o.add("level", r.level())
	kind, description := "", ""
	if r.Err != nil {
		kind, description = digits(int64(r.Err.Code)), r.Err.Name
	}
	o.add("resultType", kind)
	o.add("resultDescription", description)
	switch r.Category {
	case C2DTwinOperations, D2CTwinOperations, DirectMethods, TwinQueries:
		o.add("durationMs", digits(r.Duration.Milliseconds()))
	}
	o.add("properties", string(r.properties()))
	o.add("location", Location)
	return o.end()
}

// properties are what a category has besides. Numbers are texts, but those of
// DirectMethods.
func (r *Record) properties() []byte {
	var o object
	if r.Category == DeviceIdentityOperations {
		o.add("maskedIpAddress", masked(r.Caller.RemoteAddr))
	}
	if r.Category != TwinQueries {
		o.orNull("deviceId", r.Identity.DeviceID)
		o.some("moduleId", r.Identity.ModuleID)
	}
	switch r.Category {
	case Connections:
		o.add("sdkVersion", r.Caller.SDK)
		o.add("protocol", r.Caller.Protocol)
		o.add("authType", r.Caller.AuthType)
		o.add("maskedIpAddress", masked(r.Caller.RemoteAddr))
	case DeviceTelemetry:
		o.add("batching", digits(int64(bit(r.Message.Batch))))
		o.add("messageSizeInBytes", digits(int64(r.Message.Size)))
		r.moments(&o)
		o.add("partitionId", digits(int64(r.Message.Partition)))
	case C2DCommands:
		r.command(&o)
	case DeviceIdentityOperations:
		r.status(&o)
	case C2DTwinOperations:
		o.add("sdkVersion", r.Caller.SDK)
		o.add("messageSize", digits(int64(r.Request)))
	case D2CTwinOperations:
		o.add("protocol", r.Caller.Protocol)
		o.add("authenticationType", r.Caller.AuthType)
	case DirectMethods:
		o.add("RequestSize", r.Request)
		o.add("ResponseSize", r.Answer)
		o.add("sdkVersion", r.Caller.SDK)
	case TwinQueries:
		o.add("query", r.Query)
		o.add("sdkVersion", r.Caller.SDK)
		o.add("messageSize", digits(int64(r.Request)))
		o.add("pageSize", digits(int64(r.PageSize)))
		o.add("continuation", truth(r.Continued))
		o.add("resultSize", digits(int64(r.Answer)))
	case Routes:
		o.orNull("endpointName", r.Endpoint)
		o.orNull("messageId", r.Message.ID)
		o.orNull("details", r.Details)
		o.orNull("routeName", r.Route)
		r.status(&o)
	}
	return o.end()
}

func (r *Record) command(o *object) {
	m := &r.Message
	o.add("messageId", m.ID)
	o.add("messageSizeInBytes", digits(int64(m.Size)))
	o.add("protocol", r.Caller.Protocol)
	o.add("deliveryAcknowledgement", [...]string{"None", "PositiveOnly", "NegativeOnly", "Full"}[acknowledgement(m.Ack)])
	o.add("deliveryCount", digits(int64(m.DeliveryCount)))
	if !m.Expiry.IsZero() {
		o.add("expiryTime", stamp(m.Expiry))
	}
	if !m.Enqueued.IsZero() {
		o.add("timeInSystem", r.Time.Sub(m.Enqueued).String())
		if !m.Expiry.IsZero() {
			o.add("ttl", m.Expiry.Sub(m.Enqueued).Milliseconds())
		}
	}
	r.moments(o)
	o.add("maskedIpAddress", masked(r.Caller.RemoteAddr))
	r.status(o)
}

func (r *Record) moments(o *object) {
	o.add("EventProcessedUtcTime", stamp(r.Time))
	if !r.Message.Enqueued.IsZero() {
		o.add("EventEnqueuedUtcTime", stamp(r.Message.Enqueued))
	}
}

// status is the six-digit code, as Azure's example of an endpoint has it.
func (r *Record) status(o *object) {
	if r.Err == nil {
		o.add("statusCode", nil)
		return
	}
	o.add("statusCode", digits(int64(r.Err.Code)))
}

func truth(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// masked is an address without its last part: `192.0.2.XXX`, and of those of IPv6
// all but the first 48 bits, which is [unsourced].
func masked(addr string) string {
	ip, err := netip.ParseAddrPort(addr)
	if err != nil {
		return ""
	}
	a := ip.Addr().Unmap()
	if a.Is4() {
		s := a.String()
		return s[:strings.LastIndexByte(s, '.')+1] + "XXX"
	}
	prefix, _ := a.WithZone("").Prefix(48)
	return prefix.Addr().String() + "XXX"
}
