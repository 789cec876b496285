package wire_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// migrationPage is where the table is for people to read.
const migrationPage = "../../docs/amqp-mqtt.md"

var writePages = flag.Bool("write-pages", false, "write the pages that are made of what the hub does")

// migrationRow is something that may happen to a device, and what it then sees
// over either protocol. Each side has a device of its own.
type migrationRow struct {
	condition  string
	amqp, mqtt func(t *testing.T, d identity) string
}

// always says the same, of what a protocol has no way to do.
func always(text string) func(*testing.T, identity) string {
	return func(*testing.T, identity) string { return text }
}

const migrationText = `# From AMQP to MQTT, and back

Where AMQP has a word for what went wrong, MQTT 3.1.1 mostly has none: the hub
closes the connection, and its log and ` + "`/v1/connections`" + ` say why. A program that
moves from one to the other has to expect the other column. Numbers in
parentheses are IoT Hub's error codes: AMQP tells them in the error's info, MQTT
does not tell them to the device.

This page is written by a test (` + "`test/wire`" + `), which does each of these things over
both protocols and compares.
`

// TestFromAMQPToMQTT does everything in the table over both protocols, with a hub
// of its own whose clock it moves, and compares what it sees with the page.
func TestFromAMQPToMQTT(t *testing.T) {
	t.Parallel()
	h := harness.Start(t, harness.Options{Address: migrationAddress})
	var page strings.Builder
	page.WriteString(migrationText)
	for _, chapter := range migrationChapters {
		fmt.Fprintf(&page, "\n## %s\n\n| what happens | AMQP | MQTT |\n|---|---|---|\n", chapter.title)
		for _, row := range chapter.rows {
			t.Run(row.condition, func(t *testing.T) {
				fmt.Fprintf(&page, "| %s | %s | %s |\n", row.condition, row.amqp(t, newDeviceOf(t, h)), row.mqtt(t, newDeviceOf(t, h)))
			})
		}
	}
	if t.Failed() {
		return
	}
	if *writePages {
		require.NoError(t, os.WriteFile(migrationPage, []byte(page.String()), 0o644))
	}
	written, err := os.ReadFile(migrationPage)
	require.NoError(t, err)
	require.Equal(t, string(written), page.String(), "go test ./wire -run FromAMQPToMQTT -args -write-pages writes the page anew")
}

// told is an error as the page has it.
func told(f *failure) string {
	switch {
	case f == nil:
		return "no error"
	case f.code == 0:
		return "`" + f.condition + "`"
	}
	return fmt.Sprintf("`%s` (%d)", f.condition, f.code)
}

// says is a message's outcome in words.
func says(outcome uint64, why *failure) string {
	if outcome == outcomeAccepted {
		return "accepted"
	}
	return "rejected, " + told(why) + "; the link stays"
}

// tries attaches a link and says what came of it.
func (p *peer) tries(receives bool, address string) string {
	p.t.Helper()
	_, refusal := p.attach(receives, address, terms{})
	if refusal != nil {
		return "attach refused, " + told(refusal) + "; the connection stays"
	}
	return "attached"
}

// closedFor waits until the hub has closed a device's connection and says so.
func (i identity) closedFor(c *client) string {
	c.t.Helper()
	c.closed()
	return fmt.Sprintf("connection closed (%d)", firstCode(c.t, i))
}

// enters says what becomes of an attempt to connect with a password, by SASL
// PLAIN and at $cbs.
func enters(t *testing.T, who identity, password string) string {
	byPlain, byToken := dialAMQP(t, who.hub), dialAMQP(t, who.hub)
	outcome := byPlain.sasl("PLAIN", who.plain(password))
	status := byToken.enter().rpc("$cbs").putToken(sasToken, who.Resource(), password)
	return fmt.Sprintf("SASL PLAIN: outcome %d; put-token: status %d", outcome, status)
}

// enterMQTT says what becomes of a CONNECT.
func entersMQTT(t *testing.T, who identity, hello connect) string {
	c := dial(t, who.hub)
	c.send(hello.bytes())
	connack := c.packet()
	require.Equal(t, byte(0x20), connack[0])
	c.closed()
	return fmt.Sprintf("CONNACK %d", connack[3])
}
