package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
)

// ownerPolicy is the policy of back ends that may do everything.
const ownerPolicy = "iothubowner"

// whose says whose credentials are asked for.
type whose struct {
	settings
	cmd        *cobra.Command
	policy     string
	device     string
	events     bool
	operations bool
}

// flags adds the flags that select, and those that say where the hub is.
func (w *whose) flags(cmd *cobra.Command) {
	w.cmd = cmd
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&w.policy, "policy", ownerPolicy, "of back ends, under the shared access `policy`")
	f.StringVar(&w.device, "device", "", "of a device, by its `id`, or of a module, by {device}/{module}")
	for _, name := range []string{"control", "hostname", "name"} {
		f.AddFlag(w.settings.flags().Lookup(name))
	}
	f.Lookup("hostname").Usage = "another `name` of the hub's than its first, such as one by which a container is reached"
	f.Lookup("hostname").DefValue = "[]" // as pflag writes none
	f.Lookup("name").Usage = "the hub's short `name`, where none runs"
	complete(cmd, "policy", "iothubowner\tmay do everything", "service\tmay send and receive", "device\tfor devices",
		"registryRead\tmay read identities", "registryReadWrite\tmay change identities")
}

func (p *program) connectionStringVerb() *cobra.Command {
	var w whose
	cmd := &cobra.Command{
		Use:   "connection-string",
		Short: "Print a connection string",
		Long: `Print a connection string: of back ends unless told otherwise. The running hub is
asked for it. Where none runs, those of policies and event readers are worked out
from --hostname and --name.`,
		Example: `  linarite connection-string
  linarite connection-string --device thermostat
  linarite connection-string --events --hostname hub.example`,
		Args: cobra.NoArgs,
		RunE: p.verb(func(cmd *cobra.Command) error {
			s, err := p.connectionString(cmd.Context(), &w)
			if err == nil {
				fmt.Fprintln(p.out, s)
			}
			return err
		}),
	}
	w.flags(cmd)
	cmd.Flags().BoolVar(&w.events, "events", false, "of readers of the event endpoint")
	cmd.Flags().BoolVar(&w.operations, "operations", false, "of readers of the operations monitoring endpoint")
	cmd.MarkFlagsMutuallyExclusive("policy", "device", "events", "operations")
	return cmd
}

func (p *program) sasVerb() *cobra.Command {
	var w whose
	var ttl time.Duration
	cmd := &cobra.Command{
		Use:   "sas",
		Short: "Print a SAS token",
		Long: `Print a SAS token; for a device also the connection string that contains it, as
Device Explorer printed it.`,
		Example: `  curl --cacert ca.pem -H "Authorization: $(linarite sas)" \
      'https://127.0.0.1/devices?api-version=2021-04-12'
  linarite sas --device thermostat --ttl 24h`,
		Args: cobra.NoArgs,
		RunE: p.verb(func(cmd *cobra.Command) error { return p.sas(cmd.Context(), &w, ttl) }),
	}
	w.flags(cmd)
	cmd.Flags().DurationVar(&ttl, "ttl", time.Hour, "how long the token is good")
	cmd.MarkFlagsMutuallyExclusive("policy", "device")
	return cmd
}

func (p *program) sas(ctx context.Context, w *whose, ttl time.Duration) error {
	if ttl <= 0 {
		return usage{fmt.Errorf("--ttl %s: must be more than nothing", ttl)}
	}
	s, err := p.connectionString(ctx, w)
	if err != nil {
		return err
	}
	c, err := auth.ParseConnectionString(s)
	if err != nil {
		return err
	}
	if c.X509 {
		return fmt.Errorf("%s authenticates by a certificate, not by tokens", w.device)
	}
	resource := c.HostName
	if c.DeviceID != "" {
		resource += "/" + iot.Module(c.DeviceID, c.ModuleID).Path()
	}
	token, err := auth.Sign(resource, c.SharedAccessKey, c.SharedAccessKeyName, clock.Wall().Add(ttl))
	if err != nil {
		return err
	}
	fmt.Fprintln(p.out, token)
	if c.DeviceID != "" {
		c.SharedAccessKey, c.SharedAccessSignature = "", token
		fmt.Fprintln(p.out, c)
	}
	return nil
}

// known are the connection strings of a hub, as its control API has them.
type known struct {
	Policies   map[string]string
	Events     string
	Operations string
	Devices    map[string]string
}

// connectionString asks the running hub. Where there is none, the well-known
// keys are enough for everybody but devices.
func (p *program) connectionString(ctx context.Context, w *whose) (string, error) {
	if len(w.hostnames) == 0 {
		return "", usage{errors.New("--hostname must not be empty")}
	}
	k, err := w.ask(ctx)
	if errors.Is(err, errNoHub) && w.device == "" {
		k, err = w.workOut()
		fmt.Fprintf(p.err, "linarite: no hub answers at %s: this holds for one with --hostname %s\n",
			w.control, strings.Join(w.hostnames, ","))
	}
	if err != nil {
		return "", err
	}
	found, err := k.of(w)
	if err != nil || !w.cmd.Flags().Changed("hostname") {
		return found, err
	}
	return renamed(found, w.hostnames[0])
}

// of is the connection string that is asked for.
func (k known) of(w *whose) (string, error) {
	switch {
	case w.events:
		return k.Events, nil
	case w.operations:
		return k.Operations, nil
	case w.device != "":
		if s, ok := k.Devices[w.device]; ok {
			return s, nil
		}
		return "", fmt.Errorf("%s has no key, or there is no such module", w.device)
	}
	if s, ok := k.Policies[w.policy]; ok {
		return s, nil
	}
	return "", fmt.Errorf("there is no policy %q: there are %s", w.policy,
		strings.Join(slices.Sorted(maps.Keys(k.Policies)), ", "))
}

// renamed is a connection string with another name of the hub's.
func renamed(s, host string) (string, error) {
	c, err := auth.ParseConnectionString(s)
	if err != nil {
		return "", err
	}
	if c.Endpoint != "" {
		c.Endpoint = "sb://" + host + "/"
	} else {
		c.HostName = host
	}
	return c.String(), nil
}

// ask asks the running hub.
func (w *whose) ask(ctx context.Context) (k known, err error) {
	c, err := newClient(w.control)
	if err != nil {
		return k, err
	}
	device, _, _ := strings.Cut(w.device, "/")
	query := ""
	if device != "" {
		query = "?device=" + url.QueryEscape(device)
	}
	return k, c.document(ctx, "/v1/connection-strings"+query, &k)
}

// workOut is what a hub with these flags would answer.
func (w *whose) workOut() (k known, err error) {
	h, err := hub.New(hub.Options{Name: w.name, Hostnames: w.hostnames})
	if err != nil {
		return k, err
	}
	defer h.Close()
	k = known{Policies: map[string]string{}, Events: h.EventsConnectionString(), Operations: h.OperationsConnectionString()}
	for _, name := range h.Policies() {
		if k.Policies[name], err = h.ConnectionString(name); err != nil {
			return k, err
		}
	}
	return k, nil
}
