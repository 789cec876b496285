package amqp

import (
	"errors"
	"net/http"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/amqp/transport"
	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/iot"
)

// maxAudience is the longest name of what a token is for, in bytes: a host, and
// two ids of 128 characters that are percent-encoded.
const maxAudience = 1 << 10

// cbs attaches a link to the node that takes tokens. Anybody may.
//
// OASIS: amqp-cbs-v1.0; IoT Hub: sdk-wire.md 0.6.
func (p *peer) cbs(l *transport.Link) (transport.Node, *codec.Error) {
	return p.serve(l, "$cbs", func(m *codec.Message) answer { return p.claim(l.Conn(), m) }), nil
}

// claim takes a token in. What the token is said to be (sastoken, jwt, Bearer)
// is not looked at: azure-eventhub says jwt of a shared access signature.
func (p *peer) claim(c *transport.Conn, m *codec.Message) answer {
	if m.Application.Text("operation") != "put-token" {
		return answer{status: http.StatusBadRequest, description: "the operation is not put-token", condition: conditionNotAllowed}
	}
	name, token := m.Application.Text("name"), tokenOf(m)
	if name == "" || token == "" || len(name) > maxAudience {
		return answer{
			status: http.StatusBadRequest, description: "put-token needs a name and a token", condition: conditionInvalidField,
		}
	}
	audience := parseAudience(name)
	audience.path = narrowed(audience.path, token)
	proof, err := p.claims.check(audience.path, token)
	if err == nil && !p.srv.hub.IsHostname(audience.host) {
		err = iot.ErrUnauthorized.Because("the audience names host %s, which is not one of this hub's names", iot.Printable(audience.host))
	}
	if id, _, ok := parseIdentity(audience.path); ok {
		audience.path = id.Path() // whatever is below it
	}
	if err == nil {
		err = p.claims.add(audience.path, proof)
	}
	if err != nil {
		p.turnedAway("put-token", audience.path, err)
		return denied(err)
	}
	p.renew(audience.path, token)
	p.trust(c)
	return answer{status: http.StatusOK, description: "OK"}
}

// narrowed is the path that a token is shown for: the Java SDK names the device
// where it shows the token of one of its modules.
func narrowed(path, token string) string {
	named, rest, ok := parseIdentity(path)
	if !ok || named.ModuleID != "" || rest != "" {
		return path
	}
	t, err := auth.ParseToken(token)
	if err != nil {
		return path
	}
	own := parseAudience(t.Resource).path
	if id, _, ok := parseIdentity(own); ok && id.DeviceID == named.DeviceID && id.ModuleID != "" {
		return own
	}
	return path
}

// denied is the answer to a token that is no good. The reason stays in the log:
// a stranger is told what kind of error it is and no more.
func denied(err error) answer {
	told := iot.ErrUnauthorized
	_ = errors.As(err, &told)
	if told.Status == http.StatusNotFound {
		told = iot.ErrUnauthorized // whether a device exists is nobody's business
	}
	return answer{status: int32(told.Status), description: told.Name, condition: condition(told)}
}

// tokenOf is the token in a request's body.
func tokenOf(m *codec.Message) string {
	if s := codec.Text(m.Value); s != "" {
		return s
	}
	if b, ok := m.Value.([]byte); ok {
		return string(b)
	}
	return string(m.Body())
}
