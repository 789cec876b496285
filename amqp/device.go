package amqp

import (
	"sync"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/amqp/transport"
	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// Properties of the links of devices. IoT Hub: sdk-wire.md 0.6 and the SDKs.
const (
	agentProperty = "com.microsoft:client-version"
	modelProperty = "com.microsoft:model-id"
)

// device is a device or module on a connection, which may carry many: what the
// hub can do to it. It is connected from its first link to its last.
type device struct {
	peer    *peer
	id      iot.Identity
	session *hub.Session // set before any other goroutine knows of the device

	mu        sync.Mutex
	over      bool
	links     map[*transport.Link]struct{}
	listening hub.Listening
	messages  *transport.Link // the latest link of each kind on which we send, or nil
	methods   *transport.Link
	twin      *transport.Link
	waiting   []c2d.Delivery    // for credit, by sequence number
	held      map[string]handed // by lock token
}

// device attaches a link of a device's, which connects it if this is its first.
//
// IoT Hub: contract.md §18.
func (p *peer) device(l *transport.Link, id iot.Identity, at place) (transport.Node, *codec.Error) {
	attach := deviceNode(l, id, at)
	if attach == nil {
		return noSuch(l, "")
	}
	d, err := p.connect(l, id)
	if err != nil {
		return transport.Node{}, failure(err)
	}
	node := attach(d)
	detached := node.Detached
	node.Detached = func() {
		if detached != nil {
			detached()
		}
		d.leave(l)
	}
	return node, nil
}

// deviceNode is what makes the node of an address below a device's, or nil. A
// module receives what comes to its inputs, which is nothing, where Node's SDK
// looks for it.
func deviceNode(l *transport.Link, id iot.Identity, at place) func(*device) transport.Node {
	switch {
	case at.is("messages/events") && !l.Sending:
		return (*device).events
	case at.is("messages/events") && id.IsModule():
		return func(*device) transport.Node { return transport.Node{} }
	case at.is("messages/devicebound") && l.Sending:
		return func(d *device) transport.Node { return d.inbox(l) }
	case at.is("methods/devicebound"):
		return func(d *device) transport.Node { return d.calls(l) }
	case at.is("twin"):
		return func(d *device) transport.Node { return d.properties(l) }
	}
	return nil
}

// connect is the device on this connection, with one link more.
func (p *peer) connect(l *transport.Link, id iot.Identity) (*device, error) {
	p.mu.Lock()
	d := p.devices[id]
	p.mu.Unlock()
	if d != nil && d.enter(l) {
		return d, nil
	}
	token, err := p.tokenFor(id)
	if err != nil && len(p.chain) == 0 { // else the certificate may be enough
		p.srv.hub.Refused(id, p.remote, p.protocol, err)
		return nil, err
	}
	d = &device{peer: p, id: id, links: map[*transport.Link]struct{}{l: {}}, held: map[string]handed{}}
	// Messages that were queued before are delivered, which Resume says.
	d.session, err = p.srv.hub.Connect(hub.ConnectRequest{
		Identity: id, Token: token, Certificates: p.chain, ModelID: l.Properties.Text(modelProperty), Agent: l.Properties.Text(agentProperty),
		APIVersion: l.Properties.Text("com.microsoft:api-version"), Protocol: p.protocol, RemoteAddr: p.remote,
		Replaced: iot.ErrLinkConflict, Resume: true,
	}, d)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.devices[id] = d
	p.mu.Unlock()
	p.trust(l.Conn())
	return d, nil
}

// tokenFor is a token that lets an identity connect.
func (p *peer) tokenFor(id iot.Identity) (string, error) {
	reason := error(iot.ErrUnauthorized.Because("no token was shown for %s", id))
	for _, token := range p.claims.tokens(id) {
		_, err := p.srv.hub.AuthorizeDevice(id, token)
		if err == nil {
			return token, nil
		}
		reason = err
	}
	return "", reason
}

// renew gives the devices for which a token is good that token.
func (p *peer) renew(path, token string) {
	p.mu.Lock()
	var renewed []*device
	for id, d := range p.devices {
		if path == id.Path() || path == iot.Device(id.DeviceID).Path() || path == "" || path == "devices" {
			renewed = append(renewed, d)
		}
	}
	p.mu.Unlock()
	for _, d := range renewed {
		_ = d.session.Renew(token) // one that is not good for it leaves the session as it was
	}
}

// enter adds a link; false means that the device has just left.
func (d *device) enter(l *transport.Link) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.over {
		d.links[l] = struct{}{}
	}
	return !d.over
}

// leave takes a link away. With its last link the device is gone.
func (d *device) leave(l *transport.Link) {
	d.mu.Lock()
	delete(d.links, l)
	last := len(d.links) == 0 && !d.over
	d.over = d.over || last
	d.mu.Unlock()
	if !last {
		return
	}
	d.forget()
	d.session.End(d.peer.ending(l))
}

// forget takes the device off its connection, unless another has its place.
func (d *device) forget() {
	d.peer.mu.Lock()
	defer d.peer.mu.Unlock()
	if d.peer.devices[d.id] == d {
		delete(d.peer.devices, d.id)
	}
}

// Close detaches the device's links; the connection may carry others. hub.Link.
func (d *device) Close(reason error) {
	d.mu.Lock()
	d.over = true
	links := d.links
	d.links = map[*transport.Link]struct{}{}
	d.mu.Unlock()
	d.forget()
	for l := range links {
		l.Detach(failure(reason))
	}
}

// outlet makes l the link of its kind on which we send, which place holds. When it is
// gone, and none has taken its place, the hub is told what the device is not ready for.
func (d *device) outlet(place **transport.Link, l *transport.Link, over func(*hub.Listening)) transport.Node {
	d.mu.Lock()
	*place = l
	d.mu.Unlock()
	return transport.Node{Detached: func() {
		d.mu.Lock()
		current := *place == l
		if current {
			*place = nil
		}
		d.mu.Unlock()
		if current {
			d.listen(over)
		}
	}}
}

// listen tells the hub what the device is ready to receive.
func (d *device) listen(change func(*hub.Listening)) {
	d.mu.Lock()
	change(&d.listening)
	now := d.listening
	d.mu.Unlock()
	d.session.Listen(now)
}

// carryOut executes a verdict: answer is called unless the connection is to be
// cut before it.
func (d *device) carryOut(v hub.Verdict, c *transport.Conn, answer func()) {
	if v.Delay > 0 {
		delay := v.Delay
		v.Delay = 0
		d.peer.srv.hub.Clock().AfterFunc(delay, func() { d.carryOut(v, c, answer) })
		return
	}
	reason := error(iot.ErrClosedRemotely.Because("cut off by a verdict"))
	if v.Err != nil {
		reason = v.Err
	}
	switch v.Action {
	case hub.CutBefore:
		d.session.End(reason)
		c.Close(reason)
	case hub.CutAfter:
		answer()
		d.session.End(reason)
		d.Close(reason)
	default:
		answer()
	}
}
