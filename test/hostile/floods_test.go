package hostile_test

import (
	"context"
	"crypto/tls"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// Figures of floods.
const (
	floodTime    = quiet * window * pace // of one that goes on
	crowdSize    = 3000                  // connections of one that stays, on each port
	maxStrangers = 1000                  // the hub's own bound, on each port
	perStranger  = 20 << 10              // what a connection may cost that has said nothing, in bytes
)

// floods are what attackers do over and over, all of them at once.
var floods = map[string]input{
	"CONNECTs with a wrong token": greets(func(_ *attacker, c *connect) { c.password = "SharedAccessSignature sr=x&sig=x&se=9999999999" }, saying(notAuthorized)),
	"CONNECTs with a wrong key": greets(func(a *attacker, c *connect) {
		c.password = signFor(&attacker{victim: a.victim, device: other(a)}, a.device.Resource())
	}, saying(notAuthorized)),
	"certificates that are foreign":       knocks(harness.MQTTPort, shown(ownKey, foreign)),
	"certificates that pass for a CA's":   knocks(harness.MQTTPort, shown(ownKey, append([][]byte{foreign}, namesakes...)...)),
	"certificates of 6,500 names":         knocks(harness.HTTPSPort, shown(ownKey, certificate(ownKey, ownKey, certified, manyNames))),
	"certificates that others have":       breaks(harness.AMQPSPort, shown(ownKey, genuine)),
	"certificates with a key to try long": breaks(harness.MQTTPort, shown(guesser{}, certificate(ownKey, guesser{}, certified))),
	"CONNECTs that are malformed":         stranger(packetOf(0x10, withWill, text("d"), 0xFF, 0xFF, "x"), unanswered),
	"handshakes that break off":           below(harness.MQTTPort, record(tlsHandshake, 0x0301, clientHello([]byte{0xC0, 0x2B}, nil))[:30], half),
	"ClientHellos and no more":            below(harness.MQTTPort, goodHello(), func(p *peer) error { p.reset(); return nil }),
	"handshakes and no more":              stranger(nil, func(p *peer) error { p.reset(); return nil }),
	"connections that are reset":          below(harness.MQTTPort, nil, func(p *peer) error { p.reset(); return nil }),
	"requests without a token":            exchange{plain("GET", devicePath, ""), []int{401}}.input(harness.HTTPSPort),
	"requests in one connection":          exchange{times(100, []byte(plain("GET", devicePath, ""))), []int{401}}.input(harness.HTTPSPort),
	"requests of other sites":             exchange{ordered("Origin: https://evil.example"), []int{403}}.input(harness.ControlPort),
	"WebSockets that are reset":           sends(nil, func(p *peer) error { p.reset(); return nil }),
	"devices that come and go":            member(always(subscribe(1, twinAnswers, desired, methods)), func(p *peer) error { p.reset(); return nil }),
	"pings of ten devices":                member(always(times(20000, pingreq)), alive),
	"pings over WebSocket":                surfs(always(times(2000, frame(wsFinal|wsPing, "are you there?"))), surfing),
	"clones of one device": func(a *attacker) error {
		clone := &attacker{victim: a.victim, device: a.devices[0]}
		p, err := clone.tls(harness.MQTTPort)
		if err != nil {
			return err
		}
		defer p.Close()
		p.send(clone.hello().bytes(), subscribe(1, methods), pingreq)
		_, _ = p.next(len(accepted) + 5 + len(pingresp)) // or another clone took over
		return nil
	},
}

// goodHello is a ClientHello that nothing is wrong with. It costs nothing to send
// again and again, and the hub a signature each time.
func goodHello() []byte {
	us, hub := net.Pipe()
	defer us.Close()
	go func() {
		_ = tls.Client(us, &tls.Config{ServerName: "localhost"}).Handshake() // which ends with the pipe
	}()
	b := make([]byte, 64<<10)
	n, err := hub.Read(b)
	if err != nil {
		panic(err)
	}
	return b[:n]
}

// other is a device that is not the attacker's.
func other(a *attacker) harness.Identity {
	if a.device.DeviceID == a.devices[0].DeviceID {
		return a.devices[1]
	}
	return a.devices[0]
}

// testFloods has all attackers repeat one thing as fast as they can.
func testFloods(t *testing.T) {
	v := start(t, floodedAddress)
	v.welcome(t)
	before := v.vitals(t)
	n := newNeighbour(t, v)
	for _, name := range slices.Sorted(maps.Keys(floods)) {
		t.Run(name, func(t *testing.T) {
			stop := v.watch(t)
			n.undisturbed(t, name, attackers, func() {
				times, err := v.flood(floods[name])
				require.NoError(t, err)
				t.Logf("%d times", times)
			})
			v.affords(t, stop()-before.memory, attackers*perInput)
			v.recovers(t, before)
			v.forgets(t)
		})
	}
}

// flood has all attackers do one thing again and again, and counts how often.
func (v *victim) flood(in input) (times int64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), floodTime)
	defer cancel()
	var done atomic.Int64
	errs := make([]error, attackers)
	var all sync.WaitGroup
	for i := range attackers {
		all.Go(func() {
			for ctx.Err() == nil && errs[i] == nil {
				errs[i] = in(&attacker{victim: v, device: v.devices[i]})
				done.Add(1)
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return done.Load(), err
		}
	}
	return done.Load(), nil
}

// testCrowd opens thousands of connections on every port that say
// nothing. The hub keeps no more of them than it is set to, and devices and back
// ends get in all the same.
func testCrowd(t *testing.T) {
	v := start(t, crowdedAddress)
	v.welcome(t)
	before := v.vitals(t)
	n := newNeighbour(t, v)
	stop := v.watch(t)
	ports := []string{harness.MQTTPort, harness.HTTPSPort, harness.AMQPSPort, harness.ControlPort}
	var crowd []*peer
	n.undisturbed(t, "a crowd", attackers, func() {
		for range crowdSize {
			for _, port := range ports {
				p, err := v.tcp(port)
				require.NoError(t, err)
				crowd = append(crowd, p)
			}
		}
		require.NoError(t, honest(&attacker{victim: v, device: v.devices[0]}), "a device gets in")
		require.Equal(t, 200, v.REST(t, "GET", "/devices/"+v.devices[0].DeviceID, nil).Status, "a back end gets in")
		v.Control(t, http.MethodGet, "/health", nil, nil)
		held := v.descriptors(t) - before.descriptors
		require.LessOrEqual(t, held, len(ports)*maxStrangers+stray)
		cost := v.memory(t) - before.memory
		t.Logf("%d of %d connections are held, at %d KB each", held, len(crowd), cost>>10/held)
		for _, p := range crowd {
			_ = p.Close()
		}
		crowd = nil
	})
	v.affords(t, stop()-before.memory, len(ports)*maxStrangers*perStranger)
	v.recovers(t, before)
}

// testStalledReaders has as many readers as a partition may have, in each of
// several consumer groups, ask for all events and read none. That must not cost
// much, nor hold up devices.
func testStalledReaders(t *testing.T) {
	const each = 5
	v := start(t, stalledAddress, "--config", withGroups(t, "a", "b", "c", "d"))
	v.fillJournal(t)
	v.welcome(t)
	before := v.vitals(t)
	n := newNeighbour(t, v)
	stop := v.watch(t)
	n.undisturbed(t, "stalled readers", attackers, func() {
		began := time.Now()
		for _, group := range []string{"a", "b", "c", "d"} {
			for i, open := range []opening{overAMQP[""], overAMQP[""], overAMQP[""], (*attacker).tunnelled, (*attacker).tunnelled}[:each] {
				p, err := enters(open, asBackEnd)(&attacker{victim: v, device: v.devices[i]})
				require.NoError(t, err)
				defer p.Close()
				p.send(reads(group, 1<<20))
			}
		}
		n.since(t, began, 2*quiet*window)
	})
	v.affords(t, stop()-before.memory, 4*each*perInput)
	v.recovers(t, before)
}
