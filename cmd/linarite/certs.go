package main

import (
	"crypto/sha1" //nolint:gosec // IoT Hub's thumbprints may be SHA-1
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/linarite/linarite/certs"
	"github.com/linarite/linarite/internal/clock"
)

// issuing makes certificates under the development CA.
type issuing struct {
	settings
	form
	*program
	device string
	folder string
}

func (p *program) certsVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "certs",
		Short: "Issue certificates under the development CA",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.deviceCertificateVerb())
	return cmd
}

func (p *program) deviceCertificateVerb() *cobra.Command {
	i := issuing{program: p}
	cmd := &cobra.Command{
		Use:   "device",
		Short: "Issue a device's client certificate",
		Long: `Issue a client certificate for a device, which has the device's id as its common
name and is good for a year. The certificate and its key become two files. The CA
is the one in the data folder, and is made when there is none.`,
		Example: `  linarite certs device --id camera
  linarite device create camera --thumbprint "$(linarite certs device --id camera --json | jq -r .sha256)"`,
		Args: cobra.NoArgs,
		RunE: p.verb(func(*cobra.Command) error { return i.issue() }),
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&i.device, "id", "", "`id` of the device")
	f.StringVar(&i.folder, "out", ".", "`folder` for the two files")
	f.AddFlag(i.settings.flags().Lookup("data"))
	_ = cmd.MarkFlagRequired("id")
	_ = cmd.MarkFlagDirname("out")
	i.form.flags(cmd)
	return cmd
}

func (i *issuing) issue() error {
	if i.data == "" {
		return usage{errors.New("--data must name the folder that the CA is kept in: there is no home folder")}
	}
	ca, err := certs.LoadOrCreate(i.data, clock.Wall())
	if err != nil {
		return err
	}
	certificate, key, err := ca.Device(i.device, clock.Wall())
	if err != nil {
		return usage{fmt.Errorf("--id: %w", err)}
	}
	// No file system takes every character that an id may have.
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune(`:*?'`, r) {
			return '_'
		}
		return r
	}, i.device)
	block, _ := pem.Decode(certificate)
	made := struct {
		Certificate string `json:"certificate"`
		Key         string `json:"key"`
		SHA1        string `json:"sha1"`
		SHA256      string `json:"sha256"`
	}{
		filepath.Join(i.folder, name+".pem"), filepath.Join(i.folder, name+"-key.pem"),
		fmt.Sprintf("%X", sha1.Sum(block.Bytes)), //nolint:gosec // as above
		fmt.Sprintf("%X", sha256.Sum256(block.Bytes)),
	}
	if err := create(made.Key, key, 0o600); err != nil {
		return err
	}
	if err := create(made.Certificate, certificate, 0o644); err != nil {
		return errors.Join(err, os.Remove(made.Key))
	}
	if !i.people(i.form) {
		return json.NewEncoder(i.out).Encode(made)
	}
	table(i.out, [][]string{
		{"certificate", made.Certificate},
		{"key", made.Key},
		{"thumbprint, SHA-1", made.SHA1},
		{"thumbprint, SHA-256", made.SHA256},
	})
	return nil
}

// create writes a file that must not be there yet.
func create(path string, text []byte, mode fs.FileMode) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already: delete it, or name another folder with --out", path)
	}
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}
