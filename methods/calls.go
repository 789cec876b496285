// Package methods keeps the direct-method calls in flight: it pairs what devices
// answer with who asked, and ends calls that nobody answers.
//
// IoT Hub: contract.md §11, iot-hub-devguide-direct-methods.
package methods

import (
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
)

// MaxPayload is the largest payload of a call or an answer, in bytes.
// IoT Hub: contract.md §11.1, devguide-quotas-throttling.
const MaxPayload = 128 * 1024

// MaxInFlight is how many calls of one identity may wait for an answer.
// Differs: Azure has such a limit (403800) but does not say how high it is.
const MaxInFlight = 100

// Request is a call as the device is told of it.
type Request struct {
	RID     string // pairs the answer with the call; digits, unique for the hub's life
	Name    string
	Payload []byte // JSON; nil: none
}

// Response is a device's answer.
type Response struct {
	Status  int
	Payload json.RawMessage // nil: none
}

// Calls is all calls in flight of one hub.
type Calls struct {
	clk *clock.Clock

	mu       sync.Mutex
	last     uint64
	inFlight map[iot.Identity]map[string]*Call // by rid
}

// Call is one call in flight.
type Call struct {
	Request Request

	calls *Calls
	id    iot.Identity
	timer *clock.Timer
	done  chan struct{} // closed when the outcome below is there

	response Response
	err      error
}

// NewCalls is no calls.
func NewCalls(clk *clock.Clock) *Calls {
	return &Calls{clk: clk, inFlight: map[iot.Identity]map[string]*Call{}}
}

// Begin puts a call in flight; its Request is for the device. It ends with the
// device's answer, a failure, or timeout on the hub's clock. The caller gets the
// outcome from Wait, or calls Cancel.
// Errors: 400004 (name), 413001 (payload), 403800 (too many in flight).
func (c *Calls) Begin(id iot.Identity, name string, payload []byte, timeout time.Duration) (*Call, error) {
	if err := ValidName(name); err != nil {
		return nil, err
	}
	if err := fits(payload, "call"); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.inFlight[id]
	if len(calls) >= MaxInFlight {
		return nil, iot.ErrTooManyMethods.Because("%d direct methods are in flight for %s, more are not allowed", len(calls), id)
	}
	if calls == nil {
		calls = map[string]*Call{}
		c.inFlight[id] = calls
	}
	c.last++
	call := &Call{
		Request: Request{RID: strconv.FormatUint(c.last, 10), Name: name, Payload: payload},
		calls:   c, id: id, done: make(chan struct{}),
	}
	calls[call.Request.RID] = call
	call.timer = c.clk.AfterFunc(timeout, func() { call.end(Response{}, iot.ErrGatewayTimeout) })
	return call, nil
}

// Wait returns the device's answer. Errors: 504101 when it did not come in time,
// 413001 when it was too large, what Fail or Drop were given, ErrServiceUnavailable
// after Clear, context.Canceled after Cancel; or ctx's, which ends the call.
func (c *Call) Wait(ctx context.Context) (Response, error) {
	select {
	case <-c.done:
	case <-ctx.Done():
		c.end(Response{}, ctx.Err())
		<-c.done // an answer may have been faster
	}
	return c.response, c.err
}

// Cancel ends the call if it is still in flight; an answer is late from now on.
func (c *Call) Cancel() { c.end(Response{}, context.Canceled) }

// Answer ends a call with the answer of the identity that was called. It is false
// when there is no such call: the answer is late, or somebody else's. An answer
// that is too large ends the call with 413001.
func (c *Calls) Answer(id iot.Identity, rid string, r Response) bool {
	call := c.call(id, rid)
	if call == nil {
		return false
	}
	if err := fits(r.Payload, "answer"); err != nil {
		return call.end(Response{}, err)
	}
	return call.end(r, nil)
}

// Fail ends a call with an error, since what the identity answered is no answer.
// It is false when there is no such call.
func (c *Calls) Fail(id iot.Identity, rid string, err error) bool {
	call := c.call(id, rid)
	return call != nil && call.end(Response{}, err)
}

// Drop ends all calls of an identity with an error: its connection is gone.
func (c *Calls) Drop(id iot.Identity, err error) {
	c.mu.Lock()
	dropped := c.inFlight[id]
	delete(c.inFlight, id)
	c.mu.Unlock()
	for _, call := range dropped {
		call.settle(Response{}, err)
	}
}

// Clear ends all calls with ErrServiceUnavailable. Request ids go on counting, so
// that a late answer finds no newer call.
func (c *Calls) Clear() {
	c.mu.Lock()
	dropped := c.inFlight
	c.inFlight = map[iot.Identity]map[string]*Call{}
	c.mu.Unlock()
	for _, calls := range dropped {
		for _, call := range calls {
			call.settle(Response{}, iot.ErrServiceUnavailable)
		}
	}
}

// call is a call in flight, or nil.
func (c *Calls) call(id iot.Identity, rid string) *Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inFlight[id][rid]
}

// end gives the call its outcome, unless it has one.
func (c *Call) end(r Response, err error) bool {
	if !c.calls.remove(c) {
		return false
	}
	c.settle(r, err)
	return true
}

// remove takes a call out of flight. Whoever succeeds settles it.
func (c *Calls) remove(call *Call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls, rid := c.inFlight[call.id], call.Request.RID
	if calls[rid] != call {
		return false
	}
	delete(calls, rid)
	if len(calls) == 0 {
		delete(c.inFlight, call.id)
	}
	return true
}

// settle tells whoever waits.
func (c *Call) settle(r Response, err error) {
	c.timer.Stop()
	c.response, c.err = r, err
	close(c.done)
}

func fits(payload []byte, of string) error {
	if len(payload) > MaxPayload {
		return iot.ErrMessageTooLarge.Because("the %s's payload has %d bytes, %d are allowed", of, len(payload), MaxPayload)
	}
	return nil
}
