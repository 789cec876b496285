package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/certs"
	"github.com/linarite/linarite/internal/clock"
)

// issuing makes certificates under a CA.
type issuing struct {
	settings
	form
	*program
	ca     string // file; empty: the development CA
	caKey  string // file
	name   string // a device's id, or a CA's name
	code   string // a hub's verification code
	folder string
}

func (p *program) certsVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "certs",
		Short: "Issue certificates for devices",
		Long: `Issue certificates for devices: client certificates under the development CA, which
a hub trusts from the start, or under a CA of your own; such a CA; and the proof
that you have its key, which a hub may ask for.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.deviceCertificateVerb(), p.caCertificateVerb(), p.proofVerb())
	return cmd
}

func (p *program) deviceCertificateVerb() *cobra.Command {
	i := issuing{program: p}
	cmd := &cobra.Command{
		Use:   "device",
		Short: "Issue a device's client certificate",
		Long: `Issue a client certificate for a device or module, which has its id as common name
and is good for a year. The certificate and its key become two files. It serves a
device that is registered with its thumbprint, and one that is registered with
--x509-ca, since a hub trusts the development CA: the one in the data folder, which
is made when there is none. Give --ca and --ca-key for another.`,
		Example: `  linarite certs device --id camera && linarite device create camera --x509-ca
  linarite device create camera --thumbprint "$(linarite certs device --id camera --json | jq -r .sha256)"
  linarite certs device --id camera --ca factory.pem --ca-key factory-key.pem`,
		Args: cobra.NoArgs,
		RunE: p.verb(func(*cobra.Command) error { return i.device() }),
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&i.name, "id", "", "`id` of the device, or {device}/{module}")
	i.output(cmd)
	i.issuer(cmd)
	_ = cmd.MarkFlagRequired("id")
	i.form.flags(cmd)
	return cmd
}

func (p *program) caCertificateVerb() *cobra.Command {
	i := issuing{program: p}
	cmd := &cobra.Command{
		Use:   "ca",
		Short: "Make a CA of your own",
		Long: `Make a CA of your own, to register with a hub: a certificate and its key, which
become two files, good for ten years. "linarite ca" prints the development CA's.`,
		Example: `  linarite certs ca --name factory`,
		Args:    cobra.NoArgs,
		RunE:    p.verb(func(*cobra.Command) error { return i.makeCA() }),
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&i.name, "name", "", "common `name` of the CA")
	i.output(cmd)
	_ = cmd.MarkFlagRequired("name")
	i.form.flags(cmd)
	return cmd
}

func (p *program) proofVerb() *cobra.Command {
	i := issuing{program: p}
	cmd := &cobra.Command{
		Use:   "proof",
		Short: "Prove to a hub that you have a CA's key",
		Long: `Print a certificate, in PEM, whose common name is the verification code that a hub
has made for a CA certificate. Signed with the CA's key, it proves that you have it.`,
		Example: `  linarite certs proof --code 5D…  --ca factory.pem --ca-key factory-key.pem > proof.pem`,
		Args:    cobra.NoArgs,
		RunE:    p.verb(func(*cobra.Command) error { return i.proof() }),
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&i.code, "code", "", "verification `code` of the hub's")
	i.issuer(cmd)
	_ = cmd.MarkFlagRequired("code")
	return cmd
}

// output adds the flag for the folder of the files that are made.
func (i *issuing) output(cmd *cobra.Command) {
	cmd.Flags().StringVar(&i.folder, "out", ".", "`folder` for the two files")
	_ = cmd.MarkFlagDirname("out")
}

// issuer adds the flags that say under which CA.
func (i *issuing) issuer(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&i.ca, "ca", "", "`file` with the certificate of a CA of your own")
	f.StringVar(&i.caKey, "ca-key", "", "`file` with its key")
	f.AddFlag(i.settings.flags().Lookup("data"))
	cmd.MarkFlagsRequiredTogether("ca", "ca-key")
	_ = cmd.MarkFlagFilename("ca", "pem", "crt", "cer")
	_ = cmd.MarkFlagFilename("ca-key", "pem", "key")
}

// authority is the CA that issues.
func (i *issuing) authority() (*certs.Authority, error) {
	switch {
	case i.ca != "":
		return certs.LoadAuthority(i.ca, i.caKey, clock.Wall())
	case i.data == "":
		return nil, usage{errors.New("--data must name the folder that the CA is kept in: there is no home folder")}
	}
	return certs.LoadOrCreate(i.data, clock.Wall())
}

func (i *issuing) device() error {
	ca, err := i.authority()
	if err != nil {
		return err
	}
	certificate, key, err := ca.Device(i.name, clock.Wall())
	if err != nil {
		return usage{fmt.Errorf("--id: %w", err)}
	}
	return i.deliver(certificate, key)
}

func (i *issuing) makeCA() error {
	ca, key, err := certs.Create(i.name, clock.Wall())
	if err != nil {
		return err
	}
	return i.deliver(ca.PEM(), key)
}

func (i *issuing) proof() error {
	ca, err := i.authority()
	if err != nil {
		return err
	}
	certificate, err := ca.Proof(i.code, clock.Wall())
	if err != nil {
		return usage{fmt.Errorf("--code: %w", err)}
	}
	_, err = i.out.Write(certificate)
	return err
}

// made is two files and what to know the certificate by.
type made struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
	SHA1        string `json:"sha1"`
	SHA256      string `json:"sha256"`
}

// deliver writes a certificate, perhaps with others behind it, and its key to
// files that are named after it.
func (i *issuing) deliver(certificate, key []byte) error {
	// No file system takes every character that an id may have.
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune(`:*?'/\`, r) {
			return '_'
		}
		return r
	}, i.name)
	block, _ := pem.Decode(certificate)
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	m := made{Certificate: filepath.Join(i.folder, name+".pem"), Key: filepath.Join(i.folder, name+"-key.pem")}
	m.SHA1, m.SHA256 = auth.Thumbprints(leaf)
	if err := create(m.Key, key, 0o600); err != nil {
		return err
	}
	if err := create(m.Certificate, certificate, 0o644); err != nil {
		return errors.Join(err, os.Remove(m.Key))
	}
	if !i.people(i.form) {
		return json.NewEncoder(i.out).Encode(m)
	}
	table(i.out, [][]string{
		{"certificate", m.Certificate},
		{"key", m.Key},
		{"thumbprint, SHA-1", m.SHA1},
		{"thumbprint, SHA-256", m.SHA256},
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
