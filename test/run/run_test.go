package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGoTestsAreCountedSubtestsIncluded(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c, err := readEvents(strings.NewReader(`
		{"Action":"output","Package":"p","Test":"TestA","Output":"quiet\n"}
		{"Action":"pass","Package":"p","Test":"TestA"}
		{"Action":"output","Package":"p","Test":"TestB/x","Output":"=== RUN   TestB/x\n"}
		{"Action":"output","Package":"p","Test":"TestB/x","Output":"loud\n"}
		{"Action":"fail","Package":"p","Test":"TestB/x"}
		{"Action":"fail","Package":"p","Test":"TestB"}
		{"Action":"skip","Package":"p","Test":"TestC"}
		{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
		{"Action":"fail","Package":"p"}
		{"Action":"skip","Package":"nothing"}
	`), &out)
	require.NoError(t, err)
	assert.Equal(t, count{passed: 1, failed: 2, skipped: 1}, c)
	assert.Equal(t, "loud\nFAIL\tp\t0.1s\n", out.String())
}

func TestAPackageThatDoesNotBuildIsAFailure(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c, err := readEvents(strings.NewReader(`
		{"Action":"build-output","ImportPath":"p","Output":"a.go:1: no\n"}
		{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
		{"Action":"fail","Package":"p","FailedBuild":"p"}
	`), &out)
	require.NoError(t, err)
	assert.Equal(t, count{failed: 1}, c)
	assert.Equal(t, "a.go:1: no\nFAIL\tp [build failed]\n", out.String())
}

func TestATestThatNeverEndedIsShown(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c, err := readEvents(strings.NewReader(`
		{"Action":"output","Package":"p","Test":"TestA","Output":"panic: test timed out\n"}
		{"Action":"output","Package":"p","Output":"FAIL\tp\t300s\n"}
		{"Action":"fail","Package":"p"}
	`), &out)
	require.NoError(t, err)
	assert.Equal(t, count{failed: 1}, c)
	assert.Equal(t, "panic: test timed out\nFAIL\tp\t300s\n", out.String())
}

func TestAClosingLineIsRead(t *testing.T) {
	t.Parallel()
	c, ok := closingLine([]byte("1 passed, 0 failed\nnoise\n12 passed, 3 failed\n"))
	assert.True(t, ok)
	assert.Equal(t, count{passed: 12, failed: 3}, c)
	_, ok = closingLine([]byte("all 12 passed, 3 failed, really\n"))
	assert.False(t, ok)
}

func TestAJUnitReportIsSummedUp(t *testing.T) {
	t.Parallel()
	c, err := readJUnit(strings.NewReader(`<?xml version="1.0"?><testsuites>
		<testsuite tests="10" failures="1" errors="2" skipped="3"/><testsuite tests="5"/></testsuites>`))
	require.NoError(t, err)
	assert.Equal(t, count{passed: 9, failed: 3, skipped: 3}, c)
}

func TestTheReportsOfAFolderAreSummedUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "TEST-a.xml", `<testsuite tests="3" failures="1"/>`)
	write(t, dir, "TEST-b.xml", `<testsuite tests="2" errors="1" skipped="1"/>`)
	c, err := readReports(dir)
	require.NoError(t, err)
	assert.Equal(t, count{passed: 2, failed: 2, skipped: 1}, c)
}

func TestArchivesHaveToBeWhatTheListSays(t *testing.T) {
	t.Parallel()
	const sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // of abc
	for _, c := range []struct{ name, list, archive, content, want string }{
		{"and are", sum + "  m/a.jar\n", "m/a.jar", "abc", ""},
		{"but another", sum + "  m/a.jar\n", "m/a.jar", "abd", "m/a.jar is not what list says"},
		{"others may be there", sum + "  m/a.jar\n", "m/b.jar", "abd", ""},
		{"and it has to be a list", "m/a.jar\n", "m/a.jar", "abc", "is no line of sha256sum"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, "list", c.list)
			write(t, dir, c.archive, c.content)
			err := verify(dir, "list", "m")
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

// write makes a file.
func write(t *testing.T, dir, name, content string) {
	t.Helper()
	file := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
}

func TestWhatKeepsASuiteFromRunningIsAFailure(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		one  suite
		want string
	}{
		{"a missing tool", suite{name: "x", tools: []string{"no-such-tool"}}, "x needs no-such-tool"},
		{"no tests", suite{name: "x", run: func(*session) (count, error) { return count{}, nil }}, "no test ran"},
		{"skipped tests", suite{name: "x", run: func(*session) (count, error) { return count{passed: 1, skipped: 1}, nil }}, "1 tests were skipped"},
		{"an error", suite{name: "x", run: func(*session) (count, error) { return count{passed: 1}, assert.AnError }}, assert.AnError.Error()},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			s := &session{out: &out}
			assert.False(t, s.runAll([]suite{c.one}))
			assert.Contains(t, out.String(), c.want)
			assert.Regexp(t, `\n[01] passed, 1 failed\n$`, out.String())
		})
	}
}

// The first suite ends only when the second has run; what it said comes last.
func TestASuiteRunsBesideThoseThatFollow(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	ran := make(chan struct{})
	slow := suite{name: "slow", beside: true, run: func(s *session) (count, error) {
		<-ran
		fmt.Fprintln(s.out, "slowly")
		return count{passed: 2}, nil
	}}
	quick := suite{name: "quick", run: func(s *session) (count, error) {
		fmt.Fprintln(s.out, "quickly")
		close(ran)
		return count{passed: 1}, nil
	}}
	s := &session{out: &out}
	assert.True(t, s.runAll([]suite{slow, quick}))
	assert.Regexp(t, `(?s)^\n=== quick\nquickly\n\n=== slow\nslowly\n\nsuite.*\nslow .*\nquick .*\n3 passed, 0 failed\n$`, out.String())
}
