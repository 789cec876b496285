package main

import (
	"context"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

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
--sas-grace is LINARITE_SAS_GRACE; flags win.`,
		Args: cobra.NoArgs,
		RunE: p.verb(func(cmd *cobra.Command) error { return p.serve(cmd, &s) }),
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().AddFlagSet(s.flags())
	return cmd
}

func (p *program) serve(cmd *cobra.Command, s *settings) error {
	log, err := s.logger(p.err)
	if err != nil {
		return err
	}
	o, err := s.options(cmd.Flags().Changed, log)
	if err != nil {
		return err
	}
	hub, err := server.Start(o)
	if err != nil {
		return err
	}
	if err := announce(log, hub); err != nil {
		_ = hub.Close()
		return err
	}
	<-cmd.Context().Done()
	log.Info().Msg("stopping: requests under way may finish")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := hub.Shutdown(ctx); err != nil {
		log.Warn().Err(err).Msg("requests were cut")
	}
	log.Info().Msg("stopped")
	return nil
}

// announce says how clients reach the hub. Its keys are the published ones.
func announce(log zerolog.Logger, s *server.Server) error {
	owner, err := s.Hub().ConnectionString("iothubowner")
	if err != nil {
		return err
	}
	log.Info().Str("version", buildVersion()).Str("mqtt", s.MQTTAddr()).Str("https", s.HTTPSAddr()).
		Str("control", s.ControlURL()).Msg("hub " + s.Hub().Name() + " is up")
	log.Info().Str("service", owner).Msg("connection string of back ends")
	log.Info().Str("events", s.Hub().EventsConnectionString()).Msg("connection string of event readers")
	if path := s.CAPath(); path != "" {
		log.Info().Str("ca", path).Msg("clients have to trust this certificate")
	}
	log.Info().Msg("state is in memory: it goes with this process")
	return nil
}
