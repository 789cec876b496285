package main

import (
	"sync"
	"sync/atomic"
	"time"
)

// storm is clients that connect with full handshakes and leave, one after
// another in each of some workers.
type storm struct {
	workers  int
	duration time.Duration
	stop     *atomic.Bool // ends it, instead of duration
	rate     bound
}

// storm puts it on each broker and reports it.
func (c *contest) storm(s storm) error {
	f := figures{}
	err := c.compare(200, func(b broker, logins []login) error {
		result, err := s.run(b, logins)
		if err != nil {
			return err
		}
		f.add("rate", b, result.perSecond())
		f.add("cpu", b, result.cpuPerMessage())
		f.add("p50", b, micro(result.latency.quantile(0.5)))
		f.add("p99", b, micro(result.latency.quantile(0.99)))
		return nil
	})
	c.report.add("full-handshake connects", "1/s", f["rate"], s.rate)
	c.report.add("full-handshake connects, CPU of the broker", "µs", f["cpu"], bound{})
	c.report.add("full-handshake connects, p50", "µs", f["p50"], bound{})
	c.report.add("full-handshake connects, p99", "µs", f["p99"], bound{})
	return err
}

func (s storm) run(b broker, logins []login) (*rate, error) {
	stop := s.stop
	if stop == nil {
		stop = new(atomic.Bool)
		late := time.AfterFunc(s.duration, func() { stop.Store(true) })
		defer late.Stop()
	}
	var mu sync.Mutex
	var total histogram
	before := sample(b.pid(), nil)
	each := len(logins) / s.workers // no two workers share a login
	err := parallel(s.workers, s.workers, func(worker int) error {
		own, latency := logins[worker*each:(worker+1)*each], histogram{}
		for i := 0; !stop.Load(); i++ {
			began := time.Now()
			conn, err := connect(b.addr(), b.tls(), own[i%each])
			if err != nil {
				return err
			}
			latency.record(time.Since(began))
			if err := leave(conn); err != nil {
				return err
			}
		}
		mu.Lock()
		defer mu.Unlock()
		total.merge(&latency)
		return nil
	})
	result := sample(b.pid(), nil).since(before)
	result.messages, result.latency = int64(total.total), total
	return &result, err
}
