package amqp

import (
	"errors"
	"sync"
	"time"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/amqp/transport"
	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
)

// maxClaims is how many tokens a connection may show.
// IoT Hub: contract.md §18, 403005.
// Differs: Azure states no limit of their bytes.
const (
	maxClaims     = 1024
	maxClaimBytes = 1 << 20 // of all of them
	claimOverhead = 400     // of one, besides its path and token
)

// claims is the tokens that a peer has shown. A token is renewed by showing
// another for the same path, and what hangs on it ends when it has run out.
type claims struct {
	hub *hub.Hub

	mu    sync.Mutex
	over  bool
	held  map[string]*claim // by path
	bytes int               // of all that are held
}

// claim is a token that was checked.
type claim struct {
	path  string // what it is for, under the hub; empty: all of it
	proof proof
	timer *clock.Timer
	links map[*transport.Link]need // what hangs on it
}

// proof is a token that was found good.
type proof struct {
	token   string
	expires time.Time // hub time
	policy  string    // that signed; empty: an identity's own key
	events  bool      // it was signed as Event Hubs' SDKs do it, and is good for events only
	own     bool      // it lets an identity connect
}

// bytes is about what a claim takes.
func (c *claim) bytes() int { return len(c.path) + len(c.proof.token) + claimOverhead }

// need is what a back end's token has to be good for.
type need struct {
	path   string
	events bool // it is the event endpoint's
}

func newClaims(h *hub.Hub) *claims { return &claims{hub: h, held: map[string]*claim{}} }

// add takes in a token that was found good for path. Links that hung on one for the
// same path end, unless this allows them or another does.
func (c *claims) add(path string, p proof) error {
	c.mu.Lock()
	held, err := c.hold(path, p)
	var ended []*transport.Link
	if err == nil {
		ended = c.rehang(held, p)
	}
	c.mu.Unlock()
	detach(ended, iot.ErrUnauthorizedAccess.Because("the new token does not allow it"))
	return err
}

// hold is the claim for path, which p becomes the proof of. The caller holds mu.
func (c *claims) hold(path string, p proof) (*claim, error) {
	if c.over {
		return nil, iot.ErrClosedRemotely
	}
	held := c.held[path]
	if held == nil {
		held = &claim{path: path, proof: p, links: map[*transport.Link]need{}}
		if len(c.held) >= maxClaims || c.bytes+held.bytes() > maxClaimBytes {
			return nil, iot.ErrTooManyTokens
		}
		c.held[path] = held
	} else {
		held.timer.Stop()
		c.bytes -= held.bytes()
	}
	held.proof = p
	c.bytes += held.bytes()
	held.timer = c.hub.Clock().AfterFunc(p.expires.Sub(c.hub.Clock().Now()), func() { c.expire(held, p) })
	return held, nil
}

// rehang hangs those links on other tokens that p does not allow any more, and returns
// those that no token allows. The caller holds mu.
func (c *claims) rehang(held *claim, p proof) (ended []*transport.Link) {
	for l, n := range held.links {
		if c.authorize(p, n) == nil {
			continue
		}
		delete(held.links, l)
		if other, err := c.find(n); err == nil {
			other.links[l] = n
		} else {
			ended = append(ended, l)
		}
	}
	return ended
}

// detach ends links because of their token.
func detach(links []*transport.Link, reason error) {
	for _, l := range links {
		l.Detach(failure(reason))
	}
}

// admit hangs a link of a back end on a token that lets it attach.
func (c *claims) admit(l *transport.Link, n need) *codec.Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	held, err := c.find(n)
	if err != nil {
		return failure(err)
	}
	held.links[l] = n
	return nil
}

// allow says why a back end may not do something.
func (c *claims) allow(n need) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.find(n)
	return err
}

// find is a token that lets a back end do something. The caller holds mu.
func (c *claims) find(n need) (*claim, error) {
	reason := error(iot.ErrUnauthorizedAccess.Because("no token was shown"))
	for _, held := range c.held {
		err := c.authorize(held.proof, n)
		if err == nil {
			return held, nil
		}
		reason = err
	}
	return nil, reason
}

// any says why there is no token at all of a back end's.
func (c *claims) any() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	reason := error(iot.ErrUnauthorizedAccess.Because("no token was shown"))
	for _, held := range c.held {
		err := c.authorize(held.proof, need{held.path, true})
		if err == nil {
			return nil
		}
		reason = err
	}
	return reason
}

// authorize says why a token does not let a back end do something.
func (c *claims) authorize(p proof, n need) error {
	var err error
	switch {
	case !p.events:
		_, err = c.hub.Authorize(p.token, auth.ServiceConnect, n.path)
	case n.events:
		_, err = c.hub.AuthorizeEvents(p.token, auth.ServiceConnect, n.path)
	default:
		err = iot.ErrUnauthorizedAccess.Because("the token is good for reading events only")
	}
	return err
}

// tokens lists what may let an identity connect: the token for itself, then
// those for what is above it.
func (c *claims) tokens(id iot.Identity) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var tokens []string
	for _, path := range []string{id.Path(), iot.Device(id.DeviceID).Path(), "devices", ""} {
		if held := c.held[path]; held != nil {
			tokens = append(tokens, held.proof.token)
		}
	}
	return tokens
}

// release takes a link off its token.
func (c *claims) release(l *transport.Link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, held := range c.held {
		delete(held.links, l)
	}
}

// expire ends what hangs on a token that has run out, unless it was renewed or
// another one is as good.
func (c *claims) expire(held *claim, p proof) {
	c.mu.Lock()
	if c.held[held.path] != held || held.proof != p {
		c.mu.Unlock()
		return
	}
	delete(c.held, held.path)
	c.bytes -= held.bytes()
	ended := c.rehang(held, proof{}) // which allows nothing
	c.mu.Unlock()
	detach(ended, iot.ErrUnauthorizedAccess.Because("the token has expired"))
}

// clear forgets everything.
func (c *claims) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	for _, held := range c.held {
		held.timer.Stop()
	}
	c.held, c.bytes = nil, 0
}

// identities is how many identities the peer has proved to be.
func (c *claims) identities() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, held := range c.held {
		if held.proof.own {
			n++
		}
	}
	return n
}

// check says whether a token is good for what it is said to be for, whoever
// signed it.
func (c *claims) check(path, token string) (proof, error) {
	if id, _, ok := parseIdentity(path); ok {
		return c.checkDevice(id, path, token)
	}
	p, err := c.hub.Authorize(token, 0, path)
	if err == nil {
		return proof{token: token, expires: p.Expires, policy: p.Policy}, nil
	}
	p, asEvents := c.hub.AuthorizeEvents(token, 0, path)
	if asEvents == nil {
		return proof{token: token, expires: p.Expires, policy: p.Policy, events: true}, nil
	}
	if errors.Is(err, auth.ErrSignature) { // then the other says what is wrong
		err = asEvents
	}
	return proof{}, err
}

// checkDevice is check for what is below a device. A back end may show a token
// for that, too.
func (c *claims) checkDevice(id iot.Identity, path, token string) (proof, error) {
	p, err := c.hub.AuthorizeDevice(id, token)
	own := err == nil
	if errors.Is(err, iot.ErrUnauthorized) {
		if service, e := c.hub.Authorize(token, 0, path); e == nil {
			p, err = service, nil
		}
	}
	return proof{token: token, expires: p.Expires, policy: p.Policy, own: own}, err
}
