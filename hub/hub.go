// Package hub is the IoT hub itself, whatever the transport: it carries each
// message, twin and method call through the parts it is made of. Each flow has
// its file; the transports call in through Hub and Session, and the hub calls
// out to a device through Link. The package owns no socket.
package hub

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/events"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/methods"
	"github.com/linarite/linarite/monitoring"
	"github.com/linarite/linarite/registry"
	"github.com/linarite/linarite/twin"
)

// DefaultGrace is how long a token is good after its expiry.
// IoT Hub: contract.md §4.3.
const DefaultGrace = 5 * time.Minute

// Options sets a hub up. The zero value is a hub named linarite that answers to
// this machine's loopback names.
type Options struct {
	Name      string   // short name; default "linarite"
	Hostnames []string // the first is printed in connection strings; default 127.0.0.1, localhost, ::1
	Policies  []auth.Policy
	EventLog  events.Options
	C2D       c2d.Options
	SASGrace  time.Duration // default DefaultGrace; negative: none
	// AutoCreate registers a device that is unknown but signs with the
	// well-known key.
	AutoCreate bool
	// OpenSink makes what custom endpoints deliver to; without it there can be none.
	OpenSink OpenSink
	// CA is the certificate of the development CA in PEM, which vouches for devices
	// from the start and after a reset; nil: there is none.
	CA []byte
	// Seed fills a new hub, and one that was reset.
	Seed func(*Hub) error
	// Monitoring says what is told of at the operations monitoring endpoint.
	Monitoring monitoring.Settings
	// ResourceLog takes Azure Monitor's resource logs, a line of JSON each; nil: there
	// are none. It is written to until Close returns.
	ResourceLog io.Writer
	Clock       *clock.Clock // default: the machine's time
	Log         zerolog.Logger
	// Verdicts, when set, judges each operation before it is done. Throttling,
	// faults and tests speak through it.
	Verdicts func(Operation, iot.Identity) Verdict
}

// stripes is how many locks identities share.
const stripes = 64

// Hub is one IoT hub: many may live in a process and know nothing of each
// other.
type Hub struct {
	name       string
	hostnames  []string
	policies   []auth.Policy
	grace      time.Duration
	autoCreate bool
	ca         []byte
	seed       func(*Hub) error
	openSink   OpenSink
	verdicts   func(Operation, iot.Identity) Verdict
	log        zerolog.Logger
	clock      *clock.Clock

	registry *registry.Store
	twins    *twin.Store
	queues   *c2d.Store
	calls    *methods.Calls
	events   *events.Log
	auth     atomic.Pointer[auth.Authorizer]
	trusted  *auth.Authorities

	monitored   monitoring.Settings
	operations  *events.Log
	resourceLog *resourceLog // nil: there is none

	configuring sync.Mutex // one change of the routing at a time
	routes      atomic.Pointer[routes]
	routed      routed
	counts      counts

	connections *connections
	callers     callers
	scans       chan struct{} // full while as many queries read twins as may
	tokenKey    atomic.Pointer[tokenKey]

	// lifecycle orders what happens to one device and its modules: creation,
	// deletion, connections, what is sent, and changes of a twin with what the
	// device is told of them. Reset and Close take all of them.
	lifecycle [stripes]sync.Mutex
	hashSeed  maphash.Seed
	closed    bool // guarded by any of lifecycle

	resetting sync.Mutex // one reset at a time
	done      chan struct{}
	closeOnce sync.Once
}

