package hostile_test

import (
	"fmt"
	"strings"
)

// member is a connected device that sends something.
func member(sent func(a *attacker) []byte, then outcome) input {
	return func(a *attacker) error {
		p, err := a.join()
		if err != nil {
			return err
		}
		defer p.Close()
		p.send(sent(a))
		return then(p)
	}
}

// always is the same for each device.
func always(parts ...any) func(*attacker) []byte {
	sent := bytesOf(parts...)
	return func(*attacker) []byte { return sent }
}

// event is a PUBLISH of the device's own telemetry, with a property bag.
func event(bag, body string) func(*attacker) []byte {
	return func(a *attacker) []byte { return publish(1, a.events()+bag, body) }
}

// breaksOff begins a packet and ends the connection.
func breaksOff(begun ...any) input {
	return member(always(begun...), func(p *peer) error {
		p.stop()
		return closed(p)
	})
}

// times is a packet many times over.
func times(n int, packet []byte) string { return strings.Repeat(string(packet), n) }

// answered: the hub answers the twin request with a status, and serves on.
func answered(status string) outcome {
	return func(p *peer) error {
		for {
			packet, err := p.packet()
			if err != nil {
				return fmt.Errorf("the twin request is not answered: %w", err)
			}
			if packet[0] != 0x30 {
				continue
			}
			if !strings.HasPrefix(string(packet[3:]), "$iothub/twin/res/"+status+"/") {
				return fmt.Errorf("the twin request is answered with %.80s", packet[3:])
			}
			return alive(p)
		}
	}
}

// reports is a device that listens to answers and reports something.
func reports(patch, status string) input {
	return member(always(subscribe(1, twinAnswers), publish(2, report, patch)), answered(status))
}

// names are n names of properties, none twice, with something between them.
func names(n int, between string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%x%s", i, between)
	}
	return b.String()
}

