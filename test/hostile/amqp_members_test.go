package hostile_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/linarite/linarite/test/harness"
)

// device is an input of a device that was let in.
func device(then outcome, sent func(a *attacker) []byte) conversation {
	return conversation{login: asDevice, sent: sent, then: then}
}

// backEnd is an input of a back end that was let in.
func backEnd(then outcome, parts ...any) conversation {
	return conversation{login: asBackEnd, sent: always(parts...), then: then}
}

// own is an address of the attacker's device.
func own(a *attacker, below string) string { return "/devices/" + a.device.DeviceID + below }

// telemetryLink attaches a device's link for telemetry, as handle 0.
func telemetryLink(a *attacker) []byte { return sendsOn(0, "out", own(a, "/messages/events")) }

// behind is a device's conversation behind its link for telemetry.
func behind(then outcome, parts ...any) conversation {
	sent := bytesOf(parts...)
	return device(then, func(a *attacker) []byte { return bytesOf(telemetryLink(a), sent) })
}

// linked is a conversation of a device that attaches one link.
func linked(then outcome, link func(a *attacker) []byte) conversation { return device(then, link) }

// numbered are so many things, made from their number.
func numbered(n int, one func(i uint32) []byte) []byte {
	var all []byte
	for i := range n {
		all = append(all, one(uint32(i))...)
	}
	return all
}

// fiveHundred are links on two sessions.
func fiveHundred(link func(i uint32) []byte) []byte {
	return bytesOf(numbered(250, link), on(1, begin()), numbered(250, func(i uint32) []byte { return on(1, link(i)) }))
}

// entries are pairs for a dictionary.
func entries(n int) []string {
	pairs := make([]string, 2*n)
	for i := range pairs {
		pairs[i] = fmt.Sprintf("%x", i)
	}
	return pairs
}

// eventsAddress is a partition.
const eventsAddress = "linarite/ConsumerGroups/$Default/Partitions/0"

