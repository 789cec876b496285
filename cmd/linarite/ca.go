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
)

// caFile is the CA's certificate in the data folder; package certs puts it there.
const caFile = "ca.pem"

func (p *program) caVerb() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "ca",
		Short: "Print the certificate that clients have to trust",
		Long: `Print the certificate that clients have to trust, in PEM: the one in the data
folder, or the running hub's when there is none or --control is given.`,
		Args: cobra.NoArgs,
		RunE: p.verb(func(cmd *cobra.Command) error {
			pem, err := s.certificate(cmd.Context(), cmd.Flags().Changed("control"))
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

// certificate is the CA's, from the data folder or from the running hub.
func (s *settings) certificate(ctx context.Context, fromHub bool) ([]byte, error) {
	if !fromHub && s.data != "" {
		pem, err := os.ReadFile(filepath.Join(s.data, caFile))
		if !errors.Is(err, fs.ErrNotExist) {
			return pem, err
		}
	}
	c, err := newClient(s.control)
	if err != nil {
		return nil, err
	}
	status, pem, err := c.get(ctx, "/v1/ca.pem")
	switch {
	case err != nil:
		return nil, fmt.Errorf("there is no CA in %s, and %w", s.data, err)
	case status != http.StatusOK:
		return nil, refusal(status, pem)
	}
	return pem, nil
}
