package mqtt_test

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/mqtt"
	"github.com/linarite/linarite/registry"
)

func TestEveryFormOfUserNameIsAdmitted(t *testing.T) {
	t.Parallel()
	r := enter(t)
	for name, user := range map[string]string{
		"with a query":                      "127.0.0.1/d/?api-version=2021-04-12",
		"as Node sends it":                  "127.0.0.1/d/?api-version=2021-04-12&model-id=dtmi:com:example:T;1&DeviceClientType=azure-iot-device%2F1.18.4",
		"as C sends it":                     "127.0.0.1/d/?api-version=2020-09-30&DeviceClientType=c&model-id=dtmi%3Acom%3Aexample%3AT%3B1",
		"the seed's, without ?":             "127.0.0.1/d/api-version=2016-11-14",
		"the oldest":                        "127.0.0.1/d/api-version=2017-06-30/DeviceClientType=Microsoft.Azure.Devices.Client/1.5.1-preview-003",
		"bare":                              "127.0.0.1/d",
		"with a slash at the end":           "127.0.0.1/d/",
		"with an empty query":               "127.0.0.1/d/?",
		"without the slash before ?":        "127.0.0.1/d?api-version=2018-06-30",
		"with keys nobody knows":            "127.0.0.1/d/?api-version=2021-04-12&x=y&&z",
		"host with a port":                  "127.0.0.1:8883/d/?api-version=2021-04-12",
		"another of the hub's names, upper": "LOCALHOST/d/?api-version=2021-04-12",
	} {
		t.Run(name, func(t *testing.T) {
			h := hello(t, iot.Device("d"))
			h.user = user
			r.enter(h)
		})
	}
	t.Run("of a module", func(t *testing.T) { r.join(iot.Module("d", "m")) })
	t.Run("of a module, without ?", func(t *testing.T) {
		h := hello(t, iot.Module("d", "m"))
		h.user = "127.0.0.1/d/m/api-version=2018-06-30"
		r.enter(h)
	})
}

func TestWhatTheUserNameSaysReachesTheHub(t *testing.T) {
	t.Parallel()
	r := enter(t)
	h := hello(t, iot.Device("d"))
	h.user = "127.0.0.1/d/?api-version=2021-04-12&model-id=dtmi:com:example:T;1&DeviceClientType=azure-iot-device%2F1.18.4%20(node%20v20)"
	c := r.enter(h)
	live := r.Connections()[0]
	require.Equal(t, "azure-iot-device/1.18.4 (node v20)", live.Agent)
	require.Equal(t, "Mqtt", live.Protocol)
	require.Equal(t, c.conn.LocalAddr().String(), live.RemoteAddr)
	doc, err := r.Twin(iot.Device("d"))
	require.NoError(t, err)
	require.Equal(t, "dtmi:com:example:T;1", doc.ModelID)
}

func TestARefusalIsAnsweredWithFive(t *testing.T) {
	t.Parallel()
	r := enter(t)
	_, err := r.CreateDevice(registry.Device{ID: "off", Status: registry.Disabled, Authentication: wellKnown()})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		change func(*connect)
		why    string
	}{
		"no user name":        {func(h *connect) { h.noUser, h.password = true, "" }, "no user name"},
		"another hub's name":  {func(h *connect) { h.user = "other.example/d/?api-version=2021-04-12" }, "not one of this hub's names"},
		"no device":           {func(h *connect) { h.user = "127.0.0.1" }, "names no device"},
		"no host":             {func(h *connect) { h.user = "/d/?api-version=2021-04-12" }, "names no host"},
		"another client id":   {func(h *connect) { h.id = "e" }, "the client id is"},
		"client id in upper":  {func(h *connect) { h.id = "D" }, "the client id is"},
		"no client id":        {func(h *connect) { h.id = "" }, "the client id is"},
		"a module's name":     {func(h *connect) { h.id = "d/m" }, "the client id is"},
		"text after the ids":  {func(h *connect) { h.user = "127.0.0.1/d/m/x/y" }, "goes on"},
		"not UTF-8":           {func(h *connect) { h.user = "127.0.0.1/d\xff" }, "UTF-8"},
		"a NUL":               {func(h *connect) { h.user += "\x00" }, "NUL"},
		"no token":            {func(h *connect) { h.password = "" }, "IotHubUnauthorized"},
		"a malformed token":   {func(h *connect) { h.password = "hello" }, "IotHubUnauthorized"},
		"somebody's token":    {func(h *connect) { h.password = token(t, "127.0.0.1/devices/e") }, "IotHubUnauthorized"},
		"token in user name":  {func(h *connect) { h.user, h.password = h.password, h.user }, "(a token)"},
		"unknown device":      {func(h *connect) { h.id, h.user = "x", "127.0.0.1/x/" }, "DeviceNotFound"},
		"disabled device":     {func(h *connect) { h.id, h.user = "off", "127.0.0.1/off/" }, "DeviceDisabled"},
		"unknown module":      {func(h *connect) { h.id, h.user = "d/x", "127.0.0.1/d/x/" }, "ModuleNotFound"},
		"will to another":     {func(h *connect) { h.will = &will{topic: "devices/e/messages/events/"} }, "the will's topic"},
		"will to somewhere":   {func(h *connect) { h.will = &will{topic: "lwt"} }, "the will's topic"},
		"will to the twin":    {func(h *connect) { h.will = &will{topic: "$iothub/twin/GET/?$rid=1"} }, "the will's topic"},
		"will without topic":  {func(h *connect) { h.will = &will{} }, "the will's topic"},
		"will with QoS 2":     {func(h *connect) { h.will = &will{topic: "devices/d/messages/events/", qos: 2} }, "QoS 2"},
		"empty password flag": {func(h *connect) { h.password, h.empty = "", true }, "IotHubUnauthorized"},
	} {
		t.Run(name, func(t *testing.T) {
			h := hello(t, iot.Device("d"))
			c.change(&h)
			cl := r.dial()
			cl.send(h.bytes())
			cl.expect(0x20, 2, 0, 5)
			cl.closed()
			last := r.refusal(cl)
			require.Contains(t, last.Reason, c.why)
			require.NotContains(t, last.Reason, "sig=")
			require.NotZero(t, last.Code)
		})
	}
}