// amqpDevices are inputs of devices that were let in over AMQP.
var amqpDevices = map[string]conversation{
	// Performatives that are out of place.
	"a performative there is not, from a device":    device(closed, always(amqpFrame(0, performative(0xEE, 0)))),
	"a transfer of SASL after the open":             device(closed, always(amqpFrame(1, performative(saslChoice, 0)))),
	"an open after the open":                        device(closed, always(amqpFrame(0, performative(amqpOpen, 1, words("b"))))),
	"a session on a channel that has one":           device(closed, always(begin())),
	"a session on channel 65,535":                   device(closed, always(on(65535, begin()))),
	"an attach on a channel without a session":      device(closed, always(on(3, takesOn(0, "x", "$cbs")))),
	"an end of no session":                          device(closed, always(on(3, end()))),
	"two ends of a session":                         device(conversing, always(end(), end())),
	"a transfer without a link":                     device(endedFor("unattached-handle"), always(carries(0, 0, false, body("x")))),
	"a flow for a link there is not":                device(endedFor("unattached-handle"), always(grants(9, 1))),
	"a detach of a link there is not":               device(endedFor("unattached-handle"), always(detach(9))),
	"a disposition of nothing":                      device(conversing, always(amqpFrame(0, performative(amqpDisposition, 3, yes, uint0, number(5))))),
	"a disposition of 4 billion deliveries":         device(conversing, always(amqpFrame(0, performative(amqpDisposition, 4, yes, uint0, number(1<<32-1), yes)))),
	"a disposition whose end is before its start":   device(conversing, always(amqpFrame(0, performative(amqpDisposition, 4, yes, number(9), number(1), yes)))),
	"everything behind an end of the session":       behind(conversing, end(), carries(0, 0, false, body("x")), grants(0, 1), detach(0)),
	"a hundred sessions that begin and end":         device(conversing, always(times(100, bytesOf(on(5, begin()), on(5, end()))))),
	"an attach without fields":                      device(closed, always(amqpFrame(0, performative(amqpAttach, 0)))),
	"an attach of a name and no more":               device(closed, always(amqpFrame(0, performative(amqpAttach, 1, words("x"))))),
	"a begin of strings":                            device(closed, always(on(3, amqpFrame(0, performative(amqpBegin, 4, words("a"), words("b"), words("c"), words("d")))))),
	"a list of 60,000 nulls in the place of a flow": device(closed, always(amqpFrame(0, performative(amqpFlow, 60000, strings.Repeat("\x40", 60000))))),
	"a frame whose lists lie about their length":    device(closed, always(amqpFrame(0, 0, 0x53, amqpFlow, 0xC0, 200, 4, uint0, uint0, uint0, uint0))),
	"a frame that is cut in its performative":       device(half, always(takesOn(0, "x", "$cbs")[:40])),
	"a frame that is cut in its payload":            behind(half, carries(0, 0, false, body(long(1000)))[:500]),
	"a heartbeat ten thousand times":                device(conversing, always(times(10000, amqpFrame(0)))),
	"a device resets with a message half sent":      behind(resets, carries(0, 0, true, body(long(1000)))),
	"a device resets with answers under way":        behind(resets, times(200, grants(0, 1))),
	"a device closes and goes on":                   behind(closed, amqpFrame(0, performative(amqpClose, 0)), times(100, carries(0, 0, false, body("x")))),
	"a frame of a megabyte after the open":          device(closed, always([]byte{0, 0x10, 0, 0, 2, 0, 0, 0}, long(1<<20))),
	"frames one byte larger than allowed":           device(closed, always([]byte{0, 1, 0, 1, 2, 0, 0, 0}, long(64<<10-7))),

	// Links.
	"a link of another device":                 linked(detachedFor("unauthorized"), func(*attacker) []byte { return sendsOn(0, "x", "/devices/neighbour/messages/events") }),
	"a link of a module there is not":          linked(detachedFor(""), func(a *attacker) []byte { return sendsOn(0, "x", own(a, "/modules/m/messages/events")) }),
	"a link out of its own path":               linked(detachedFor("not-found"), func(a *attacker) []byte { return sendsOn(0, "x", own(a, "/../neighbour/messages/events")) }),
	"a link to the events":                     linked(detachedFor("unauthorized"), func(*attacker) []byte { return takesOn(0, "x", eventsAddress) }),
	"a link to all devices":                    linked(detachedFor("unauthorized"), func(*attacker) []byte { return sendsOn(0, "x", "/messages/devicebound") }),
	"a link to the feedback":                   linked(detachedFor("unauthorized"), func(*attacker) []byte { return takesOn(0, "x", "/messages/serviceBound/feedback") }),
	"a link to nowhere":                        linked(detachedFor("not-found"), func(*attacker) []byte { return sendsOn(0, "x", "") }),
	"a link to another host":                   linked(detachedFor("not-found"), func(a *attacker) []byte { return sendsOn(0, "x", "amqps://evil.example"+own(a, "/messages/events")) }),
	"a link with an address of 60 KB":          linked(detachedFor("not-found"), func(*attacker) []byte { return sendsOn(0, "x", long(60000)) }),
	"a link with a device id of 60 KB":         linked(detachedFor(""), func(*attacker) []byte { return sendsOn(0, "x", "/devices/"+long(60000)+"/messages/events") }),
	"a link with an address that is not UTF-8": linked(closed, func(*attacker) []byte { return sendsOn(0, "x", "\xff\xfe") }),
	"a link with a name of 60 KB":              linked(endedFor("invalid-field"), func(a *attacker) []byte { return sendsOn(0, long(60000), own(a, "/messages/events")) }),
	"a link with a name of nothing":            linked(told(amqpAttach, ""), func(a *attacker) []byte { return sendsOn(0, "", own(a, "/messages/events")) }),
	"a link with 2,000 properties": linked(told(amqpAttach, ""), func(a *attacker) []byte {
		return sendsOn(0, "x", own(a, "/messages/events"), propertied(dictionary(entries(2000)...))...)
	}),
	"a link on the wrong side":     linked(detachedFor("not-found"), func(a *attacker) []byte { return takesOn(0, "x", own(a, "/messages/events")) }),
	"a link with handle 4 billion": linked(endedFor("errant-link"), func(a *attacker) []byte { return sendsOn(1<<32-1, "x", own(a, "/messages/events")) }),
	"two links of one handle":      behind(endedFor("handle-in-use"), takesOn(0, "y", "$cbs")),
	"one link twice": linked(detachedFor("stolen"), func(a *attacker) []byte {
		return bytesOf(telemetryLink(a), sendsOn(1, "out", own(a, "/messages/events")))
	}),
	"a link that is detached twice": behind(endedFor("unattached-handle"), detach(0), detach(0)),
	"a thousand links that come and go": device(conversing, func(a *attacker) []byte {
		return []byte(times(1000, bytesOf(telemetryLink(a), detach(0))))
	}),
	"five hundred links": device(toldOn(1, amqpEnd, "resource-limit"), func(a *attacker) []byte {
		return fiveHundred(func(i uint32) []byte { return sendsOn(i, fmt.Sprint(i), own(a, "/messages/events")) })
	}),
	"five hundred links that are refused": device(toldOn(1, amqpEnd, "resource-limit"), always(fiveHundred(func(i uint32) []byte {
		return sendsOn(i, fmt.Sprint(i), long(1000))
	}))),
	"two hundred sessions": device(closed, always(numbered(200, func(i uint32) []byte { return on(uint16(10+i), begin()) }))),

	// Messages.
	"a message without a delivery-id":            behind(detachedFor("invalid-field"), amqpFrame(0, performative(amqpTransfer, 2, uint0, null), body("x"))),
	"a message that is nothing":                  behind(settledFor(""), carries(0, 0, false)),
	"a message that is no sections":              behind(settledFor(""), carries(0, 0, false, "hello")),
	"a message whose sections are out of order":  behind(settledFor(""), carries(0, 0, false, body("x"), performative(0x73, 0))),
	"a message whose map has a name and no more": behind(settledFor(""), carries(0, 0, false, 0, 0x53, 0x74, dictionary("x"))),
	"a message of 5,000 properties":              behind(settledFor(""), split(0, 0, bytesOf(0, 0x53, 0x74, dictionary(entries(5000)...), body("x")))),
	"a message of lists 400 levels deep":         behind(settledFor(""), carries(0, 0, false, 0, 0x53, 0x77, strings.Repeat("\xC0\xFE\x01", 160))),
	"a message of an array of a billion things":  behind(settledFor(""), carries(0, 0, false, 0, 0x53, 0x77, 0xF0, 0, 0, 0, 5, 0x3B, 0x9A, 0xCA, 0x00, 0x45)),
	"a body that is longer than its message":     behind(settledFor(""), carries(0, 0, false, 0, 0x53, 0x75, 0xB0, 0x7F, 0xFF, 0xFF, 0xFF, "x")),
	"a message that is too large":                behind(settledFor("message-size-exceeded"), inParts(0, 0, 300<<10)),
	"a message of 2 MB":                          behind(detachedFor("message-size-exceeded"), inParts(0, 0, 2<<20)),
	"a message in 2,000 parts":                   behind(settledFor(""), times(1999, carries(0, 0, true, "x")), carries(0, 0, false, "x")),
	"a message in parts of nothing":              behind(conversing, times(1000, carries(0, 0, true))),
	"a message that is aborted":                  behind(conversing, carries(0, 0, true, body(long(1000))), amqpFrame(0, performative(amqpTransfer, 11, uint0, number(0), data("tag"), uint0, no, no, null, null, null, yes, null))),
	"messages that are never whole on eight links": device(detachedFor("resource-limit"), func(a *attacker) []byte {
		return numbered(8, func(i uint32) []byte {
			return bytesOf(sendsOn(i, fmt.Sprint(i), own(a, "/messages/events")), times(10, carries(i, i, true, long(30<<10))))
		})
	}),
	"more transfers than the window has room for": behind(conversing, times(3000, carries(0, 0, true))),
	"a batch of 1,000 empty messages": behind(settledFor(""), amqpFrame(0, performative(amqpTransfer, 6, uint0, number(0), data("t"), number(0x80013700), no, no),
		times(1000, bytesOf(0, 0x53, 0x75, data(""))))),
	"a batch of batches": behind(settledFor(""), amqpFrame(0, performative(amqpTransfer, 6, uint0, number(0), data("t"), number(0x80013700), no, no),
		0, 0x53, 0x75, data(string(bytesOf(0, 0x53, 0x75, data(string(body("x")))))))),
	"a message of a format there is not": behind(settledFor(""), amqpFrame(0, performative(amqpTransfer, 6, uint0, number(0), data("t"), number(0xFFFFFFFF), no, no), body("x"))),
	"a delivery tag of 60 KB":            behind(conversing, amqpFrame(0, performative(amqpTransfer, 6, uint0, number(0), data(long(60000)), uint0, no, no), body("x"))),

	// Credit.
	"a credit of 4 billion": device(conversing, func(a *attacker) []byte {
		return bytesOf(takesOn(0, "in", own(a, "/messages/devicebound")), grants(0, 1<<32-1))
	}),
	"ten thousand credits": device(conversing, func(a *attacker) []byte {
		return bytesOf(takesOn(0, "in", own(a, "/messages/devicebound")), times(10000, grants(0, 100)))
	}),
	"two thousand questions for the flow": device(conversing, func(a *attacker) []byte {
		asking := amqpFrame(0, performative(amqpFlow, 10, uint0, number(1000), uint0, number(1000), uint0, uint0, number(1), null, no, yes))
		return bytesOf(takesOn(0, "in", own(a, "/messages/devicebound")), times(2000, asking))
	}),
	"two thousand drains": device(conversing, func(a *attacker) []byte {
		draining := amqpFrame(0, performative(amqpFlow, 9, uint0, number(1000), uint0, number(1000), uint0, uint0, number(100), null, yes))
		return bytesOf(takesOn(0, "in", own(a, "/messages/devicebound")), times(2000, draining))
	}),
	"a window of nothing": device(conversing, func(a *attacker) []byte {
		return bytesOf(takesOn(0, "in", own(a, "/messages/devicebound")), amqpFrame(0, performative(amqpFlow, 4, uint0, uint0, uint0, uint0)), grants(0, 10))
	}),

	// Twins and methods.
	"500 twin requests without credit for an answer": device(closed, func(a *attacker) []byte {
		return bytesOf(twinLinks(a), numbered(500, func(i uint32) []byte { return carries(0, i, false, twinRequest("GET", "", "")) }))
	}),
	"a twin request without annotations": device(settledFor(""), func(a *attacker) []byte { return bytesOf(twinLinks(a), carries(0, 0, false, body("x"))) }),
	"a twin request of an operation there is not": device(settledFor(""), func(a *attacker) []byte {
		return bytesOf(twinLinks(a), carries(0, 0, false, twinRequest(long(10000), long(10000), "")))
	}),
	"a report of 300 KB": device(settledFor(""), func(a *attacker) []byte {
		return bytesOf(twinLinks(a), split(0, 0, twinRequest("PATCH", "/properties/reported", `{"a":"`+long(300<<10)+`"}`)))
	}),
	"a report 5,000 levels deep": device(settledFor(""), func(a *attacker) []byte {
		return bytesOf(twinLinks(a), carries(0, 0, false, twinRequest("PATCH", "/properties/reported", strings.Repeat(`{"a":`, 5000))))
	}),
	"a method's answer that answers nothing": device(settledFor(""), func(a *attacker) []byte {
		return bytesOf(sendsOn(0, "m", own(a, "/methods/devicebound")), carries(0, 0, false, body("x")))
	}),
	"a method's answer of 200,000 brackets": device(settledFor(""), func(a *attacker) []byte {
		return bytesOf(sendsOn(0, "m", own(a, "/methods/devicebound")), split(0, 0, body(strings.Repeat("[", 200000))))
	}),

	// Tokens.
	"a token of a megabyte": device(detachedFor("size-exceeded"), func(a *attacker) []byte {
		return bytesOf(sendsOn(0, "c", "$cbs"), takesOn(1, "d", "$cbs"), split(0, 0, putToken(a.device.Resource(), long(1<<20))))
	}),
	"a hundred tokens without credit for an answer": device(closed, func(a *attacker) []byte {
		return bytesOf(sendsOn(0, "c", "$cbs"), takesOn(1, "d", "$cbs"), numbered(100, func(i uint32) []byte { return carries(0, i, false, putToken(a.device.Resource(), a.token())) }))
	}),
	"tokens for two hundred paths of 20 KB": device(conversing, func(a *attacker) []byte {
		return bytesOf(sendsOn(0, "c", "$cbs"), takesOn(1, "d", "$cbs"), grants(1, 5000), numbered(200, func(i uint32) []byte {
			return carries(0, i, false, putToken(a.device.Resource()+"/"+fmt.Sprint(i)+long(20000), a.token()))
		}))
	}),
	"a token of another device, over and over": device(conversing, func(a *attacker) []byte {
		return bytesOf(sendsOn(0, "c", "$cbs"), takesOn(1, "d", "$cbs"), grants(1, 5000), numbered(300, func(i uint32) []byte {
			return carries(0, i, false, putToken(a.Address+"/devices/neighbour", a.token()))
		}))
	}),
	"a token without a link for the answer": device(conversing, func(a *attacker) []byte {
		return bytesOf(sendsOn(0, "c", "$cbs"), carries(0, 0, false, putToken(a.device.Resource(), a.token())))
	}),
	"a request that is no put-token": device(settledFor(""), func(*attacker) []byte {
		return bytesOf(sendsOn(0, "c", "$cbs"), takesOn(1, "d", "$cbs"), grants(1, 10), carries(0, 0, false, 0, 0x53, 0x74, dictionary("operation", long(10000))))
	}),
}

