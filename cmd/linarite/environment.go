package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// prefix is what the program's variables begin with.
const prefix = "LINARITE_"

// environment is the program's part of the environment. Empty variables count as
// not set, which is how compose files unset one.
func environment(environ []string) map[string]string {
	ours := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, prefix) && value != "" {
			ours[name] = value
		}
	}
	return ours
}

// variable is a flag's name in the environment.
func variable(flag string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fill sets the flags that were not given from the environment; those that can
// be repeated are separated by commas. Variables that no flag has are errors, so
// that a misspelled one is not ignored.
func (p *program) fill(flags *pflag.FlagSet) error {
	known := map[string]bool{}
	(&settings{}).flags().VisitAll(func(f *pflag.Flag) { known[variable(f.Name)] = true })
	for _, name := range slices.Sorted(maps.Keys(p.environ)) {
		if !known[name] && !linked(name) {
			return fmt.Errorf("%s in the environment is not a setting: there are %s", name,
				strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
	}
	var err error
	flags.VisitAll(func(f *pflag.Flag) {
		value, ok := p.environ[variable(f.Name)]
		if !ok || f.Changed || err != nil || !known[variable(f.Name)] {
			return
		}
		if e := flags.Set(f.Name, value); e != nil {
			err = fmt.Errorf("%s=%s in the environment: %w", variable(f.Name), value, e)
		}
	})
	return err
}

// linked says whether a variable comes from Kubernetes or Docker, which announce
// a service called linarite to its neighbours as LINARITE_PORT and the like.
func linked(name string) bool {
	rest := strings.TrimPrefix(name, prefix)
	return rest == "PORT" || strings.HasPrefix(rest, "PORT_") || strings.HasPrefix(rest, "SERVICE_") ||
		strings.HasPrefix(rest, "ENV_")
}