func TestAnExpiredTokenIsRefused(t *testing.T) {
	t.Parallel()
	r := enter(t)
	h := hello(t, iot.Device("d"))
	var err error
	h.password, err = auth.Sign("127.0.0.1/devices/d", auth.WellKnownKey, "", clock.Wall().Add(-time.Hour))
	require.NoError(t, err)
	c := r.dial()
	c.send(h.bytes())
	c.expect(0x20, 2, 0, 5)
	c.closed()
}

func TestALiveConnectionEndsWhenItsTokenHasRunOut(t *testing.T) {
	t.Parallel()
	r := enter(t)
	h := hello(t, iot.Device("d"))
	var err error
	h.password, err = auth.Sign("127.0.0.1/devices/d", auth.WellKnownKey, "", clock.Wall().Add(time.Hour))
	require.NoError(t, err)
	c := r.enter(h)
	r.clock.Advance(time.Hour)
	c.quiet()
	r.clock.Advance(hub.DefaultGrace + time.Minute)
	c.closed()
	require.Equal(t, iot.ErrUnauthorized.Code, r.goodbye(iot.Device("d")).Code)
}

func TestAnotherProtocolLevelIsRefusedWithOne(t *testing.T) {
	t.Parallel()
	r := enter(t)
	for name, change := range map[string]func(*connect){
		"MQTT 5":              func(h *connect) { h.level = 5 },
		"MQTT 3.1":            func(h *connect) { h.name, h.level = "MQIsdp", 3 },
		"MQTT level 3":        func(h *connect) { h.level = 3 },
		"MQTT level 6":        func(h *connect) { h.level = 6 },
		"MQIsdp with level 4": func(h *connect) { h.name = "MQIsdp" },
		"bridge level 0x84":   func(h *connect) { h.level = 0x84 },
	} {
		t.Run(name, func(t *testing.T) {
			h := hello(t, iot.Device("d"))
			change(&h)
			c := r.dial()
			c.send(h.bytes())
			c.expect(0x20, 2, 0, 1)
			c.closed()
			require.Contains(t, r.refusal(c).Reason, "protocol level")
		})
	}
}

func TestAMalformedConnectIsNotAnswered(t *testing.T) {
	t.Parallel()
	r := enter(t)
	valid := func(change func(*connect)) []byte {
		h := hello(t, iot.Device("d"))
		change(&h)
		return h.bytes()
	}
	for name, bytes := range map[string][]byte{
		"another packet first":        {0xC0, 0},
		"CONNECT with flags":          append([]byte{0x11}, valid(func(*connect) {})[1:]...),
		"another protocol name":       valid(func(h *connect) { h.name = "MQTZ" }),
		"HTTP":                        []byte("GET / HTTP/1.1\r\n\r\n"),
		"reserved flag":               valid(func(h *connect) { h.flags = 1 }),
		"password without user name":  valid(func(h *connect) { h.noUser = true }),
		"will flags without a will":   valid(func(h *connect) { h.flags = 1 << 5 }),
		"bytes after its end":         valid(func(h *connect) { h.tail = "x" }),
		"cut off in the password":     packet(0x10, valid(func(*connect) {})[3:100]),
		"a length of five bytes":      {0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F},
		"longer than we read":         {0x10, 0xFF, 0xFF, 0x7F},
		"empty":                       {0x10, 0, 0, 0},
		"user name flag and no bytes": packet(0x10, append(text(nil, "MQTT"), 4, 0x82, 0, 60, 0, 1, 'd')),
		"client id that is not UTF-8": valid(func(h *connect) { h.id = "d\xff" }),
	} {
		t.Run(name, func(t *testing.T) {
			c := r.dial()
			c.send(bytes)
			c.closed()
			require.NotEmpty(t, r.refusal(c).Reason)
		})
	}
}

