package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/linarite/linarite/bench/machine"
)

// sample is how the hub is at one moment.
type sample struct {
	At         float64            `json:"seconds"`
	Memory     float64            `json:"residentBytes"`
	Live       float64            `json:"liveHeapBytes"`
	Heap       float64            `json:"heapBytes"`
	Goroutines float64            `json:"goroutines"`
	Files      float64            `json:"descriptors"`
	Connected  float64            `json:"connectedDevices"`
	Appended   float64            `json:"eventsAppended"`
	Retained   float64            `json:"eventsRetained"`
	HubCores   float64            `json:"hubCores"` // since the sample before
	OwnCores   float64            `json:"generatorCores"`
	Foreign    float64            `json:"foreignCores"`
	Rates      map[string]float64 `json:"perSecond"`
	Errors     int64              `json:"errors"`
	Lost       int64              `json:"lost"`
}

// sample takes samples until ctx ends.
func (s *soak) sample(ctx context.Context) error {
	began := time.Now()
	tick := time.NewTicker(s.o.every)
	defer tick.Stop()
	before, err := s.moment()
	if err != nil {
		return err
	}
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		now, err := s.moment()
		if err != nil {
			return err
		}
		one, err := s.measure(before, now)
		if err != nil {
			return err
		}
		one.At = now.at.Sub(began).Seconds()
		before = now
		s.samples = append(s.samples, one)
		fmt.Fprintln(s.o.out, one.line())
	}
}

// moment is what rates are worked out from.
type moment struct {
	at     time.Time
	cpu    machine.Usage
	counts [counts]int64
}

func (s *soak) moment() (m moment, err error) {
	m.at = time.Now()
	m.cpu, err = machine.CPU(s.hub.PID())
	for i := range m.counts {
		m.counts[i] = s.ledger.counts[i].Load()
	}
	return m, err
}

// measure is a sample of now.
func (s *soak) measure(before, now moment) (one sample, err error) {
	figures, err := s.metrics()
	if err != nil {
		return one, err
	}
	memory, err := machine.ResidentMemory(s.hub.PID())
	if err != nil {
		return one, err
	}
	elapsed := now.at.Sub(before.at).Seconds()
	cores := func(after, before time.Duration) float64 { return (after - before).Seconds() / elapsed }
	one = sample{
		Memory: float64(memory), Heap: figures["go_memstats_heap_inuse_bytes"], Live: live(figures),
		Goroutines: figures["go_goroutines"], Files: figures["process_open_fds"],
		Connected: figures["linarite_connected_devices"],
		Appended:  figures["linarite_events_appended_total"], Retained: figures["linarite_events_retained"],
		HubCores: cores(now.cpu.Process, before.cpu.Process),
		OwnCores: cores(now.cpu.Generator, before.cpu.Generator),
		Rates:    map[string]float64{}, Errors: s.ledger.errors.Load(), Lost: s.ledger.lost.Load(),
	}
	one.Foreign = max(0, cores(now.cpu.Machine, before.cpu.Machine)-one.HubCores-one.OwnCores)
	for i, name := range countNames {
		one.Rates[name] = float64(now.counts[i]-before.counts[i]) / elapsed
	}
	return one, nil
}

// collectorPercent is the hub's GOGC: how much garbage it lets gather, in percent
// of what lives.
const collectorPercent = 50

// live is what lives in the hub's heap, near enough, garbage left out: the runtime
// says at which size it collects next, for which stacks count too.
func live(figures map[string]float64) float64 {
	const share = collectorPercent / 100.
	return (figures["go_memstats_next_gc_bytes"] - share*figures["go_memstats_stack_inuse_bytes"]) / (1 + share)
}

// metrics are the hub's, those of one name added up.
func (s *soak) metrics() (map[string]float64, error) {
	text, err := s.hub.Call(http.MethodGet, "/metrics", nil)
	if err != nil {
		return nil, err
	}
	figures := map[string]float64{}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), " ")
		var figure float64
		if _, err := fmt.Sscan(value, &figure); !ok || strings.HasPrefix(name, "#") || err != nil {
			continue
		}
		name, _, _ = strings.Cut(name, "{")
		figures[name] += figure
	}
	return figures, nil
}

// line is the sample for people who wait.
func (one *sample) line() string {
	const mega = 1 << 20
	return fmt.Sprintf("%6.0f s  memory %6.1f MB  live heap %6.1f MB  goroutines %6.0f  connected %5.0f  log %7.0f of %8.0f  telemetry %5.0f/s  cores %.2f + %.2f + %.2f  errors %d  lost %d",
		one.At, one.Memory/mega, one.Live/mega, one.Goroutines, one.Connected, one.Retained, one.Appended,
		one.Rates[countNames[sentQoS0]]+one.Rates[countNames[sentQoS1]], one.HubCores, one.OwnCores, one.Foreign, one.Errors, one.Lost)
}
