package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// unit runs the tests beside the code, the load generator's included, and those
// that hold the codec against another one.
func unit(s *session) (count, error) {
	var all count
	var errs []error
	for _, module := range []string{"", "bench", "test/codec"} {
		c, err := s.goTest(module, "./...")
		all.passed += c.passed
		all.failed += c.failed
		all.skipped += c.skipped
		errs = append(errs, err)
	}
	return all, errors.Join(errs...)
}

// wire runs the raw clients. They run a binary that Go's test cache does not
// know about, hence -count=1.
//
// wire leaves the hostile peers out, who want the machine to themselves: `make
// hostile` runs them.
func wire(s *session) (count, error) {
	return s.goTest("test", "-count=1", "./contract/...", "./harness/...", "./run/...", "./wire/...")
}

// sdkGo runs the official SDK for Go.
func sdkGo(s *session) (count, error) { return s.goTest("test", "-count=1", "./sdk/go/...") }

// testEvent is a line of `go test -json`.
type testEvent struct {
	Action  string
	Package string
	Test    string
	Output  string
}

// goTest runs the tests of a module and shows the packages, and what the failed
// tests said.
func (s *session) goTest(module string, args ...string) (count, error) {
	cgo := "CGO_ENABLED=0"
	flags := []string{"test", "-json", "-timeout", "5m"}
	if s.race {
		cgo, flags = "CGO_ENABLED=1", append(flags, "-race")
	}
	run := s.command(module, "go", append(flags, args...)...)
	run.Env = append(run.Env, cgo)
	run.Stdout = nil
	events, err := run.StdoutPipe()
	if err != nil {
		return count{}, err
	}
	if err := run.Start(); err != nil {
		return count{}, err
	}
	c, readErr := readEvents(events, s.out)
	return c, errors.Join(run.Wait(), readErr)
}

// readEvents counts the tests, subtests included, of a stream of `go test
// -json`.
func readEvents(from io.Reader, out io.Writer) (count, error) {
	t := transcript{out: out, said: map[string]*strings.Builder{}, blamed: map[string]bool{}}
	for decoder := json.NewDecoder(from); ; {
		var e testEvent
		if err := decoder.Decode(&e); err == io.EOF {
			return t.count, nil
		} else if err != nil {
			return t.count, err
		}
		t.add(e)
	}
}

// transcript is what `go test` has told so far.
type transcript struct {
	count
	out    io.Writer
	said   map[string]*strings.Builder // by package and test
	blamed map[string]bool             // packages with a failed test
}

func (t *transcript) add(e testEvent) {
	name := e.Package + " " + e.Test
	switch {
	case e.Action == "build-output":
		fmt.Fprint(t.out, e.Output)
	case e.Action == "output":
		if t.said[name] == nil {
			t.said[name] = new(strings.Builder)
		}
		t.said[name].WriteString(e.Output)
	case e.Test == "":
		t.endPackage(e, name)
	case e.Action == "pass":
		t.passed++
		delete(t.said, name)
	case e.Action == "skip":
		t.skipped++
		t.show(name)
	case e.Action == "fail":
		t.failed++
		t.blamed[e.Package] = true
		t.show(name)
	}
}

// endPackage takes a package's last event. One that failed although none of its
// tests did, as when it does not build or leaks a goroutine, counts as one
// failure; what a panic or the time limit cut short is shown.
func (t *transcript) endPackage(e testEvent, name string) {
	if e.Action == "fail" {
		if !t.blamed[e.Package] {
			t.failed++
		}
		for _, unfinished := range slices.Sorted(maps.Keys(t.said)) {
			if strings.HasPrefix(unfinished, e.Package+" ") && unfinished != name {
				t.show(unfinished)
			}
		}
	}
	if e.Action == "pass" || e.Action == "fail" {
		t.show(name)
	}
}

// show prints what a test or package said, without the lines that only tell how
// it went on.
func (t *transcript) show(name string) {
	said := t.said[name]
	if said == nil {
		return
	}
	delete(t.said, name)
	for line := range strings.Lines(said.String()) {
		if line != "PASS\n" && !strings.HasPrefix(line, "=== ") {
			fmt.Fprint(t.out, line)
		}
	}
}
