package control

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/linarite/linarite/hub"
)

// metrics serves the figures of one hub from a registry of its own, since many
// hubs may live in a process.
func metrics(h *hub.Hub, version string) http.Handler {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "linarite_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version, "hub": h.Name()},
	})
	info.Set(1)
	r := prometheus.NewRegistry()
	r.MustRegister(newCollector(h), info, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

func (a *api) serveMetrics(w http.ResponseWriter, r *http.Request) error {
	a.metrics.ServeHTTP(w, r)
	return nil
}

// collector asks the hub for its figures whenever it is scraped, so that
// counting costs the flows nothing.
//
// IoT Hub: contract.md §23.3, whose names these follow.
type collector struct {
	hub *hub.Hub

	total, connected, connectedModules   *prometheus.Desc
	appended, retained, queued, feedback *prometheus.Desc
	offset                               *prometheus.Desc

	routed                   *prometheus.Desc
	sent, waiting, endpoints *prometheus.Desc
	latency                  *prometheus.Desc

	telemetry, commands, expired, methods, methodBytes *prometheus.Desc
	twins, queries, queryBytes, refused, lines         *prometheus.Desc
}

func newCollector(h *hub.Hub) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("linarite_"+name, help, labels, nil)
	}
	return &collector{
		hub:              h,
		total:            desc("total_devices", "Devices registered.", "status"),
		connected:        desc("connected_devices", "Devices connected; modules do not count."),
		connectedModules: desc("connected_modules", "Modules connected."),
		appended:         desc("events_appended_total", "Events appended since the start or the last reset.", "partition"),
		retained:         desc("events_retained", "Events in the log.", "partition"),
		queued:           desc("c2d_queued_messages", "Cloud-to-device messages that are queued or locked, of all devices."),
		feedback:         desc("c2d_feedback_records", "Remembered outcomes of cloud-to-device messages.", "status"),
		offset:           desc("clock_offset_seconds", "How far the hub's clock was advanced."),
		routed:           desc("routing_messages_total", "Messages that took the fallback route, met no route (orphaned), became too large (invalid), or met a condition that was undefined or failed.", "outcome"),
		sent:             desc("endpoint_messages_total", "Messages that came for a custom endpoint, were delivered, or were dropped: too many waited, or it refused them for good.", "endpoint", "outcome"),
		waiting:          desc("endpoint_waiting_messages", "Messages that are not delivered yet.", "endpoint"),
		endpoints:        desc("endpoint_state", "1 for the state that a custom endpoint is in.", "endpoint", "state"),
		latency:          desc("endpoint_latency_seconds", "From a message's ingress until a custom endpoint took it.", "endpoint"),

		telemetry:   desc("d2c_telemetry_ingress_total", "Messages of devices: all that were tried, that were accepted, that were throttled.", "outcome"),
		commands:    desc("c2d_commands_egress_total", "Cloud-to-device messages that devices settled.", "outcome"),
		expired:     desc("c2d_messages_undelivered_total", "Cloud-to-device messages that expired, or were given back too often.", "outcome"),
		methods:     desc("c2d_methods_total", "Direct methods.", "outcome"),
		methodBytes: desc("c2d_methods_bytes_total", "Bytes of direct methods' payloads.", "direction"),
		twins:       desc("twin_operations_total", "Twins that back ends (c2d) and devices (d2c) read and updated.", "by", "operation", "outcome"),
		queries:     desc("twin_queries_total", "Pages of twin queries.", "outcome"),
		queryBytes:  desc("twin_queries_result_bytes_total", "Bytes that twin queries answered."),
		refused:     desc("connections_refused_total", "Devices that were turned away, by error code.", "code"),
		lines:       desc("resource_log_records_total", "Records of the resource log.", "outcome"),
	}
}

// Describe names the figures.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.total, c.connected, c.connectedModules, c.appended, c.retained, c.queued, c.feedback, c.offset,
		c.routed, c.sent, c.waiting, c.endpoints, c.latency,
		c.telemetry, c.commands, c.expired, c.methods, c.methodBytes, c.twins, c.queries, c.queryBytes, c.refused, c.lines,
	} {
		out <- d
	}
}

