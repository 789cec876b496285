package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

// maxForeign is how many cores others may use before figures are in doubt.
const maxForeign = 0.12

// report is everything that was measured.
type report struct {
	Machine string  `json:"machine"`
	Cores   int     `json:"cores"`
	Go      string  `json:"go"`
	Foreign float64 `json:"foreignCores"` // the most that others used during a load
	Rows    []row   `json:"rows"`
}

func newReport() *report {
	return &report{Machine: processor(), Cores: runtime.NumCPU(), Go: runtime.Version()}
}

// processor is the machine's, as the system names it.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func (r *report) add(name, unit string, rounds map[string]series, b bound) {
	r.Rows = append(r.Rows, newRow(name, unit, rounds, b))
}

// addOwn adds a figure that only the hub has.
func (r *report) addOwn(name, unit string, rounds series, b bound) {
	b.absolute = true
	r.add(name, unit, map[string]series{nameLinarite: rounds}, b)
}

// good says whether the hub is as fast as it must be.
func (r *report) good() bool {
	return !slices.ContainsFunc(r.Rows, func(one row) bool { return !one.Good })
}

// print writes the report for people.
func (r *report) print(out io.Writer) error {
	fmt.Fprintf(out, "%s, %d cores, %s. Medians; the spread of the hub's rounds in parentheses.\n\n", r.Machine, r.Cores, r.Go)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\tunit\tlinarite\tmosquitto\tmochi\tratio\tmust\tgoal\t")
	for _, one := range r.Rows {
		fmt.Fprintln(table, strings.Join(one.cells(), "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if r.Foreign > maxForeign {
		fmt.Fprintf(out, "\nOthers used %.2f cores meanwhile: trust the ratios with care.\n", r.Foreign)
	}
	return nil
}

// cells are the row as the table has it.
func (r row) cells() []string {
	cells := []string{r.Name, r.Unit}
	for _, broker := range []string{nameLinarite, nameMosquitto, nameMochi} {
		cell := ""
		if f, ok := r.Figures[broker]; ok {
			cell = figure(f.Median)
			if broker == nameLinarite && f.Low != f.High {
				cell += " (" + figure(f.Low) + "–" + figure(f.High) + ")"
			}
		}
		cells = append(cells, cell)
	}
	ratio := ""
	if r.Ratio != nil {
		ratio = fmt.Sprintf("%.2f", r.Ratio.Median)
	}
	return append(cells, ratio, r.Must, r.Goal, r.verdict())
}

// save writes the report for programs.
func (r *report) save(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
