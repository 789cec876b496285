package amqp_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/registry"
)

// eventsToken is signed as Event Hubs' SDKs sign: with the text of the key.
func eventsToken(t *testing.T, resource string) string {
	t.Helper()
	s, err := auth.Sign(resource, base64.StdEncoding.EncodeToString([]byte(auth.WellKnownKey)), "service", clock.Wall().Add(time.Hour))
	require.NoError(t, err)
	return s
}

// Trap 10: what the SDKs call the audience.
func TestTokensAndTheirAudiences(t *testing.T) {
	t.Parallel()
	good := token(t, host, "service", time.Hour)
	for _, c := range []struct {
		name, audience, token string
		status                int32
	}{
		{"the bare host", host, good, 200},
		{"a host with a port", "localhost:5671", good, 200},
		{"https", "https://" + host, good, 200},
		{"amqps and a slash", "amqps://" + host + "/", good, 200},
		{"an entity", "sb://" + host + ":5671/linarite/ConsumerGroups/$Default/Partitions/0", good, 200},
		{"a path that is escaped", host + "%2Fmessages%2Fdevicebound", good, 200},
		{"Event Hubs' signature", "sb://" + host + "/linarite", eventsToken(t, host+"/linarite"), 200},
		{"Go's lower case", "amqp://" + host + "/linarite/ConsumerGroups/$Default", eventsToken(t, host+"/linarite/consumergroups/$default"), 200},
		{"a device's own key", host + "/devices/d", token(t, host+"/devices/d", "", time.Hour), 200},
		{"a module's own key", host + "/devices/d/modules/m", token(t, host+"/devices/d/modules/m", "", time.Hour), 200},
		{"a module's own key for its device", host + "/devices/d", token(t, host+"/devices/d/modules/m", "", time.Hour), 200},
		{"a module's own key for another device", host + "/devices/e", token(t, host+"/devices/d/modules/m", "", time.Hour), 401},
		{"a policy for a device", host + "/devices/d", token(t, host, "device", time.Hour), 200},
		{"a token that has run out", host, token(t, host, "service", -time.Hour), 401},
		{"a token for less", host, token(t, host+"/devices/d", "service", time.Hour), 401},
		{"another host", "example.com", good, 401},
		{"a wrong key", host + "/devices/d", eventsToken(t, host+"/devices/d"), 401},
		{"a device that is not there", host + "/devices/x", token(t, host+"/devices/x", "", time.Hour), 401},
		{"no token", host, "", 400},
		{"no audience", "", good, 400},
		{"no token at all", host, "hello", 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cl := enter(t).stranger()
			cl.requests("$cbs")
			assert.Equal(t, c.status, cl.putToken(c.audience, c.token))
		})
	}
}

// The correlation-id is the message-id in its own type: Java casts it to a UUID.
func TestPitfallTheCorrelationIDKeepsItsType(t *testing.T) {
	t.Parallel()
	for _, id := range []any{"text", uint64(0), codec.UUID{1, 2}, []byte{1}, nil} {
		c := enter(t).stranger()
		c.requests("$cbs")
		reply := c.ask(id, codec.Map{{Key: "operation", Value: "put-token"}}, "")
		assert.Equal(t, id, reply.Properties.CorrelationID)
		assert.Equal(t, int32(400), reply.Application.Get("status-code"))
		assert.IsType(t, "", reply.Application.Get("status-description"))
	}
}

// Trap 3: the Go SDK sends its request before it grants credit.
func TestPitfallAReplyWaitsForCredit(t *testing.T) {
	t.Parallel()
	c := enter(t).stranger()
	replies := c.receive("$cbs", 0)
	requests := c.sender("$cbs")
	c.deliver(requests, &codec.Message{Value: "x", HasValue: true})
	c.quiet()
	c.grant(replies, 1)
	_, m := c.message()
	assert.Equal(t, int32(400), m.Application.Get("status-code"))
}

