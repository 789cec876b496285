package hostile_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/linarite/linarite/test/harness"
)

// stranger sends bytes over TLS, first of all.
func stranger(sent []byte, then outcome) input {
	return func(a *attacker) error {
		p, err := a.tls(harness.MQTTPort)
		if err != nil {
			return err
		}
		defer p.Close()
		p.send(sent)
		return then(p)
	}
}

// cut sends the beginning of something and no more.
func cut(sent []byte) input {
	return stranger(sent, func(p *peer) error {
		p.stop()
		return unanswered(p)
	})
}

// greets sends a CONNECT that was good before it was changed.
func greets(change func(a *attacker, c *connect), then outcome) input {
	return func(a *attacker) error {
		c := a.hello()
		change(a, &c)
		return stranger(c.bytes(), then)(a)
	}
}

// claims sends a CONNECT with a token of one's own making.
func claims(token func(a *attacker) string) input {
	return greets(func(a *attacker, c *connect) { c.password = a.signed(token(a)) }, saying(notAuthorized))
}

// The beginnings of CONNECT packets.
var (
	protocol  = bytesOf(text("MQTT"), 4)
	noPayload = bytesOf(protocol, 0xC2, uint16(60))
	withWill  = bytesOf(protocol, 0xC6, uint16(60))
)

