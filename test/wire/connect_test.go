package wire_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// userNames are the forms of §3.2, with the hub's address and the client id.
var userNames = map[string]string{
	"as the documents have it":       "{host}/{id}/?api-version=2021-04-12",
	"the oldest api-version":         "{host}/{id}/?api-version=2016-11-14",
	"a preview's api-version":        "{host}/{id}/?api-version=2020-05-31-preview",
	"an api-version nobody knows":    "{host}/{id}/?api-version=2099-01-01",
	"the seed's, without a ?":        "{host}/{id}/api-version=2016-11-14",
	"that of Edge's tests":           "{host}/{id}/api-version=2017-06-30/DeviceClientType=Microsoft.Azure.Devices.Client/1.5.1-preview-003",
	"bare":                           "{host}/{id}",
	"bare with a slash":              "{host}/{id}/",
	"an empty query":                 "{host}/{id}/?",
	"no slash before the ?":          "{host}/{id}?api-version=2018-06-30",
	"host with a port":               "{host}:8883/{id}/?api-version=2021-04-12",
	"another of the hub's names":     "localhost/{id}/?api-version=2021-04-12",
	"host in upper case":             "LocalHost/{id}/?api-version=2021-04-12",
	"host in upper case with a port": "LOCALHOST:8883/{id}/?api-version=2021-04-12",
	"keys in another order":          "{host}/{id}/?DeviceClientType=x&api-version=2021-04-12",
	"every key there is":             "{host}/{id}/?api-version=2020-09-30&DeviceClientType=a%2Fb&auth-chain=a%3Bb&model-id=dtmi%3Aa%3Bb",
	"a raw model id":                 "{host}/{id}/?api-version=2021-04-12&model-id=dtmi:com:example:Thermostat;1&DeviceClientType=x",
	"keys that nobody knows":         "{host}/{id}/?api-version=2021-04-12&x=1&y",
	"a key twice":                    "{host}/{id}/?api-version=2021-04-12&api-version=2020-09-30",
	"an agent with a broken escape":  "{host}/{id}/?api-version=2021-04-12&DeviceClientType=100%",
}

func TestEveryFormOfUserNameIsLetIn(t *testing.T) {
	t.Parallel()
	for name, form := range userNames {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			device := newDevice(t)
			for _, who := range []identity{device, device.module(t)} {
				hello := who.hello()
				hello.user = strings.NewReplacer("{host}", who.Host, "{id}", who.ClientID()).Replace(form)
				who.enter(t, hello, accepted).ping()
			}
		})
	}
}

func TestWhatTheUserNameSaysIsKept(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	hello := d.hello()
	hello.user = d.Host + "/" + d.DeviceID +
		"/?api-version=2021-04-12&model-id=dtmi%3Acom%3Aexample%3AThermostat%3B1&DeviceClientType=azure-iot-device%2F1.18.4%20(node)"
	c := d.enter(t, hello, accepted)

	now := d.connection(t)
	require.True(t, now.Connected)
	require.Equal(t, "azure-iot-device/1.18.4 (node)", now.Agent)
	require.Equal(t, "Mqtt", now.Protocol)
	require.Equal(t, c.remote(), now.RemoteAddress)
	require.Equal(t, "dtmi:com:example:Thermostat;1", d.twin(t)["modelId"])
	require.Equal(t, "Connected", d.twin(t)["connectionState"])
}

func TestIDsWithEveryCharacterAreNeverEncoded(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"a-b:c.d_e", "a%20b", "a=b", "a@b$c'd,e;f", "a(b)!c*d", "x?y", "a+b"} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			d := identity{hub.CreateDevice(t, id), hub}
			c := d.join(t)
			c.send(publish(1, d.events()+"a=b", id))
			c.expect(puback(1))
			require.Equal(t, id, hub.WaitEvents(t, 1, harness.Filter{Device: id})[0].Body)
		})
	}
}

