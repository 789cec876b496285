// Command linarite is an emulator of Azure IoT Hub. `linarite` alone means
// `linarite serve`; `linarite help` lists the other verbs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

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
	if os.Getenv("GOGC") == "" {
		// A hub is mostly idle connections, whose memory is mostly stacks: little
		// is allocated, so that collecting twice as often costs next to nothing
		// and saves a tenth of the memory.
		debug.SetGCPercent(50)
	}
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000Z07:00"
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// run is the whole program: it returns the exit code. It ends when ctx does.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	p := &program{environ: environment(environ), out: stdout, err: stderr}
	root := p.root()
	root.SetArgs(withVerb(args))
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "linarite:", err)
	if failed := (failure{}); errors.As(err, &failed) {
		return exitFailed
	}
	fmt.Fprintf(stderr, "Run '%s --help' for what there is.\n", cmd.CommandPath())
	return exitUsage
}

// program is what the verbs share.
type program struct {
	environ map[string]string
	out     io.Writer
	err     io.Writer
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "linarite",
		Short: "An emulator of Azure IoT Hub",
		Long: `An emulator of Azure IoT Hub, for developing and testing devices and back ends
with the official SDKs and without a cloud.

"linarite" alone means "linarite serve"; "linarite serve --help" lists its flags.
Each flag is also an environment variable: --sas-grace is LINARITE_SAS_GRACE.`,
		Version:       versionLine(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.AddCommand(p.serveVerb(), p.healthVerb(), p.connectionStringVerb(), p.sasVerb(), p.caVerb(), p.versionVerb())
	return root
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
	return func(cmd *cobra.Command, _ []string) error {
		if err := p.fill(cmd.Flags()); err != nil {
			return err
		}
		err := do(cmd)
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