// members are inputs of devices that were let in.
var members = map[string]input{
	// Packets that are cut.
	"a PUBLISH is cut in its topic":           breaksOff(0x32, 100, 0, 50, "devices/"),
	"a PUBLISH is cut before its packet id":   breaksOff(0x32, 100, text("a")),
	"a PUBLISH of 256 KB is cut at its end":   breaksOff(header(0x30, 256<<10), text("a"), long(256<<10-10)),
	"a SUBSCRIBE is cut in its filter":        breaksOff(0x82, 100, 0, 1, 0, 50, "$iothub"),
	"a SUBSCRIBE is cut before its QoS":       breaksOff(0x82, 100, 0, 1, text(twinAnswers)),
	"an UNSUBSCRIBE is cut in its filter":     breaksOff(0xA2, 100, 0, 1, 0, 50, "$iothub"),
	"a PUBACK is cut":                         breaksOff(0x40, 2, 0),
	"a PUBREC is cut":                         breaksOff(0x50, 2, 0),
	"a PUBREL is cut":                         breaksOff(0x62, 2, 0),
	"a PUBCOMP is cut":                        breaksOff(0x70, 2, 0),
	"a PINGREQ is cut":                        breaksOff(0xC0),
	"a DISCONNECT is cut":                     breaksOff(0xE0),
	"a second CONNECT is cut":                 breaksOff(0x10, 100, 0, 4, "MQ"),
	"a device resets in the middle of a word": member(always(0x32, 100, 0, 50), func(p *peer) error { p.reset(); return nil }),
	"a device resets with answers under way": member(func(a *attacker) []byte {
		return bytesOf(times(500, publish(1, twinGet, "")))
	}, func(p *peer) error { p.reset(); return nil }),

	// Lengths that are wrong.
	"a PUBLISH claims 256 MB":                   member(always([]byte{0x30, 0xFF, 0xFF, 0xFF, 0x7F}), closed),
	"a PUBLISH claims a length of five bytes":   member(always([]byte{0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F}), closed),
	"a SUBSCRIBE claims 300 KB":                 member(always(header(0x82, 300<<10)), closed),
	"a SUBSCRIBE to 100,000 filters":            member(always(packetOf(0x82, 0, 1, times(100000, []byte{0, 0, 0}))), closed),
	"an UNSUBSCRIBE from 150,000 filters":       member(always(packetOf(0xA2, 0, 1, times(150000, []byte{0, 0}))), closed),
	"a PUBACK of 300 KB":                        member(always(packetOf(0x40, long(300<<10))), closed),
	"a PINGREQ of 300 KB":                       member(always(packetOf(0xC0, long(300<<10))), closed),
	"a DISCONNECT of 300 KB":                    member(always(packetOf(0xE0, long(300<<10))), closed),
	"a topic is longer than its packet":         member(always(0x32, 10, 0xFF, 0xFF, "devices/"), closed),
	"a filter is longer than its packet":        member(always(0x82, 10, 0, 1, 0xFF, 0xFF, "$iothu"), closed),
	"a PUBLISH of a topic of no bytes":          member(always(publish(1, "", "x")), closed),
	"a PUBLISH of a topic of 65,535 bytes":      member(always(publish(1, long(65535), "x")), closed),
	"a SUBSCRIBE to a filter of 65,535 bytes":   member(always(subscribe(1, long(65535))), closed),
	"a message one byte too long":               member(event("", long(256<<10+1)), closed),
	"a message of as much as a packet may have": member(event("", long(256<<10+65535)), closed),

	// Packets that are out of place.
	"a second CONNECT":            member(func(a *attacker) []byte { return a.hello().bytes() }, closed),
	"a CONNACK from a device":     member(always(accepted), closed),
	"a SUBACK from a device":      member(always([]byte{0x90, 3, 0, 1, 0}), closed),
	"a PINGRESP from a device":    member(always(pingresp), closed),
	"a packet of type 0":          member(always([]byte{0, 0}), closed),
	"an AUTH of MQTT 5":           member(always([]byte{0xF0, 2, 0, 0}), closed),
	"a PUBREL of nothing":         member(always([]byte{0x62, 2, 0, 1}), closed),
	"a PUBLISH of QoS 2":          member(always(packetOf(0x34, text("devices/x/messages/events/"), 0, 1)), closed),
	"a PUBLISH of QoS 3":          member(always(packetOf(0x36, text("devices/x/messages/events/"), 0, 1)), closed),
	"everything set in a header":  member(always([]byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}), closed),
	"a DISCONNECT and much more":  member(always(disconnect, long(64<<10)), closed),
	"ten thousand PINGREQs":       member(always(times(10000, pingreq)), alive),
	"ten thousand PUBACKs":        member(always(times(10000, []byte{0x40, 2, 0x12, 0x34})), alive),
	"two hundred subscriptions":   member(always(times(200, subscribe(1, twinAnswers))), alive),
	"two hundred changes of mind": member(always(times(200, bytesOf(subscribe(1, methods), packetOf(0xA2, 0, 2, text(methods))))), alive),

	// Topics that are odd.
	"a filter of everything":            member(always(subscribe(1, "#")), closed),
	"a filter of the broker's own":      member(always(subscribe(1, "$SYS/#")), closed),
	"a filter of all devices":           member(always(subscribe(1, "devices/+/messages/devicebound/#")), closed),
	"a topic with a path out of itself": member(func(a *attacker) []byte { return publish(1, a.events()+"../../neighbour", "x") }, alive),
	"a topic of another device":         member(always(publish(1, "devices/neighbour/messages/events/", "x")), closed),
	"a topic that is not UTF-8":         member(event("a=\xff\xfe", ""), closed),
	"a topic with a NUL":                member(event("a=\x00", ""), closed),
	"a bag of broken escapes":           member(event(strings.Repeat("%", 20000), ""), alive),
	"a bag of 10,000 names":             member(event(names(10000, "&"), ""), alive),
	"a bag of one name 15,000 times":    member(event(strings.Repeat("a=b&", 15000), ""), alive),
	"a bag of nothing but ampersands":   member(event(strings.Repeat("&", 60000), ""), alive),
	"a bag that speaks for the hub":     member(event("iothub-connection-device-id=neighbour&%24.cdid=neighbour", ""), alive),

	// Twins.
	"a patch of 300 KB":                 reports(`{"a":"`+long(300<<10)+`"}`, "400"),
	"a patch 5,000 levels deep":         reports(strings.Repeat(`{"a":`, 5000), "400"),
	"a patch 50,000 levels deep":        reports(strings.Repeat(`{"a":`, 50000), "413"),
	"a patch of 200,000 brackets":       reports(`{"a":`+strings.Repeat("[", 200000), "413"),
	"a patch of 80,000 empty arrays":    reports(`{"a":[`+strings.Repeat("[],", 80000)+`[]]}`, "413"),
	"a patch that is no JSON":           reports(`{"a":1`, "400"),
	"a patch of nothing":                reports("", "400"),
	"a patch that is not UTF-8":         reports("{\"a\":\"\xff\"}", "400"),
	"a patch with a half surrogate":     reports(`{"a":"\ud800"}`, "204"),
	"a patch with 100,000 digits":       reports(`{"a":`+strings.Repeat("9", 100000)+`}`, "400"),
	"a patch with an endless exponent":  reports(`{"a":1e999999999}`, "400"),
	"a patch with a name of 64 KB":      reports(`{"`+long(65535)+`":1}`, "400"),
	"a patch of one name 9,000 times":   reports(`{`+strings.Repeat(`"a":1,`, 9000)+`"a":1}`, "204"),
	"a patch of the hub's own metadata": reports(`{"$metadata":{},"$version":1}`, "400"),
	"a patch with a huge version": member(always(subscribe(1, twinAnswers),
		publish(2, report+"&$version=99999999999999999999", "{}")), answered("400")),
	"a patch with a negative version": member(always(subscribe(1, twinAnswers),
		publish(2, report+"&$version=-1", "{}")), answered("400")),
	"a twin request with an id of 60 KB":      member(always(subscribe(1, twinAnswers), publish(2, twinGet+long(60000), "")), answered("200")),
	"a twin request with the longest of ids":  member(always(subscribe(1, twinAnswers), publish(2, twinGet+long(65535-len(twinGet)), "")), closed),
	"a thousand twin requests nobody hears":   member(always(times(1000, publish(1, twinGet, ""))), alive),
	"a twin request with no id":               member(always(publish(1, "$iothub/twin/GET/", "")), closed),
	"a twin request for a path out of itself": member(always(publish(1, "$iothub/twin/../../GET/?$rid=1", "")), closed),

	// Methods.
	"an answer to no call":             member(always(publish(1, "$iothub/methods/res/200/?$rid=none", "{}")), alive),
	"an answer of 200,000 brackets":    member(always(publish(1, "$iothub/methods/res/200/?$rid=1", strings.Repeat("[", 200000))), alive),
	"an answer with an endless status": member(always(publish(1, "$iothub/methods/res/99999999999999999999/?$rid=1", "{}")), closed),
	"an answer with an id of 60 KB":    member(always(publish(1, "$iothub/methods/res/200/?$rid="+long(60000), "{}")), alive),
}