// Collect reads the figures.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	_, enabled, disabled := c.hub.Statistics()
	gauge(c.total, float64(enabled), "enabled")
	gauge(c.total, float64(disabled), "disabled")
	m := c.hub.Metrics()
	gauge(c.connected, float64(m.ConnectedDevices))
	gauge(c.connectedModules, float64(m.ConnectedModules))
	gauge(c.queued, float64(m.QueuedMessages))
	gauge(c.offset, c.hub.Clock().Offset().Seconds())
	for status, n := range c.outcomes() {
		gauge(c.feedback, float64(n), status)
	}
	c.log(out, gauge)
	c.routing(out, gauge)
	c.operations(out, &m)
}

// log reads the built-in endpoint's partitions.
func (c *collector) log(out chan<- prometheus.Metric, gauge func(*prometheus.Desc, float64, ...string)) {
	log := c.hub.Events()
	for i := range log.Partitions() {
		b := log.Bounds(i)
		out <- prometheus.MustNewConstMetric(c.appended, prometheus.CounterValue, float64(b.Last+1), strconv.Itoa(i))
		gauge(c.retained, float64(b.Last+1-b.First), strconv.Itoa(i))
	}
}

// routing reads what became of messages on their way.
// IoT Hub: contract.md §23.3, d2c.telemetry.egress and d2c.endpoints.
func (c *collector) routing(out chan<- prometheus.Metric, gauge func(*prometheus.Desc, float64, ...string)) {
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	n := c.hub.RoutingStatistics()
	count(c.routed, n.Fallback, "fallback")
	count(c.routed, n.Orphaned, "orphaned")
	count(c.routed, n.Invalid, "invalid")
	count(c.routed, n.Undefined, "undefined")
	count(c.routed, n.Failed, "failed")
	for _, e := range c.hub.Endpoints() {
		count(c.sent, e.Accepted, e.Name, "accepted")
		count(c.sent, e.Delivered, e.Name, "delivered")
		count(c.sent, e.Dropped, e.Name, "dropped")
		gauge(c.waiting, float64(e.Waiting), e.Name)
		gauge(c.endpoints, 1, e.Name, string(e.Health.State))
		out <- prometheus.MustNewConstSummary(c.latency, e.Delivered, e.Latency.Seconds(), nil, e.Name)
	}
}

// operations reads what was counted of operations.
// IoT Hub: contract.md §23.3.
func (c *collector) operations(out chan<- prometheus.Metric, m *hub.Metrics) {
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	count(c.telemetry, m.TelemetryAttempts, "all")
	count(c.telemetry, m.TelemetryAccepted, "success")
	count(c.telemetry, m.TelemetryThrottled, "throttled")
	count(c.commands, m.MessagesCompleted, "complete")
	count(c.commands, m.MessagesAbandoned, "abandon")
	count(c.commands, m.MessagesRejected, "reject")
	count(c.expired, m.MessagesExpired, "expired")
	count(c.expired, m.MessagesDeadLettered, "deliveryCountExceeded")
	count(c.methods, m.Methods, "success")
	count(c.methods, m.MethodsFailed, "failure")
	count(c.methodBytes, m.MethodRequestBytes, "request")
	count(c.methodBytes, m.MethodBytes, "response")
	for _, twin := range []struct {
		by, operation string
		ok, failed    uint64
	}{
		{"c2d", "read", m.TwinReads, m.TwinReadsFailed},
		{"c2d", "update", m.TwinUpdates, m.TwinUpdatesFailed},
		{"d2c", "read", m.DeviceReads, m.DeviceReadsFailed},
		{"d2c", "update", m.DeviceUpdates, m.DeviceUpdatesFailed},
	} {
		count(c.twins, twin.ok, twin.by, twin.operation, "success")
		count(c.twins, twin.failed, twin.by, twin.operation, "failure")
	}
	count(c.queries, m.Queries, "success")
	count(c.queries, m.QueriesFailed, "failure")
	count(c.queryBytes, m.QueryBytes)
	for code, n := range m.Refused {
		count(c.refused, n, strconv.Itoa(code))
	}
	count(c.lines, m.ResourceLogWritten, "written")
	count(c.lines, m.ResourceLogLost, "dropped")
}

func (c *collector) outcomes() map[string]int {
	n := map[string]int{}
	for _, r := range c.hub.Feedback().History() {
		n[r.StatusCode]++
	}
	return n
}
