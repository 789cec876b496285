package main

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// completesIn is how long a shell waits for the hub's answer.
const completesIn = time.Second

// complete lets the shell complete a flag with fixed values, each with what it
// means after a tab.
func complete(cmd *cobra.Command, flag string, values ...cobra.Completion) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// completeDevices lets the shell complete a device's id from the running hub,
// for the first argument and for flags, or for every argument.
func (p *program) completeDevices(l *place, every bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 && !every || p.fill(cmd.Flags()) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completesIn)
		defer cancel()
		var all []device
		if b, err := l.backEnd(ctx); err == nil {
			if doc, err := b.get(ctx, "/devices?top="+strconv.Itoa(listed)); err == nil {
				_ = json.Unmarshal(doc, &all) // nothing to complete with
			}
		}
		var ids []cobra.Completion
		for _, d := range all {
			ids = append(ids, cobra.CompletionWithDesc(d.DeviceID, d.Status+", "+strings.ToLower(d.Connection)))
		}
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
}
