package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/linarite/linarite/certs"
	"github.com/linarite/linarite/server"
)

// shells are those that the verb writes for.
var shells = []string{"sh", "fish", "powershell"}

// systemRoots are the files in which systems keep the certificates they trust.
var systemRoots = []string{
	"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Arch
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL
	"/etc/pki/tls/certs/ca-bundle.crt",                  // older ones
	"/etc/ssl/ca-bundle.pem",                            // openSUSE
	"/etc/ssl/cert.pem",                                 // Alpine, macOS, BSD
}

// surroundings are what a shell's programs need to use a running hub.
type surroundings struct {
	whose
	*program
	shell  string
	folder string
}

func (p *program) envVerb() *cobra.Command {
	s := surroundings{program: p}
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Print what lets a shell's SDKs find and trust the hub",
		Long: `Print commands that set, for a shell and what it starts, the connection strings of
the running hub, and what makes SDKs trust its CA: the hub's CA alone for Node,
and a file with the system's CAs and the hub's for all that would otherwise trust
nobody else (Python, C, C#, Go, curl). Java has to be told where its file is:
java "-Djavax.net.ssl.trustStore=$IOTHUB_TRUST_STORE". "linarite trust install"
does it for good.`,
		Example: `  eval "$(linarite env)"
  eval "$(linarite env --device thermostat)"
  linarite env --shell fish | source
  linarite env --shell powershell | Out-String | Invoke-Expression`,
		Args: cobra.NoArgs,
		RunE: p.verb(func(cmd *cobra.Command) error { return s.print(cmd.Context()) }),
	}
	s.whose.flags(cmd)
	f := cmd.Flags()
	f.Lookup("device").Usage = "also the connection string of a device, by its `id`, or of a module, by {device}/{module}"
	f.StringVar(&s.shell, "shell", usualShell(), "for the `shell` "+strings.Join(shells, ", "))
	f.StringVar(&s.folder, "out", cacheFolder(), "`folder` for the files with certificates")
	complete(cmd, "shell", "sh\tbash, zsh and others", "fish", "powershell")
	return cmd
}

// usualShell is the one that the user probably has.
func usualShell() string {
	switch {
	case runtime.GOOS == "windows":
		return "powershell"
	case filepath.Base(os.Getenv("SHELL")) == "fish":
		return "fish"
	}
	return "sh"
}

// cacheFolder is where files go that can be made again; empty without a home.
func cacheFolder() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "linarite")
}

// setting is a variable of a shell.
type setting struct{ name, value string }

func (s *surroundings) print(ctx context.Context) error {
	if !slices.Contains(shells, s.shell) {
		return usage{fmt.Errorf("--shell %q: must be one of %s", s.shell, strings.Join(shells, ", "))}
	}
	if s.folder == "" {
		return usage{errors.New("--out must name a folder: there is no home folder")}
	}
	trust, err := s.trust(ctx)
	if err != nil {
		return err
	}
	settings, err := s.strings(ctx)
	if err != nil {
		return err
	}
	for _, v := range append(settings, trust...) {
		fmt.Fprintln(s.out, assignment(s.shell, v))
	}
	return nil
}

// strings are the hub's addresses, in the names that the SDKs' samples have.
func (s *surroundings) strings(ctx context.Context) ([]setting, error) {
	asked := map[string]whose{"IOTHUB_CONNECTION_STRING": {policy: s.policy}, "EVENTHUB_CONNECTION_STRING": {events: true}}
	if s.device != "" {
		asked["IOTHUB_DEVICE_CONNECTION_STRING"] = whose{device: s.device}
	}
	var settings []setting
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		w := asked[name]
		w.settings, w.cmd = s.settings, s.cmd
		value, err := s.connectionString(ctx, &w)
		if err != nil {
			return nil, err
		}
		settings = append(settings, setting{name, value})
	}
	if s.control != server.DefaultControl {
		settings = append(settings, setting{variable("control"), s.control})
	}
	return settings, nil
}

// trust writes the files with certificates and names them. A hub with a
// certificate of its own may not know its CA; then there is nothing to set.
func (s *surroundings) trust(ctx context.Context) ([]setting, error) {
	c, err := newClient(s.control)
	if err != nil {
		return nil, err
	}
	status, ca, err := c.get(ctx, "/v1/ca.pem")
	if err != nil || status == http.StatusNotFound {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, refusal(status, ca)
	}
	alone, err := s.keep("pem", ca)
	if err != nil {
		return nil, err
	}
	roots, err := s.roots()
	if err != nil {
		return nil, err
	}
	if len(roots) > 0 {
		roots = append(bytes.TrimSpace(roots), '\n')
	}
	roots = append(roots, ca...)
	all, err := s.keep("pem", roots)
	if err != nil {
		return nil, err
	}
	store, err := s.keep("jks", certs.KeyStore(roots))
	if err != nil {
		return nil, err
	}
	return []setting{
		{"IOTHUB_CA_FILE", alone},
		{"IOTHUB_TRUST_STORE", store},
		{"NODE_EXTRA_CA_CERTS", alone},
		{"CURL_CA_BUNDLE", all},
		{"REQUESTS_CA_BUNDLE", all},
		{"SSL_CERT_FILE", all},
	}, nil
}

// roots are the certificates that programs trust without us.
func (s *surroundings) roots() ([]byte, error) {
	files := systemRoots
	if set := os.Getenv("SSL_CERT_FILE"); set != "" && filepath.Dir(set) != s.folder {
		files = []string{set} // the user's own; ours is not to grow on itself
	}
	for _, file := range files {
		text, err := os.ReadFile(file) //nolint:gosec // SSL_CERT_FILE is the user's own
		if !errors.Is(err, fs.ErrNotExist) {
			return text, err
		}
	}
	return nil, nil
}

// keep writes certificates to a file that is named after them, so that no other
// hub's take their place.
func (s *surroundings) keep(format string, text []byte) (string, error) {
	folder, err := filepath.Abs(s.folder)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // certificates are for everybody
		return "", fmt.Errorf("make the folder for certificates, which --out names: %w", err)
	}
	path := filepath.Join(folder, fmt.Sprintf("ca-%.8x.%s", sha256.Sum256(text), format))
	if kept, err := os.ReadFile(path); err == nil && bytes.Equal(kept, text) {
		return path, nil
	}
	temp, err := os.CreateTemp(folder, ".ca-*") // a file appears whole or not at all
	if err != nil {
		return "", err
	}
	_, err = temp.Write(text)
	err = errors.Join(err, temp.Chmod(0o644), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(temp.Name()))
	}
	return path, nil
}

// assignment is the shell's command that sets a variable for what it starts.
func assignment(shell string, s setting) string {
	switch shell {
	case "fish":
		return "set -gx " + s.name + " '" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s.value) + "';"
	case "powershell":
		return "$env:" + s.name + " = '" + strings.ReplaceAll(s.value, "'", "''") + "'"
	}
	return "export " + s.name + "='" + strings.ReplaceAll(s.value, "'", `'\''`) + "'"
}
