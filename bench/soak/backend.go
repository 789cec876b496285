package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/linarite/linarite/test/harness"
)

// backEnd is what acts on devices from the other side.
type backEnd struct {
	hub     *harness.Hub
	ledger  *ledger
	devices []*account
}

// every has each device dealt with in turn, so many a second, by several workers,
// each of which has its own devices. Workers end with ctx.
func (b *backEnd) every(ctx context.Context, perSecond float64, workers int, do func(a *account) error) {
	var all sync.WaitGroup
	for w := range min(workers, len(b.devices)) {
		all.Go(func() {
			tick := time.NewTicker(time.Duration(float64(time.Second) * float64(workers) / perSecond))
			defer tick.Stop()
			for i := w; ; i += workers {
				select {
				case <-tick.C:
				case <-ctx.Done():
					return
				}
				if i >= len(b.devices) {
					i = w
				}
				if err := do(b.devices[i]); err != nil {
					b.ledger.fault("%s: %v", b.devices[i].id, err)
				}
			}
		})
	}
	all.Wait()
}

// rest calls the service API.
func (b *backEnd) rest(method, path string, body any, want int) ([]byte, error) {
	answer, err := b.hub.Service(method, path, body)
	if err == nil && answer.Status != want {
		err = fmt.Errorf("%s %s: %d %s", method, path, answer.Status, answer.Body)
	}
	return answer.Body, err
}

// desire changes desired properties. A patch says which version it will be.
func (b *backEnd) desire(a *account) error {
	a.mu.Lock()
	next := a.desired.set + 1
	a.mu.Unlock()
	patch := fmt.Sprintf(`{"properties":{"desired":{"soak":{"version":%d,"text":"%[1]d for %s"}}}}`, next, a.id)
	text, err := b.rest(http.MethodPatch, "/twins/"+a.id, patch, http.StatusOK)
	if err != nil {
		return err
	}
	var twin struct {
		Properties struct{ Desired section }
	}
	if err := json.Unmarshal(text, &twin); err != nil {
		return err
	}
	a.desiredIs(twin.Properties.Desired.Version)
	return nil
}

// again is how often a call may meet a device between two connections.
const again = 20

// invoke calls a direct method until it is answered. A device that is between two
// connections is waited for by the hub; one that loses its connection with the
// call under way has to be called again.
func (b *backEnd) invoke(a *account) error {
	payload := fmt.Sprintf(`{"at":%q}`, time.Now().Format(time.RFC3339Nano))
	request := fmt.Sprintf(`{"methodName":"check","responseTimeoutInSeconds":30,"connectTimeoutInSeconds":30,"payload":%s}`, payload)
	for range again {
		answer, err := b.hub.Service(http.MethodPost, "/twins/"+a.id+"/methods", request)
		if err != nil {
			return err
		}
		if answer.Status == http.StatusNotFound && strings.Contains(string(answer.Body), "404103") {
			b.ledger.add(callsAgain)
			continue
		}
		if answer.Status != http.StatusOK {
			return b.unanswered(a, fmt.Sprintf("%d %s", answer.Status, answer.Body))
		}
		var got struct {
			Status  int
			Payload answerTo
		}
		err = json.Unmarshal(answer.Body, &got)
		if err != nil || got.Status != 200 || got.Payload.Device != a.id || got.Payload.Method != "check" || string(got.Payload.Payload) != payload {
			return b.unanswered(a, string(answer.Body))
		}
		b.ledger.add(calls)
		return nil
	}
	return b.unanswered(a, "never")
}

func (b *backEnd) unanswered(a *account, how string) error {
	b.ledger.lose(1, "a method of %s was answered: %s", a.id, how)
	return nil
}

// twins compares what the hub has in the end with what it was given.
func (b *backEnd) twins() error {
	for _, a := range b.devices {
		text, err := b.rest(http.MethodGet, "/twins/"+a.id, nil, http.StatusOK)
		if err != nil {
			return err
		}
		var twin struct {
			Properties struct{ Desired, Reported section }
		}
		if err := json.Unmarshal(text, &twin); err != nil {
			return err
		}
		a.mu.Lock()
		reported, desired := a.reported, a.desired.set
		a.mu.Unlock()
		p := twin.Properties
		if p.Reported.Version != reported || p.Desired.Version != desired || !p.Reported.whole() || !p.Desired.whole() {
			b.ledger.lose(1, "the twin of %s has versions %d and %d, not %d and %d",
				a.id, p.Desired.Version, p.Reported.Version, desired, reported)
		}
	}
	return nil
}
