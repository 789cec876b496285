package arch

import "slices"

// The module and its third-party libraries.
const (
	module = "github.com/linarite/linarite/"

	azure      = "github.com/Azure" // the SDKs' Go modules, as clients
	cobra      = "github.com/spf13/cobra"
	coderWS    = "github.com/coder/websocket" // a client's side
	goleak     = "go.uber.org/goleak"
	kin        = "github.com/getkin/kin-openapi"
	paho       = "github.com/eclipse/paho.mqtt.golang"
	truststore = "github.com/smallstep/truststore"
	mochi      = "github.com/mochi-mqtt/server/v2"
	pflag      = "github.com/spf13/pflag" // cobra's flags
	prometheus = "github.com/prometheus/client_golang"
	rapid      = "pgregory.net/rapid"
	slog       = "log/slog" // mochi's own lines
	stdlog     = "log"      // net/http's own lines
	testify    = "github.com/stretchr/testify"
	websocket  = "github.com/gorilla/websocket"
	yaml       = "github.com/goccy/go-yaml"
	zerolog    = "github.com/rs/zerolog"
)

// Room is what a folder's Go files may do. Its tests may in addition import
// testify and goleak, and what Tests names.
type Room struct {
	Imports    []string // rooms
	Libraries  []string // third-party code, and the standard loggers
	Tests      []string // further rooms, for the tests only
	Goroutines bool     // it may start them, and then ends each in its Close
	Clock      bool     // it may call the machine's clock
}

// The levels of the house: down only, never sideways.
var (
	level0 = []string{"iot", "query", "internal/clock"}
	level1 = []string{
		"auth", "c2d", "certs", "configurations", "events", "faults", "files", "jobs",
		"limits", "methods", "monitoring", "registry", "routing", "twin",
	}
	level2 = []string{"hub"}
	level3 = []string{"amqp", "endpoints", "mqtt", "rest", "seed"}
	level4 = []string{"server", "control"}
)

// rooms is the whole house. A folder with Go files that is not here fails the
// build. Rooms that are only planned are here already.
var rooms = map[string]Room{
	// 0: the vocabulary.
	"iot":            {},
	"query":          {Imports: []string{"iot"}},
	"internal/clock": {Clock: true},

	// 1: the domain. It logs nothing and starts no goroutines.
	"auth":           {Imports: level0},
	"c2d":            {Imports: level0},
	"certs":          {Imports: level0},
	"configurations": {Imports: level0},
	"events":         {Imports: level0},
	"faults":         {Imports: level0},
	"files":          {Imports: level0},
	"jobs":           {Imports: level0},
	"limits":         {Imports: level0},
	"methods":        {Imports: level0},
	"monitoring":     {Imports: level0},
	"registry":       {Imports: level0},
	"routing":        {Imports: level0},
	"twin":           {Imports: level0},

	// 2: the hub.
	"hub": {Imports: below(2), Libraries: []string{zerolog}, Goroutines: true},

	// 3: what speaks to the outside, each alone.
	"amqp": {
		Imports: append(below(3), "amqp/codec", "amqp/transport"), Libraries: []string{websocket, zerolog}, Goroutines: true,
	},
	"amqp/codec":     {},
	"amqp/transport": {Imports: []string{"amqp/codec", "internal/clock"}, Goroutines: true},
	"endpoints":      {Imports: below(3), Goroutines: true},
	"mqtt":           {Imports: below(3), Libraries: []string{mochi, websocket, zerolog, slog}, Goroutines: true},
	"rest":           {Imports: below(3), Libraries: []string{zerolog}, Goroutines: true},
	"seed":           {Imports: below(3), Libraries: []string{yaml}},

	// 4: the sockets, and the emulator's own API. server composes control.
	"control": {Imports: below(4), Libraries: []string{prometheus, zerolog}, Goroutines: true},
	"server":  {Imports: append(below(4), "control"), Libraries: []string{zerolog, stdlog}, Goroutines: true},

	// 5: the entrances.
	"cmd/linarite": {Imports: below(5), Libraries: []string{cobra, pflag, stdlog, truststore, zerolog}, Tests: []string{"hubtest"}},
	"hubtest":      {Imports: below(5), Libraries: []string{zerolog, testify}},

	"examples/device": {Libraries: []string{paho, stdlog}, Tests: []string{"hub", "hubtest", "iot", "twin"}, Clock: true},

	// The rules themselves.
	"internal/arch": {},

	// Modules of their own, which see the hub from outside only.
	"test/harness":    {Goroutines: true, Clock: true},
	"test/contract":   {Libraries: []string{kin}},
	"test/run":        {Imports: []string{"test/contract"}, Clock: true},
	"test/wire":       {Imports: []string{"test/harness"}, Libraries: []string{websocket}, Goroutines: true, Clock: true},
	"test/readme":     {Imports: []string{"test/harness"}, Clock: true},
	"test/sdk/go":     {Imports: []string{"test/harness"}, Libraries: []string{azure, coderWS}, Goroutines: true, Clock: true},
	"test/codec":      {Imports: []string{"amqp/codec"}, Libraries: []string{azure, rapid}, Goroutines: true, Clock: true}, // held against go-amqp
	"test/sdk/rounds": {Imports: []string{"test/harness"}, Libraries: []string{azure}, Goroutines: true, Clock: true},
	"test/hostile":    {Imports: []string{"test/harness"}, Libraries: []string{websocket}, Goroutines: true, Clock: true},
	"bench": { // stock mochi is one of the brokers; reads out of a log stand next to those over AMQP
		Imports:   []string{"bench/machine", "bench/mqtt", "events", "internal/clock", "iot", "test/harness"},
		Libraries: []string{azure, mochi, slog}, Goroutines: true, Clock: true,
	},
	"bench/machine": {Clock: true},
	"bench/mqtt":    {Clock: true},
	"bench/soak": {
		Imports: []string{"bench/machine", "bench/mqtt", "test/harness"}, Libraries: []string{azure, coderWS}, Goroutines: true, Clock: true,
	},
}

// testLibraries may be imported by every test.
var testLibraries = []string{testify, goleak, rapid}

// below lists the rooms on the levels under the one named.
func below(level int) []string {
	levels := [][]string{level0, level1, level2, level3, level4}
	return slices.Concat(levels[:level]...)
}

// badPackages and badFiles are names that say nothing about what is inside.
var (
	badPackages = []string{"base", "common", "config", "helper", "helpers", "misc", "pkg", "shared", "types", "util", "utils"}
	badFiles    = []string{"common.go", "helpers.go", "misc.go", "types.go", "util.go", "utils.go"}
)

// clockCalls are what only internal/clock may use of package time, so that
// tests can move the hub's clock.
var clockCalls = []string{
	"After", "AfterFunc", "NewTicker", "NewTimer", "Now", "Since", "Sleep", "Tick", "Until",
}

// Sizes, in lines.
const (
	maxFile     = 500
	maxTestFile = 800
	maxFunction = 70
)
