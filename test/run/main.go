// Run runs the project's tests: the Go units, then the black-box suites, each
// of which installs its own pinned packages. It ends with a table of what ran
// and a line `N passed, M failed`. A suite that lacks what it needs, runs no
// test or skips one has failed.
//
//	go run ./run                 everything
//	go run ./run -race unit wire these suites, with the race detector
//	                             in the tests and in the binary
//
// The hub is built first; LINARITE_BIN names another binary to test. What the
// suites exchange with the service API is recorded, and held against the Swagger
// of IoT Hub (package contract) when a suite is over.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// suite is one set of tests with a runner of its own.
type suite struct {
	name   string
	tools  []string // programs that must be there
	run    func(*session) (count, error)
	beside bool // beside the suites that follow: it mostly waits
}

// count is how a suite's tests ended.
type count struct {
	passed, failed, skipped int
}

// suites are all of them, in the order in which they begin.
func suites() []suite {
	return []suite{
		{name: "unit", tools: []string{"go"}, run: unit},
		{name: "sdk/python", tools: []string{"python3"}, run: holding(python), beside: true},
		{name: "wire", tools: []string{"go"}, run: holding(wire)},
		{name: "sdk/node", tools: []string{"node", "npm"}, run: holding(node)},
		{name: "sdk/go", tools: []string{"go"}, run: holding(sdkGo)},
		{name: "sdk/java", tools: []string{"java", "mvn"}, run: holding(java)},
		{name: "sdk/rounds", tools: []string{"go", "node", "npm", "python3", "java", "mvn"}, run: rounds},
		{name: "readme", tools: []string{"go", "bash", "node", "npm", "python3", "mvn", "java", "javac"}, run: readme},
	}
}

// session is one run of this program.
type session struct {
	root   string // of the source tree
	binary string // of the hub, where it is not bin/linarite
	race   bool
	out    io.Writer

	exchanges  string      // file for the recording of a suite; "" for none
	installing *sync.Mutex // suites share packages
}

func main() {
	race := flag.Bool("race", false, "run the Go tests, and build the hub, with the race detector")
	flag.Parse()
	root, err := filepath.Abs("..")
	if err != nil {
		fatal(err)
	}
	s := &session{root: root, race: *race, out: os.Stdout, installing: new(sync.Mutex)}
	chosen, err := choose(flag.Args())
	if err != nil {
		fatal(err)
	}
	if err := s.build(); err != nil {
		fatal(err)
	}
	if !s.runAll(chosen) {
		os.Exit(1)
	}
}

// choose picks the suites named; none named means all.
func choose(names []string) ([]suite, error) {
	if len(names) == 0 {
		return suites(), nil
	}
	var chosen []suite
	for _, name := range names {
		found := false
		for _, candidate := range suites() {
			if candidate.name == name {
				chosen, found = append(chosen, candidate), true
			}
		}
		if !found {
			return nil, fmt.Errorf("no suite is called %s", name)
		}
	}
	return chosen, nil
}

// runAll runs the suites, prints the table and the closing line, and says whether
// all is well.
func (s *session) runAll(chosen []suite) bool {
	results := make([]result, len(chosen))
	var beside sync.WaitGroup
	for i, one := range chosen {
		if !one.beside {
			fmt.Fprintf(s.out, "\n=== %s\n", one.name)
			results[i] = s.timed(one)
			continue
		}
		apart := *s
		apart.out = &results[i].said
		beside.Go(func() {
			r := apart.timed(one)
			results[i].count, results[i].took = r.count, r.took
		})
	}
	beside.Wait()
	return s.conclude(chosen, results)
}

// result is how a suite went.
type result struct {
	count
	took time.Duration
	said bytes.Buffer // by a suite that ran beside others
}

func (s *session) timed(one suite) result {
	started := time.Now()
	c := s.runOne(one)
	return result{count: c, took: time.Since(started)}
}

// conclude prints what has not been printed yet: what suites said that ran beside
// others, the table and the closing line.
func (s *session) conclude(chosen []suite, results []result) bool {
	var table strings.Builder
	columns := tabwriter.NewWriter(&table, 0, 0, 3, ' ', 0)
	fmt.Fprintln(columns, "suite\tpassed\tfailed\tskipped\ttime\t")
	var total count
	for i, one := range chosen {
		r := &results[i]
		if one.beside {
			fmt.Fprintf(s.out, "\n=== %s\n%s", one.name, &r.said)
		}
		fmt.Fprintf(columns, "%s\t%d\t%d\t%d\t%.1f s\t\n", one.name, r.passed, r.failed, r.skipped, r.took.Seconds())
		total.passed += r.passed
		total.failed += r.failed + r.skipped
	}
	_ = columns.Flush()
	fmt.Fprintf(s.out, "\n%s\n%d passed, %d failed\n", table.String(), total.passed, total.failed)
	return total.failed == 0
}

// runOne runs a suite. Whatever keeps it from running counts as one failure.
func (s *session) runOne(one suite) count {
	for _, tool := range one.tools {
		if _, err := exec.LookPath(tool); err != nil {
			fmt.Fprintf(s.out, "%s needs %s, which is not installed\n", one.name, tool)
			return count{failed: 1}
		}
	}
	c, err := one.run(s)
	switch {
	case err != nil && c.failed == 0:
		fmt.Fprintf(s.out, "%s: %v\n", one.name, err)
		c.failed = 1
	case c.skipped > 0:
		fmt.Fprintf(s.out, "%s: %d tests were skipped, which counts as failed\n", one.name, c.skipped)
	case c.passed+c.failed == 0:
		fmt.Fprintf(s.out, "%s: no test ran\n", one.name)
		c.failed = 1
	}
	return c
}

// build makes the hub that the black-box suites drive, unless LINARITE_BIN names
// one.
func (s *session) build() error {
	if named := os.Getenv("LINARITE_BIN"); named != "" {
		var err error
		s.binary, err = filepath.Abs(named)
		return err
	}
	args, cgo := []string{"build", "-trimpath", "-ldflags", "-s -w", "-o", "bin/linarite"}, "CGO_ENABLED=0"
	if s.race {
		s.binary = filepath.Join(s.root, "bin", "linarite-race")
		args, cgo = []string{"build", "-race", "-o", s.binary}, "CGO_ENABLED=1"
	}
	build := s.command("", "go", append(args, "./cmd/linarite")...)
	build.Env = append(build.Env, cgo)
	if err := build.Run(); err != nil {
		return fmt.Errorf("the hub does not build: %w", err)
	}
	return nil
}

// command is a program to run in a folder of the tree, its output shown.
func (s *session) command(dir, name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Dir = filepath.Join(s.root, filepath.FromSlash(dir))
	c.Env = os.Environ()
	if s.binary != "" {
		c.Env = append(c.Env, "LINARITE_BIN="+s.binary)
	}
	if s.exchanges != "" {
		c.Env = append(c.Env, "LINARITE_EXCHANGES="+s.exchanges)
	}
	c.Stdout, c.Stderr = s.out, s.out
	return c
}

func fatal(err error) {
	fmt.Println(err)
	fmt.Println("0 passed, 1 failed")
	os.Exit(1)
}
