package main

import (
	"encoding/json"
	"fmt"
	"sync"
)

// account is what one device was promised and has promised.
type account struct {
	ledger *ledger
	id     string

	mu        sync.Mutex
	sent      [2]int64          // the last number of each stream of telemetry
	accepted  [2]int64          // the last number that has to be read
	read      [readers][2]int64 // the last number that was
	again     map[content]int   // telemetry that was sent twice
	messages  struct{ sent, received int64 }
	feedback  map[string]struct{} // ids of messages of whose end nobody has told yet
	reported  int64               // the version of what was reported last
	uncertain bool                // a report may have come through whose answer was lost
	desired   struct{ set, seen int64 }
}

// next is the next message of a stream of telemetry.
func (a *account) next(s stream) content {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent[s]++
	return content{a.id, s, a.sent[s]}
}

// repeats notes that a message is sent once more, since nobody knows whether it
// came through.
func (a *account) repeats(c content) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.again == nil {
		a.again = map[content]int{}
	}
	a.again[c] += readers
	a.ledger.add(sentAgain)
}

// acknowledged notes that the hub has a message of QoS 1, and so all that was
// sent before it on the same connection.
func (a *account) acknowledged(c content) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.accepted[qos1] = c.number
	a.accepted[qos0] = a.sent[qos0]
	a.ledger.add(sentQoS1)
}

// readBy notes that a reader got an event of the device's.
func (a *account) readBy(reader int, got *arrival) {
	c, err := got.of(a.id)
	if err == nil && c.stream != qos0 && c.stream != qos1 {
		err = fmt.Errorf("stream %d", c.stream)
	}
	if err == nil {
		err = c.differs(got)
	}
	if err != nil {
		a.ledger.lose(1, "telemetry of %s is not as it was sent: %v", a.id, err)
		return
	}
	a.ledger.add(readAMQP + count(reader))
	a.mu.Lock()
	defer a.mu.Unlock()
	last := &a.read[reader][c.stream]
	switch {
	case c.number > a.sent[c.stream]:
		a.ledger.lose(1, "telemetry %s was read before it was sent", c.id())
	case c.number <= *last:
		a.repeated(c)
	case c.number > *last+1:
		a.ledger.lose(c.number-*last-1, "telemetry of %s on stream %d after number %d, up to %d", a.id, c.stream, *last, c.number)
		fallthrough
	default:
		*last = c.number
	}
}

// repeated notes that a reader got an event once more, which it may as often as
// it was sent once more. The caller holds mu.
func (a *account) repeated(c content) {
	if a.again[c] == 0 {
		a.ledger.fault("telemetry %s was read twice and sent once", c.id())
		return
	}
	a.again[c]--
	a.ledger.add(readAgain)
}

// nextMessage is the next message to the device. It is promised from now on.
func (a *account) nextMessage() content {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.messages.sent++
	c := content{a.id, deviceBound, a.messages.sent}
	a.feedback[c.id()] = struct{}{}
	return c
}

// message notes that the device got a message: in order, though it may get one
// again whose acknowledgement was lost with a connection.
func (a *account) message(got *arrival) {
	c, err := got.of(a.id)
	if err == nil && c.stream != deviceBound {
		err = fmt.Errorf("stream %d", c.stream)
	}
	if err == nil {
		err = c.differs(got)
	}
	if err != nil {
		a.ledger.lose(1, "a message to %s is not as it was sent: %v", a.id, err)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case c.number <= a.messages.received:
		a.ledger.add(messagesAgain)
		return
	case c.number > a.messages.received+1:
		a.ledger.lose(c.number-a.messages.received-1, "messages to %s after number %d, up to %d", a.id, a.messages.received, c.number)
	}
	a.messages.received = c.number
	a.ledger.add(messagesReceived)
}

