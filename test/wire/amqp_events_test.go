package wire_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// groups are the consumer groups of the hub that tests share, besides $Default: a
// partition has five readers in each, so that tests take one of their own.
var groups = func() (names []string) {
	for n := range 1000 {
		names = append(names, fmt.Sprintf("Group%d", n))
	}
	return names
}()

var groupsTaken atomic.Int64

// newGroup is a consumer group of the test's own.
func newGroup() string { return groups[groupsTaken.Add(1)-1] }

// partition is where an entity's partition is read.
func partition(entity, group string, n int) string {
	return fmt.Sprintf("%s/ConsumerGroups/%s/Partitions/%d", entity, group, n)
}

// tells sends telemetry over MQTT and returns all events of the identity.
func (i identity) tells(t testing.TB, bodies ...string) []harness.Event {
	t.Helper()
	c := i.join(t)
	for n, body := range bodies {
		c.send(publish(uint16(n+1), i.events()+"a=b", body))
		c.expect(puback(uint16(n + 1)))
	}
	c.leave()
	return i.hub.WaitEvents(t, len(bodies), harness.Filter{Device: i.DeviceID})
}

// selector is a filter that says where to begin.
func selector(text string) dict {
	const name = symbol("apache.org:selector-filter:string")
	return dict{name: described{name, text}}
}

// from is a selector that begins at an event.
func from(e harness.Event) dict {
	return selector(fmt.Sprintf("amqp.annotation.x-opt-sequence-number >= '%d'", e.SequenceNumber))
}

func TestAnEventOverAMQP(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := d.join(t)
	c.send(publish(1, d.events()+"%24.mid=m&%24.cid=c&%24.uid=u&%24.ct=application%2Fjson&%24.ce=utf-8&%24.sub=s&a=b&n", "body"))
	c.expect(puback(1))
	e := d.theEvent(t)
	p := backEnd(t, hub, "service")
	p.receiver(partition("linarite", newGroup(), e.Partition), 1, terms{filter: from(e)})
	tr, m := p.transfer()
	require.Equal(t, true, tr.at(4), "settled: with others azeventhubs stalls")
	require.Len(t, tr.list, 11, "every field, which pyamqp wants")

	offset, ok := m.annotations.get("x-opt-offset").(string)
	require.True(t, ok, "a string")
	require.Equal(t, e.Offset, offset)
	require.Equal(t, e.SequenceNumber, m.annotations.get("x-opt-sequence-number"))
	for _, name := range []string{"x-opt-enqueued-time", "iothub-enqueuedtime"} {
		require.Equal(t, e.EnqueuedTime.Truncate(time.Millisecond), m.annotations.get(name), name)
	}
	for _, name := range []string{
		"iothub-connection-device-id", "iothub-connection-auth-generation-id", "iothub-connection-auth-method", "iothub-message-source", "dt-subject",
	} {
		require.Equal(t, e.SystemProperties[name], m.annotations.get(name), name)
	}
	for key := range m.annotations {
		require.IsType(t, symbol(""), key)
	}
	require.Equal(t, "m", m.properties[propertyID])
	require.Equal(t, "c", m.properties[propertyCorrelation])
	require.Equal(t, []byte("u"), m.properties[propertyUserID])
	require.Equal(t, symbol("application/json"), m.properties[propertyContentType])
	require.Equal(t, symbol("utf-8"), m.properties[propertyEncoding])
	require.Equal(t, dict{"a": "b", "n": nil}, m.application)
	require.Equal(t, "body", string(m.body))
}

