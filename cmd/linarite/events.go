package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const (
	waitEvents = 30 * time.Second // how long one request waits for events
	wideBody   = 200              // characters of a body on a terminal
)

// journal reads a hub's events.
type journal struct {
	place
	form
	*program
	follow     bool
	operations bool
	device     string
	module     string
	source     string
	properties []string
	since      string
	headed     bool // the table has its head
}

func (p *program) eventsVerb() *cobra.Command {
	j := journal{program: p}
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Print what devices sent",
		Long: `Print what devices sent and the hub still has, oldest first; --follow goes on with
what comes until it is interrupted. A pipe gets one JSON document on each line.
--operations prints what operations monitoring tells of instead: connections that
came, ended and were refused, and operations that failed.`,
		Example: `  linarite events --follow
  linarite events --follow --since 0s --device thermostat
  linarite events --operations --follow
  linarite events --property alert=true | jq -r .body`,
		Args: cobra.NoArgs,
		RunE: p.verb(func(cmd *cobra.Command) error { return j.print(cmd.Context()) }),
	}
	f := cmd.Flags()
	f.BoolVarP(&j.follow, "follow", "f", false, "go on with what comes")
	f.BoolVar(&j.operations, "operations", false, "what operations monitoring tells of")
	f.StringVar(&j.device, "device", "", "from this `device` only, or this module {device}/{module}")
	f.StringVar(&j.module, "module", "", "from this `module` only")
	f.StringVar(&j.source, "source", "", "of this `source` only, such as Telemetry")
	f.StringArrayVar(&j.properties, "property", nil, "with the application property `name=value` only, may be repeated")
	f.StringVar(&j.since, "since", "", "no older than a `time`, 2026-01-31T12:00:00Z, or a duration, 10m, by the hub's clock")
	_ = cmd.RegisterFlagCompletionFunc("device", p.completeDevices(&j.place, true))
	complete(cmd, "source", "Telemetry\tmessages of devices")
	j.place.flags(cmd)
	j.form.flags(cmd)
	return cmd
}

// event is what is shown of one.
type event struct {
	EnqueuedTime string
	Source       string
	DeviceID     string
	ModuleID     string
	Properties   map[string]*string
	Body         string
	BodyEncoding string
}

func (j *journal) print(ctx context.Context) error {
	c, err := newClient(j.control)
	if err != nil {
		return err
	}
	query, err := j.query()
	if err != nil {
		return err
	}
	since, err := j.start(ctx, c)
	if err != nil {
		return err
	}
	for {
		found, cursor, err := j.read(ctx, c, query)
		if err != nil {
			return orNothing(ctx, err)
		}
		if err := j.show(found, since); err != nil {
			return err
		}
		// Waiting begins at the end: a request that waits for one event answers
		// with all there are.
		if len(found) == 0 {
			if !j.follow {
				return nil
			}
			query.Set("wait", "1")
			query.Set("timeout", waitEvents.String())
		}
		query.Set("after", cursor)
	}
}

// orNothing is err unless it comes from the user's interrupt.
func orNothing(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// query is the control API's for the flags.
func (j *journal) query() (url.Values, error) {
	q := url.Values{}
	if j.operations {
		q.Set("endpoint", "operationsMonitoringEvents")
	}
	if j.device != "" {
		id, err := identity(j.device, j.module)
		if err != nil {
			return nil, err
		}
		q.Set("device", id.DeviceID)
		j.module = id.ModuleID
	}
	for name, value := range map[string]string{"module": j.module, "source": j.source} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for _, property := range j.properties {
		if property == "" || property[0] == '=' {
			return nil, usage{fmt.Errorf("--property %q: must be name=value", property)}
		}
		q.Add("property", property)
	}
	return q, nil
}

// start is the time that --since means, the zero time without it.
func (j *journal) start(ctx context.Context, c *client) (time.Time, error) {
	if j.since == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, j.since); err == nil {
		return t, nil
	}
	ago, err := time.ParseDuration(j.since)
	if err != nil || ago < 0 {
		return time.Time{}, usage{fmt.Errorf("--since %q: must be a time such as 2026-01-31T12:00:00Z, or a duration such as 10m", j.since)}
	}
	var clock struct{ Now time.Time }
	err = c.document(ctx, "/v1/clock", &clock)
	return clock.Now.Add(-ago), err
}

// read is one request.
func (j *journal) read(ctx context.Context, c *client, query url.Values) (found []json.RawMessage, cursor string, err error) {
	if query.Has("wait") {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, waitEvents+answersIn)
		defer cancel()
	}
	var doc struct {
		Events []json.RawMessage
		Cursor string
	}
	err = c.document(ctx, "/v1/events?"+query.Encode(), &doc)
	if err != nil && errors.Is(err, errNoHub) && query.Has("after") {
		err = fmt.Errorf("the hub has gone: %w", err)
	}
	return doc.Events, doc.Cursor, err
}

// show writes the events that are not too old.
func (j *journal) show(found []json.RawMessage, since time.Time) error {
	var rows [][]string
	for _, raw := range found {
		var e event
		if err := json.Unmarshal(raw, &e); err != nil {
			return err
		}
		enqueued, err := time.Parse(time.RFC3339, e.EnqueuedTime)
		if err != nil {
			return err
		}
		if enqueued.Before(since) {
			continue
		}
		if !j.people(j.form) {
			fmt.Fprintf(j.out, "%s\n", raw)
			continue
		}
		if j.operations {
			rows = append(rows, e.operation())
		} else {
			rows = append(rows, e.row())
		}
	}
	if len(rows) == 0 {
		return nil
	}
	if !j.headed {
		head := []string{"TIME (UTC)", "FROM", "SOURCE", "BODY", "PROPERTIES"}
		if j.operations {
			head = []string{"TIME (UTC)", "ABOUT", "CATEGORY", "OPERATION", "LEVEL", "CODE", "DESCRIPTION"}
		}
		rows = slices.Insert(rows, 0, head)
		j.headed = true
	}
	table(j.out, rows)
	return nil
}

// who is whom an event is from, or about.
func (e *event) who() string {
	who := cmp.Or(e.DeviceID, "-")
	if e.ModuleID != "" {
		who += "/" + e.ModuleID
	}
	return who
}

// clock is the time of day at which an event was taken in.
func (e *event) clock() string {
	return strings.TrimSuffix(e.EnqueuedTime[strings.IndexByte(e.EnqueuedTime, 'T')+1:], "Z")
}

// operation is an event of operations monitoring in a table.
func (e *event) operation() []string {
	var o struct {
		OperationName, Category, Level, StatusDescription, Details string
		StatusType, StatusCode                                     int
	}
	if err := json.Unmarshal([]byte(e.Body), &o); err != nil {
		return []string{e.clock(), e.who(), readable(e.Body, wideBody)}
	}
	code := ""
	if n := cmp.Or(o.StatusType, o.StatusCode); n != 0 {
		code = strconv.Itoa(n)
	}
	return []string{
		e.clock(), e.who(), o.Category, o.OperationName, o.Level, code,
		readable(cmp.Or(o.StatusDescription, o.Details), wideBody),
	}
}

// row is an event in a table.
func (e *event) row() []string {
	body := readable(e.Body, wideBody)
	if e.BodyEncoding == "base64" {
		body = "base64:" + body
	}
	var properties []string
	for _, name := range slices.Sorted(maps.Keys(e.Properties)) {
		property := name
		if value := e.Properties[name]; value != nil {
			property += "=" + *value
		}
		properties = append(properties, readable(property, wideBody))
	}
	return []string{e.clock(), e.who(), e.Source, body, strings.Join(properties, " ")}
}
