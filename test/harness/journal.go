package harness

import (
	"bytes"
	"strings"
	"sync"
	"time"
)

// journal keeps what a process writes and lets tests wait for a line of it.
type journal struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed and renewed at each write
}

func newJournal() *journal { return &journal{changed: make(chan struct{})} }

// Write takes the process's output.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	close(j.changed)
	j.changed = make(chan struct{})
	return j.text.Write(p)
}

// String is all that was written so far.
func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// wait is the first line with all the texts; ok is false when none came in
// time.
func (j *journal) wait(limit time.Duration, texts []string) (line string, ok bool) {
	deadline := time.After(limit)
	for {
		j.mu.Lock()
		text, changed := j.text.String(), j.changed
		j.mu.Unlock()
		for line := range strings.Lines(text) {
			if containsAll(line, texts) {
				return strings.TrimRight(line, "\n"), true
			}
		}
		select {
		case <-changed:
		case <-deadline:
			return "", false
		}
	}
}

func containsAll(line string, texts []string) bool {
	for _, text := range texts {
		if !strings.Contains(line, text) {
			return false
		}
	}
	return true
}
