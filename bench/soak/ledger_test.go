package main

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// arrived is a message as it was sent.
func arrived(c content) *arrival {
	return &arrival{id: c.id(), contentType: c.contentType(), properties: c.properties(), body: c.body()}
}

// sentOne is telemetry that was acknowledged.
func sentOne(a *account) content {
	c := a.next(qos1)
	a.acknowledged(c)
	return c
}

// readAll has every reader get telemetry.
func readAll(a *account, c content) {
	for reader := range readers {
		a.readBy(reader, arrived(c))
	}
}

// desiredPatch is what a device is told of a change.
func desiredPatch(version int64) []byte {
	return fmt.Appendf(nil, `{"soak":{"version":%d},"$version":%[1]d}`, version)
}

func TestNothingIsDueOnceAllHasCome(t *testing.T) {
	t.Parallel()
	l := newLedger(io.Discard)
	a := l.open("d")
	unconfirmed := a.next(qos0)
	readAll(a, unconfirmed)
	readAll(a, sentOne(a))
	c := sentOne(a)
	a.repeats(c)
	readAll(a, c)
	readAll(a, c)
	m := a.nextMessage()
	a.message(arrived(m))
	a.message(arrived(m))
	a.outcome(m.id(), "Success")
	a.desiredIs(2)
	a.changed(2, desiredPatch(2))
	a.desiredIs(3)
	a.reportedIs(2)
	a.twin([]byte(`{"desired":{"soak":{"version":3},"$version":3},"reported":{"soak":{"version":2},"$version":2}}`))
	a.changed(3, desiredPatch(3)) // it is told of what it has read
	if n, what := l.due(); n != 0 || l.lost.Load() != 0 || l.errors.Load() != 0 {
		t.Errorf("%d due: %q; faults: %q", n, what, l.faultList())
	}
}

func TestEachLossIsFound(t *testing.T) {
	t.Parallel()
	other := func(change func(*arrival)) func(*account) {
		return func(a *account) {
			got := arrived(sentOne(a))
			change(got)
			for reader := range readers {
				a.readBy(reader, got)
			}
		}
	}
	for name, c := range map[string]struct {
		do   func(a *account)
		want string
	}{
		"telemetry is not read":                  {func(a *account) { sentOne(a) }, "1 of QoS 1 not read over AMQP"},
		"telemetry is read by one reader only":   {func(a *account) { a.readBy(overAMQP, arrived(sentOne(a))) }, "1 of QoS 1 not read over HTTP"},
		"telemetry of QoS 0 is not read":         {func(a *account) { a.next(qos0); readAll(a, sentOne(a)) }, "1 of QoS 0 not read"},
		"telemetry is read behind a gap":         {func(a *account) { sentOne(a); readAll(a, sentOne(a)) }, "after number 0, up to 2"},
		"telemetry is read that was not sent":    {func(a *account) { readAll(a, content{"d", qos1, 1}) }, "before it was sent"},
		"telemetry is read twice":                {func(a *account) { c := sentOne(a); readAll(a, c); readAll(a, c) }, "read twice and sent once"},
		"a body is another":                      {other(func(g *arrival) { g.body = append([]byte("x"), g.body...) }), "its body"},
		"an id is another":                       {other(func(g *arrival) { g.id = "x" }), "its id"},
		"a content type is another":              {other(func(g *arrival) { g.contentType = "text/plain" }), "its content type"},
		"a property is another":                  {other(func(g *arrival) { g.properties[noteProperty] = "x" }), "its property"},
		"a property is too many":                 {other(func(g *arrival) { g.properties["x"] = "x" }), "its properties"},
		"a number is none":                       {other(func(g *arrival) { g.properties[numberProperty] = "x" }), "number"},
		"a stream is none of its own":            {other(func(g *arrival) { g.properties[streamProperty] = "2" }), "stream 2"},
		"a message does not come":                {func(a *account) { a.outcome(a.nextMessage().id(), "Success") }, "1 messages not received"},
		"a message comes behind a gap":           {func(a *account) { a.nextMessage(); a.message(arrived(a.nextMessage())) }, "messages to d after number 0, up to 2"},
		"a message is another":                   {func(a *account) { g := arrived(a.nextMessage()); g.body = nil; a.message(g) }, "its body"},
		"feedback does not come":                 {func(a *account) { a.message(arrived(a.nextMessage())) }, "1 messages without feedback"},
		"feedback comes twice":                   {func(a *account) { id := a.nextMessage().id(); a.outcome(id, "Success"); a.outcome(id, "Success") }, "came twice"},
		"feedback is bad":                        {func(a *account) { a.outcome(a.nextMessage().id(), "Expired") }, "ended as Expired"},
		"a change is not seen":                   {func(a *account) { a.desiredIs(2) }, "1 changes not seen"},
		"a change is seen behind a gap":          {func(a *account) { a.desiredIs(2); a.desiredIs(3); a.changed(3, desiredPatch(3)) }, "between 1 and 3"},
		"a change is another":                    {func(a *account) { a.desiredIs(2); a.changed(2, desiredPatch(1)) }, "change 2 of d is"},
		"a change is no JSON":                    {func(a *account) { a.desiredIs(2); a.changed(2, nil) }, "change 2 of d is"},
		"desired properties have a wrong number": {func(a *account) { a.desiredIs(3) }, "have version 3, not 2"},
		"a report has a wrong number":            {func(a *account) { a.reportedIs(3) }, "have version 3, not 2"},
		"a twin has lost a report": {func(a *account) {
			a.reportedIs(2)
			a.twin([]byte(`{"desired":{"$version":1},"reported":{"$version":1}}`))
		}, "have version 1, not 2"},
		"a twin has lost a change": {func(a *account) {
			a.desiredIs(2)
			a.changed(2, desiredPatch(2))
			a.twin([]byte(`{"desired":{"$version":1},"reported":{"$version":1}}`))
		}, "back at version 1 after 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLedger(io.Discard)
			c.do(l.open("d"))
			n, what := l.due()
			if n+l.lost.Load()+l.errors.Load() == 0 {
				t.Fatal("it is not found")
			}
			if all := strings.Join(append(what, l.faultList()...), "\n"); !strings.Contains(all, c.want) {
				t.Errorf("what is found is not %q but %q", c.want, all)
			}
		})
	}
}