func TestAnEmptyWillIsLegal(t *testing.T) {
	t.Parallel()
	r := enter(t)
	h := hello(t, iot.Device("d"))
	h.will = &will{topic: "devices/d/messages/events/"}
	r.enter(h)
}

func TestAClientThatDoesNotConnectIsCutOff(t *testing.T) {
	t.Parallel()
	r := open(t, hub.Options{Log: zerolog.Nop()}, mqtt.Options{ConnectTimeout: 50 * time.Millisecond, Log: zerolog.Nop()})
	silent := r.dial()
	slow := r.dial()
	slow.send(hello(t, iot.Device("d")).bytes()[:20])
	silent.closed()
	slow.closed()
	require.Contains(t, r.refusal(slow).Reason, "no CONNECT within 50ms")
	require.Len(t, r.Refusals(), 1, "who sent nothing is not worth remembering")
}

func TestKeepAlive(t *testing.T) {
	t.Parallel()
	r := enter(t)
	h := hello(t, iot.Device("d"))
	h.keepAlive = 1
	start := clock.Wall()
	c := r.enter(h)
	c.closed()
	require.GreaterOrEqual(t, clock.Wall().Sub(start), 1500*time.Millisecond)
	last := r.goodbye(iot.Device("d"))
	require.Equal(t, iot.ErrClosedRemotely.Code, last.Code)
	require.Contains(t, last.Reason, "keep-alive of 1s expired")
}

// mochi computes one and a half times the keep-alive in 16 bits: 43,691 would be
// no time at all.
func TestKeepAliveIsCapped(t *testing.T) {
	t.Parallel()
	r := enter(t)
	for _, seconds := range []uint16{0, 1178, 43691, 65535} {
		mine, theirs := net.Pipe()
		noted := &noting{Conn: theirs}
		served := make(chan struct{})
		go func() {
			defer close(served)
			r.srv.ServeConn(noted)
		}()
		h := hello(t, iot.Device("d"))
		h.keepAlive = seconds
		c := newClient(t, mine)
		c.send(h.bytes())
		c.expect(0x20, 2, 0, 0)
		c.quiet()
		require.InDelta(t, 1767, noted.last().Sub(clock.Wall()).Seconds(), 5, "keep-alive %d", seconds)
		require.NoError(t, mine.Close())
		<-served
	}
}

// noting remembers the last read deadline.
type noting struct {
	net.Conn
	mu sync.Mutex
	at time.Time
}

func (n *noting) SetReadDeadline(at time.Time) error {
	n.mu.Lock()
	n.at = at
	n.mu.Unlock()
	return n.Conn.SetReadDeadline(at)
}

func (n *noting) last() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.at
}

func TestTheNewerConnectionWins(t *testing.T) {
	t.Parallel()
	r := enter(t)
	older := r.join(iot.Device("d"))
	module := r.join(iot.Module("d", "m"))
	newer := r.join(iot.Device("d"))
	older.closed() // and no DISCONNECT, which 3.1.1 does not have
	newer.quiet()
	module.quiet()
	for _, c := range r.Connections() {
		if c.Identity == iot.Device("d") {
			require.True(t, c.Connected)
			require.Equal(t, iot.ErrConnectionReplaced.Code, c.Last.Code)
		}
	}
}

func TestSessionPresent(t *testing.T) {
	t.Parallel()
	r := enter(t)
	id := iot.Device("d")
	r.resume(id, 0).send(disconnect)
	r.resume(id, 1).send(disconnect) // though nothing was subscribed to
	r.join(id).send(disconnect)
	r.resume(id, 0)
	r.resume(id, 1) // taken over
	r.resume(iot.Module("d", "m"), 0)
}

func TestASecondConnect(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d"))
	c.send(hello(t, iot.Device("d")).bytes())
	c.closed()
	require.Contains(t, r.goodbye(iot.Device("d")).Reason, "a second CONNECT")
}

func TestPacketsSentBehindConnectAreHandledAfterConnack(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.dial()
	c.send(hello(t, iot.Device("d")).bytes(), publish(1, "devices/d/messages/events/", "x"), disconnect)
	require.Equal(t, []byte{0x20, 2, 0, 0, 0x40, 2, 0, 1}, c.rest())
}

func TestGoodbye(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d"))
	c.send(disconnect)
	c.closed()
	require.Equal(t, "", r.goodbye(iot.Device("d")).Reason)
}

