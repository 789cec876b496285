package hostile_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// idle is how long an AMQP peer may be silent.
const idle = 4 * time.Minute

// TestSilentAMQPPeers waits for the longest of the hub's deadlines: peers that were let
// in and fall silent are told why they are cut off, although they listen and the hub's
// heartbeats reach them. It takes longer than all the others, and costs next to nothing.
func TestSilentAMQPPeers(t *testing.T) {
	t.Parallel()
	v := start(t, silentAddress)
	free := v.devices
	for way, open := range overAMQP {
		for who, login := range map[string]func(*attacker) []byte{"a device": asDevice, "a back end": asBackEnd} {
			a := &attacker{victim: v, device: free[0]}
			free = free[1:]
			t.Run(who+way, func(t *testing.T) {
				t.Parallel()
				p, err := enters(open, login)(a)
				require.NoError(t, err)
				defer p.Close()
				if who == "a device" {
					p.send(telemetryLink(a))
					_, err = p.performed(amqpAttach, 0)
					require.NoError(t, err)
				}
				began := time.Now()
				told, err := p.performedWithin(idle+slack, amqpClose, 0)
				require.NoError(t, err)
				require.Contains(t, string(told), "amqp:connection:forced")
				require.Greater(t, time.Since(began), idle/2, "which is what the hub announces")
				if who == "a device" {
					require.NoError(t, a.cutOff())
				}
			})
		}
	}
}
