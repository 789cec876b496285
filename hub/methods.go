package hub

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/methods"
)

// Limits of a method call's timeouts. IoT Hub: contract.md §11.1.
const (
	DefaultResponseTimeout = 30 * time.Second
	MinResponseTimeout     = 5 * time.Second
	MaxResponseTimeout     = 300 * time.Second
	MaxConnectTimeout      = 300 * time.Second
)

// MethodCall is a direct method as a back end asks for it.
type MethodCall struct {
	Name    string
	Payload json.RawMessage // nil: none
	// ResponseTimeout is how long the device may take to answer; 0 is the
	// default.
	ResponseTimeout time.Duration
	// ConnectTimeout is how long to wait for a device that is not there.
	ConnectTimeout time.Duration
}

// Invoke calls a method of a device or module and waits for its answer.
// Errors: 404001 or 404010, 400004 (name or timeouts), 404103 when it is not
// connected or does not listen to methods, 504101 when it does not answer in
// time, 413001, 403800; or ctx's.
//
// IoT Hub: contract.md §11, iot-hub-devguide-direct-methods.
func (h *Hub) Invoke(ctx context.Context, id iot.Identity, call MethodCall) (methods.Response, error) {
	r, err := h.invoke(ctx, id, call)
	outcome(err, &h.counts.methods, &h.counts.methodsFailed)
	h.counts.methodRequests.Add(uint64(len(call.Payload)))
	h.counts.methodAnswers.Add(uint64(len(r.Payload)))
	return r, err
}

func (h *Hub) invoke(ctx context.Context, id iot.Identity, call MethodCall) (methods.Response, error) {
	if call.ResponseTimeout == 0 {
		call.ResponseTimeout = DefaultResponseTimeout
	}
	if err := call.check(); err != nil {
		return methods.Response{}, err
	}
	s, err := h.await(ctx, id, call.ConnectTimeout)
	if err != nil {
		return methods.Response{}, err
	}
	pending, err := h.calls.Begin(id, call.Name, call.Payload, call.ResponseTimeout)
	if err != nil {
		return methods.Response{}, err
	}
	defer pending.Cancel()
	// A connection that ended before the call was begun failed the calls of
	// that time only.
	if !s.isListening().Methods {
		return methods.Response{}, iot.ErrDeviceNotOnline
	}
	s.touch(h.clock.Now())
	s.link.Method(pending.Request)
	h.log.Debug().Str("device", id.String()).Str("op", "method").Str("rid", pending.Request.RID).Msg(call.Name)
	return pending.Wait(ctx)
}

func (c MethodCall) check() error {
	if err := methods.ValidName(c.Name); err != nil {
		return err
	}
	if len(c.Payload) > methods.MaxPayload {
		return iot.ErrMessageTooLarge.Because("the payload has %d bytes, %d are allowed", len(c.Payload), methods.MaxPayload)
	}
	if c.ResponseTimeout < MinResponseTimeout || c.ResponseTimeout > MaxResponseTimeout {
		return iot.ErrArgumentInvalid.Because("responseTimeoutInSeconds must be %d to %d",
			MinResponseTimeout/time.Second, MaxResponseTimeout/time.Second)
	}
	if c.ConnectTimeout < 0 || c.ConnectTimeout > MaxConnectTimeout {
		return iot.ErrArgumentInvalid.Because("connectTimeoutInSeconds must be 0 to %d", MaxConnectTimeout/time.Second)
	}
	return nil
}

// await is the session of an identity that listens to methods; it waits for one
// to come as long as patience lasts on the hub's clock, and the identity is there.
// Errors: 404001, 404010, 404103, 503001; or ctx's.
func (h *Hub) await(ctx context.Context, id iot.Identity, patience time.Duration) (*Session, error) {
	coming := h.callers.join(id)
	defer h.callers.leave(id, coming)
	asked, err := h.registry.Generation(id) // after join, so that no deletion is missed
	if err != nil {
		return nil, err
	}
	expired := make(chan struct{})
	if patience > 0 {
		defer h.clock.AfterFunc(patience, func() { close(expired) }).Stop()
	} else {
		close(expired)
	}
	for {
		if s := h.connections.session(id); s != nil && s.isListening().Methods {
			return s, nil
		}
		select {
		case <-coming:
		case <-expired:
			return nil, iot.ErrDeviceNotOnline
		case <-h.done:
			return nil, errShuttingDown()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		generation, err := h.registry.Generation(id)
		if err != nil {
			return nil, err
		}
		if generation != asked {
			return nil, iot.ErrDeviceNotFound.Because("%s was deleted and made again", id)
		}
	}
}

// callers are the back ends that wait for a device to come.
type callers struct {
	mu      sync.Mutex
	waiting map[iot.Identity]map[chan struct{}]struct{}
}

// join gives a channel that is fed whenever the identity may be ready, or gone.
func (c *callers) join(id iot.Identity) chan struct{} {
	ch := make(chan struct{}, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == nil {
		c.waiting = map[iot.Identity]map[chan struct{}]struct{}{}
	}
	if c.waiting[id] == nil {
		c.waiting[id] = map[chan struct{}]struct{}{}
	}
	c.waiting[id][ch] = struct{}{}
	return ch
}

func (c *callers) leave(id iot.Identity, ch chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting[id], ch)
	if len(c.waiting[id]) == 0 {
		delete(c.waiting, id)
	}
}

func (c *callers) wake(id iot.Identity) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wake(c.waiting[id])
}

func (c *callers) wakeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, waiting := range c.waiting {
		wake(waiting)
	}
}

func wake(waiting map[chan struct{}]struct{}) {
	for ch := range waiting {
		select {
		case ch <- struct{}{}:
		default: // it has not looked since it was last woken
		}
	}
}
