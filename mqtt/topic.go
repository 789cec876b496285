package mqtt

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/linarite/linarite/iot"
)

// topicKind is what a device asks for by publishing to a topic.
type topicKind uint8

const (
	topicTelemetry topicKind = iota
	topicTwinGet
	topicTwinReport
	topicMethodAnswer
)

// topic is an inbound PUBLISH's topic, taken apart.
type topic struct {
	kind    topicKind
	bag     string // telemetry: the property bag, as sent
	rid     string // the request id, byte for byte; not for telemetry
	version string // report: the $version precondition, as sent
	guarded bool   // report: there is a $version
	status  int    // method answer
}

// The fixed parts of topics.
const (
	eventsTopic     = "/messages/events"
	twinTopics      = "$iothub/twin/"
	twinGetTopic    = "GET/?"
	twinReportTopic = "PATCH/properties/reported/?"
	methodAnswers   = "$iothub/methods/res/"
)

// parseTopic takes the topic of an inbound PUBLISH apart:
//
//	topic     = telemetry | twin-get | report | answer
//	telemetry = path "/messages/events" [ "/" [ "?" ] bag [ "/" ] ]
//	twin-get  = "$iothub/twin/GET/?" query
//	report    = "$iothub/twin/PATCH/properties/reported/?" query
//	answer    = "$iothub/methods/res/" [ "-" ] 1*digit "/?" query
//	query     = pair *( "&" pair )        ; $rid, $version; others are ignored
//
// events is the identity's own path with "/messages/events" after it. All parts
// compare exactly. The error is why the connection has to be closed: an unknown
// topic, another identity's, a request id that is missing or not allowed, a
// status that is no integer.
//
// IoT Hub: contract.md §6.1, §6.4, §9; TwinAddressHelper.cs, appsettings_hub.json.
func parseTopic(name, events string) (topic, error) {
	if rest, ok := strings.CutPrefix(name, events); ok && (rest == "" || rest[0] == '/') {
		return topic{kind: topicTelemetry, bag: trimBag(rest)}, nil
	}
	if rest, ok := strings.CutPrefix(name, twinTopics); ok {
		return parseTwinTopic(rest)
	}
	if rest, ok := strings.CutPrefix(name, methodAnswers); ok {
		return parseAnswerTopic(rest)
	}
	if strings.HasPrefix(name, "devices/") && strings.Contains(name, eventsTopic) {
		return topic{}, iot.ErrInvalidOperation.Because("PUBLISH to another identity's topic %s", loggable(name))
	}
	return topic{}, iot.ErrInvalidOperation.Because("PUBLISH to unknown topic %s", loggable(name))
}

// trimBag takes away what may stand around a property bag.
func trimBag(rest string) string {
	rest = strings.TrimPrefix(rest, "/")
	rest = strings.TrimPrefix(rest, "?")
	return strings.TrimSuffix(rest, "/")
}

func parseTwinTopic(rest string) (topic, error) {
	if query, ok := strings.CutPrefix(rest, twinGetTopic); ok {
		t := topic{kind: topicTwinGet}
		return t, t.readQuery("twin GET", query)
	}
	if query, ok := strings.CutPrefix(rest, twinReportTopic); ok {
		t := topic{kind: topicTwinReport}
		return t, t.readQuery("twin PATCH", query)
	}
	return topic{}, iot.ErrInvalidOperation.Because("invalid twin request %s", loggable(twinTopics+rest))
}

func parseAnswerTopic(rest string) (topic, error) {
	status, query, ok := strings.Cut(rest, "/?")
	if !ok {
		return topic{}, iot.ErrArgumentInvalid.Because("method answer without a $rid: %s", loggable(methodAnswers+rest))
	}
	n, err := strconv.ParseInt(status, 10, 32)
	if err != nil || status[0] == '+' {
		return topic{}, iot.ErrArgumentInvalid.Because("method answer whose status %s is no integer", iot.Printable(status))
	}
	t := topic{kind: topicMethodAnswer, status: int(n)}
	return t, t.readQuery("method answer", query)
}

// readQuery takes $rid and $version, in either order and with "$" or "%24",
// from what follows the "?". Nothing is decoded: the id is echoed as it came.
func (t *topic) readQuery(op, query string) error {
	found := false
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		key, value, _ := strings.Cut(pair, "=")
		switch {
		case (key == "$rid" || key == "%24rid") && !found:
			t.rid, found = value, true
		case (key == "$version" || key == "%24version") && !t.guarded:
			t.version, t.guarded = value, true
		}
	}
	if reason := badRequestID(t.rid, found); reason != "" {
		return iot.ErrArgumentInvalid.Because("%s %s", op, reason)
	}
	return nil
}

// maxRequestID is how long a request id may be for the topic of the answer, which
// is longer than that of the request, to be one.
const maxRequestID = math.MaxUint16 - 64

// badRequestID says what is wrong with a request id. It may be what may be a
// property's value: ASCII letters and digits and ! # $ % & ' * + - . ^ _ ` | ~
// (the & ends it).
//
// IoT Hub: contract.md §9.1, §9.4, iot-hub-devguide-messages-construct.md.
func badRequestID(rid string, found bool) string {
	if !found {
		return "without a $rid"
	}
	if rid == "" {
		return "with an empty $rid"
	}
	if len(rid) > maxRequestID {
		return fmt.Sprintf("with a $rid of %d bytes", len(rid))
	}
	for i := 0; i < len(rid); i++ {
		if !validRequestIDByte(rid[i]) {
			return fmt.Sprintf("whose $rid %s has characters that are not allowed", iot.Printable(rid))
		}
	}
	return ""
}

func validRequestIDByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		strings.IndexByte("!#$%'*+-.^_`|~", c) >= 0
}