// New makes a hub and seeds it.
func New(o Options) (*Hub, error) {
	h := &Hub{
		name: o.Name, hostnames: o.Hostnames, policies: o.Policies, grace: o.SASGrace,
		autoCreate: o.AutoCreate, ca: o.CA, seed: o.Seed, openSink: o.OpenSink, verdicts: o.Verdicts, monitored: o.Monitoring, log: o.Log, clock: o.Clock,
		hashSeed: maphash.MakeSeed(), done: make(chan struct{}), scans: make(chan struct{}, scansAtOnce()),
	}
	h.defaults()
	o.C2D.Available, o.C2D.Gone = h.messageAvailable, h.undelivered
	h.registry = registry.NewStore(h.clock)
	h.twins = twin.NewStore(h.clock)
	h.queues = c2d.NewStore(h.clock, o.C2D)
	h.calls = methods.NewCalls(h.clock)
	h.events = events.NewLog(h.clock, o.EventLog)
	h.operations = events.NewLog(h.clock, events.Options{
		Partitions: h.events.Partitions(), MaxEvents: maxOperations, MaxBytes: maxOperationsBytes,
	})
	if o.ResourceLog != nil {
		h.resourceLog = h.newResourceLog(o.ResourceLog)
	}
	h.tokenKey.Store(newTokenKey())
	h.connections = newConnections(newStates(h.clock, h.tellState))
	h.unroute()
	h.trusted = auth.NewAuthorities(h.clock)
	h.authorize()
	if err := h.plant(); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

func (h *Hub) defaults() {
	if h.name == "" {
		h.name = "linarite"
	}
	if len(h.hostnames) == 0 {
		h.hostnames = []string{"127.0.0.1", "localhost", "::1"}
	}
	if h.policies == nil {
		h.policies = auth.BuiltinPolicies()
	}
	if h.clock == nil {
		h.clock = clock.New()
	}
	switch {
	case h.grace == 0:
		h.grace = DefaultGrace
	case h.grace < 0:
		h.grace = 0
	}
}

// authorize makes a new authorizer, which has seen no token yet.
func (h *Hub) authorize() {
	h.auth.Store(auth.NewAuthorizer(auth.Options{
		Hostnames: h.IsHostname, Policies: h.policies, Keys: h.registry, Authorities: h.trusted, Clock: h.clock, Grace: h.grace,
	}))
}

func (h *Hub) plant() error {
	if err := h.trustCA(); err != nil {
		return err
	}
	if h.seed == nil {
		return nil
	}
	if err := h.seed(h); err != nil {
		return fmt.Errorf("seed the hub: %w", err)
	}
	return nil
}

// Name is the hub's short name.
func (h *Hub) Name() string { return h.name }

// Hostnames are the hub's names; the first is printed in connection strings.
func (h *Hub) Hostnames() []string { return h.hostnames }

// IsHostname says whether host is one of the hub's names. Its port, if any, is
// ignored, and so is case.
func (h *Hub) IsHostname(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	for _, name := range h.hostnames {
		if strings.EqualFold(host, name) {
			return true
		}
	}
	return false
}

// Clock is the hub's time.
func (h *Hub) Clock() *clock.Clock { return h.clock }

// Events is the built-in endpoint's log.
func (h *Hub) Events() *events.Log { return h.events }

// Feedback is the queue of what became of cloud-to-device messages.
func (h *Hub) Feedback() *c2d.Feedback { return h.queues.Feedback() }

// Reset closes all connections and brings identities, twins, queues, events and
// the clock back to the seeded start.
func (h *Hub) Reset() error {
	h.resetting.Lock()
	defer h.resetting.Unlock()
	replace(h.clear())
	h.log.Info().Str("op", "reset").Msg("the hub is back at its start")
	return h.plant()
}

// clear is what Reset does before it plants the seed, as one step for all that
// happens beside it. It returns the endpoints that are no more.
func (h *Hub) clear() []*endpoint {
	h.lockAll()
	defer h.unlockAll()
	h.registry.Clear()
	h.disconnectAll(iot.ErrClosedRemotely.Because("the hub was reset"))
	h.connections.clear()
	h.calls.Clear()
	h.callers.wakeAll()
	h.twins.Clear()
	h.tokenKey.Store(newTokenKey())
	h.queues.Clear()
	h.clock.Rewind()
	h.events.Clear()
	h.operations.Clear()
	h.counts.reset()
	h.trusted.Clear()
	h.authorize()
	return h.unroute()
}

// Close disconnects every device and refuses connections and messages that come
// after. Endpoints that take messages are given what waits for them, for up to a
// second. Close does not wait for the transports, which own the sockets.
func (h *Hub) Close() {
	h.closeOnce.Do(func() {
		h.shut()
		h.closeEndpoints()
		if h.resourceLog != nil {
			h.resourceLog.end()
		}
	})
}

func (h *Hub) shut() {
	h.lockAll()
	defer h.unlockAll()
	h.closed = true
	close(h.done)
	h.disconnectAll(ErrGoingDown)
	h.connections.states.clear()
	h.calls.Clear()
	h.queues.Clear()
}

// ErrGoingDown is why connections end with the hub.
// IoT Hub: contract.md §5.3, a planned failover or upgrade.
var ErrGoingDown = iot.ErrClosedRemotely.Because("the hub is shutting down")

func errShuttingDown() *iot.Error {
	return iot.ErrServiceUnavailable.Because("the hub is shutting down")
}

func (h *Hub) disconnectAll(reason *iot.Error) {
	for _, s := range h.connections.live() {
		s.expel(reason)
	}
}

// lock orders the flows that change one device, its modules or their twins.
func (h *Hub) lock(device string) *sync.Mutex {
	m := &h.lifecycle[maphash.String(h.hashSeed, device)%stripes]
	m.Lock()
	return m
}

// lockAll keeps every such flow out. unlockAll lets them in again.
func (h *Hub) lockAll() {
	for i := range h.lifecycle {
		h.lifecycle[i].Lock()
	}
}

func (h *Hub) unlockAll() {
	for i := range h.lifecycle {
		h.lifecycle[i].Unlock()
	}
}

// code is the six-digit code of an error, 0 for none.
func code(err error) int {
	var e *iot.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}
