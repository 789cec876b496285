package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/linarite/linarite/test/contract"
)

// maxComplaints is how many complaints are shown, each once.
const maxComplaints = 20

// holding is a suite whose clients record what they exchange with the service
// API: afterwards all of it is held against the Swagger, which counts as one
// test.
func holding(run func(*session) (count, error)) func(*session) (count, error) {
	return func(s *session) (count, error) {
		recording, err := os.CreateTemp("", "linarite-exchanges-*.jsonl")
		if err != nil {
			return count{}, err
		}
		defer func() { _ = os.Remove(recording.Name()) }() // there are keys in it
		defer func() { _ = recording.Close() }()
		s.exchanges = recording.Name()
		defer func() { s.exchanges = "" }()
		c, err := run(s)
		if heldErr := s.hold(recording); heldErr != nil {
			fmt.Fprintln(s.out, heldErr)
			c.failed++
			return c, err
		}
		c.passed++
		return c, err
	}
}

// hold holds a recording against the contract and says what it covered.
func (s *session) hold(recording *os.File) error {
	api, err := contract.New()
	if err != nil {
		return err
	}
	exchanges, broken := 0, 0
	shown := map[string]bool{}
	err = contract.Read(recording, func(e contract.Exchange) {
		exchanges++
		wrong := api.Check(e)
		if wrong == nil {
			return
		}
		broken++
		if !shown[wrong.Error()] && len(shown) < maxComplaints {
			shown[wrong.Error()] = true
			fmt.Fprintf(s.out, "contract: %s: %v\n", e, wrong)
		}
	})
	switch {
	case err != nil:
		return err
	case exchanges == 0:
		return errors.New("contract: no exchange was recorded")
	case broken > 0:
		return fmt.Errorf("contract: %d of %d exchanges break it", broken, exchanges)
	}
	fmt.Fprintf(s.out, "contract: %d exchanges keep it; not among them: %s\n", exchanges, strings.Join(api.Unused(), ", "))
	return nil
}
