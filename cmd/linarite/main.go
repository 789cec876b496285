// Command linarite is an emulator of Azure IoT Hub. `linarite` alone means
// `linarite serve`; `linarite help` lists the other verbs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // an image from scratch has no time zones

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	log.SetOutput(io.Discard)    // where net/http tells what a webhook has sent unasked
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000Z07:00"
	p := &program{environ: environment(os.Environ()), in: os.Stdin, out: os.Stdout, err: os.Stderr, store: machineStore()}
	os.Exit(p.run(ctx, os.Args[1:]))
}

// program is what the verbs share.
type program struct {
	environ map[string]string // the variables that are ours
	in      io.Reader
	out     io.Writer
	err     io.Writer
	store   trustStore
}

// run is the whole program: it returns the exit code. It ends when ctx does.
func (p *program) run(ctx context.Context, args []string) int {
	root := p.root()
	root.SetArgs(withVerb(args))
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(p.err, "linarite:", err)
	if failed := (failure{}); errors.As(err, &failed) {
		return exitFailed
	}
	fmt.Fprintf(p.err, "Run '%s --help' for what there is.\n", cmd.CommandPath())
	return exitUsage
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "linarite",
		Short: "An emulator of Azure IoT Hub",
		Long: `An emulator of Azure IoT Hub, for developing and testing devices and back ends
with the official SDKs and without a cloud.

"linarite" alone means "linarite serve"; "linarite serve --help" lists its flags.
Each of those is also an environment variable: --sas-grace is LINARITE_SAS_GRACE.
Every other verb asks a running hub, which it finds by its control port.`,
		Example: `  linarite                                   run a hub
  linarite device create thermostat          register a device, print its connection string
  linarite events --follow                   watch what devices send
  linarite send thermostat 'open the window' send a message to a device
  eval "$(linarite env)"                     let this shell's SDKs find and trust the hub`,
		Version:       versionLine(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", ".FlagUsagesWrapped 100"))
	p.group(root, "run", "The hub:", p.serveVerb(), p.healthVerb(), p.versionVerb())
	p.group(root, "hand", "By hand:", p.deviceVerb(), p.sendVerb(), p.eventsVerb(), p.methodVerb(), p.twinVerb())
	p.group(root, "trust", "Keys and certificates:", p.connectionStringVerb(), p.sasVerb(), p.envVerb(), p.caVerb(),
		p.certsVerb(), p.trustVerb())
	root.AddGroup(&cobra.Group{ID: "more", Title: "More:"})
	root.SetHelpCommandGroupID("more")
	root.SetCompletionCommandGroupID("more")
	return root
}

// group adds verbs under a title.
func (p *program) group(root *cobra.Command, id, title string, verbs ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: id, Title: title})
	for _, verb := range verbs {
		verb.GroupID = id
		root.AddCommand(verb)
	}
}

// failure is an error that is not the command line's fault.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// usage is an error of the command line or the environment that shows only when
// a verb runs.
type usage struct{ error }

// verb runs a verb once the environment has filled in the flags that were not
// given.
func (p *program) verb(do func(*cobra.Command) error) func(*cobra.Command, []string) error {
	return p.verbOn(func(cmd *cobra.Command, _ []string) error { return do(cmd) })
}

// verbOn is verb for one that has arguments.
func (p *program) verbOn(do func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := p.fill(cmd.Flags()); err != nil {
			return err
		}
		err := do(cmd, args)
		if wrong := (usage{}); err == nil || errors.As(err, &wrong) {
			return err
		}
		return failure{err}
	}
}

// withVerb puts the verb that is meant before flags that come without one.
func withVerb(args []string) []string {
	if len(args) > 0 {
		switch first := args[0]; {
		case first == "-h", first == "--help", first == "--version", !strings.HasPrefix(first, "-"):
			return args
		}
	}
	return append([]string{"serve"}, args...)
}