func TestWhereAReaderBegins(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	events := d.tells(t, "0", "1", "2")
	at, last := events[1], events[2]
	ms := strconv.FormatInt(at.EnqueuedTime.UnixMilli(), 10)
	sequence := strconv.FormatInt(at.SequenceNumber, 10)
	for filter, want := range map[string]string{
		"amqp.annotation.x-opt-sequence-number > '" + sequence + "'": "2",
		"amqp.annotation.x-opt-sequence-number > " + sequence:        "2",
		"amqp.annotation.x-opt-sequence-number >= " + sequence:       "1",
		"amqp.annotation.x-opt-offset > '" + at.Offset + "'":         "2",
		"amqp.annotation.x-opt-offset >= '" + at.Offset + "'":        "1",
		"amqp.annotation.x-opt-offset>=" + at.Offset:                 "1",
		"amqp.annotation.x-opt-offset > '-1'":                        "0",
		"amqp.annotation.x-opt-offset > '@latest'":                   "new",
		"amqp.annotation.x-opt-enqueued-time > '0'":                  "0",
		"amqp.annotation.x-opt-enqueued-time >= " + ms:               "",
		"amqp.annotation.x-opt-enqueuedtimeutc >= " + ms:             "",
	} {
		t.Run(filter, func(t *testing.T) {
			p := backEnd(t, hub, "service")
			p.receiver(partition("linarite", newGroup(), last.Partition), 1<<20, terms{filter: selector(filter)})
			if want == "new" {
				d.tells(t, "new")
			}
			if want == "" { // the first of that millisecond, whoever sent it
				_, m := p.transfer()
				require.Equal(t, at.EnqueuedTime.Truncate(time.Millisecond), m.annotations.get("x-opt-enqueued-time"))
				return
			}
			for {
				_, m := p.transfer()
				if m.annotations.get("iothub-connection-device-id") == d.DeviceID {
					require.Equal(t, want, string(m.body))
					return
				}
			}
		})
	}
}

// A filter is known by its key, and by its descriptor, as a symbol or a number.
func TestTheDescriptorOfASelector(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	events := d.tells(t, "0", "1")
	text := fmt.Sprintf("amqp.annotation.x-opt-sequence-number > '%d'", events[0].SequenceNumber)
	const name = symbol("apache.org:selector-filter:string")
	for what, filter := range map[string]dict{
		"symbols":                {name: described{name, text}},
		"a number":               {name: described{uint64(0x468C00000004), text}},
		"a key of the peer's":    {symbol("mine"): described{name, text}},
		"a number alone":         {symbol("mine"): described{uint64(0x468C00000004), text}},
		"a key that is a string": {string(name): described{name, text}},
	} {
		p := backEnd(t, hub, "service")
		p.receiver(partition("linarite", newGroup(), events[0].Partition), 100, terms{filter: filter})
		_, m := p.transfer()
		require.Equal(t, events[0].SequenceNumber+1, m.annotations.get("x-opt-sequence-number"), what)
	}
}

func TestTheNamesOfThePartitions(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	e := d.tells(t, "hello")[0]
	group := newGroup()
	p := backEnd(t, hub, "service")
	for _, address := range []string{
		partition("linarite", group, e.Partition),
		partition("/linarite", group, e.Partition),
		partition("LINARITE", group, e.Partition),
		partition("messages/events", group, e.Partition),
		partition("/messages/events", group, e.Partition),
		partition("amqps://"+hub.Address+"/linarite", group, e.Partition),
		partition("amqps://"+hub.Address+":5671/messages/events", group, e.Partition),
		strings.ToLower(partition("linarite", group, e.Partition)),
	} {
		l := p.receiver(address, 1, terms{filter: from(e)})
		_, m := p.transfer()
		require.Equal(t, "hello", string(m.body), address)
		l.detach()
	}
}

func TestWhatAReaderIsRefused(t *testing.T) {
	t.Parallel()
	p := backEnd(t, hub, "service")
	for name, c := range map[string]struct {
		address   string
		filter    dict
		condition string
	}{
		"a group that there is not":     {partition("linarite", "other", 0), nil, "amqp:not-found (404006)"},
		"a partition that there is not": {partition("linarite", "$Default", 99), nil, "com.microsoft:argument-out-of-range"},
		"another hub's events":          {partition("other", "$Default", 0), nil, "amqp:not-found (404006)"},
		"another host's":                {partition("amqps://example.com/linarite", "$Default", 0), nil, "amqp:not-found (404006)"},
		"the endpoint as a whole":       {"linarite", nil, "amqp:not-found (404006)"},
		"a filter that is none":         {partition("linarite", "$Default", 0), selector("x > 5"), "amqp:invalid-field"},
	} {
		require.Equal(t, c.condition, p.refused(true, c.address, terms{filter: c.filter}).String(), name)
	}
}