func TestRepliesGoWhereReplyToSays(t *testing.T) {
	t.Parallel()
	c := enter(t).stranger()
	first := c.attach(&codec.Attach{Role: codec.RoleReceiver, Source: &codec.Source{Address: "$cbs"}, Target: &codec.Target{Address: "here"}})
	expect[*codec.Attach](c)
	c.grant(first, 5)
	c.requests("$cbs") // whose end is called "me"
	m := &codec.Message{Properties: &codec.Properties{ReplyTo: "here"}, HasValue: true}
	c.deliver(c.handle-1, m)
	tr, _ := c.message()
	assert.Equal(t, first, tr.Handle)
	m.Properties.ReplyTo = "nowhere"
	c.deliver(c.handle-1, m)
	tr, _ = c.message()
	assert.Equal(t, c.handle-2, tr.Handle, "the latest, when it names none")
}

func TestWithoutATokenThereIsNothing(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"$management", "/messages/serviceBound/feedback", "/messages/serviceBound/filenotifications",
		"linarite/ConsumerGroups/$Default/Partitions/0", "messages/events/",
	} {
		c := enter(t).stranger()
		assert.Equal(t, "amqp:unauthorized-access", string(c.refused(codec.RoleReceiver, address).Condition), address)
	}
	assert.Equal(t, "amqp:unauthorized-access", string(enter(t).stranger().refused(codec.RoleSender, "/messages/devicebound").Condition))
}

func TestARightIsNeeded(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"device", "registryRead", "registryReadWrite"} {
		c := enter(t).join(policy)
		assert.Equal(t, "amqp:unauthorized-access", string(c.refused(codec.RoleSender, "/messages/devicebound").Condition))
		assert.Equal(t, "amqp:unauthorized-access", string(c.refused(codec.RoleReceiver, "linarite/ConsumerGroups/$Default/Partitions/0").Condition))
		assert.Equal(t, "amqp:unauthorized-access", string(c.refused(codec.RoleReceiver, "$management").Condition))
	}
}

func TestEventHubsSignatureIsGoodForEventsOnly(t *testing.T) {
	t.Parallel()
	c := enter(t).stranger()
	c.requests("$cbs")
	require.Equal(t, int32(200), c.putToken("sb://"+host, eventsToken(t, host)))
	c.receive("linarite/ConsumerGroups/$Default/Partitions/0", 1)
	assert.Equal(t, "amqp:unauthorized-access", string(c.refused(codec.RoleSender, "/messages/devicebound").Condition))
}

func TestWhatHangsOnATokenEndsWithIt(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join("service")
	c.receive("/messages/serviceBound/feedback", 1)
	r.clock.Advance(time.Hour) // and there are five minutes of grace
	c.quiet()
	r.clock.Advance(6 * time.Minute)
	assert.Equal(t, "amqp:unauthorized-access", string(expect[*codec.Detach](c).Error.Condition))
	assert.Equal(t, "amqp:unauthorized-access", string(c.refused(codec.RoleReceiver, "/messages/serviceBound/feedback").Condition))
}

func TestATokenCanBeRenewed(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join("service")
	require.Equal(t, int32(200), c.putToken(host, token(t, host, "service", 10*time.Hour)))
	c.receive("/messages/serviceBound/feedback", 1)
	r.clock.Advance(2 * time.Hour)
	c.quiet()
	r.clock.Advance(9 * time.Hour)
	expect[*codec.Detach](c)
}

// What is below a device is the device: a token for it takes the place of the one
// before.
func TestATokenForWhatIsBelowADeviceIsTheDevices(t *testing.T) {
	t.Parallel()
	c := enter(t).stranger()
	c.requests("$cbs")
	for i := range 1100 { // more than a connection may show
		own := token(t, host+"/devices/d", "", time.Hour+time.Duration(i)*time.Second)
		require.Equal(t, int32(200), c.putToken(fmt.Sprintf("%s/devices/d/twin/%d", host, i), own))
	}
	c.sender("/devices/d/messages/events")
}

