package hostile_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// TestAWebSocketIsAStrangerUntilItsClientShowsWhoItIs is about the bound of
// strangers on port 443: an upgrade alone makes nobody known.
func TestAWebSocketIsAStrangerUntilItsClientShowsWhoItIs(t *testing.T) {
	t.Parallel()
	const strangers = 8
	v := start(t, strangersAddress, "--max-strangers", fmt.Sprint(strangers))
	a := &attacker{victim: v, device: v.devices[0]}
	byPlain, err := enters((*attacker).tunnelled, asDevice)(a)
	require.NoError(t, err)
	defer byPlain.Close()
	byToken, err := a.tunnelled()
	require.NoError(t, err)
	defer byToken.Close()
	byToken.send(opened, begin(), sendsOn(0, "c", "$cbs"), takesOn(1, "d", "$cbs"), grants(1, 1),
		carries(0, 0, false, putToken(a.device.Resource(), a.token())))
	_, err = byToken.performed(amqpTransfer, 0)
	require.NoError(t, err)
	overMQTT, err := (&attacker{victim: v, device: v.devices[1]}).upgraded()
	require.NoError(t, err)
	defer overMQTT.Close()
	overMQTT.send(frame(wsFinal|wsBinary, (&attacker{victim: v, device: v.devices[1]}).hello().bytes()))
	require.NoError(t, overMQTT.frameOf(accepted))

	for protocol, open := range map[string]opening{"AMQP": (*attacker).tunnelled, "MQTT": (*attacker).upgraded} {
		var crowd []*peer
		for range strangers + 2 { // the last have to wait until the oldest have had their time
			p, err := open(a)
			require.NoError(t, err, protocol)
			defer p.Close()
			crowd = append(crowd, p)
		}
		require.NoError(t, crowd[0].ends(a.patience()), "%s: the oldest has to leave", protocol)
	}
	require.NoError(t, conversing(byPlain), "who has shown who it is may stay")
	require.NoError(t, conversing(byToken))
	require.NoError(t, surfing(overMQTT))
	v.WaitLog(t, "have not shown who they are")
}

// TestConnectionsFromOneAddressAreBounded is about the bound on all ports
// together.
func TestConnectionsFromOneAddressAreBounded(t *testing.T) {
	t.Parallel()
	const most = 20
	v := start(t, crowdAddress, "--max-per-address", fmt.Sprint(most))
	var held []*peer
	ports := []string{harness.MQTTPort, harness.AMQPSPort, harness.HTTPSPort, harness.ControlPort}
	for len(held) < most { // some are the harness's own
		p, err := v.tcp(ports[len(held)%len(ports)])
		require.NoError(t, err)
		defer p.Close()
		held = append(held, p)
	}
	for _, port := range ports {
		p, err := v.tcp(port)
		require.NoError(t, err)
		defer p.Close()
		require.NoError(t, p.ends(v.patience()), "one more on %s is one too many", port)
	}
	v.WaitLog(t, "there are 20 already")
	for _, p := range held {
		require.NoError(t, p.Close())
	}
	require.Eventually(t, func() bool {
		p, err := v.tls(harness.MQTTPort)
		if err != nil {
			return false
		}
		_ = p.Close()
		return true
	}, harness.Deadline, 5*time.Millisecond, "who comes after they have left is let in")
}
