package mqtt

import (
	"strings"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// filter is one of the topic filters that IoT Hub knows.
type filter uint8

const (
	filterMessages    filter = iota // devices/{d}/messages/devicebound/#
	filterTwinAnswers               // $iothub/twin/res/#
	filterDesired                   // $iothub/twin/PATCH/properties/desired/#
	filterMethods                   // $iothub/methods/POST/#
	filterModule                    // devices/{d}/modules/{m}/#
	filterInputs                    // devices/{d}/modules/{m}/inputs/#
	filterModuleBound               // devices/{d}/modules/{m}/messages/devicebound/#
	filterCount
)

// maxSubscriptions is how many filters one identity may be subscribed to. Only a
// module has more to choose from, and the SDK that subscribes to most, Java's,
// takes five.
//
// IoT Hub: contract.md §6.2.
const maxSubscriptions = 5

// parseFilter finds the filter that a device or module may subscribe to. They
// compare exactly: a filter that is narrowed or widened is another.
//
// IoT Hub: contract.md §6.2, §6.4. Nothing is sent to a module on its own
// filters; the SDKs subscribe to them nonetheless.
func parseFilter(s string, id iot.Identity) (filter, bool) {
	switch s {
	case "$iothub/twin/res/#":
		return filterTwinAnswers, true
	case "$iothub/twin/PATCH/properties/desired/#":
		return filterDesired, true
	case "$iothub/methods/POST/#":
		return filterMethods, true
	}
	rest, own := strings.CutPrefix(s, id.Path())
	switch {
	case !own:
	case !id.IsModule() && rest == "/messages/devicebound/#":
		return filterMessages, true
	case id.IsModule() && rest == "/#":
		return filterModule, true
	case id.IsModule() && rest == "/inputs/#":
		return filterInputs, true
	case id.IsModule() && rest == "/messages/devicebound/#":
		return filterModuleBound, true
	}
	return 0, false
}

// subscriptions holds, for each filter, the QoS granted plus one; 0 is no
// subscription. It is what a session keeps.
type subscriptions [filterCount]byte

func (s subscriptions) has(f filter) bool { return s[f] != 0 }

func (s subscriptions) count() (n int) {
	for _, granted := range s {
		if granted != 0 {
			n++
		}
	}
	return n
}

// listening is what the hub has to know of the subscriptions.
func (s subscriptions) listening() hub.Listening {
	return hub.Listening{Messages: s.has(filterMessages), Methods: s.has(filterMethods), Desired: s.has(filterDesired)}
}

// subscribe answers a SUBSCRIBE: all of its filters or none. The subscriptions
// are kept before SUBACK is sent, and what they bring is sent after it.
//
// IoT Hub: contract.md §5.2, §6.2, §6.3 (QoS 2 is granted as 1), §6.4 (no SUBACK
// with 0x80: the connection is closed).
func (l *link) subscribe(pk *packets.Packet) error {
	if code := pk.SubscribeValidate(); code != packets.CodeSuccess {
		return iot.ErrFormat.Because("malformed SUBSCRIBE: %s", code.Reason)
	}
	subs := l.subs // only the reader changes it
	answer := make([]byte, 0, len(pk.Filters)+2)
	answer = append(answer, byte(pk.PacketID>>8), byte(pk.PacketID))
	for i := range pk.Filters {
		f, ok := parseFilter(pk.Filters[i].Filter, l.id)
		if !ok {
			return iot.ErrInvalidOperation.Because("SUBSCRIBE to %s, which this identity may not", iot.Printable(pk.Filters[i].Filter))
		}
		qos := min(pk.Filters[i].Qos, 1)
		subs[f] = qos + 1
		answer = append(answer, qos)
	}
	if n := subs.count(); n > maxSubscriptions {
		return iot.ErrInvalidOperation.Because("SUBSCRIBE to %d topics at once, more than %d", n, maxSubscriptions)
	}
	l.change(subs)
	if err := l.acknowledge(packets.Suback, answer); err != nil {
		return err
	}
	l.session.Listen(subs.listening())
	return nil
}

// unsubscribe answers an UNSUBSCRIBE. A filter that was not subscribed to, or
// that there is not, changes nothing. IoT Hub: contract.md §6.4.
func (l *link) unsubscribe(pk *packets.Packet) error {
	if code := pk.UnsubscribeValidate(); code != packets.CodeSuccess {
		return iot.ErrFormat.Because("malformed UNSUBSCRIBE: %s", code.Reason)
	}
	subs := l.subs
	for i := range pk.Filters {
		if f, ok := parseFilter(pk.Filters[i].Filter, l.id); ok {
			subs[f] = 0
		}
	}
	l.change(subs)
	l.session.Listen(subs.listening())
	return l.acknowledge(packets.Unsuback, []byte{byte(pk.PacketID >> 8), byte(pk.PacketID)})
}

// change makes subs the subscriptions, of the session too if it lasts.
func (l *link) change(subs subscriptions) {
	l.mu.Lock()
	l.subs = subs
	l.mu.Unlock()
	if l.durable {
		l.session.Keep(subs)
	}
}

// resume starts, after CONNACK, what the subscriptions of a session that lasted
// bring: nobody subscribes again.
func (l *link) resume() {
	if l.present {
		l.session.Listen(l.subs.listening())
	}
}

// acknowledge writes a packet that is an answer: its type and what follows.
func (l *link) acknowledge(kind byte, rest []byte) error {
	_, err := l.wire.Write(append(appendHeader(make([]byte, 0, len(rest)+5), kind<<4, len(rest)), rest...))
	return err
}