func TestTokensAreBoundedInNumberAndBytes(t *testing.T) {
	t.Parallel()
	for _, path := range []int{10, 900} {
		cl := enter(t).join("service")
		good := token(t, host, "service", time.Hour)
		shown := 1
		for cl.putToken(host+fmt.Sprintf("/linarite/%0*d", path, shown), good) == 200 {
			shown++
			require.LessOrEqual(t, shown, 1024)
		}
		if path == 10 {
			assert.Equal(t, 1024, shown)
		} else {
			assert.InDelta(t, 1<<20/(path+400+len(good)), shown, 10)
		}
		assert.Equal(t, int32(403), cl.putToken(host+"/linarite/"+strings.Repeat("x", path), good))
		assert.Equal(t, int32(200), cl.putToken(host, good), "but one can be renewed")
	}
}

// A peer that sends many requests before it reads the first reply gets them all, as
// long as it has granted credit.
func TestRepliesWaitForThePeerToRead(t *testing.T) {
	t.Parallel()
	const requests = 4000
	c := enter(t).join("service")
	good := token(t, host, "service", time.Hour)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for i := range requests {
			c.transfer(1, &codec.Message{
				Properties:  &codec.Properties{MessageID: uint64(i)},
				Application: codec.Map{{Key: "operation", Value: "put-token"}, {Key: "name", Value: host}}, Value: good, HasValue: true,
			})
		}
	}()
	for i := 0; i < requests; {
		body, payload := c.read()
		if _, ok := body.(*codec.Transfer); !ok {
			continue
		}
		m, err := codec.DecodeMessage(payload)
		require.NoError(t, err)
		require.Equal(t, uint64(i), m.Properties.CorrelationID)
		require.Equal(t, int32(200), m.Application.Get("status-code"))
		i++
	}
	<-sent
}

func TestALongAudienceIsRefused(t *testing.T) {
	t.Parallel()
	c := enter(t).stranger()
	c.requests("$cbs")
	good := token(t, host, "service", time.Hour)
	assert.Equal(t, int32(400), c.putToken(host+"/"+strings.Repeat("x", 1024), good))
}

func TestPlain(t *testing.T) {
	t.Parallel()
	service, device := token(t, host, "service", time.Hour), token(t, host+"/devices/d", "", time.Hour)
	for _, c := range []struct {
		name, user, secret string
		code               uint8
		service            bool // it may do what a back end does
	}{
		{"a policy and its token", "service@sas.root.linarite", service, codec.SASLOK, true},
		{"a policy and its key", "service@sas.root.127", auth.WellKnownKey, codec.SASLOK, true},
		{"a bare policy and its key", "iothubowner", auth.WellKnownKey, codec.SASLOK, true},
		{"a device and its token", "d@sas.linarite", device, codec.SASLOK, false},
		{"a module and its token", "d/m@sas.linarite", token(t, host+"/devices/d/modules/m", "", time.Hour), codec.SASLOK, false},
		{"a policy with another's token", "iothubowner@sas.root.linarite", service, codec.SASLAuth, false},
		{"a policy and a wrong key", "service", "AAAA", codec.SASLAuth, false},
		{"a policy that is not there", "nobody", auth.WellKnownKey, codec.SASLAuth, false},
		{"another device's token", "e@sas.linarite", device, codec.SASLAuth, false},
		{"a device that cannot be", "a b@sas.linarite", device, codec.SASLAuth, false},
		{"no secret", "service", "", codec.SASLAuth, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cl := enter(t).dial()
			cl.raw("AMQP\x03\x01\x00\x00")
			cl.header()
			expect[*codec.Mechanisms](cl)
			cl.raw(frameOf(1, &codec.Init{Mechanism: "PLAIN", Response: []byte("\x00" + c.user + "\x00" + c.secret)}, nil))
			require.Equal(t, c.code, expect[*codec.Outcome](cl).Code)
			if c.code != codec.SASLOK {
				return
			}
			cl.raw("AMQP\x00\x01\x00\x00")
			cl.header()
			cl.establish()
			if c.service {
				cl.sender("/messages/devicebound")
			} else {
				cl.refused(codec.RoleSender, "/messages/devicebound")
			}
		})
	}
}