func TestErrorsAreExcusedJustAfterTheMachineStoodStill(t *testing.T) {
	t.Parallel()
	l := newLedger(io.Discard)
	l.still.Store(time.Now().UnixNano())
	l.fault("a deadline has passed")
	l.lose(1, "a message")
	l.still.Store(time.Now().Add(-2 * aftermath).UnixNano())
	l.fault("for no reason")
	if l.excused.Load() != 1 || l.errors.Load() != 1 || l.lost.Load() != 1 {
		t.Errorf("excused %d, errors %d, lost %d", l.excused.Load(), l.errors.Load(), l.lost.Load())
	}
}

func TestAReportWhoseAnswerWasLostIsTakenFromTheTwin(t *testing.T) {
	t.Parallel()
	for _, version := range []int64{1, 2} {
		l := newLedger(io.Discard)
		a := l.open("d")
		a.unanswered()
		a.twin(fmt.Appendf(nil, `{"desired":{"$version":1},"reported":{"soak":{"version":%d},"$version":%[1]d}}`, version))
		a.reportedIs(version + 1)
		if l.lost.Load() != 0 {
			t.Errorf("version %d: %q", version, l.faultList())
		}
	}
}

func TestContentsDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]content{}
	shortest, longest := maxBody, 0
	for _, device := range []string{"a", "b"} {
		for s := range deviceBound + 1 {
			for number := range int64(500) {
				c := content{device, s, number}
				shortest, longest = min(shortest, len(c.body())), max(longest, len(c.body()))
				if other, twice := seen[string(c.body())]; twice {
					t.Errorf("%v and %v have one body", c, other)
				}
				seen[string(c.body())] = c
				got, err := arrived(c).of(device)
				if err != nil || got != c {
					t.Errorf("%v arrives as %v (%v)", c, got, err)
				}
			}
		}
	}
	if shortest > 100 || longest < 2000 {
		t.Errorf("bodies have %d to %d bytes", shortest, longest)
	}
}