// amqpBackEnds are inputs of back ends that were let in over AMQP.
var amqpBackEnds = map[string]conversation{
	"a message to nobody":                    backEnd(settledFor("not-found"), sendsOn(0, "x", "/messages/devicebound"), carries(0, 0, false, addressed("/devices/nobody/messages/devicebound", "x"))),
	"a message to no address":                backEnd(settledFor(""), sendsOn(0, "x", "/messages/devicebound"), carries(0, 0, false, body("x"))),
	"a message to an address of 60 KB":       backEnd(settledFor(""), sendsOn(0, "x", "/messages/devicebound"), carries(0, 0, false, addressed("/devices/"+long(60000), "x"))),
	"a message to a device, of 300 KB":       backEnd(settledFor("size-exceeded"), sendsOn(0, "x", "/messages/devicebound"), split(0, 0, addressed("/devices/attacker0/messages/devicebound", long(300<<10)))),
	"a message to a device, out of its path": backEnd(settledFor(""), sendsOn(0, "x", "/messages/devicebound"), carries(0, 0, false, addressed("/devices/attacker0/../neighbour/messages/devicebound", "x"))),
	"messages to a device in a batch":        backEnd(settledFor(""), sendsOn(0, "x", "/messages/devicebound"), amqpFrame(0, performative(amqpTransfer, 6, uint0, number(0), data("t"), number(0x80013700), no, no), body("x"))),
	"2,000 messages nobody can get": backEnd(conversing, sendsOn(0, "x", "/messages/devicebound"), numbered(900, func(i uint32) []byte {
		return carries(0, i, false, addressed("/devices/nobody/messages/devicebound", "x"))
	})),
	"an event sent into the events":       backEnd(detachedFor(""), sendsOn(0, "x", "linarite/Partitions/0")),
	"a partition there is not":            backEnd(detachedFor(""), takesOn(0, "x", "linarite/ConsumerGroups/$Default/Partitions/99")),
	"a partition of 20 digits":            backEnd(detachedFor(""), takesOn(0, "x", "linarite/ConsumerGroups/$Default/Partitions/99999999999999999999")),
	"a negative partition":                backEnd(detachedFor(""), takesOn(0, "x", "linarite/ConsumerGroups/$Default/Partitions/-1")),
	"a consumer group there is not":       backEnd(detachedFor("not-found"), takesOn(0, "x", "linarite/ConsumerGroups/"+long(1000)+"/Partitions/0")),
	"an entity there is not":              backEnd(detachedFor("not-found"), takesOn(0, "x", "other/ConsumerGroups/$Default/Partitions/0")),
	"a filter that is nonsense":           backEnd(detachedFor("invalid-field"), filtered("x-opt-nonsense = 1")),
	"a filter of 50 KB":                   backEnd(detachedFor("invalid-field"), filtered(long(50000))),
	"a filter with an endless number":     backEnd(detachedFor("invalid-field"), filtered("amqp.annotation.x-opt-offset > '"+strings.Repeat("9", 1000)+"'")),
	"a filter of before the beginning":    backEnd(told(amqpAttach, ""), filtered("amqp.annotation.x-opt-sequence-number > '-9223372036854775808'")),
	"a filter of behind the end":          backEnd(told(amqpAttach, ""), filtered("amqp.annotation.x-opt-sequence-number > '9223372036854775807'")),
	"a reader with a credit of 4 billion": backEnd(conversing, filtered("amqp.annotation.x-opt-offset > '@latest'"), grants(0, 1<<32-1)),
	"a reader that asks to drain, over and over": backEnd(conversing, filtered("amqp.annotation.x-opt-offset > '@latest'"),
		times(2000, amqpFrame(0, performative(amqpFlow, 9, uint0, number(1000), uint0, number(1000), uint0, uint0, number(100), null, yes)))),
	"a reader with an epoch that is no number": backEnd(told(amqpAttach, ""), takesOn(0, "x", eventsAddress, propertied(dictionary("com.microsoft:epoch", long(1000)))...)),
	"readers that come and go":                 backEnd(conversing, times(300, bytesOf(takesOn(0, "x", eventsAddress), detach(0)))),
	"feedback that is taken and never settled": backEnd(conversing, takesOn(0, "x", "/messages/serviceBound/feedback"), grants(0, 1<<32-1)),
	"feedback links that come and go":          backEnd(conversing, times(300, bytesOf(takesOn(0, "x", "/messages/serviceBound/feedback"), grants(0, 10), detach(0)))),
	"a question to management of nonsense":     backEnd(settledFor(""), sendsOn(0, "x", "$management"), takesOn(1, "y", "$management"), grants(1, 10), carries(0, 0, false, 0, 0x53, 0x74, dictionary("operation", long(1000), "type", long(1000), "name", long(1000)))),
	"200 questions to management without credit": backEnd(closed, sendsOn(0, "x", "$management"), takesOn(1, "y", "$management"),
		numbered(200, func(i uint32) []byte {
			return carries(0, i, false, 0, 0x53, 0x74, dictionary("operation", "READ", "type", "com.microsoft:eventhub", "name", "linarite"))
		})),
	"a question to management of 100 KB": backEnd(detachedFor("size-exceeded"), sendsOn(0, "x", "$management"), split(0, 0, body(long(100<<10)))),
	"two hundred readers":                backEnd(conversing, numbered(200, func(i uint32) []byte { return takesOn(i, fmt.Sprint(i), eventsAddress) })),
	"tokens for a thousand paths of 900 bytes": {login: asBackEnd, then: conversing, sent: func(a *attacker) []byte {
		return bytesOf(sendsOn(0, "c", "$cbs"), takesOn(1, "d", "$cbs"), grants(1, 5000), numbered(1000, func(i uint32) []byte {
			return carries(0, i, false, putToken(a.Address+"/linarite/"+fmt.Sprint(i)+long(900), a.ownerToken()))
		}))
	}},
	"tokens for a hundred paths of 20 KB": {login: asBackEnd, then: conversing, sent: func(a *attacker) []byte {
		return bytesOf(sendsOn(0, "c", "$cbs"), takesOn(1, "d", "$cbs"), grants(1, 5000), numbered(100, func(i uint32) []byte {
			return carries(0, i, false, putToken(a.Address+"/linarite/"+fmt.Sprint(i)+long(20000), a.ownerToken()))
		}))
	}},
	"a token that has run out, over and over": {login: asBackEnd, then: conversing, sent: func(a *attacker) []byte {
		return bytesOf(sendsOn(0, "c", "$cbs"), takesOn(1, "d", "$cbs"), grants(1, 5000), numbered(300, func(i uint32) []byte {
			return carries(0, i, false, putToken(a.Address, a.signed(harness.Sign(a.Address, harness.WellKnownKey, "iothubowner", time.Now().Add(-24*time.Hour)))))
		}))
	}},
}

