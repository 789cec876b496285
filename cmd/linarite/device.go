package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/iot"
)

// listed is how many devices the service API lists at most.
const listed = 1000

// device is an identity, a module's too, as the service API has it.
type device struct {
	DeviceID       string `json:"deviceId"`
	ModuleID       string `json:"moduleId"`
	Status         string
	StatusReason   string
	Connection     string `json:"connectionState"`
	Active         string `json:"lastActivityTime"`
	Queued         int    `json:"cloudToDeviceMessageCount"`
	Authentication struct {
		Type         string
		SymmetricKey struct{ PrimaryKey string }
	}
}

func (d device) id() iot.Identity { return iot.Module(d.DeviceID, d.ModuleID) }

// active says when a device was last heard of. The year 1 stands for never, and
// need not have a zone.
func (d device) active() string {
	at, err := time.Parse(time.RFC3339, d.Active)
	if err != nil || at.Year() <= 1 {
		return "never"
	}
	return at.UTC().Format("2006-01-02 15:04:05Z")
}

// devices are the verbs on device identities.
type devices struct {
	place
	form
	*program
}

func (p *program) deviceVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "device",
		Short: "Create, list, show and delete devices and modules",
		Long: `Create, list, show and delete the devices and modules of a running hub. A module
is named {device}/{module}.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.createDeviceVerb(), p.listDevicesVerb(), p.showDeviceVerb(), p.deleteDevicesVerb())
	return cmd
}

// registration is what a new device or module is to be like.
type registration struct {
	primary, secondary string
	thumbprints        []string
	ca                 bool
	disabled, edge     bool
}

func (p *program) createDeviceVerb() *cobra.Command {
	d := devices{program: p}
	var r registration
	cmd := &cobra.Command{
		Use:   "create DEVICE[/MODULE]",
		Short: "Register a device or module and print its connection string",
		Example: `  linarite device create thermostat
  linarite device create thermostat --json | jq -r .connectionString
  linarite device create gateway/filter
  linarite device create camera --primary-key bXktb3duLWtleS1vZi0zMi1ieXRlcy4uLi4uLi4uLi4=`,
		Args: cobra.ExactArgs(1),
		RunE: p.verbOn(func(cmd *cobra.Command, args []string) error { return d.create(cmd.Context(), args[0], r) }),
	}
	f := cmd.Flags()
	f.StringVar(&r.primary, "primary-key", "", "primary `key` in base64, instead of one that the hub makes")
	f.StringVar(&r.secondary, "secondary-key", "", "secondary `key` in base64; without it, the primary one")
	f.StringSliceVar(&r.thumbprints, "thumbprint", nil, "`thumbprint` of the device's own certificate, SHA-1 or SHA-256, up to two, instead of keys")
	f.BoolVar(&r.ca, "x509-ca", false, "the device has a certificate of a CA's, instead of keys")
	f.BoolVar(&r.disabled, "disabled", false, "it may not connect")
	f.BoolVar(&r.edge, "edge", false, "it is an IoT Edge device")
	cmd.MarkFlagsMutuallyExclusive("primary-key", "thumbprint", "x509-ca")
	d.place.flags(cmd)
	d.form.flags(cmd)
	return cmd
}

func (d *devices) create(ctx context.Context, arg string, r registration) error {
	id, err := identity(arg, "")
	if err != nil {
		return err
	}
	doc, err := r.document(id)
	if err != nil {
		return err
	}
	b, err := d.backEnd(ctx)
	if err != nil {
		return err
	}
	made, err := b.ask(ctx, http.MethodPut, route("devices", id), doc)
	if err != nil {
		return err
	}
	var v device
	if err := json.Unmarshal(made, &v); err != nil {
		return err
	}
	s := b.connectionString(v)
	if d.people(d.form) {
		fmt.Fprintf(d.out, "%s is registered.\n", id)
		if s != "" {
			fmt.Fprintln(d.out, s)
		}
		return nil
	}
	if s != "" {
		if made, err = with(made, "connectionString", s); err != nil {
			return err
		}
	}
	return d.document(made)
}

// document is the identity that is asked for.
func (r registration) document(id iot.Identity) (any, error) {
	how := map[string]any{"type": "sas"}
	switch {
	case len(r.thumbprints) > 2:
		return nil, usage{errors.New("--thumbprint: a device has two at most")}
	case len(r.thumbprints) > 0:
		prints := map[string]string{"primaryThumbprint": r.thumbprints[0]}
		if len(r.thumbprints) == 2 {
			prints["secondaryThumbprint"] = r.thumbprints[1]
		}
		how = map[string]any{"type": "selfSigned", "x509Thumbprint": prints}
	case r.ca:
		how["type"] = "certificateAuthority"
	case r.primary != "":
		if r.secondary == "" {
			r.secondary = r.primary
		}
		how["symmetricKey"] = map[string]string{"primaryKey": r.primary, "secondaryKey": r.secondary}
	case r.secondary != "":
		return nil, usage{errors.New("--secondary-key: a device has both keys or none, so give --primary-key too")}
	}
	doc := map[string]any{"deviceId": id.DeviceID, "authentication": how}
	if id.IsModule() {
		if r.disabled || r.edge {
			return nil, usage{errors.New("--disabled and --edge are for devices: a module has neither")}
		}
		doc["moduleId"] = id.ModuleID
		return doc, nil
	}
	doc["capabilities"] = map[string]bool{"iotEdge": r.edge}
	if r.disabled {
		doc["status"] = "disabled"
	}
	return doc, nil
}

// connectionString is what a device or module connects with; empty when it has
// neither key nor certificate.
func (b *backEnd) connectionString(d device) string {
	s := auth.ConnectionString{
		HostName: b.owner.HostName, DeviceID: d.DeviceID, ModuleID: d.ModuleID,
		SharedAccessKey: d.Authentication.SymmetricKey.PrimaryKey,
	}
	switch iot.AuthenticationType(d.Authentication.Type) {
	case iot.AuthenticationSelfSigned, iot.AuthenticationCA:
		s.X509 = true
	case iot.AuthenticationSAS:
	default:
		return ""
	}
	return s.String()
}

func (p *program) listDevicesVerb() *cobra.Command {
	d := devices{program: p}
	var top int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List devices",
		Args:  cobra.NoArgs,
		RunE:  p.verb(func(cmd *cobra.Command) error { return d.list(cmd.Context(), top) }),
	}
	cmd.Flags().IntVar(&top, "top", listed, "at most so many, up to "+strconv.Itoa(listed))
	d.place.flags(cmd)
	d.form.flags(cmd)
	return cmd
}

func (d *devices) list(ctx context.Context, top int) error {
	b, err := d.backEnd(ctx)
	if err != nil {
		return err
	}
	doc, err := b.get(ctx, "/devices?top="+strconv.Itoa(top))
	if err != nil {
		return err
	}
	if !d.people(d.form) {
		return d.document(doc)
	}
	var all []device
	if err := json.Unmarshal(doc, &all); err != nil {
		return err
	}
	rows := [][]string{{"DEVICE", "STATUS", "CONNECTION", "LAST ACTIVITY", "QUEUED", "AUTHENTICATION"}}
	for _, v := range all {
		rows = append(rows, []string{v.DeviceID, v.Status, v.Connection, v.active(), strconv.Itoa(v.Queued), v.Authentication.Type})
	}
	table(d.out, rows)
	if len(all) == listed {
		fmt.Fprintf(d.err, "linarite: the service API lists the first %d devices only\n", listed)
	}
	return nil
}

func (p *program) deleteDevicesVerb() *cobra.Command {
	d := devices{program: p}
	cmd := &cobra.Command{
		Use:   "delete DEVICE[/MODULE]...",
		Short: "Delete devices and modules, their twins and their messages",
		Args:  cobra.MinimumNArgs(1),
		RunE:  p.verbOn(func(cmd *cobra.Command, args []string) error { return d.delete(cmd.Context(), args) }),
	}
	cmd.ValidArgsFunction = p.completeDevices(&d.place, true)
	d.place.flags(cmd)
	return cmd
}

func (d *devices) delete(ctx context.Context, args []string) error {
	var ids []iot.Identity
	for _, arg := range args {
		id, err := identity(arg, "")
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	b, err := d.backEnd(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := b.ask(ctx, http.MethodDelete, route("devices", id), nil); err != nil {
			return err
		}
		fmt.Fprintf(d.err, "%s is deleted.\n", id)
	}
	return nil
}

// route is the path of an identity, or of its twin, in the service API.
func route(collection string, id iot.Identity) string {
	path := "/" + collection + "/" + url.PathEscape(id.DeviceID)
	if id.IsModule() {
		path += "/modules/" + url.PathEscape(id.ModuleID)
	}
	return strings.ReplaceAll(path, "+", "%2B")
}