// Refusals of a right: the hub's half of the attach has no terminus, and a detach
// says why.
func TestARightThatIsMissing(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	for name, p := range map[string]*peer{
		"no token":                backEndWithout(t),
		"registryRead":            backEnd(t, hub, "registryRead"),
		"device":                  backEnd(t, hub, "device"),
		"a device's own, by CBS":  deviceByToken(t, d),
		"a device's own by PLAIN": d.amqp(t),
	} {
		for _, address := range []string{
			partition("linarite", "$Default", 0), partition("messages/events", "$Default", 0), "messages/events",
			"/messages/serviceBound/feedback", "/messages/serviceBound/filenotifications", "$management",
		} {
			require.Equal(t, "amqp:unauthorized-access (401002)", p.refused(true, address, terms{}).String(), "%s: %s", name, address)
		}
		require.Equal(t, "amqp:unauthorized-access (401002)", p.refused(false, "/messages/devicebound", terms{}).String(), name)
	}
	stranger := backEndWithout(t)
	require.Equal(t, "amqp:unauthorized-access (401003)", stranger.refused(false, d.address("messages/events"), terms{}).String())
	service := backEnd(t, hub, "service")
	require.Equal(t, "amqp:unauthorized-access (401003)", service.refused(false, d.address("messages/events"), terms{}).String())
}

func backEndWithout(t testing.TB) *peer { return dialAMQP(t, hub).enter() }

func deviceByToken(t testing.TB, d identity) *peer {
	p := dialAMQP(t, d.hub).enter()
	require.EqualValues(t, 200, p.rpc("$cbs").putToken(sasToken, d.Resource(), d.Token(time.Hour)))
	return p
}

// The SDKs that begin at the hub's own name follow the redirect.
func TestTheRedirect(t *testing.T) {
	t.Parallel()
	p := backEnd(t, hub, "service")
	for address, rest := range map[string]string{
		"messages/events": "", "messages/events/": "", "/messages/events/$management": "$management",
		"amqps://" + hub.Address + "/messages/events/$management": "$management",
	} {
		f := p.refused(true, address, terms{})
		require.Equal(t, "amqp:link:redirect", f.condition)
		require.Equal(t, "amqps://"+hub.Address+":5671/linarite/"+rest, f.info.get("address"))
		require.Equal(t, hub.Address, f.info.get("hostname"))
		require.Equal(t, hub.Address, f.info.get("network-host"))
		require.Equal(t, int32(5671), f.info.get("port"))
	}
}

func TestNobodyButDevicesSendsEvents(t *testing.T) {
	t.Parallel()
	p := backEnd(t, hub, "iothubowner")
	for _, address := range []string{
		"linarite", "/linarite", "linarite/Partitions/0", partition("linarite", "$Default", 0), "messages/events",
	} {
		require.Equal(t, "amqp:not-allowed", p.refused(false, address, terms{}).String(), address)
	}
}

func TestTheEndpointDescribesItself(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	e := d.tells(t, "hello")[0]
	r := backEnd(t, hub, "service").rpc("$management")
	for _, entity := range []string{"linarite", "messages/events"} {
		endpoint := r.ask(message{application: dict{"operation": "READ", "name": entity, "type": "com.microsoft:eventhub"}})
		require.Equal(t, int32(200), endpoint.application.get("status-code"))
		about := endpoint.value.(dict)
		require.Equal(t, entity, about["name"])
		require.Equal(t, int32(4), about["partition_count"])
		require.Equal(t, list{"0", "1", "2", "3"}, about["partition_ids"], "an array of strings")
		require.Equal(t, int32(1), about["georeplication_factor"])
		require.IsType(t, time.Time{}, about["created_at"])

		about = r.ask(message{application: dict{
			"operation": "READ", "name": entity, "type": "com.microsoft:partition", "partition": strconv.Itoa(e.Partition),
		}}).value.(dict)
		require.Equal(t, entity, about["name"])
		require.Equal(t, int64(0), about["begin_sequence_number"])
		require.GreaterOrEqual(t, about["last_enqueued_sequence_number"], e.SequenceNumber)
		require.IsType(t, "", about["last_enqueued_offset"])
		require.IsType(t, time.Time{}, about["last_enqueued_time_utc"])
		require.Equal(t, false, about["is_partition_empty"])
	}
	wrong := r.ask(message{application: dict{"operation": "READ", "name": "linarite", "type": "com.microsoft:partition", "partition": "9"}})
	require.Equal(t, int32(400), wrong.application.get("status-code"))
	wrong = r.ask(message{application: dict{"operation": "READ", "name": "other", "type": "com.microsoft:eventhub"}})
	require.Equal(t, int32(404), wrong.application.get("status-code"))
}

