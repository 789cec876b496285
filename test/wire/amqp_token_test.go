package wire_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// rpc is the two links of request and reply at a node of the hub's.
type rpc struct{ in, out *attached }

// rpc attaches to $cbs or $management.
func (p *peer) rpc(node string) rpc {
	p.t.Helper()
	return rpc{in: p.receiver(node, 1000, terms{}), out: p.sender(node)}
}

// ask sends a request and returns the reply.
func (r rpc) ask(m message) message {
	r.out.t.Helper()
	if m.properties == nil {
		m.properties = map[int]any{propertyID: "1", propertyReplyTo: "mine"}
	}
	r.out.accepts(m)
	_, reply := r.out.transfer()
	return reply
}

// putToken shows a token and returns the status.
func (r rpc) putToken(kind, audience string, token any) int32 {
	r.out.t.Helper()
	reply := r.ask(message{
		application: dict{"operation": "put-token", "type": kind, "name": audience},
		value:       token,
	})
	return reply.application.get("status-code").(int32)
}

// sasToken is what most SDKs call a token.
const sasToken = "servicebus.windows.net:sastoken"

// policyToken is a token for the whole hub.
func policyToken(h *harness.Hub, name string) string { return policy(name, h.Address) }

// backEnd is a connection that has shown a policy's token, without SASL, as
// azure-iothub for Node does.
func backEnd(t testing.TB, h *harness.Hub, policy string) *peer {
	t.Helper()
	p := dialAMQP(t, h).enter()
	require.EqualValues(t, 200, p.rpc("$cbs").putToken(sasToken, h.Address, policyToken(h, policy)))
	return p
}

// amqp is a connection of the identity's own, by PLAIN.
func (i identity) amqp(t testing.TB) *peer {
	t.Helper()
	p := dialAMQP(t, i.hub)
	require.Zero(t, p.sasl("PLAIN", i.plain(i.Token(time.Hour))))
	return p.enter()
}

// plain is the identity's response to PLAIN.
func (i identity) plain(password string) string {
	return "\x00" + i.ClientID() + "@sas." + i.Host + "\x00" + password
}

// address is an address of the identity's.
func (i identity) address(rest string) string { return "/" + i.path() + "/" + rest }

// audiences are what the SDKs name a token's audience, and what it is for. {host}
// is the hub's address, {id} a device. IoT Hub: sdk-wire.md 0.6, amqp.md.
var audiences = map[string]struct {
	audience string
	resource string // of the token, as its signer has it
	own      bool   // it is signed with the device's own key
}{
	"Node's service SDK names the host":          {"{host}", "{host}", false},
	"Java's names it with a scheme":              {"https://{host}", "{host}", false},
	"uamqp's has a slash behind":                 {"amqps://{host}/", "{host}", false},
	"one with a port":                            {"{host}:5671", "{host}", false},
	"another of the hub's names, in upper case":  {"LOCALHOST", "{host}", false},
	"Node's events SDK names the entity":         {"sb://{host}/linarite", "sb://{host}/linarite", false},
	"Node's, over plain TCP":                     {"sb://localhost/linarite/$management", "sb://localhost/linarite/$management", false},
	"Node's, for a partition":                    {"sb://{host}/linarite/ConsumerGroups/$Default/Partitions/0", "sb://{host}/linarite/ConsumerGroups/$Default/Partitions/0", false},
	"Go's events SDK":                            {"amqp://{host}:5672/linarite/ConsumerGroups/$Default/Partitions/0", "amqp://{host}:5672/linarite/ConsumerGroups/$Default/Partitions/0", false},
	"messages/events":                            {"sb://{host}/messages/events", "sb://{host}/messages/events", false},
	"a device":                                   {"{host}/devices/{id}", "{host}/devices/{id}", true},
	"a device, encoded as a whole":               {"{host}%2Fdevices%2F{id}", "{host}/devices/{id}", true},
	"a device, with a scheme and a slash behind": {"amqps://{host}/devices/{id}/", "{host}/devices/{id}", true},
	"a device's telemetry":                       {"{host}/devices/{id}/messages/events", "{host}/devices/{id}", true},
	"a device, by a policy":                      {"{host}/devices/{id}", "{host}", false},
}

