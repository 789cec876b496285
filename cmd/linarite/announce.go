package main

import (
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/rs/zerolog"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/server"
)

// arrival is what clients have to know of a hub that is up.
type arrival struct {
	name                 string
	mqtt, https, control string
	amqps, amqp          string // amqp is empty where it was not asked for
	service, events      string
	device               string // a device's connection string, where any id will do
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
		service: owner, events: up.Hub().EventsConnectionString(), ca: up.CAPath(),
	}
	if s.autoCreate {
		a.device = anyDevice(up.Hub())
	}
	switch {
	case s.logFormat == "json":
		a.log(log)
	case log.GetLevel() <= zerolog.InfoLevel:
		a.print(p.err)
	}
	return nil
}

// anyDevice is the connection string of a device that is registered when it
// connects.
func anyDevice(h *hub.Hub) string {
	return auth.ConnectionString{
		HostName: h.Hostnames()[0], DeviceID: "my-device", SharedAccessKey: auth.WellKnownKey,
	}.String()
}

// log writes lines for programs. Their keys are the published ones.
func (a *arrival) log(log zerolog.Logger) {
	ready := log.Info().Str("version", buildVersion()).Str("mqtt", a.mqtt).Str("https", a.https).Str("amqps", a.amqps)
	if a.amqp != "" {
		ready = ready.Str("amqp", a.amqp)
	}
	ready.Str("control", a.control).Msg("hub " + a.name + " is up")
	log.Info().Str("service", a.service).Msg("connection string of back ends")
	log.Info().Str("events", a.events).Msg("connection string of event readers")
	device := log.Info()
	if a.device != "" {
		device = device.Str("device", a.device)
	}
	device.Str("command", a.command("device create my-device")).Msg("connection string of a device")
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
		{"  back ends", a.service},
		{"  event readers", a.events},
		{"  a device", a.command("device create my-device") + "   prints its connection string"},
	}
	if a.device != "" {
		rows = append(rows, []string{"", a.device + "   or any other id"})
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
	// The verbs look for these two by themselves.
	_, port, _ := net.SplitHostPort(a.https)
	if port != "443" && port != "8443" && strings.HasPrefix(verb, "device") {
		line += " --https :" + port
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
		{"Java", "java", "keytool -importcert -noprompt -alias linarite -file " + ca +
			" -keystore trust.jks -storepass changeit, then -Djavax.net.ssl.trustStore=trust.jks"},
		{"C", "c", "SSL_CERT_FILE=" + ca + ", or SetOption(OPTION_TRUSTED_CERT, pem)"},
		{"C#", "csharp", "SSL_CERT_FILE=" + ca + ", or linarite trust install"},
		{"Go", "go", "tls.Config.RootCAs, or SSL_CERT_FILE=" + ca},
	}
}
