package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"
)

// maxFirstConnack is how long the hub may take from exec to the first CONNACK.
const maxFirstConnack = 50 // ms

// maxForeign is how many cores others may use before figures are in doubt.
const maxForeign = 0.12

// report is everything that was measured.
type report struct {
	Cores   int     `json:"cores"`
	Go      string  `json:"go"`
	Foreign float64 `json:"foreignCores"` // the most that others used during a load
	Rows    []row   `json:"rows"`
}

// row compares the two brokers in one figure.
type row struct {
	Name      string  `json:"name"`
	Unit      string  `json:"unit"`
	Linarite  float64 `json:"linarite"`
	Mosquitto float64 `json:"mosquitto"`
	Ratio     float64 `json:"ratio"`
	Must      string  `json:"must,omitempty"` // "" where nothing is demanded
	Good      bool    `json:"good"`
}

func newReport() *report { return &report{Cores: runtime.NumCPU(), Go: runtime.Version()} }

// starts measures first starts, by turns, and takes the medians.
func (r *report) starts(us, them broker, scratch string, n int) error {
	var all [2][]time.Duration
	for i := range n {
		for side, b := range []broker{us, them} {
			dir := filepath.Join(scratch, b.name()+strconv.Itoa(i), "data")
			elapsed, err := firstConnack(b, dir)
			if err != nil {
				return err
			}
			all[side] = append(all[side], elapsed)
		}
	}
	median := func(of []time.Duration) float64 {
		slices.Sort(of)
		return of[len(of)/2].Seconds() * 1000
	}
	ours := median(all[0])
	r.add(row{
		Name: "first start, exec to CONNACK", Unit: "ms", Linarite: ours, Mosquitto: median(all[1]),
		Must: fmt.Sprintf("≤ %d ms", maxFirstConnack), Good: ours <= maxFirstConnack,
	})
	return nil
}

// load puts a load on each broker twice, ours first and last, so that what
// changes on the machine meanwhile touches both alike.
func (r *report) load(us, them broker, l load) (err error) {
	logins := map[broker][]login{}
	for _, b := range []broker{us, them} {
		if err := b.start(); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, b.stop()) }()
		if logins[b], err = b.logins(l.Connections); err != nil {
			return err
		}
	}
	results := map[broker]*rate{us: {}, them: {}}
	for _, b := range []broker{us, them, them, us} {
		result, err := l.run(b, logins[b])
		if err != nil {
			return fmt.Errorf("%s: %w", b.name(), err)
		}
		results[b].add(result)
	}
	r.addLoad(l, results[us], results[them])
	return nil
}

// addLoad turns the results of a load into rows.
func (r *report) addLoad(l load, us, them *rate) {
	ratio := us.perSecond() / them.perSecond()
	name := fmt.Sprintf("%s, %d × %d", l.Name, l.Connections, l.Outstanding)
	r.add(row{
		Name: name, Unit: "msg/s", Linarite: us.perSecond(), Mosquitto: them.perSecond(),
		Must: fmt.Sprintf("≥ %.1f×", l.Must), Good: ratio >= l.Must,
	})
	r.add(row{
		Name: name + ", CPU of the broker", Unit: "µs/msg",
		Linarite: us.cpuPerMessage(), Mosquitto: them.cpuPerMessage(), Good: true,
	})
	for _, q := range []float64{0.5, 0.99} {
		r.add(row{
			Name: fmt.Sprintf("%s, latency p%.0f", name, q*100), Unit: "µs",
			Linarite:  float64(us.latency.quantile(q).Microseconds()),
			Mosquitto: float64(them.latency.quantile(q).Microseconds()), Good: true,
		})
	}
	r.Foreign = max(r.Foreign, us.Foreign, them.Foreign)
}

// idle measures the memory of idle connections.
func (r *report) idle(us, them broker, n int) error {
	ours, err := idleMemory(us, n)
	if err != nil {
		return err
	}
	theirs, err := idleMemory(them, n)
	if err != nil {
		return err
	}
	r.add(row{
		Name: fmt.Sprintf("idle, %d, memory of each", n), Unit: "kB",
		Linarite: ours / 1000, Mosquitto: theirs / 1000, Good: true,
	})
	return nil
}

func (r *report) add(one row) {
	one.Ratio = one.Linarite / one.Mosquitto
	r.Rows = append(r.Rows, one)
}

// good says whether the hub is as fast as it must be.
func (r *report) good() bool {
	return !slices.ContainsFunc(r.Rows, func(one row) bool { return !one.Good })
}

// print writes the report for people.
func (r *report) print(out io.Writer) {
	const line = "%-46s %12s %12s %8s   %-8s %s\n"
	fmt.Fprintf(out, line, "", "linarite", "mosquitto", "ratio", "must", "")
	for _, one := range r.Rows {
		verdict := ""
		if one.Must != "" {
			verdict = map[bool]string{true: "ok", false: "TOO SLOW"}[one.Good]
		}
		fmt.Fprintf(out, line, one.Name+", "+one.Unit, figure(one.Linarite), figure(one.Mosquitto),
			strconv.FormatFloat(one.Ratio, 'f', 2, 64), one.Must, verdict)
	}
	if r.Foreign > maxForeign {
		fmt.Fprintf(out, "\nOthers used %.2f cores meanwhile: trust the ratios with care.\n", r.Foreign)
	}
}

// figure is a number with as many digits as it deserves.
func figure(v float64) string {
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}

// save writes the report for programs.
func (r *report) save(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
