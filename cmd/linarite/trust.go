package main

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/smallstep/truststore"
	"github.com/spf13/cobra"
)

// trustStore is where a machine keeps the certificates that its programs trust.
type trustStore struct {
	install   func(ca *x509.Certificate, firefox, java bool) error
	uninstall func(ca *x509.Certificate, firefox, java bool) error
}

// machineStore is this machine's.
func machineStore() trustStore {
	return trustStore{
		install: func(ca *x509.Certificate, firefox, java bool) error {
			return explain(truststore.Install(ca, also(firefox, java)...))
		},
		uninstall: func(ca *x509.Certificate, firefox, java bool) error {
			return explain(truststore.Uninstall(ca, also(firefox, java)...))
		},
	}
}

// also are the stores besides the system's.
func also(firefox, java bool) (options []truststore.Option) {
	if firefox {
		options = append(options, truststore.WithFirefox())
	}
	if java {
		options = append(options, truststore.WithJava())
	}
	return options
}

// explain adds to a failure of the system's tools what they said, and what helps.
func explain(err error) error {
	var failed *truststore.CmdError
	switch {
	case errors.As(err, &failed):
		said, _, _ := strings.Cut(strings.TrimSpace(string(failed.Out())), "\n") // tee repeats the certificate
		return fmt.Errorf("%w: %s: the trust store needs privilege: run this as root or with sudo, naming the folder of the CA with --data", err, said)
	case errors.Is(err, truststore.ErrNotSupported):
		return fmt.Errorf("%w: print the certificate with \"linarite ca\" and add it by the system's own means", err)
	}
	return err
}

// trusting is what the verbs on the trust store share.
type trusting struct {
	settings
	*program
	firefox, java bool
}

func (p *program) trustVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trust",
		Short: "Let this machine trust the hub's CA, or no longer",
		Long: `Put the hub's CA into this machine's trust store, or take it out. Nothing else
ever does. Programs that look there need no more: .NET, the C SDK, Go, curl,
browsers. Node, Python and Java have stores of their own: see "linarite env".`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	in, out := trusting{program: p}, trusting{program: p}
	cmd.AddCommand(
		in.verb("install", "Put the CA into the trust store", func(ca *x509.Certificate) error {
			return p.store.install(ca, in.firefox, in.java)
		}, "This machine trusts %s. Take it back with: linarite trust uninstall\n"),
		out.verb("uninstall", "Take the CA out of the trust store", func(ca *x509.Certificate) error {
			return p.store.uninstall(ca, out.firefox, out.java)
		}, "This machine no longer trusts %s.\n"))
	return cmd
}

func (t *trusting) verb(name, short string, do func(*x509.Certificate) error, done string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   name,
		Short: short,
		Long: short + `: the running hub's, or where none runs the one in the data
folder, which comes first when --data alone is given. It needs privilege, for which
sudo is asked where there is one.`,
		Args: cobra.NoArgs,
	}
	cmd.RunE = t.program.verb(func(cmd *cobra.Command) error {
		text, err := t.certificate(cmd.Context(), cmd.Flags())
		if err != nil {
			return err
		}
		ca, err := parseCA(text)
		if err != nil {
			return err
		}
		if err := do(ca); err != nil {
			return err
		}
		fmt.Fprintf(t.err, done, fmt.Sprintf("%q, SHA-256 %X", ca.Subject.CommonName, sha256.Sum256(ca.Raw)))
		return nil
	})
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&t.firefox, "firefox", false, "Firefox's store too; needs certutil")
	f.BoolVar(&t.java, "java", false, "Java's store too, that of JAVA_HOME; needs keytool")
	for _, name := range []string{"data", "control"} {
		f.AddFlag(t.settings.flags().Lookup(name))
	}
	return cmd
}

// parseCA is the first certificate of a PEM text, which must be a CA's.
func parseCA(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("the CA's file holds no certificate in PEM form")
	}
	ca, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the CA's certificate is damaged: %w", err)
	}
	if !ca.IsCA {
		return nil, fmt.Errorf("%q is no CA, so a trust store has no use for it", ca.Subject.CommonName)
	}
	return ca, nil
}
