package server

import (
	"net"
	"net/netip"
	"sync"
)

// crowd counts the connections of all doors by the address they come from.
type crowd struct {
	mu  sync.Mutex
	has map[netip.Addr]int
}

func newCrowd() *crowd { return &crowd{has: map[netip.Addr]int{}} }

// join counts one more, unless there are limit already; 0 is no limit.
func (c *crowd) join(from netip.Addr, limit int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if limit > 0 && c.has[from] >= limit {
		return false
	}
	c.has[from]++
	return true
}

func (c *crowd) leave(from netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.has[from]--; c.has[from] == 0 {
		delete(c.has, from)
	}
}

// addressOf is where a connection comes from: an IPv4 address, or the network of
// an IPv6 address, since one machine has as many of those as it likes.
func addressOf(c interface{ RemoteAddr() net.Addr }) netip.Addr {
	from, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	address := from.Addr().Unmap()
	if network, err := address.Prefix(64); err == nil && address.Is6() {
		return network.Addr()
	}
	return address
}