func TestAReaderThatWantsToKnowHowFarBehindItIs(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	events := d.tells(t, "0", "1")
	p := backEnd(t, hub, "service")
	p.receiver(partition("linarite", newGroup(), events[0].Partition), 1, terms{
		filter: from(events[0]), desired: []symbol{"com.microsoft:enable-receiver-runtime-metric"},
	})
	_, m := p.transfer()
	require.GreaterOrEqual(t, m.delivery.get("last_enqueued_sequence_number"), events[1].SequenceNumber)
	require.IsType(t, "", m.delivery.get("last_enqueued_offset"))
	require.IsType(t, time.Time{}, m.delivery.get("last_enqueued_time_utc"))
	require.IsType(t, time.Time{}, m.delivery.get("runtime_info_retrieval_time_utc"))
}

// The groups of the config file, and $Default, which every hub has.
func TestConsumerGroups(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	e := d.tells(t, "hello")[0]
	own := newGroup()
	for _, group := range []string{"$Default", own, strings.ToLower(own), strings.ToUpper(own)} {
		p := backEnd(t, hub, "service")
		l := p.receiver(partition("linarite", group, e.Partition), 1, terms{filter: from(e)})
		_, m := p.transfer()
		require.Equal(t, "hello", string(m.body), group)
		l.detach()
	}
	p := backEnd(t, hub, "service")
	require.Equal(t, "amqp:not-found (404006)", p.refused(true, partition("linarite", "other", 0), terms{}).String())
}

func TestAPartitionHasFiveReadersInEachGroup(t *testing.T) {
	t.Parallel()
	p := backEnd(t, hub, "service")
	for _, group := range []string{newGroup(), newGroup()} {
		var one *attached
		for range 5 {
			one = p.receiver(partition("linarite", group, 0), 0, terms{})
		}
		require.Equal(t, "amqp:resource-limit-exceeded", p.refused(true, partition("linarite", group, 0), terms{}).String())
		one.detach()
		p.receiver(partition("linarite", group, 0), 0, terms{})
	}
}

func TestAReaderWithAnEpochReadsAlone(t *testing.T) {
	t.Parallel()
	group := newGroup()
	address := partition("linarite", group, 1)
	epoch := func(level any) terms { return terms{properties: dict{symbol("com.microsoft:epoch"): level}} }
	first := backEnd(t, hub, "service").receiver(address, 0, terms{})
	second := backEnd(t, hub, "service").receiver(address, 0, epoch(int64(1)))
	require.Equal(t, "amqp:link:stolen", first.ended().String())
	third := backEnd(t, hub, "service").receiver(address, 0, epoch(int64(1))) // of two equals the newer
	require.Equal(t, "amqp:link:stolen", second.ended().String())

	p := backEnd(t, hub, "service")
	require.Equal(t, "amqp:link:stolen", p.refused(true, address, epoch(int64(0))).String())
	require.Equal(t, "amqp:link:stolen", p.refused(true, address, terms{}).String())
	p.receiver(partition("linarite", newGroup(), 1), 0, terms{}) // another group
	p.receiver(partition("linarite", group, 2), 0, terms{})      // another partition
	third.detach()
	p.receiver(address, 0, terms{}) // its place is free
}
