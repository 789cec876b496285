package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/rs/zerolog"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/seed"
	"github.com/linarite/linarite/server"
)

// arrival is what clients have to know of a hub that is up.
type arrival struct {
	name                 string
	mqtt, https, control string
	amqps, amqp          string // amqp is empty where it was not asked for
	service, events      string // connection strings; empty where the key is not public
	device               string // likewise, of a device that is there or needs no registration
	anyDevice            bool   // any other id will do as well
	ca                   string // the file with the CA, where it is ours
}

// announce says how clients reach the hub: in the log when that is for programs,
// as a page when it is for people.
func (p *program) announce(s *settings, log zerolog.Logger, up *server.Server) error {
	owner, err := up.Hub().ConnectionString(ownerPolicy)
	if err != nil {
		return err
	}
	a := arrival{
		name: up.Hub().Name(), mqtt: up.MQTTAddr(), https: up.HTTPSAddr(), control: up.ControlURL(),
		amqps: up.AMQPSAddr(), amqp: up.AMQPAddr(),
		service: public(owner), events: public(up.Hub().EventsConnectionString()), anyDevice: s.autoCreate,
		device: exampleDevice(up.Hub(), s.autoCreate), ca: up.CAPath(),
	}
	switch {
	case s.logFormat == "json":
		a.log(log)
	case log.GetLevel() <= zerolog.InfoLevel:
		a.print(p.err)
	}
	return nil
}

// public is a connection string whose key is the well-known one; others are
// secrets, of which there is nothing left.
func public(connectionString string) string {
	if c, err := auth.ParseConnectionString(connectionString); err != nil || c.SharedAccessKey != auth.WellKnownKey {
		return ""
	}
	return connectionString
}

// exampleDevice is the connection string of a device that is registered when it
// connects, or of the first one of the config file whose key is no secret, since
// it follows from the device's id.
func exampleDevice(h *hub.Hub, autoCreate bool) string {
	if autoCreate {
		return auth.ConnectionString{
			HostName: h.Hostnames()[0], DeviceID: "my-device", SharedAccessKey: auth.WellKnownKey,
		}.String()
	}
	total, _, _ := h.Statistics()
	for _, d := range h.Devices(total) {
		if d.Authentication.PrimaryKey == seed.DerivedKey(iot.Device(d.ID)) {
			s, _ := h.DeviceConnectionString(iot.Device(d.ID)) // nothing, where it is gone by now
			return s
		}
	}
	return ""
}

// credential is a connection string, and the command that prints it.
type credential struct{ key, of, text, command string }

func (a *arrival) credentials() []credential {
	return []credential{
		{"service", "back ends", a.service, "connection-string"},
		{"events", "event readers", a.events, "connection-string --events"},
		{"device", "a device", a.device, "device create my-device"},
	}
}

// log writes lines for programs. Their keys are the published ones.
func (a *arrival) log(log zerolog.Logger) {
	ready := log.Info().Str("version", buildVersion()).Str("mqtt", a.mqtt).Str("https", a.https).Str("amqps", a.amqps)
	if a.amqp != "" {
		ready = ready.Str("amqp", a.amqp)
	}
	ready.Str("control", a.control).Msg("hub " + a.name + " is up")
	for _, c := range a.credentials() {
		line := log.Info()
		if c.text != "" {
			line = line.Str(c.key, c.text)
		}
		line.Str("command", a.command(c.command)).Msg("connection string of " + c.of)
	}
	if a.ca != "" {
		trust := log.Info().Str("ca", a.ca)
		for _, how := range waysToTrust(a.ca) {
			trust = trust.Str(how.key, how.how)
		}
		trust.Msg("clients have to trust this certificate")
	}
	log.Info().Msg("state is in memory: it goes with this process")
}

// print writes a page for people.
func (a *arrival) print(w io.Writer) {
	fmt.Fprintf(w, "Linarite %s: hub %q is up\n\n", buildVersion(), a.name)
	rows := [][]string{
		{"  MQTT", a.mqtt},
		{"  HTTPS", a.https + "   service REST API, MQTT and AMQP over WebSocket"},
		{"  AMQP", strings.TrimSuffix(a.amqps+", without TLS "+a.amqp, ", without TLS ")},
		{"  control API", a.control},
		{""},
	}
	for _, c := range a.credentials() {
		if c.text == "" {
			c.text = a.command(c.command) + "   prints it"
		}
		rows = append(rows, []string{"  " + c.of, c.text})
	}
	switch {
	case a.anyDevice:
		rows = append(rows, []string{"", "or any other id with the same key"})
	case a.device != "":
		rows = append(rows, []string{"", a.command("device create my-device") + "   makes another"})
	}
	if a.ca != "" {
		rows = append(rows, []string{""}, []string{"  CA to trust", a.ca})
		for _, how := range waysToTrust(a.ca) {
			rows = append(rows, []string{"    " + how.sdk, how.how})
		}
		rows = append(rows, []string{"    a shell", fmt.Sprintf(`eval "$(%s)"`, a.command("env"))})
	}
	table(w, rows)
	fmt.Fprintf(w, "\nState is in memory: it goes with this process.\n\n")
}

// command is a command line that finds this hub.
func (a *arrival) command(verb string) string {
	line := "linarite " + verb
	if address := strings.TrimPrefix(a.control, "http://"); address != server.DefaultControl {
		line += " --control " + address
	}
	return line
}

// wayToTrust is how an SDK is told to trust the CA.
type wayToTrust struct{ sdk, key, how string }

// waysToTrust are the SDKs'. sdk-wire.md §0.2.
func waysToTrust(ca string) []wayToTrust {
	return []wayToTrust{
		{"Node", "node", "NODE_EXTRA_CA_CERTS=" + ca},
		{"Python, device", "python_device", `server_verification_cert=open("` + ca + `").read()`},
		{"Python, service", "python_service", "REQUESTS_CA_BUNDLE=" + ca},
		{"Java", "java", `eval "$(linarite env)", then java -Djavax.net.ssl.trustStore=$IOTHUB_TRUST_STORE`},
		{"C", "c", "SSL_CERT_FILE=" + ca + ", or SetOption(OPTION_TRUSTED_CERT, pem)"},
		{"C#", "csharp", "SSL_CERT_FILE=" + ca + ", or linarite trust install"},
		{"Go", "go", "tls.Config.RootCAs, or SSL_CERT_FILE=" + ca},
	}
}
