package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/linarite/linarite/iot"
)

func (p *program) showDeviceVerb() *cobra.Command {
	d := devices{program: p}
	cmd := &cobra.Command{
		Use:   "show DEVICE[/MODULE]",
		Short: "Show a device or module: its state, connection and connection string",
		Args:  cobra.ExactArgs(1),
		RunE:  p.verbOn(func(cmd *cobra.Command, args []string) error { return d.show(cmd.Context(), args[0]) }),
	}
	cmd.ValidArgsFunction = p.completeDevices(&d.place, false)
	d.place.flags(cmd)
	d.form.flags(cmd)
	return cmd
}

func (d *devices) show(ctx context.Context, arg string) error {
	id, err := identity(arg, "")
	if err != nil {
		return err
	}
	b, err := d.backEnd(ctx)
	if err != nil {
		return err
	}
	doc, err := b.get(ctx, route("devices", id))
	if err != nil {
		return err
	}
	var modules []device
	if !id.IsModule() {
		if modules, err = b.modules(ctx, id); err != nil {
			return err
		}
	}
	link, err := b.connection(ctx, id)
	if err != nil {
		return err
	}
	if d.people(d.form) {
		return d.describe(b, doc, modules, link)
	}
	return d.shown(b, doc, modules, link)
}

func (b *backEnd) modules(ctx context.Context, id iot.Identity) (modules []device, err error) {
	doc, err := b.get(ctx, route("devices", id)+"/modules")
	if err == nil {
		err = json.Unmarshal(doc, &modules)
	}
	return modules, err
}

// connection is what the control API says of the connection of an identity; nil
// when it never had one.
func (b *backEnd) connection(ctx context.Context, id iot.Identity) (*connection, error) {
	var doc struct{ Connections []connection }
	if err := b.control.document(ctx, "/v1/connections", &doc); err != nil {
		return nil, err
	}
	for i, c := range doc.Connections {
		if iot.Module(c.DeviceID, c.ModuleID) == id {
			return &doc.Connections[i], nil
		}
	}
	return nil, nil //nolint:nilnil // it never connected
}

// connection is a device's, as the control API has it.
type connection struct {
	DeviceID      string         `json:"deviceId"`
	ModuleID      string         `json:"moduleId,omitempty"`
	Connected     bool           `json:"connected"`
	Since         string         `json:"since,omitempty"`
	Protocol      string         `json:"protocol,omitempty"`
	Agent         string         `json:"agent,omitempty"`
	RemoteAddress string         `json:"remoteAddress,omitempty"`
	Listening     listening      `json:"listening"`
	Last          *disconnection `json:"lastDisconnect,omitempty"`
}

type listening struct {
	Messages bool `json:"messages"`
	Methods  bool `json:"methods"`
	Desired  bool `json:"desired"`
}

type disconnection struct {
	Time   string `json:"time"`
	Code   int    `json:"code"`
	Reason string `json:"reason"`
}

// shown writes the identity's own document, and after it what else there is.
func (d *devices) shown(b *backEnd, doc []byte, modules []device, link *connection) error {
	var v device
	err := json.Unmarshal(doc, &v)
	if s := b.connectionString(v); err == nil && s != "" {
		doc, err = with(doc, "connectionString", s)
	}
	if err == nil && !v.id().IsModule() {
		doc, err = with(doc, "modules", names(modules))
	}
	if err == nil && link != nil {
		doc, err = with(doc, "connection", link)
	}
	if err != nil {
		return err
	}
	return d.document(doc)
}

func names(modules []device) []string {
	names := make([]string, len(modules))
	for i, m := range modules {
		names[i] = m.ModuleID
	}
	return names
}

// describe writes the same for people.
func (d *devices) describe(b *backEnd, doc []byte, modules []device, link *connection) error {
	var v device
	if err := json.Unmarshal(doc, &v); err != nil {
		return err
	}
	rows := [][]string{{"id", v.id().String()}}
	if !v.id().IsModule() {
		rows = append(rows, []string{"status", strings.TrimSpace(v.Status + " " + readable(v.StatusReason, 128))})
	}
	rows = append(rows,
		[]string{"connection", v.Connection},
		[]string{"last activity", v.active()},
		[]string{"authentication", v.Authentication.Type})
	if !v.id().IsModule() {
		rows = append(rows, []string{"queued messages", strconv.Itoa(v.Queued)})
	}
	if len(modules) > 0 {
		rows = append(rows, []string{"modules", strings.Join(names(modules), ", ")})
	}
	if link != nil {
		rows = append(rows, link.rows()...)
	}
	if s := b.connectionString(v); s != "" {
		rows = append(rows, []string{"connection string", s})
	}
	table(d.out, rows)
	return nil
}

// rows are what there is to say about a connection.
func (c *connection) rows() (rows [][]string) {
	if c.Connected {
		rows = append(rows,
			[]string{"connected", fmt.Sprintf("%s from %s since %s", c.Protocol, c.RemoteAddress, c.Since)},
			[]string{"listens to", c.Listening.String()})
		if c.Agent != "" {
			rows = append(rows, []string{"client", readable(c.Agent, 128)})
		}
	}
	if c.Last != nil {
		how := "it said goodbye"
		if c.Last.Code != 0 {
			how = fmt.Sprintf("%d %s", c.Last.Code, readable(c.Last.Reason, 512))
		}
		rows = append(rows, []string{"last disconnect", c.Last.Time + " " + how})
	}
	return rows
}

// String is what a device listens to, in words.
func (l listening) String() string {
	var to []string
	for _, s := range []struct {
		on   bool
		what string
	}{{l.Messages, "messages"}, {l.Methods, "methods"}, {l.Desired, "desired properties"}} {
		if s.on {
			to = append(to, s.what)
		}
	}
	if len(to) == 0 {
		return "nothing"
	}
	return strings.Join(to, ", ")
}
