package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"
)

func (p *program) healthVerb() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Say whether a running hub is well (exit code 0) or not (1)",
		Args:  cobra.NoArgs,
		RunE: p.verb(func(cmd *cobra.Command) error {
			c, err := newClient(s.control)
			if err != nil {
				return err
			}
			status, body, err := c.get(cmd.Context(), "/health")
			if err != nil {
				return err
			}
			var doc struct{ Status, Message string }
			if json.Unmarshal(body, &doc) != nil || doc.Status == "" {
				return refusal(status, body)
			}
			if status != http.StatusOK {
				return errors.New(doc.Status + ": " + doc.Message)
			}
			fmt.Fprintln(p.out, doc.Status+": "+doc.Message)
			return nil
		}),
	}
	cmd.Flags().AddFlag(s.flags().Lookup("control"))
	return cmd
}