// strangers are inputs of clients that were not let in.
var strangers = map[string]input{
	// Packets that are cut.
	"a stranger says nothing and leaves":     cut(nil),
	"a CONNECT is cut after its first byte":  cut([]byte{0x10}),
	"a CONNECT is cut in its length":         cut([]byte{0x10, 0x80}),
	"a CONNECT is cut after its length":      cut([]byte{0x10, 100}),
	"a CONNECT is cut in its protocol name":  cut([]byte{0x10, 100, 0, 4, 'M', 'Q'}),
	"a CONNECT is cut after its level":       cut(bytesOf(0x10, 100, protocol)),
	"a CONNECT is cut after its flags":       cut(bytesOf(0x10, 100, protocol, 0xC2)),
	"a CONNECT is cut in its keep-alive":     cut(bytesOf(0x10, 100, protocol, 0xC2, 0)),
	"a CONNECT is cut in its client id":      cut(bytesOf(0x10, 100, noPayload, 0, 50, "attack")),
	"a CONNECT is cut before its user name":  cut(bytesOf(0x10, 100, noPayload, text("attacker0"))),
	"a CONNECT is cut in its password":       cut(bytesOf(0x10, 100, noPayload, text("attacker0"), text("user"), 0, 50, "Shared")),
	"a CONNECT of 160 KB is cut at its end":  cut(bytesOf(header(0x10, 160<<10), noPayload, long(160<<10-20))),
	"a PUBLISH before CONNECT is cut":        cut([]byte{0x32, 100, 0, 50, 'd'}),
	"a SUBSCRIBE before CONNECT is cut":      cut([]byte{0x82, 100, 0, 1, 0, 50, '$'}),
	"an UNSUBSCRIBE before CONNECT is cut":   cut([]byte{0xA2, 100, 0, 1, 0, 50, '$'}),
	"a PUBACK before CONNECT is cut":         cut([]byte{0x40, 2, 0}),
	"a connection is reset during a CONNECT": stranger([]byte{0x10, 100, 0, 4}, func(p *peer) error { p.reset(); return nil }),

	// Lengths that are wrong.
	"a CONNECT claims 256 MB":                        stranger([]byte{0x10, 0xFF, 0xFF, 0xFF, 0x7F}, unanswered),
	"a CONNECT claims a length of five bytes":        stranger([]byte{0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F}, unanswered),
	"a CONNECT claims 160 KB and a byte":             stranger(header(0x10, 160<<10+1), unanswered),
	"a CONNECT has a length of 0":                    stranger([]byte{0x10, 0}, unanswered),
	"a client id is longer than its packet":          stranger(packetOf(0x10, noPayload, 0xFF, 0xFF, "x"), unanswered),
	"a user name is longer than its packet":          stranger(packetOf(0x10, noPayload, text("d"), 0xFF, 0xFF, "x"), unanswered),
	"a password is longer than its packet":           stranger(packetOf(0x10, noPayload, text("d"), text("u"), 0xFF, 0xFF, "x"), unanswered),
	"a will's topic is longer than its packet":       stranger(packetOf(0x10, withWill, text("d"), 0xFF, 0xFF, "x"), unanswered),
	"a will's body is longer than its packet":        stranger(packetOf(0x10, withWill, text("d"), text("t"), 0xFF, 0xFF, "x"), unanswered),
	"a protocol name of 65,535 bytes":                stranger(packetOf(0x10, 0xFF, 0xFF, long(65535)), unanswered),
	"a protocol name of no bytes":                    stranger(packetOf(0x10, 0, 0, 4, 2, 0, 60, text("d")), unanswered),
	"a CONNECT has a kilobyte behind it":             stranger(packetOf(0x10, noPayload, text("d"), text("u"), text("p"), long(1024)), unanswered),
	"a CONNECT ends before the will it has flags of": stranger(packetOf(0x10, withWill, text("d")), unanswered),

	// Fields that are huge.
	"a client id of 65,535 bytes": greets(func(_ *attacker, c *connect) { c.id = long(65535) }, saying(notAuthorized)),
	"a user name of 65,535 bytes": greets(func(_ *attacker, c *connect) { c.user = long(65535) }, saying(notAuthorized)),
	"a password of 65,535 bytes":  greets(func(_ *attacker, c *connect) { c.password = long(65535) }, saying(notAuthorized)),
	"a will of 130 KB":            greets(func(_ *attacker, c *connect) { c.will = bytesOf(text(long(65535)), text(long(65535))) }, saying(notAuthorized)),
	"a will of 64 KB to a foreign topic": greets(func(_ *attacker, c *connect) {
		c.will = bytesOf(text("devices/other/messages/events/"), text(long(65535)))
	}, saying(notAuthorized)),
	"every field has 65,535 bytes": stranger(packetOf(0x10, withWill, text(long(65535)), text(long(65535)),
		text(long(65535)), text(long(65535)), text(long(65535))), unanswered),

	// Names that are odd.
	"a user name that is not UTF-8":         greets(func(_ *attacker, c *connect) { c.user = "\xff\xfe\xfd" }, saying(notAuthorized)),
	"a user name with a NUL":                greets(func(_ *attacker, c *connect) { c.user += "\x00" }, saying(notAuthorized)),
	"a user name of 30,000 slashes":         greets(func(a *attacker, c *connect) { c.user = a.Address + strings.Repeat("/", 30000) }, saying(notAuthorized)),
	"a user name with 20,000 parameters":    greets(func(_ *attacker, c *connect) { c.user += strings.Repeat("&a=", 20000) }, welcomed),
	"a user name with a path out of itself": greets(func(a *attacker, c *connect) { c.user = a.Address + "/../../etc/passwd/?api-version=2021-04-12" }, saying(notAuthorized)),
	"a user name for another host":          greets(func(_ *attacker, c *connect) { c.user = "example.org/attacker0/?api-version=2021-04-12" }, saying(notAuthorized)),
	"a client id with a line feed":          greets(func(_ *attacker, c *connect) { c.id += "\n{\"level\":\"error\"}" }, closed),
	"a client id with a wildcard":           greets(func(_ *attacker, c *connect) { c.id = "#" }, saying(notAuthorized)),
	"a client id of no bytes":               greets(func(_ *attacker, c *connect) { c.id = "" }, saying(notAuthorized)),
	"a client id with a format's verbs":     greets(func(_ *attacker, c *connect) { c.id = "%s%s%s%n%x" }, saying(notAuthorized)),
	"an empty user name and password":       greets(func(_ *attacker, c *connect) { c.user, c.password = "", "" }, saying(notAuthorized)),

	// Tokens that are wrong.
	"a token of another device":           claims(func(a *attacker) string { d := a.device; d.DeviceID = "neighbour"; return d.Token(time.Hour) }),
	"a token that has long expired":       claims(func(a *attacker) string { return a.device.Token(-24 * time.Hour) }),
	"a token that expired before 1970":    claims(func(a *attacker) string { return a.device.Token(-100 * 365 * 24 * time.Hour) }),
	"a token that outlives all numbers":   claims(func(a *attacker) string { return forge(a, "9223372036854775808") }),
	"a token that outlives all clocks":    claims(func(a *attacker) string { return forge(a, "9223372036854775807") + "x" }),
	"a token that expires never":          claims(func(a *attacker) string { return forge(a, "never") }),
	"a token without a signature":         claims(func(*attacker) string { return "SharedAccessSignature sr=x&se=9999999999" }),
	"a token with two signatures":         claims(func(a *attacker) string { return a.device.Token(time.Hour) + "&sig=AAAA" }),
	"a token of a thousand ampersands":    claims(func(*attacker) string { return "SharedAccessSignature " + strings.Repeat("&", 1000) }),
	"a token of 60 KB":                    claims(func(*attacker) string { return "SharedAccessSignature sr=" + long(60000) + "&sig=AAAA&se=9999999999" }),
	"a token for another device's module": claims(func(a *attacker) string { return signFor(a, a.Address+"/devices/neighbour/modules/"+a.device.DeviceID) }),
	"a token for a path out of its own":   claims(func(a *attacker) string { return signFor(a, a.Address+"/devices/x/../"+a.device.DeviceID) }),
	"a token that is not base64":          claims(func(*attacker) string { return "SharedAccessSignature sr=x&sig=%%%&se=9999999999" }),
	"a key in a token's place":            claims(func(a *attacker) string { return a.device.Key }),

	// Protocols that are others.
	"MQTT 5 with properties": stranger(packetOf(0x10, text("MQTT"), 5, 0xC2, 0, 60, 5, 0x11, 0, 0, 0, 30,
		text("d"), text("u"), text("p")), saying(wrongLevel)),
	"MQTT 3.1":                       stranger(packetOf(0x10, text("MQIsdp"), 3, 2, 0, 60, text("d")), saying(wrongLevel)),
	"MQTT at level 255":              greets(func(_ *attacker, c *connect) { c.level = 255 }, saying(wrongLevel)),
	"HTTP inside TLS":                stranger([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), unanswered),
	"AMQP inside TLS":                stranger([]byte("AMQP\x03\x01\x00\x00"), unanswered),
	"a megabyte of zeros inside TLS": stranger(make([]byte, 1<<20), unanswered),
	"a thousand PINGREQs first":      stranger(bytesOf(strings.Repeat(string(pingreq), 1000)), unanswered),
	"an AUTH of MQTT 5 first":        stranger([]byte{0xF0, 2, 0, 0}, unanswered),
	"a DISCONNECT first":             stranger(disconnect, unanswered),

	// What is only slow, or greedy.
	"a good CONNECT byte by byte": func(a *attacker) error {
		p, err := a.tls(harness.MQTTPort)
		if err != nil {
			return err
		}
		defer p.Close()
		p.each(a.hello().bytes()[:64])
		return p.enter(a.hello().bytes()[64:])
	},
	"a refused CONNECT with a megabyte behind it": greets(func(_ *attacker, c *connect) { c.password = "x" }, func(p *peer) error {
		p.send(publish(1, "devices/attacker0/messages/events/", long(1<<20)))
		return closed(p)
	}),
	"two good CONNECTs in one piece": func(a *attacker) error {
		return stranger(bytesOf(a.hello().bytes(), a.hello().bytes()), saying(accepted))(a)
	},
	"a good CONNECT and a reset": greets(func(*attacker, *connect) {}, func(p *peer) error { p.reset(); return nil }),
}

// forge is a token with an expiry of one's own making.
func forge(a *attacker, expiry string) string {
	sr := fmt.Sprintf("%s%%2Fdevices%%2F%s", a.Address, a.device.DeviceID)
	return harness.SignRaw(sr, a.device.Key, "", expiry)
}

// signFor is a token for a resource.
func signFor(a *attacker, resource string) string {
	return harness.Sign(resource, a.device.Key, "", time.Now().Add(time.Hour))
}
