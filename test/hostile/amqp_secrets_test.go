package hostile_test

import "net/url"

// indiscreetAMQP are clients that put a token or a key where it does not belong.
var indiscreetAMQP = map[string]conversation{
	"a token as a container": whispers(nil, conversing, func(s string) []byte {
		return bytesOf(amqpHeader, amqpFrame(0, performative(amqpOpen, 1, words(s))), begin())
	}),
	"a token as a host name": whispers(nil, closed, func(s string) []byte {
		return bytesOf(amqpHeader, amqpFrame(0, performative(amqpOpen, 2, words("a"), words(s))))
	}),
	"a token as a protocol":         whispers(nil, closed, func(s string) []byte { return []byte(s[len(s)-8:]) }),
	"a token as a mechanism":        whispers(nil, closed, func(s string) []byte { return bytesOf(saslHeader, saslInit(s[:min(len(s), 255)], "")) }),
	"a token as PLAIN's user":       whispers(nil, closed, func(s string) []byte { return bytesOf(saslHeader, saslInit("PLAIN", "\x00"+s+"\x00x")) }),
	"a token as PLAIN's device":     whispers(nil, closed, func(s string) []byte { return bytesOf(saslHeader, saslInit("PLAIN", "\x00"+s+"@sas.hub\x00"+s)) }),
	"a token as PLAIN's authority":  whispers(nil, closed, func(s string) []byte { return bytesOf(saslHeader, saslInit("PLAIN", s+"\x00x\x00x")) }),
	"a token as an audience":        whispers(asDevice, conversing, func(s string) []byte { return shows(s, "SharedAccessSignature x") }),
	"a token as an audience's host": whispers(asDevice, conversing, func(s string) []byte { return shows("amqps://"+url.PathEscape(s)+"/x", s) }),
	"a token that is cut":           whispers(asDevice, conversing, func(s string) []byte { return shows("127.0.0.33", s[:len(s)-3]) }),
	"a token as an operation": whispers(asDevice, conversing, func(s string) []byte {
		return bytesOf(sendsOn(0, "c", "$cbs"), takesOn(1, "d", "$cbs"), carries(0, 0, false, 0, 0x53, 0x74, dictionary("operation", s)))
	}),
	"a token as an address":       whispers(asDevice, detachedFor(""), func(s string) []byte { return sendsOn(0, "x", s) }),
	"a token as a device":         whispers(asDevice, detachedFor(""), func(s string) []byte { return sendsOn(0, "x", "/devices/"+url.PathEscape(s)+"/messages/events") }),
	"a token as a link":           whispers(asDevice, detachedFor(""), func(s string) []byte { return sendsOn(0, s, "/nowhere") }),
	"a token as a consumer group": whispers(asBackEnd, detachedFor(""), func(s string) []byte { return takesOn(0, "x", "linarite/ConsumerGroups/"+s+"/Partitions/0") }),
	"a token as a filter":         whispers(asBackEnd, detachedFor(""), filtered),
	"a token as an addressee": whispers(asBackEnd, settledFor(""), func(s string) []byte {
		return bytesOf(sendsOn(0, "x", "/messages/devicebound"), carries(0, 0, false, addressed("/devices/"+s+"/messages/devicebound", s)))
	}),
	"a token as an entity of management": whispers(asBackEnd, conversing, func(s string) []byte {
		return bytesOf(sendsOn(0, "x", "$management"), takesOn(1, "y", "$management"),
			carries(0, 0, false, 0, 0x53, 0x74, dictionary("operation", "READ", "type", s, "name", s)))
	}),
	"a token as a delivery tag": whispers(asBackEnd, conversing, func(s string) []byte {
		return bytesOf(sendsOn(0, "x", "/messages/devicebound"), amqpFrame(0, performative(amqpTransfer, 2, uint0, null), s))
	}),
	"a token as a performative": whispers(asDevice, closed, func(s string) []byte { return amqpFrame(0, 0, 0xA3, len(s), s, 0x45) }),
	"a token as a frame":        whispers(asDevice, closed, func(s string) []byte { return []byte(s) }),
	"a token as the reason to close": whispers(asDevice, closed, func(s string) []byte {
		return amqpFrame(0, performative(amqpClose, 1, performative(0x1D, 2, 0xA3, 1, "x", words(s))))
	}),
	"a token as an agent and a model": {login: asDevice, then: told(amqpAttach, ""), sent: func(a *attacker) []byte {
		return sendsOn(0, "x", own(a, "/messages/events"), propertied(dictionary("com.microsoft:client-version", a.token(), "com.microsoft:api-version", a.token()))...)
	}},
	"a token as a twin's operation": {login: asDevice, then: settledFor(""), sent: func(a *attacker) []byte {
		return bytesOf(twinLinks(a), carries(0, 0, false, twinRequest(a.token(), a.token(), a.token())))
	}},
	"a key as a token": {login: asDevice, then: conversing, sent: func(a *attacker) []byte { return shows(a.device.Resource(), a.device.Key) }},
}

// whispers is a conversation with a token of the attacker's in it.
func whispers(login func(a *attacker) []byte, then outcome, sent func(token string) []byte) conversation {
	return conversation{login, func(a *attacker) []byte { return sent(a.token()) }, then}
}

// shows is a put-token.
func shows(audience, token string) []byte {
	return bytesOf(sendsOn(0, "c", "$cbs"), takesOn(1, "d", "$cbs"), grants(1, 10), carries(0, 0, false, putToken(audience, token)))
}