// refusedConnects are CONNECT packets of device d that are answered with 5, and
// why; e is another device, m a module of d.
var refusedConnects = map[string]struct {
	change func(hello *connect, d, e, m identity)
	code   int
	why    string
}{
	"another hub's host": {func(h *connect, d, _, _ identity) {
		h.user = "other.azure-devices.net/" + d.DeviceID + "/?api-version=2021-04-12"
	}, 401003, "not one of this hub's names"},
	"a host that only begins like ours": {func(h *connect, d, _, _ identity) {
		h.user = d.Host + ".example/" + d.DeviceID + "/?api-version=2021-04-12"
	}, 401003, "not one of this hub's names"},
	"another device's client id": {func(h *connect, _, e, _ identity) { h.id = e.DeviceID }, 401003, "the client id is"},
	"client id in upper case":    {func(h *connect, d, _, _ identity) { h.id = strings.ToUpper(d.DeviceID) }, 401003, "the client id is"},
	"no client id":               {func(h *connect, _, _, _ identity) { h.id = "" }, 401003, "the client id is"},
	"a module's client id":       {func(h *connect, _, _, m identity) { h.id = m.ClientID() }, 401003, "the client id is"},
	"a module's user name":       {func(h *connect, _, _, m identity) { h.user = m.UserName() }, 401003, "the client id is"},
	"no user name":               {func(h *connect, _, _, _ identity) { h.noUser, h.noPassword = true, true }, 401003, "no user name"},
	"an empty user name":         {func(h *connect, _, _, _ identity) { h.user = "" }, 401003, "names no host"},
	"only a host":                {func(h *connect, d, _, _ identity) { h.user = d.Host }, 401003, "names no device"},
	"user name with more ids":    {func(h *connect, d, _, _ identity) { h.user = d.Host + "/a/b/c/d" }, 401003, "goes on after"},
	"no password":                {func(h *connect, _, _, _ identity) { h.noPassword = true }, 401003, "there is no token"},
	"an empty password":          {func(h *connect, _, _, _ identity) { h.password = "" }, 401003, "there is no token"},
	"a device nobody registered": {func(h *connect, d, _, _ identity) {
		h.id, h.user = "nobody", d.Host+"/nobody/?api-version=2021-04-12"
	}, 404001, "DeviceNotFound"},
	"a module nobody registered": {func(h *connect, d, _, _ identity) {
		h.id, h.user = d.DeviceID+"/nobody", d.Host+"/"+d.DeviceID+"/nobody/?api-version=2021-04-12"
	}, 404010, "ModuleNotFound"},
	"will to another device": {func(h *connect, _, e, _ identity) { h.will = &will{topic: e.events()} }, 400003, "the will's topic"},
	"will to a module":       {func(h *connect, _, _, m identity) { h.will = &will{topic: m.events()} }, 400003, "the will's topic"},
	"will to nowhere":        {func(h *connect, _, _, _ identity) { h.will = &will{topic: "last/will"} }, 400003, "the will's topic"},
	"will to the twin": {func(h *connect, _, _, _ identity) {
		h.will = &will{topic: "$iothub/twin/PATCH/properties/reported/?$rid=1", body: "{}"}
	}, 400003, "the will's topic"},
	"will with QoS 2": {func(h *connect, d, _, _ identity) { h.will = &will{topic: d.events(), qos: 2} }, 400003, "a will with QoS 2"},
}

func TestARefusedConnectIsAnsweredWithFive(t *testing.T) {
	t.Parallel()
	for name, c := range refusedConnects {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, e := newDevice(t), newDevice(t)
			hello := d.hello()
			c.change(&hello, d, e, d.module(t))
			stranger := dial(t, hub)
			stranger.send(hello.bytes())
			stranger.turnedAway(notAuthorized, c.code, c.why)
		})
	}
}

func TestADisabledDeviceIsRefusedAndCutOff(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := d.join(t)
	r := hub.REST(t, "PUT", "/devices/"+d.DeviceID, map[string]any{
		"deviceId": d.DeviceID, "status": "disabled",
		"authentication": map[string]any{"symmetricKey": map[string]string{"primaryKey": d.Key, "secondaryKey": d.Key}},
	}, "If-Match", "*")
	require.Equal(t, 200, r.Status, "%s", r.Body)
	d.cutOff(c, 403012, "DeviceDisabled")

	again := dial(t, hub)
	again.send(d.hello().bytes())
	again.turnedAway(notAuthorized, 403012, "DeviceDisabled")
}

func TestADeletedDeviceIsRefusedAndCutOff(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	m := d.module(t)
	c, cm := d.join(t), m.join(t)
	require.Equal(t, 204, hub.REST(t, "DELETE", "/devices/"+d.DeviceID, nil, "If-Match", "*").Status)
	c.closed()
	cm.closed()
	line := hub.WaitLog(t, quoted("device", d.DeviceID), quoted("op", "disconnect"))
	require.Contains(t, line, "404001")

	again := dial(t, hub)
	again.send(d.hello().bytes())
	again.turnedAway(notAuthorized, 404001, "DeviceNotFound")
}

func TestAConnectMayArriveInAnyPieces(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	t.Run("byte by byte", func(t *testing.T) {
		t.Parallel()
		d := newDevice(t)
		c := dial(t, hub)
		for _, b := range d.hello().bytes() {
			c.send([]byte{b})
		}
		c.expect(accepted)
	})
	t.Run("together with what follows it", func(t *testing.T) {
		t.Parallel()
		c := dial(t, hub)
		c.send(d.hello().bytes(), subscribe(1, 0, twinAnswers), publish(2, d.events(), "x"),
			publish(0, "$iothub/twin/GET/?$rid=7", ""), pingreq)
		c.expect(accepted, packetOf(0x90, 0, 1, 0), puback(2))
		require.Equal(t, "$iothub/twin/res/200/?$rid=7", c.publication().topic)
		c.expect(pingresp)
	})
}

func TestWhatFollowsARefusedConnectIsNotLookedAt(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	hello := d.hello()
	hello.password = newDevice(t).Token(time.Hour)
	stranger := dial(t, hub)
	stranger.send(hello.bytes(), publish(1, d.events(), "x"), d.hello().bytes(), pingreq)
	stranger.turnedAway(notAuthorized, 401003, "the signature matches neither key")
	events, _ := hub.Events(t, harness.Filter{Device: d.DeviceID})
	require.Empty(t, events)
}

func TestGoodbye(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := d.join(t)
	require.WithinDuration(t, time.Now(), d.connection(t).Since, time.Minute)
	c.send(publish(0, d.events(), "before"), disconnect, publish(0, d.events(), "after"), pingreq)
	c.closed()
	d.ended(t, 0, "disconnected by the device")
	require.Equal(t, "before", d.theEvent(t).Body, "nothing after it counts")
	require.Equal(t, "Disconnected", d.twin(t)["connectionState"])
}
