package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

// Where the suites with packages of their own are.
const (
	nodeSuite   = "test/sdk/node"
	pythonSuite = "test/sdk/python"
)

// node runs the official SDKs for Node. The suite has a runner of its own,
// which ends with the line `N passed, M failed`.
func node(s *session) (count, error) {
	if err := s.installNode(); err != nil {
		return count{}, err
	}
	var tail bytes.Buffer
	run := s.command(nodeSuite, "node", "run.js")
	run.Stdout = io.MultiWriter(s.out, &tail)
	err := run.Run()
	c, ok := closingLine(tail.Bytes())
	if !ok {
		return count{}, errors.Join(err, errors.New("the suite has no closing line"))
	}
	return c, err
}

// closing is the line that a suite may end with.
var closing = regexp.MustCompile(`(?m)^(\d+) passed, (\d+) failed$`)

// closingLine reads the last such line.
func closingLine(output []byte) (count, bool) {
	lines := closing.FindAllSubmatch(output, -1)
	if len(lines) == 0 {
		return count{}, false
	}
	last := lines[len(lines)-1]
	passed, _ := strconv.Atoi(string(last[1]))
	failed, _ := strconv.Atoi(string(last[2]))
	return count{passed: passed, failed: failed}, true
}

// python runs the official SDKs for Python in a virtual environment of the
// suite's own.
func python(s *session) (count, error) {
	if err := s.installPython(); err != nil {
		return count{}, err
	}
	report, err := os.CreateTemp("", "linarite-pytest-*.xml")
	if err != nil {
		return count{}, err
	}
	defer func() { _ = os.Remove(report.Name()) }()
	defer func() { _ = report.Close() }()
	runErr := s.command(pythonSuite, ".venv/bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml", report.Name()).Run()
	c, err := readJUnit(report)
	return c, errors.Join(runErr, err)
}

// junitSuite is an element of a JUnit report: a suite, or what holds some.
type junitSuite struct {
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

// readJUnit sums up a JUnit report.
func readJUnit(from io.Reader) (count, error) {
	var report junitSuite
	if err := xml.NewDecoder(from).Decode(&report); err != nil {
		return count{}, fmt.Errorf("the JUnit report: %w", err)
	}
	suites := report.Suites
	if len(suites) == 0 {
		suites = []junitSuite{report}
	}
	var c count
	for _, s := range suites {
		failed := s.Failures + s.Errors
		c.failed += failed
		c.skipped += s.Skipped
		c.passed += max(0, s.Tests-failed-s.Skipped)
	}
	return c, nil
}

// readme runs what README.md shows, with the packages of the SDKs' suites.
func readme(s *session) (count, error) {
	jars := s.install("test/readme/testdata/java", "lib.sha256", "lib", [][]string{
		{"mvn", "--batch-mode", "--quiet", copyDependencies, "-DoutputDirectory=lib"},
	})
	if err := errors.Join(s.installNode(), s.installPython(), jars); err != nil {
		return count{}, err
	}
	return s.goTest("test", "-count=1", "./readme/...")
}

// copyDependencies is what README.md runs, in a version that does not change.
const copyDependencies = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

func (s *session) installNode() error {
	return s.install(nodeSuite, "package-lock.json", "node_modules", [][]string{{"npm", "ci"}})
}

func (s *session) installPython() error {
	return s.install(pythonSuite, "requirements.txt", ".venv", [][]string{
		{"python3", "-m", "venv", "--clear", ".venv"},
		{".venv/bin/pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", "requirements.txt"},
	})
}

// install runs a suite's installation unless what its lock file asks for is
// there already: a copy of the lock file lies in the folder it made.
func (s *session) install(dir, lock, made string, steps [][]string) error {
	s.installing.Lock()
	defer s.installing.Unlock()
	wanted, err := os.ReadFile(filepath.Join(s.root, dir, lock))
	if err != nil {
		return err
	}
	stamp := filepath.Join(s.root, dir, made, ".installed-"+lock)
	if have, err := os.ReadFile(stamp); err == nil && bytes.Equal(have, wanted) {
		return nil
	}
	for _, step := range steps {
		if err := s.command(dir, step[0], step[1:]...).Run(); err != nil {
			return fmt.Errorf("installing the suite's packages: %v: %w", step, err)
		}
	}
	return os.WriteFile(stamp, wanted, 0o600)
}
