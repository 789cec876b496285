package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"time"
)

// The reference is taken when a third of the run is over, which is minute 10 of
// 30: figures there and at the end are means over a thirtieth of the run.
const (
	referenceShare = 3
	windowShare    = 30
)

// report is what came of a run.
type report struct {
	Machine   string           `json:"machine"`
	Devices   int              `json:"devices"`
	Seconds   float64          `json:"seconds"`
	Steady    []steady         `json:"steady"`
	LogFull   bool             `json:"logFull"` // the event log had begun to drop its oldest events by the reference
	Totals    map[string]int64 `json:"totals"`
	Lost      int64            `json:"lost"`
	Errors    int64            `json:"errors"`
	Excused   int64            `json:"excused"` // errors just after the machine stood still
	Faults    []string         `json:"faults"`
	Samples   []sample         `json:"samples"`
	duration  time.Duration
	tolerance float64
}

// steady is a figure that must not have moved.
type steady struct {
	Name      string  `json:"name"`
	Unit      string  `json:"unit"`
	Reference float64 `json:"reference"`
	End       float64 `json:"end"`
	Change    float64 `json:"change"` // a share
	Good      bool    `json:"good"`
}

// figures that must be steady. Resident memory and goroutines are what a user
// sees; the live heap moves less, and so shows a leak that is small beside the
// event log.
var figures = []struct {
	name, unit string
	scale      float64
	of         func(*sample) float64
}{
	{"resident memory", "MB", 1 << 20, func(s *sample) float64 { return s.Memory }},
	{"live heap", "MB", 1 << 20, func(s *sample) float64 { return s.Live }},
	{"goroutines", "", 1, func(s *sample) float64 { return s.Goroutines }},
	{"descriptors", "", 1, func(s *sample) float64 { return s.Files }},
}

// report works out what came of the run.
func (s *soak) report() *report {
	due, what := s.ledger.due()
	if due > 0 {
		s.ledger.lose(due, "in the end: %q", what[:min(len(what), 20)])
	}
	r := &report{
		Machine: machineOf(), Devices: s.o.devices, Seconds: s.o.duration.Seconds(), Totals: map[string]int64{},
		Lost: s.ledger.lost.Load(), Errors: s.ledger.errors.Load(), Excused: s.ledger.excused.Load(), Faults: s.ledger.faultList(),
		Samples: s.samples, duration: s.o.duration, tolerance: s.o.tolerance,
	}
	for i, name := range countNames {
		r.Totals[name] = s.ledger.counts[i].Load()
	}
	r.compare()
	return r
}

// compare compares the end with the reference.
func (r *report) compare() {
	reference := r.duration.Seconds() / referenceShare
	window := r.duration.Seconds() / windowShare
	for _, f := range figures {
		before := r.mean(reference-window, reference, f.of) / f.scale
		after := r.mean(r.duration.Seconds()-window, r.duration.Seconds(), f.of) / f.scale
		change := after/before - 1
		r.Steady = append(r.Steady, steady{f.name, f.unit, before, after, change, math.Abs(change) <= r.tolerance})
	}
	r.LogFull = r.mean(reference-window, reference, func(s *sample) float64 { return s.Appended - s.Retained }) > 0
}

// mean is a figure's over a time; NaN where there are no samples, which is far
// from everything.
func (r *report) mean(from, to float64, of func(*sample) float64) float64 {
	sum, n := 0., 0.
	for i := range r.Samples {
		if at := r.Samples[i].At; at > from && at <= to+1 {
			sum += of(&r.Samples[i])
			n++
		}
	}
	return sum / n
}

// good says whether the hub has passed.
func (r *report) good() bool {
	good := r.Lost == 0 && r.Errors == 0 && r.LogFull
	for _, f := range r.Steady {
		good = good && f.Good
	}
	return good
}

// print writes the report for people.
func (r *report) print(out io.Writer) {
	fmt.Fprintf(out, "%d devices for %s on %s\n\n", r.Devices, r.duration, r.Machine)
	for _, name := range countNames {
		fmt.Fprintf(out, "%12d  %s\n", r.Totals[name], name)
	}
	fmt.Fprintf(out, "%12d  lost\n%12d  other errors\n%12d  errors just after the machine stood still\n\n", r.Lost, r.Errors, r.Excused)
	for _, fault := range r.Faults {
		fmt.Fprintf(out, "  %s\n", fault)
	}
	reference := time.Duration(r.duration.Seconds() / referenceShare * float64(time.Second)).Round(time.Second)
	for _, f := range r.Steady {
		verdict := "ok"
		if !f.Good {
			verdict = "NOT STEADY"
		}
		fmt.Fprintf(out, "%-16s %9.1f %-2s at %s, %9.1f %-2s at the end: %+.1f %%  %s\n",
			f.Name, f.Reference, f.Unit, reference, f.End, f.Unit, 100*f.Change, verdict)
	}
	if !r.LogFull {
		fmt.Fprintf(out, "\nThe event log was not full by %s, so that its growth hides others: more devices, or a shorter retention.\n", reference)
	}
}

// save writes the report for programs.
func (r *report) save(path string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
