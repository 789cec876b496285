package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/linarite/linarite/seed"
	"github.com/linarite/linarite/server"
)

// patience is how long requests under way may take to finish at the end; the
// rest of the five seconds that a stop may take is for the devices.
const patience = 4 * time.Second

func (p *program) serveVerb() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a hub (the default)",
		Long: `Run a hub until SIGTERM or SIGINT, which let requests under way finish; a second
one ends the program at once. Each flag is also an environment variable:
--sas-grace is LINARITE_SAS_GRACE, and a key of the --config file; flags beat the
environment, which beats the file. State is in memory and goes with the process;
only the CA is kept, in --data.`,
		Example: `  linarite
  linarite --auto-create --log-level debug
  linarite --hostname hub.example --mqtt :8883 --https :443     for a board on the network
  linarite serve --log-format json 2> hub.log`,
		Args: cobra.NoArgs,
		RunE: p.verb(func(cmd *cobra.Command) error { return p.serve(cmd, &s) }),
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().AddFlagSet(s.flags())
	complete(cmd, "log-level", logLevels...)
	complete(cmd, "log-format", "console\tfor people", "json\tfor programs")
	_ = cmd.MarkFlagDirname("data")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	return cmd
}

func (p *program) serve(cmd *cobra.Command, s *settings) error {
	file, err := s.readConfig(cmd.Flags())
	if err != nil {
		return err
	}
	log, err := s.logger(p.err)
	if err != nil {
		return err
	}
	o, err := s.options(cmd.Flags().Changed, log)
	if err != nil {
		return err
	}
	o.Policies, o.C2D, o.EventLog, o.Seed = file.AccessPolicies(), file.C2D(), file.EventLog(), file.Apply
	o.ConsumerGroups, o.EndpointFiles = file.ConsumerGroups, file.Files()
	out, err := s.openResourceLog(p.out)
	if err != nil {
		return err
	}
	if out != nil {
		defer func() { _ = out.Close() }()
		o.ResourceLog = out
	}
	hub, err := server.Start(o)
	if err != nil {
		return err
	}
	if err := p.announce(s, log, hub); err != nil {
		_ = hub.Close()
		return err
	}
	newMemory(os.Getenv("GOGC") != "").tend(cmd.Context())
	log.Info().Msg("stopping: requests under way may finish")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := hub.Shutdown(ctx); err != nil {
		log.Warn().Err(err).Msg("requests were cut")
	}
	log.Info().Msg("stopped")
	return nil
}

// openResourceLog is what takes the resource log, or nil. A file is added to.
func (s *settings) openResourceLog(stdout io.Writer) (io.WriteCloser, error) {
	switch s.resourceLog {
	case "":
		return nil, nil //nolint:nilnil // there is none
	case "-":
		return kept{stdout}, nil
	}
	f, err := os.OpenFile(s.resourceLog, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, usage{fmt.Errorf("--resource-log: %w", err)}
	}
	return f, nil
}

// kept is a writer that is not ours to close.
type kept struct{ io.Writer }

// Close does nothing.
func (kept) Close() error { return nil }

// readConfig reads the config file, if there is one, and takes from it the
// settings that neither the command line nor the environment has.
func (s *settings) readConfig(flags *pflag.FlagSet) (seed.File, error) {
	if s.config == "" {
		return seed.File{}, nil
	}
	file, err := seed.ReadFile(s.config)
	if err != nil {
		return file, usage{err}
	}
	for _, setting := range file.Flags() {
		if flags.Changed(setting.Name) {
			continue
		}
		for _, value := range setting.Values {
			if err := flags.Set(setting.Name, value); err != nil {
				return file, usage{fmt.Errorf("%s: %s: %w", s.config, setting.Name, err)}
			}
		}
	}
	return file, nil
}