func TestWhyAConnectionEnded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		send []byte
		why  string
		code int
	}{
		"a packet that only a server sends": {[]byte{0xD0, 0}, "PINGRESP, which a client must not send", 400006},
		"PUBREC":                            {[]byte{0x50, 2, 0, 1}, "PUBREC", 400006},
		"PUBREL":                            {[]byte{0x62, 2, 0, 1}, "PUBREL", 400006},
		"AUTH":                              {[]byte{0xF0, 2, 0, 0}, "AUTH", 400006},
		"type 0":                            {[]byte{0x00, 0}, "invalid packet type", 400006},
		"PINGREQ with a body":               {[]byte{0xC0, 1, 0}, "malformed packet: PINGREQ", 400006},
		"DISCONNECT with a body":            {[]byte{0xE0, 1, 0}, "malformed packet: DISCONNECT", 400006},
		"PUBACK with a body":                {[]byte{0x40, 3, 0, 1, 0}, "malformed packet: PUBACK", 400006},
		"PUBACK cut short":                  {[]byte{0x40, 1, 0}, "malformed packet", 400006},
		"SUBSCRIBE with wrong flags":        {[]byte{0x80, 2, 0, 1}, "malformed packet: flags", 400006},
		"SUBSCRIBE without filters":         {[]byte{0x82, 2, 0, 1}, "malformed SUBSCRIBE", 400006},
		"SUBSCRIBE without an id":           {subscribe(0, 0, "$iothub/twin/res/#"), "malformed SUBSCRIBE", 400006},
		"SUBSCRIBE with QoS 3":              {subscribe(1, 3, "$iothub/twin/res/#"), "qos out of range", 400006},
		"UNSUBSCRIBE without filters":       {[]byte{0xA2, 2, 0, 1}, "malformed UNSUBSCRIBE", 400006},
		"PUBLISH with QoS 3":                {[]byte{0x36, 0}, "qos out of range", 400006},
		"PUBLISH without an id":             {packet(0x32, append(text(nil, "devices/d/messages/events/"), 0, 0)), "no packet id", 400006},
		"PUBLISH with QoS 0 and DUP":        {packet(0x38, text(nil, "devices/d/messages/events/")), "dup", 400006},
		"a topic that is not UTF-8":         {publish(0, "devices/d/messages/events/\xff", ""), "utf-8", 400006},
		"PUBLISH with QoS 2":                {packet(0x34, append(text(nil, "devices/d/messages/events/"), 0, 1)), "PUBLISH with QoS 2", 400003},
		"a length of five bytes":            {[]byte{0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F}, "variable byte integer", 400006},
		"a packet that is too large":        {[]byte{0x30, 0xFF, 0xFF, 0xFF, 0x7F}, "a packet of more than", 413001},
		"no topic":                          {publish(0, "", "x"), "unknown topic", 400003},
		"an unknown topic":                  {publish(1, "hello/world", "x"), `unknown topic "hello/world"`, 400003},
		"$SYS":                              {publish(1, "$SYS/broker/uptime", ""), "unknown topic", 400003},
		"another device's topic":            {publish(1, "devices/e/messages/events/a=b", ""), `another identity's topic "devices/e/messages/events/"`, 400003},
		"its module's topic":                {publish(1, "devices/d/modules/m/messages/events/", ""), "another identity's topic", 400003},
		"nearly its own topic":              {publish(1, "devices/d/messages/eventsX", ""), "another identity's topic", 400003},
		"its own topic in upper case":       {publish(1, "devices/D/messages/events/", ""), "another identity's topic", 400003},
		"a deviceBound topic":               {publish(1, "devices/d/messages/devicebound/", ""), "unknown topic", 400003},
		"an invalid twin request":           {publish(1, "$iothub/twin/PUT/?$rid=1", ""), "invalid twin request", 400003},
		"a twin request without /?":         {publish(1, "$iothub/twin/GET?$rid=1", ""), "invalid twin request", 400003},
		"an id too long for its answer":     {publish(1, "$iothub/twin/GET/?$rid="+strings.Repeat("x", 65500), ""), "a $rid of 65500 bytes", 400004},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := enter(t)
			cl := r.join(iot.Device("d"))
			cl.send(c.send)
			cl.closed()
			last := r.goodbye(iot.Device("d"))
			require.Contains(t, last.Reason, c.why)
			require.Equal(t, c.code, last.Code)
		})
	}
}

func TestAClientThatVanishes(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d"))
	require.NoError(t, c.conn.(*net.TCPConn).SetLinger(0))
	require.NoError(t, c.conn.Close())
	last := r.goodbye(iot.Device("d"))
	require.Equal(t, iot.ErrClosedRemotely.Code, last.Code)
	require.True(t, strings.Contains(last.Reason, "without DISCONNECT"), last.Reason)
}