func TestAHubOfAnotherNameIsNotThere(t *testing.T) {
	t.Parallel()
	c := enter(t).dial()
	c.raw("AMQP\x00\x01\x00\x00")
	c.header()
	c.send(&codec.Open{ContainerID: "c", Hostname: codec.Some("example.com")})
	expect[*codec.Open](c)
	assert.Equal(t, "amqp:not-found", string(expect[*codec.Close](c).Error.Condition))
}

func TestARefusedDeviceIsRemembered(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.stranger()
	c.requests("$cbs")
	require.Equal(t, int32(401), c.putToken(host+"/devices/d", token(t, host+"/devices/e", "", time.Hour)))
	refusals := r.Refusals()
	require.Len(t, refusals, 1)
	assert.Equal(t, d, refusals[0].Identity)
	assert.Equal(t, "Amqp", refusals[0].Protocol)
	assert.Equal(t, 401003, refusals[0].Code)
}

func TestADisabledDeviceIsRefused(t *testing.T) {
	t.Parallel()
	r := enter(t)
	_, err := r.UpdateDevice(registry.Device{ID: "d", Status: registry.Disabled, Authentication: wellKnown()}, "*")
	require.NoError(t, err)
	c := r.stranger()
	c.requests("$cbs")
	assert.Equal(t, int32(403), c.putToken(host+"/devices/d", token(t, host+"/devices/d", "", time.Hour)))
}

func TestALongAddressIsToldInPart(t *testing.T) {
	t.Parallel()
	c := enter(t).join("service")
	told := c.refused(codec.RoleReceiver, strings.Repeat("x", 5000)).Description.Value
	assert.Less(t, len(told), 500)
	assert.Contains(t, told, "xxx…")
}

// IoT Hub: contract.md §18, 403005.
func TestAConnectionShowsSoManyTokensAndNoMore(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.stranger()
	c.requests("$cbs")
	good := token(t, host, "iothubowner", time.Hour)
	status := int32(200)
	for n := 0; status == 200 && n < 5000; n++ {
		status = c.putToken(fmt.Sprintf("%s/linarite/%d", host, n), good)
		if n%50 == 0 { // for the replies
			c.grant(0, uint32(n+200))
		}
	}
	assert.Equal(t, int32(403), status)
	assert.Equal(t, int32(200), c.putToken(host+"/linarite/0", token(t, host, "service", time.Hour)), "one can be renewed")
}

// A stranger that asks and asks and takes no reply costs no more than a few of them.
func TestRepliesThatNobodyTakesAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	c := enter(t).stranger()
	c.receive("$cbs", 0)
	requests := c.sender("$cbs")
	m := &codec.Message{Properties: &codec.Properties{MessageID: strings.Repeat("x", 30<<10)}, HasValue: true}
	for range 4 { // the replies to three have more than 64 KB
		c.transfer(requests, m)
	}
	c.closed()
}

// A token that allows less takes the place of one that allowed a link.
func TestALinkEndsWhenTheNewTokenDoesNotAllowIt(t *testing.T) {
	t.Parallel()
	c := enter(t).join("service")
	c.receive("/messages/serviceBound/feedback", 1)
	reply := c.attach(&codec.Attach{Role: codec.RoleReceiver, Source: &codec.Source{Address: "$cbs"}, Target: &codec.Target{Address: "me"}})
	expect[*codec.Attach](c)
	c.grant(reply, 10)
	requests := c.sender("$cbs")
	c.transfer(requests, &codec.Message{
		Application: codec.Map{{Key: "operation", Value: "put-token"}, {Key: "name", Value: host}},
		Value:       token(t, host, "registryRead", time.Hour), HasValue: true,
	})
	for {
		body, _ := c.read()
		if d, ok := body.(*codec.Detach); ok {
			assert.Equal(t, "amqp:unauthorized-access", string(d.Error.Condition))
			return
		}
	}
}
