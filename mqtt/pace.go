package mqtt

import "time"

// How fast one client may send, beyond what any device of IoT Hub may: nobody else
// waits for long behind one that floods. A quantum is what it may send in one go.
//
// Differs: IoT Hub throttles by units of the whole hub, at a small part of this.
const (
	paceRate    = 32 << 20 // bytes a second
	paceQuantum = 64 << 10 // bytes
	paceLeast   = 320      // what a message counts at least, in bytes: 100,000 a second
)

// pace is what a client has sent since a moment.
type pace struct {
	spent int
	since time.Time
}

// spend counts a message.
func (p *pace) spend(m *received) { p.spent += max(len(m.topic)+len(m.payload), paceLeast) }

// pause is how long a client has to wait before it is read again.
func (p *pace) pause(now time.Time) time.Duration {
	wait := max(0, p.since.Add(time.Duration(p.spent)*time.Second/paceRate).Sub(now))
	p.spent, p.since = 0, now.Add(wait)
	return wait
}