// inParts is a message with a body of so many bytes, in frames.
func inParts(handle, delivery uint32, size int) []byte {
	return split(handle, delivery, body(long(size)))
}

// split is a message in frames of 32 KB, the last of which is small.
func split(handle, delivery uint32, message []byte) []byte {
	var all []byte
	for len(message) > 32<<10 {
		all = append(all, carries(handle, delivery, true, message[:32<<10])...)
		message = message[32<<10:]
	}
	return append(all, carries(handle, delivery, false, message)...)
}

// twinLinks are the two of a device's twin: requests on handle 0, answers on 1,
// for which there is no credit.
func twinLinks(a *attacker) []byte {
	return bytesOf(sendsOn(0, "t", own(a, "/twin")), takesOn(1, "u", own(a, "/twin")))
}

// twinRequest is a message to the twin.
func twinRequest(operation, resource, patch string) []byte {
	return bytesOf(0, 0x53, 0x72, dictionary("operation", operation, "resource", resource), performative(0x73, 6, null, null, null, null, null, words("1")), body(patch))
}

// addressed is a message with an address.
func addressed(to, text string) []byte {
	return bytesOf(performative(0x73, 3, words("id"), null, words(to)), body(text))
}

// filtered attaches a reader that begins where a filter says, as handle 0.
func filtered(filter string) []byte {
	name := "apache.org:selector-filter:string"
	entry := bytesOf(0xA3, len(name), name, 0, 0xA3, len(name), name, words(filter))
	source := performative(amqpSource, 8, words(eventsAddress), null, null, null, null, null, null,
		0xD1, number(uint32(len(entry) + 4))[1:], number(2)[1:], entry)
	return amqpFrame(0, performative(amqpAttach, 7, words("x"), number(0), yes, null, null, source, performative(amqpTarget, 1, words("me"))))
}