func TestTheAudienceOfAToken(t *testing.T) {
	t.Parallel()
	for name, c := range audiences {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDevice(t)
			fill := strings.NewReplacer("{host}", hub.Address, "{id}", d.DeviceID).Replace
			token := policy("iothubowner", fill(c.resource))
			if c.own {
				token = harness.Sign(fill(c.resource), d.Key, "", time.Now().Add(time.Hour))
			}
			// What the token is said to be is not looked at.
			for _, kind := range []string{sasToken, "jwt", "Bearer", "amqp:jwt", ""} {
				require.EqualValues(t, 200, dialAMQP(t, hub).enter().rpc("$cbs").putToken(kind, fill(c.audience), token), kind)
			}
		})
	}
}

func TestATokenThatIsRefused(t *testing.T) {
	t.Parallel()
	d, e := newDevice(t), newDevice(t)
	for name, c := range map[string]struct {
		audience, token string
		status          int32
	}{
		"for another host":              {"example.com", policyToken(hub, "service"), 401},
		"signed with another key":       {hub.Address, harness.Sign(hub.Address, e.Key, "service", time.Now().Add(time.Hour)), 401},
		"of a policy that there is not": {hub.Address, policyToken(hub, "nobody"), 401},
		"that has run out":              {hub.Address, harness.Sign(hub.Address, harness.WellKnownKey, "service", time.Now().Add(-time.Hour)), 401},
		"for something else":            {hub.Address, policy("service", hub.Address+"/devices/"+d.DeviceID), 401},
		"of another device":             {d.Resource(), e.Token(time.Hour), 401},
		"for an unknown device":         {hub.Address + "/devices/nobody", harness.Sign(hub.Address+"/devices/nobody", d.Key, "", time.Now().Add(time.Hour)), 401},
		"that is none":                  {hub.Address, "hello", 401},
		"that is empty":                 {hub.Address, "", 400},
		"for nothing":                   {"", policyToken(hub, "service"), 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := dialAMQP(t, hub).enter()
			require.Equal(t, c.status, p.rpc("$cbs").putToken(sasToken, c.audience, c.token))
			require.Equal(t, "amqp:unauthorized-access (401002)", p.refused(false, "/messages/devicebound", terms{}).String())
		})
	}
}

func TestTheReplyHasTheRequestsIDInItsType(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]any{
		"Node's string": "a", "Python's and C's ulong": uint64(0), "Java's UUID": uuid{1, 2, 3}, "none": nil, "bytes": []byte{7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reply := dialAMQP(t, hub).enter().rpc("$cbs").ask(message{
				properties:  map[int]any{propertyID: id, propertyReplyTo: "cbs"},
				application: dict{"operation": "put-token", "type": sasToken, "name": hub.Address},
				value:       policyToken(hub, "service"),
			})
			require.Equal(t, id, reply.properties[propertyCorrelation])
			require.Equal(t, int32(200), reply.application.get("status-code"), "an int, to which Java and Go cast")
			require.Equal(t, int32(200), reply.application.get("statusCode"))
			require.IsType(t, "", reply.application.get("status-description"))
		})
	}
}

func TestARequestThatIsNoPutToken(t *testing.T) {
	t.Parallel()
	for _, operation := range []any{"get-token", "", nil, int32(1)} {
		reply := dialAMQP(t, hub).enter().rpc("$cbs").ask(message{
			application: dict{"operation": operation, "name": hub.Address}, value: policyToken(hub, "service"),
		})
		require.Equal(t, int32(400), reply.application.get("status-code"), "%v", operation)
	}
}

// The Go SDK sends its request before it grants credit for the reply.
func TestAReplyWaitsForCredit(t *testing.T) {
	t.Parallel()
	p := dialAMQP(t, hub).enter()
	r := rpc{in: p.receiver("$cbs", 0, terms{}), out: p.sender("$cbs")}
	r.out.accepts(message{
		properties:  map[int]any{propertyID: "1"},
		application: dict{"operation": "put-token", "type": sasToken, "name": hub.Address},
		value:       policyToken(hub, "service"),
	})
	p.quiet()
	r.in.grant(1)
	_, reply := p.transfer()
	require.Equal(t, int32(200), reply.application.get("status-code"))
}
