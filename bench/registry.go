package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/linarite/linarite/test/harness"
)

// registry is many registered devices with twins of 2 KB, one in a hundred at
// the site that is asked for, and what it costs to keep, query, read and change
// them.
type registry struct {
	twins   int
	queries int           // how often each query is asked
	beside  time.Duration // how long twins are read and patched beside telemetry and queries
	heap    bound         // of a twin with its identity
	page    bound         // the first page of 100 of one in a hundred
	scan    bound         // of all, where none matches
	group   bound         // a count by group
	p99     bound         // of reads and of patches
}

const (
	bulk         = 100 // items of a request
	shareOfSite  = 100 // one in so many is at the site
	talkative    = 100 // devices that send telemetry
	telemetryGap = 100 * time.Millisecond
	queryGap     = 200 * time.Millisecond // a hundred times what Azure lets a unit of S1 ask
)

// registry runs on the hub alone, through its REST API.
func (c *contest) registry(l *linarite, r registry) (err error) {
	if err := l.start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.stop()) }()
	before, err := liveHeap(l.hub)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := r.fill(l.hub); err != nil {
		return err
	}
	c.report.addOwn(fmt.Sprintf("%d twins of 2 KB, registered in bulk", r.twins), "/s",
		series{float64(r.twins) / time.Since(began).Seconds()}, bound{})
	devices, err := r.reporters(l)
	if err != nil {
		return err
	}
	if err := dismiss(devices); err != nil {
		return err
	}
	if err := r.ask(c.report, l.hub); err != nil {
		return err
	}
	after, err := liveHeap(l.hub)
	if err != nil {
		return err
	}
	c.report.addOwn("heap of one of them with its identity", "kB", series{(after - before) / 1000 / float64(r.twins)}, r.heap)
	return errors.Join(r.mix(c.report, l, false), r.mix(c.report, l, true))
}

// fill registers the devices.
func (r registry) fill(hub *harness.Hub) error {
	return parallel(2, r.twins/bulk, func(n int) error {
		items := make([]json.RawMessage, bulk)
		for i := range items {
			items[i] = registryItem(n*bulk + i)
		}
		answer, err := hub.Service(http.MethodPost, "/devices", items)
		if err == nil && answer.Status != http.StatusOK {
			err = fmt.Errorf("%d: %s", answer.Status, answer.Body)
		}
		return err
	})
}

func registryID(i int) string { return fmt.Sprintf("twin-%06d", i) }

// registryItem is a device with the well-known key and 2 KB of tags and desired
// properties.
func registryItem(i int) json.RawMessage {
	site := "site-" + strconv.Itoa(i%shareOfSite)
	if i%shareOfSite == 0 {
		site = "x"
	}
	tags := fmt.Sprintf(`{"site":%q,"building":"north wing %d","floor":%d,"owner":{"name":"a name of someone","mail":"someone@example.com"}}`, site, i%7, i%5)
	var desired strings.Builder
	desired.WriteString(`{"interval":60`)
	for j := range 39 {
		fmt.Fprintf(&desired, `,"setting%02d":{"value":%d,"unit":"degrees"}`, j, j*7)
	}
	return fmt.Appendf(nil, `{"id":%q,"importMode":"create","authentication":{"type":"sas","symmetricKey":{"primaryKey":%[2]q,"secondaryKey":%[2]q}},`+
		`"tags":%s,"properties":{"desired":%s}}}`, registryID(i), harness.WellKnownKey, tags, desired.String())
}

// reporters are the devices at the site, connected, which have reported a
// temperature.
func (r registry) reporters(l *linarite) ([]*device, error) {
	logins := make([]login, r.twins/shareOfSite)
	for i := range logins {
		logins[i] = r.login(l, i*shareOfSite)
	}
	devices, err := enlist(l, logins)
	if err != nil {
		return nil, err
	}
	return devices, parallel(8, len(devices), func(i int) error {
		if err := devices[i].publish("$iothub/twin/PATCH/properties/reported/?$rid=1", []byte(`{"temp":21.5,"firmware":"1.2.3"}`)); err != nil {
			return err
		}
		topic, _, _, err := devices[i].message()
		if err == nil && !strings.HasPrefix(topic, "$iothub/twin/res/204/") {
			err = fmt.Errorf("the answer is %s", topic)
		}
		return err
	})
}

func (r registry) login(l *linarite, i int) login {
	return deviceLogin(harness.Identity{Host: l.address, DeviceID: registryID(i), Key: harness.WellKnownKey})
}

// The queries, each with how many rows its first page has.
const (
	siteQuery  = "SELECT * FROM devices WHERE tags.site = 'x' AND properties.reported.temp > 20"
	nooneQuery = "SELECT * FROM devices WHERE tags.site = 'nowhere' AND properties.reported.temp > 20"
	groupQuery = "SELECT tags.site AS site, COUNT() AS n FROM devices GROUP BY tags.site"
)

