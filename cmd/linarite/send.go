package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// sending is a cloud-to-device message, as the control API takes it.
type sending struct {
	place
	form
	*program
	properties []string
	ttl        time.Duration
	message    struct {
		Body            string             `json:"body"`
		BodyEncoding    string             `json:"bodyEncoding"`
		Properties      map[string]*string `json:"properties,omitempty"`
		MessageID       string             `json:"messageId,omitempty"`
		CorrelationID   string             `json:"correlationId,omitempty"`
		UserID          string             `json:"userId,omitempty"`
		ContentType     string             `json:"contentType,omitempty"`
		ContentEncoding string             `json:"contentEncoding,omitempty"`
		Ack             string             `json:"ack,omitempty"`
		TTL             string             `json:"ttl,omitempty"`
	}
}

func (p *program) sendVerb() *cobra.Command {
	s := sending{program: p}
	cmd := &cobra.Command{
		Use:   "send DEVICE [BODY | -]",
		Short: "Send a cloud-to-device message",
		Long: `Send a cloud-to-device message: BODY, or what comes in on standard input for "-".
It waits in the device's queue until the device takes it or it expires.`,
		Example: `  linarite send thermostat 'open the window'
  linarite send thermostat --property level=3 --ack full --ttl 10m < firmware.bin -`,
		Args: cobra.RangeArgs(1, 2),
		RunE: p.verbOn(func(cmd *cobra.Command, args []string) error { return s.send(cmd.Context(), args) }),
	}
	cmd.ValidArgsFunction = p.completeDevices(&s.place, false)
	f, m := cmd.Flags(), &s.message
	f.StringArrayVar(&s.properties, "property", nil, "application property `name=value`, may be repeated; without = it has no value")
	f.StringVar(&m.Ack, "ack", "", "`feedback` to ask for: none, positive, negative or full")
	f.DurationVar(&s.ttl, "ttl", 0, "how long it may wait, up to 48h (default 1h)")
	f.StringVar(&m.MessageID, "message-id", "", "`id` of the message; without it, one is made")
	f.StringVar(&m.CorrelationID, "correlation-id", "", "`id` of what it is about")
	f.StringVar(&m.UserID, "user-id", "", "`id` of who sends it")
	f.StringVar(&m.ContentType, "content-type", "", "`type` of the body, such as application/json")
	f.StringVar(&m.ContentEncoding, "content-encoding", "", "`encoding` of the body, such as utf-8")
	complete(cmd, "ack", "none\tno feedback", "positive\twhen the device took it", "negative\twhen it did not", "full\tin either case")
	s.place.flags(cmd)
	s.form.flags(cmd)
	return cmd
}

func (s *sending) send(ctx context.Context, args []string) error {
	id, err := identity(args[0], "")
	if err != nil {
		return err
	}
	if id.IsModule() {
		return usage{fmt.Errorf("%s is a module: IoT Hub sends messages to devices only", id)}
	}
	if err := s.compose(args[1:]); err != nil {
		return err
	}
	c, err := newClient(s.control)
	if err != nil {
		return err
	}
	doc, err := json.Marshal(s.message)
	if err != nil {
		return err
	}
	var sent struct {
		SequenceNumber uint64 `json:"sequenceNumber"`
		MessageID      string `json:"messageId"`
	}
	if err := c.exchange(ctx, http.MethodPost, "/v1/devices/"+url.PathEscape(id.DeviceID)+"/messages", doc, &sent); err != nil {
		return err
	}
	if s.people(s.form) {
		fmt.Fprintf(s.out, "Queued for %s: message %s, number %d.\n", id, sent.MessageID, sent.SequenceNumber)
		return nil
	}
	return json.NewEncoder(s.out).Encode(sent)
}

// compose completes the message from the flags and the argument.
func (s *sending) compose(body []string) error {
	m := &s.message
	for _, property := range s.properties {
		name, value, valued := strings.Cut(property, "=")
		if name == "" {
			return usage{fmt.Errorf("--property %q: must be name=value", property)}
		}
		if m.Properties == nil {
			m.Properties = map[string]*string{}
		}
		if m.Properties[name] = nil; valued {
			m.Properties[name] = &value
		}
	}
	if s.cmd.Flags().Changed("ttl") {
		m.TTL = s.ttl.String()
	}
	text, err := s.argument(body)
	if err != nil {
		return err
	}
	if m.Body, m.BodyEncoding = string(text), "utf-8"; !utf8.Valid(text) {
		m.Body, m.BodyEncoding = base64.StdEncoding.EncodeToString(text), "base64"
	}
	return nil
}

// argument is what the last argument, if there is one, stands for: itself, or
// standard input for "-".
func (p *program) argument(args []string) ([]byte, error) {
	switch {
	case len(args) == 0:
		return nil, nil
	case args[0] == "-":
		return p.stdin()
	}
	return []byte(args[0]), nil
}

func (p *program) stdin() ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(p.in, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read standard input: %w", err)
	}
	return text, nil
}

// object is the JSON object that a flag's value stands for: itself, a file, or
// standard input for "-". Without a value there is none.
func (p *program) object(flag, value string) (json.RawMessage, error) {
	var text []byte
	var err error
	switch {
	case value == "":
		return nil, nil
	case strings.HasPrefix(strings.TrimSpace(value), "{"):
		text = []byte(value)
	case value == "-":
		text, err = p.stdin()
	default:
		text, err = os.ReadFile(value)
	}
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flag, err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, fmt.Errorf("--%s: %s is no JSON object: %w", flag, value, position(text, err))
	}
	return text, nil
}

// position adds to a JSON error the line it is about.
func position(text []byte, err error) error {
	var wrong *json.SyntaxError
	if !errors.As(err, &wrong) || wrong.Offset > int64(len(text)) {
		return err
	}
	return fmt.Errorf("line %d: %w", 1+strings.Count(string(text[:wrong.Offset]), "\n"), err)
}
