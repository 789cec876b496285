package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// caFile is the CA's certificate in the data folder; package certs puts it there.
const caFile = "ca.pem"

func (p *program) caVerb() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "ca",
		Short: "Print the certificate that clients have to trust",
		Long: `Print the certificate that clients have to trust, in PEM: the running hub's, or
where none runs the one in the data folder, which comes first when --data alone is
given.`,
		Args: cobra.NoArgs,
		RunE: p.verb(func(cmd *cobra.Command) error {
			pem, err := s.certificate(cmd.Context(), cmd.Flags())
			if err != nil {
				return err
			}
			_, err = p.out.Write(pem)
			return err
		}),
	}
	cmd.Flags().SortFlags = false
	for _, name := range []string{"data", "control"} {
		cmd.Flags().AddFlag(s.flags().Lookup(name))
	}
	return cmd
}

// certificate is the CA's, from the running hub or from the data folder.
func (s *settings) certificate(ctx context.Context, given *pflag.FlagSet) ([]byte, error) {
	if given.Changed("data") && !given.Changed("control") {
		pem, err := s.keptCA()
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return pem, err
		}
	}
	c, err := newClient(s.control)
	if err != nil {
		return nil, err
	}
	status, pem, err := c.get(ctx, "/v1/ca.pem")
	switch {
	case errors.Is(err, errNoHub) && (given.Changed("data") || !given.Changed("control")):
		kept, other := s.keptCA()
		if errors.Is(other, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no CA in %s, and %w", s.data, err)
		}
		return kept, other
	case err != nil:
		return nil, err
	case status != http.StatusOK:
		return nil, refusal(status, pem)
	}
	return pem, nil
}

// keptCA is the certificate in the data folder; fs.ErrNotExist without one.
func (s *settings) keptCA() ([]byte, error) {
	if s.data == "" {
		return nil, fs.ErrNotExist
	}
	return os.ReadFile(filepath.Join(s.data, caFile))
}
