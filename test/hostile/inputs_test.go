package hostile_test

import (
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// group is a table of inputs.
type group struct {
	name   string
	inputs map[string]input
}

// groups are all inputs that take no longer than it takes to answer them.
func groups() []group {
	return []group{
		{"strangers", strangers},
		{"members", members},
		{"TLS", tlsInputs()},
		{"certificates", certificateInputs()},
		{"WebSocket", webSocketInputs()},
		{"service", serviceInputs()},
		{"devices over HTTPS", inputsOf(harness.HTTPSPort, httpsDevices)},
		{"control", controlInputs()},
		{"languages", inputsOf(harness.HTTPSPort, languages)},
		{"rules", inputsOf(harness.ControlPort, rules)},
		{"AMQP", amqpInputs(amqpStrangers)},
		{"AMQP after a login", amqpInputs(amqpDevices, amqpBackEnds)},
	}
}

// tables are all inputs there are.
func tables() []group {
	return append(groups(), group{"that wait", patientInputs()}, group{"that are repeated", floods},
		group{"indiscreet", indiscreet}, group{"indiscreet over AMQP", amqpInputs(indiscreetAMQP)})
}

// count is how many inputs there are.
func count() (total int) {
	for _, g := range tables() {
		total += len(g.inputs)
	}
	return total
}

// TestHostilePeers has hubs attacked one after another, each beside a neighbour.
func TestHostilePeers(t *testing.T) {
	t.Parallel() // with those who wait
	t.Run("inputs", testInputs)
	t.Run("floods", testFloods)
	t.Run("a crowd", testCrowd)
	t.Run("stalled readers", testStalledReaders)
	t.Run("show-offs", testShowOffs)
}

// few is how many do the same thing at once while the neighbour is listened to:
// what many at a time do to it shows under floods.
const few = 2

// testInputs unleashes one input after another: many attackers at a time, to see
// what it costs, and then few, to see whether a neighbour notices.
func testInputs(t *testing.T) {
	v := start(t, address)
	v.welcome(t)
	before := v.vitals(t)
	n := newNeighbour(t, v)
	for _, g := range groups() {
		t.Run(g.name, func(t *testing.T) {
			for _, name := range slices.Sorted(maps.Keys(g.inputs)) {
				t.Run(name, func(t *testing.T) { v.bears(t, g.inputs[name], before) })
			}
			n.usual = nil // it was not quiet
			n.undisturbed(t, g.name, few, func() {
				for _, name := range slices.Sorted(maps.Keys(g.inputs)) {
					require.NoError(t, v.unleash(few, g.inputs[name]), name)
				}
			})
			v.forgets(t)
		})
	}
}

// bears unleashes an input and checks what it costs. Where that is too much it
// does so again, once the hub's memory is what it was before: what counts is what
// the input costs each time, not what the collector has not come round to.
func (v *victim) bears(t *testing.T, in input, before vitals) {
	t.Helper()
	var cost int
	for range rounds {
		stop, began := v.watch(t), time.Now()
		err := v.unleash(attackers, in)
		took := time.Since(began)
		cost = stop() - before.memory
		require.NoError(t, err)
		require.Less(t, took, most)
		v.recovers(t, before)
		v.forgets(t)
		if v.raced || cost <= garbage*attackers*perInput {
			return
		}
		v.settles(t, before)
	}
	require.Failf(t, "the hub does not bear it", "%d times it cost %s, in the last of %d rounds", attackers, megabytes(cost), rounds)
}

// unleash has so many attackers do the same thing at once.
func (v *victim) unleash(many int, in input) error {
	errs := make([]error, many)
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() { errs[i] = in(&attacker{victim: v, device: v.devices[i]}) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err // the others say the same
		}
	}
	return nil
}

// welcome has honest clients do what they do until the hub's memory is what it is
// with such clients: it stops growing.
func (v *victim) welcome(t *testing.T) {
	t.Helper()
	most := 0
	for range 50 {
		require.NoError(t, v.unleash(attackers, honest))
		now := v.memory(t)
		if now <= most {
			break
		}
		most = now
	}
}

// settles has honest clients do what they do until the hub's memory is about what
// it was before. It must give back what it does not need.
func (v *victim) settles(t *testing.T, before vitals) {
	t.Helper()
	require.Eventually(t, func() bool {
		return v.unleash(attackers, honest) == nil && v.memory(t) <= before.memory+attackers*perInput/2
	}, 2*harness.Deadline, time.Millisecond, "the hub does not give memory back")
	v.forgets(t)
}

// forgets has the hub's clock move on until what honest and hostile devices sent
// has passed its time, so that it is not taken for a cost of the next input.
func (v *victim) forgets(tb testing.TB) {
	tb.Helper()
	v.Advance(tb, 25*time.Hour)
}

// honest is a device that does what devices do.
func honest(a *attacker) error {
	p, err := a.join()
	if err != nil {
		return err
	}
	defer p.Close()
	p.send(subscribe(1, twinAnswers, desired, methods, a.deviceBound()))
	p.send(publish(2, a.events()+"a=b", long(8<<10)), publish(3, twinGet, ""), publish(4, report, `{"a":1}`))
	if err := alive(p); err != nil {
		return err
	}
	p.send(disconnect)
	return closed(p)
}