// outcome notes what became of a message, as a back end was told.
func (a *account) outcome(id, status string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, due := a.feedback[id]; !due {
		a.ledger.fault("feedback on message %s came twice, or on none", id)
		return
	}
	delete(a.feedback, id)
	a.ledger.add(feedbackRead)
	if status != "Success" {
		a.ledger.lose(1, "message %s ended as %s", id, status)
	}
}

// reportedIs notes the version that the hub gave to what was reported.
func (a *account) reportedIs(version int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reported++
	a.ledger.add(reports)
	if version != a.reported {
		a.ledger.lose(1, "reported properties of %s have version %d, not %d", a.id, version, a.reported)
		a.reported = version
	}
}

// nextReport is what the device reports next: the version that it will have.
func (a *account) nextReport() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return fmt.Sprintf(`{"soak":{"version":%d,"text":"%[1]d of %s"}}`, a.reported+1, a.id)
}

// desiredIs notes the version that the hub gave to what a back end desires.
func (a *account) desiredIs(version int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.desired.set++
	a.ledger.add(changes)
	if version != a.desired.set {
		a.ledger.lose(1, "desired properties of %s have version %d, not %d", a.id, version, a.desired.set)
		a.desired.set = version
	}
}

// section is a section of a twin, or a patch of it.
type section struct {
	Version int64 `json:"$version"`
	Soak    struct {
		Version int64 `json:"version"`
	} `json:"soak"`
}

// whole says whether a section has the version that it was given.
func (s section) whole() bool { return s.Soak.Version == s.Version || s.Version == 1 }

// changed notes that the device was told of a change: each version, in order,
// but those that it has read already.
func (a *account) changed(version int64, patch []byte) {
	var s section
	if err := json.Unmarshal(patch, &s); err != nil || s.Version != version || !s.whole() {
		a.ledger.lose(1, "change %d of %s is %s", version, a.id, patch)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if version <= a.desired.seen {
		return
	}
	if missed := version - a.desired.seen - 1; missed > 0 {
		a.ledger.lose(missed, "changes of %s between %d and %d", a.id, a.desired.seen, version)
	}
	a.desired.seen = version
	a.ledger.add(changesSeen)
}

// unanswered notes that a report was sent whose answer was lost.
func (a *account) unanswered() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.uncertain = true
}

// twin notes that the device has read its twin: what was missed while it was away
// is made good by that, and it shows whether a report came through.
func (a *account) twin(view []byte) {
	var t struct{ Desired, Reported section }
	if err := json.Unmarshal(view, &t); err != nil || !t.Desired.whole() || !t.Reported.whole() {
		a.ledger.lose(1, "the twin of %s is %s", a.id, view)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ledger.add(twinsRead)
	if a.uncertain && t.Reported.Version == a.reported+1 {
		a.reported++
	}
	a.uncertain = false
	if t.Reported.Version != a.reported {
		a.ledger.lose(1, "the reported properties of %s have version %d, not %d", a.id, t.Reported.Version, a.reported)
	}
	if t.Desired.Version < a.desired.seen {
		a.ledger.lose(1, "the desired properties of %s are back at version %d after %d", a.id, t.Desired.Version, a.desired.seen)
	}
	if missed := t.Desired.Version - a.desired.seen; missed > 0 {
		a.ledger.counts[changesSeen].Add(missed)
		a.desired.seen = t.Desired.Version
	}
}

// debt is something that has not come yet.
type debt struct {
	n    int64
	what string
}

// due is what has not come yet.
func (a *account) due() (all []debt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for reader, how := range [readers]string{"AMQP", "HTTP"} {
		for s := range a.accepted {
			all = append(all, debt{a.accepted[s] - a.read[reader][s], fmt.Sprintf("of QoS %d not read over %s", s, how)})
		}
	}
	all = append(all, debt{a.messages.sent - a.messages.received, "messages not received"},
		debt{int64(len(a.feedback)), "messages without feedback"},
		debt{a.desired.set - a.desired.seen, "changes not seen"})
	kept := all[:0]
	for _, d := range all {
		if d.n > 0 {
			kept = append(kept, d)
		}
	}
	return kept
}