// ask measures each query on a hub that does nothing else.
func (r registry) ask(report *report, hub *harness.Hub) error {
	for _, q := range []struct {
		name, text string
		rows       int
		must       bound
	}{
		{"query, first page of 100, 1 % match", siteQuery, 100, r.page},
		{"query, none of all matches", nooneQuery, 0, r.scan},
		{"query, count by group", groupQuery, 100, r.group},
	} {
		var took series
		for range r.queries {
			began := time.Now()
			if err := query(hub, q.text, q.rows); err != nil {
				return fmt.Errorf("%s: %w", q.name, err)
			}
			took = append(took, micro(time.Since(began))/1000)
		}
		report.addOwn(q.name, "ms", took, q.must)
	}
	return nil
}

func query(hub *harness.Hub, text string, rows int) error {
	answer, err := hub.Service(http.MethodPost, "/devices/query", map[string]string{"query": text})
	if err != nil {
		return err
	}
	var got []json.RawMessage
	if err := json.Unmarshal(answer.Body, &got); err != nil || len(got) != rows {
		return fmt.Errorf("%d: %.200s", answer.Status, answer.Body)
	}
	return nil
}

// mix reads and patches twins one after another while devices send telemetry and,
// with scans, a back end asks time and again a query that reads all twins.
func (r registry) mix(report *report, l *linarite, scans bool) error {
	logins := make([]login, talkative)
	for i := range logins {
		logins[i] = r.login(l, i)
	}
	talk := fleet{devices: talkative, period: telemetryGap, periods: int(r.beside / telemetryGap)}
	over := make(chan struct{})
	var beside sync.WaitGroup
	var talkErr, scanErr error
	beside.Go(func() {
		defer close(over)
		_, talkErr = talk.run(l, logins)
	})
	beside.Go(func() {
		tick := time.NewTicker(queryGap)
		defer tick.Stop()
		for scans && scanErr == nil && !isClosed(over) {
			scanErr = query(l.hub, nooneQuery, 0)
			<-tick.C
		}
	})
	var reads, patches histogram
	err := r.work(l.hub, over, &reads, &patches)
	beside.Wait()
	name := fmt.Sprintf("beside %d messages a second", talkative*time.Second/telemetryGap)
	p99 := r.p99
	if scans {
		name, p99 = fmt.Sprintf("beside these and %d scans a second", time.Second/queryGap), bound{}
	}
	for _, figure := range []struct {
		name string
		of   *histogram
	}{{"twin read ", &reads}, {"twin patch ", &patches}} {
		report.addOwn(figure.name+name+", p50", "ms", series{micro(figure.of.quantile(0.5)) / 1000}, bound{})
		report.addOwn(figure.name+name+", p99", "ms", series{micro(figure.of.quantile(0.99)) / 1000}, p99)
	}
	return errors.Join(err, talkErr, scanErr)
}

func (r registry) work(hub *harness.Hub, over <-chan struct{}, reads, patches *histogram) error {
	for i := 0; !isClosed(over); i++ {
		path := "/twins/" + registryID(i*7919%r.twins)
		for _, do := range []struct {
			method string
			body   any
			of     *histogram
		}{
			{http.MethodGet, nil, reads},
			{http.MethodPatch, `{"properties":{"desired":{"interval":` + strconv.Itoa(i) + `}}}`, patches},
		} {
			began := time.Now()
			answer, err := hub.Service(do.method, path, do.body)
			if err != nil || answer.Status != http.StatusOK {
				return fmt.Errorf("%s %s: %d %w", do.method, path, answer.Status, err)
			}
			do.of.record(time.Since(began))
		}
	}
	return nil
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// liveHeap is what the garbage collector found in use, in bytes: that of a
// collection which began after the call.
func liveHeap(hub *harness.Hub) (float64, error) {
	const collections, most = 2, 100_000 // one may be under way
	first, err := gaugesOf(hub)
	for range most {
		now, err := gaugesOf(hub)
		if err != nil {
			return 0, err
		}
		if now["go_gc_duration_seconds_count"] >= first["go_gc_duration_seconds_count"]+collections {
			return now["go_memstats_next_gc_bytes"] / (1 + now["go_gc_gogc_percent"]/100), nil
		}
		if answer, err := hub.Service(http.MethodPost, "/devices/query", map[string]string{"query": siteQuery}); err != nil || answer.Status != http.StatusOK {
			return 0, fmt.Errorf("make garbage: %d %w", answer.Status, err)
		}
	}
	return 0, errors.Join(err, errors.New("the hub collects no garbage"))
}

// gaugesOf are the hub's metrics that have no labels.
func gaugesOf(hub *harness.Hub) (map[string]float64, error) {
	text, err := hub.Call(http.MethodGet, "/metrics", nil)
	all := map[string]float64{}
	for line := range bytes.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(string(line)), " "); ok {
			if v, err := strconv.ParseFloat(value, 64); err == nil {
				all[name] = v
			}
		}
	}
	return all, err
}
