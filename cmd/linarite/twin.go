package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/spf13/cobra"
)

// twins reads and changes the twin of a device or module.
type twins struct {
	place
	*program
	module        string
	desired, tags string
	replace       bool
}

func (p *program) twinVerb() *cobra.Command {
	t := twins{program: p}
	cmd := &cobra.Command{
		Use:   "twin DEVICE[/MODULE]",
		Short: "Print a twin; change desired properties and tags",
		Long: `Print the twin of a device or module, after changing it where that is asked for.
What is given is merged into what there is, where null removes a member; with
--replace it takes its place, and what is not given is emptied.`,
		Example: `  linarite twin thermostat
  linarite twin thermostat --desired '{"interval": 30}'
  linarite twin thermostat --desired desired.json --tags tags.json --replace`,
		Args: cobra.ExactArgs(1),
		RunE: p.verbOn(func(cmd *cobra.Command, args []string) error { return t.print(cmd.Context(), args[0]) }),
	}
	cmd.ValidArgsFunction = p.completeDevices(&t.place, true)
	f := cmd.Flags()
	f.StringVar(&t.desired, "desired", "", "desired properties: a `file` with a JSON object, - for standard input, or the object itself")
	f.StringVar(&t.tags, "tags", "", "tags, likewise: a `file`, -, or the object itself")
	f.BoolVar(&t.replace, "replace", false, "replace, rather than merge")
	f.StringVar(&t.module, "module", "", "of this `module` of the device")
	t.place.flags(cmd)
	return cmd
}

func (t *twins) print(ctx context.Context, arg string) error {
	id, err := identity(arg, t.module)
	if err != nil {
		return err
	}
	method, doc, err := t.change()
	if err != nil {
		return err
	}
	b, err := t.backEnd(ctx)
	if err != nil {
		return err
	}
	twin, err := b.ask(ctx, method, route("twins", id), doc)
	if err != nil {
		return err
	}
	return t.document(twin)
}

// change is the request that the flags ask for.
func (t *twins) change() (method string, doc any, err error) {
	if t.desired == "-" && t.tags == "-" {
		return "", nil, usage{errors.New("--desired and --tags cannot both come in on standard input")}
	}
	desired, err := t.object("desired", t.desired)
	if err != nil {
		return "", nil, err
	}
	tags, err := t.object("tags", t.tags)
	if err != nil {
		return "", nil, err
	}
	method = http.MethodPatch
	switch {
	case t.replace && desired == nil && tags == nil:
		return "", nil, usage{errors.New("--replace: say with --desired or --tags by what")}
	case desired == nil && tags == nil:
		return http.MethodGet, nil, nil
	case t.replace:
		method = http.MethodPut
	}
	members := map[string]any{}
	if desired != nil {
		members["properties"] = map[string]json.RawMessage{"desired": desired}
	}
	if tags != nil {
		members["tags"] = tags
	}
	return method, members, nil
}
