package mqtt

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// twinGet answers a request for the twin. A device that does not listen to
// answers gets none. IoT Hub: contract.md §9.1.
func (l *link) twinGet(t *topic, m received) error {
	v := l.session.TwinRequest()
	return l.carryOut(v, m, func() error {
		if v.Action == hub.Refuse {
			return l.twinRefusal(t.rid, v.Err)
		}
		if !l.subs.has(filterTwinAnswers) {
			return nil
		}
		start := false
		refused := l.session.Twin(func(view []byte) {
			start = l.enqueue(outgoing{publication: publication{topic: twinTopic("200", t.rid, ""), payload: view}})
		})
		if refused.Action == hub.Refuse {
			return l.twinRefusal(t.rid, refused.Err)
		}
		l.emptied(start)
		return nil
	})
}

// twinReport merges a patch into the reported properties.
// IoT Hub: contract.md §9.2.
func (l *link) twinReport(t *topic, m received) error {
	base, err := precondition(t)
	if err == nil && valuesIn(m.payload) > maxValues {
		err = iot.ErrEntityTooLarge.Because("the patch has more than %d values", maxValues)
	}
	var version int64
	v := hub.Verdict{Action: hub.Refuse, Err: err}
	if err == nil {
		version, v = l.session.Report(m.payload, base)
	}
	return l.carryOut(v, m, func() error {
		if v.Action == hub.Refuse {
			return l.twinRefusal(t.rid, v.Err)
		}
		return l.twinAnswer("204", t.rid, strconv.FormatInt(version, 10), nil)
	})
}

// maxValues is how many values a patch may have.
// Differs: IoT Hub is not known to count them. Those that weigh nothing there,
// such as empty arrays, take memory all the same.
const maxValues = 10_000

// valuesIn is at most how many values a patch has, which need not be valid JSON.
func valuesIn(patch []byte) int {
	n, quoted := 1, false
	for i := 0; i < len(patch); i++ {
		switch c := patch[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ',' || c == '{' || c == '['):
			n++
		}
	}
	return n
}

// precondition is the version that a patch is for, 0 for any. Versions start at
// 1, so that no other number below that can be right.
func precondition(t *topic) (int64, *iot.Error) {
	if !t.guarded {
		return 0, nil
	}
	base, err := strconv.ParseInt(t.version, 10, 64)
	if err != nil || base < 0 {
		return 0, iot.ErrArgumentInvalid.Because("$version %s is no version", iot.Printable(t.version))
	}
	if base == 0 {
		return 0, iot.ErrPreconditionFailed.Because("there is no $version 0")
	}
	return base, nil
}

// twinAnswer publishes the answer to a twin request, at QoS 0.
func (l *link) twinAnswer(status, rid, version string, body []byte) error {
	if !l.subs.has(filterTwinAnswers) {
		return nil
	}
	_, err := l.wire.Write(appendPublish(nil, &publication{topic: twinTopic(status, rid, version), payload: body}))
	return err
}

// twinTopic is the topic of an answer. The request id comes first and the version
// last; both SDKs and we take them byte for byte.
// IoT Hub: contract.md §1 rules 5 and 6.
func twinTopic(status, rid, version string) string {
	name := "$iothub/twin/res/" + status + "/?$rid=" + rid
	if version != "" {
		name += "&$version=" + version
	}
	return name
}

// refusal is the body of an answer that is an error. Node looks at errorCode
// only, not at the status. IoT Hub: contract.md §9.2, §1 rule 8.
type refusal struct {
	ErrorCode    int    `json:"errorCode"`
	TrackingID   string `json:"trackingId"`
	Message      string `json:"message"`
	TimestampUTC string `json:"timestampUtc"`
}

// twinRefusal publishes an error as the answer to a twin request.
func (l *link) twinRefusal(rid string, e *iot.Error) error {
	now := l.srv.hub.Clock().Now()
	body, err := json.Marshal(refusal{
		ErrorCode: e.Code, TrackingID: trackingID(now), Message: e.Error(),
		TimestampUTC: iot.Timestamp(now),
	})
	if err != nil {
		return err
	}
	return l.twinAnswer(strconv.Itoa(e.Status), rid, "", body)
}

// trackingID is what support would ask for: 32 random hexadecimal digits and the
// time. IoT Hub: contract.md §11.2.
func trackingID(now time.Time) string {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	return strings.ToUpper(hex.EncodeToString(random[:])) + "-G:0-TimeStamp:" + now.Format("01/02/2006 15:04:05")
}
