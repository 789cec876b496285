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
	}
}

// Describe names the figures.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.total, c.connected, c.connectedModules, c.appended, c.retained, c.queued, c.feedback, c.offset,
		c.routed, c.sent, c.waiting, c.endpoints,
	} {
		out <- d
	}
}

// Collect reads the figures.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	total, enabled, disabled := c.hub.Statistics()
	gauge(c.total, float64(enabled), "enabled")
	gauge(c.total, float64(disabled), "disabled")
	gauge(c.connected, float64(c.hub.ConnectedDevices()))
	gauge(c.connectedModules, float64(c.modules()))
	gauge(c.queued, float64(c.messages(total)))
	gauge(c.offset, c.hub.Clock().Offset().Seconds())
	for status, n := range c.outcomes() {
		gauge(c.feedback, float64(n), status)
	}
	c.log(out, gauge)
	c.routing(out, gauge)
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
	}
}

func (c *collector) modules() (n int) {
	for _, connection := range c.hub.Connections() {
		if connection.Connected && connection.Identity.IsModule() {
			n++
		}
	}
	return n
}

func (c *collector) messages(devices int) (n int) {
	for _, d := range c.hub.Devices(devices) {
		n += d.MessageCount
	}
	return n
}

func (c *collector) outcomes() map[string]int {
	n := map[string]int{}
	for _, r := range c.hub.Feedback().History() {
		n[r.StatusCode]++
	}
	return n
}
