package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// How long a device may take to answer a method, by default.
// IoT Hub: contract.md §11.1.
const methodTimeout = 30 * time.Second

// calling is a direct method to be called.
type calling struct {
	place
	form
	*program
	module         string
	timeout        time.Duration
	connectTimeout time.Duration
}

func (p *program) methodVerb() *cobra.Command {
	c := calling{program: p}
	cmd := &cobra.Command{
		Use:   "method DEVICE[/MODULE] NAME [PAYLOAD | -]",
		Short: "Call a direct method and print the answer",
		Long: `Call a direct method of a connected device and print its answer. PAYLOAD is JSON,
{} without it; for "-" it comes in on standard input. Whatever status the device answers with,
the exit code is 0; it is 1 when no answer came.`,
		Example: `  linarite method thermostat reboot
  linarite method thermostat setLevel '{"level": 3}' --timeout 10s
  linarite method thermostat setName '"kitchen"' --connect-timeout 1m`,
		Args: cobra.RangeArgs(2, 3),
		RunE: p.verbOn(func(cmd *cobra.Command, args []string) error { return c.call(cmd.Context(), args) }),
	}
	cmd.ValidArgsFunction = p.completeDevices(&c.place, false)
	f := cmd.Flags()
	f.DurationVar(&c.timeout, "timeout", methodTimeout, "how long to wait for the answer, in whole seconds")
	f.DurationVar(&c.connectTimeout, "connect-timeout", 0, "how long to wait for the device to connect, in whole seconds")
	f.StringVar(&c.module, "module", "", "of this `module` of the device")
	c.place.flags(cmd)
	c.form.flags(cmd)
	return cmd
}

func (c *calling) call(ctx context.Context, args []string) error {
	id, err := identity(args[0], c.module)
	if err != nil {
		return err
	}
	doc, err := c.document(args[1], args[2:])
	if err != nil {
		return err
	}
	b, err := c.backEnd(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout+c.connectTimeout+answersIn)
	defer cancel()
	answer, err := b.ask(ctx, http.MethodPost, route("twins", id)+"/methods", doc)
	if err != nil {
		return err
	}
	if !c.people(c.form) {
		return c.program.document(answer)
	}
	var r struct {
		Status  int
		Payload json.RawMessage
	}
	if err := json.Unmarshal(answer, &r); err != nil {
		return err
	}
	fmt.Fprintln(c.out, "status", r.Status)
	return c.program.document(r.Payload)
}

// document is the request for a method by its name.
func (c *calling) document(name string, payload []string) (any, error) {
	doc := struct {
		Name            string          `json:"methodName"`
		Payload         json.RawMessage `json:"payload"`
		ResponseTimeout int64           `json:"responseTimeoutInSeconds"`
		ConnectTimeout  int64           `json:"connectTimeoutInSeconds"`
	}{Name: name, Payload: json.RawMessage("{}")} // as az iot: some SDKs cannot read a body without JSON
	text, err := c.argument(payload)
	if err != nil {
		return nil, err
	}
	if len(payload) > 0 {
		if doc.Payload = text; !json.Valid(text) {
			return nil, usage{fmt.Errorf(`%.60q is not JSON: a text needs quotes of its own, '"text"'`, text)}
		}
	}
	if doc.ResponseTimeout, err = seconds("timeout", c.timeout); err != nil {
		return nil, err
	}
	doc.ConnectTimeout, err = seconds("connect-timeout", c.connectTimeout)
	return doc, err
}

// seconds is a flag's duration, which must be whole seconds, since that is what
// the service API takes. The hub knows the bounds.
func seconds(flag string, d time.Duration) (int64, error) {
	if d%time.Second != 0 || d < 0 {
		return 0, usage{fmt.Errorf("--%s %s: must be whole seconds", flag, d)}
	}
	return int64(d / time.Second), nil
}
