package certs

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

const (
	serverFile    = "server.pem"
	serverKeyFile = "server-key.pem"

	serverName = "Linarite"
	serverLife = 820 * 24 * time.Hour // some clients take no more than 825 days
	renewal    = 30 * 24 * time.Hour
)

// Server is a certificate, ECDSA P-256, for TLS servers that go by the names
// hosts: DNS names, wildcards (`*.hub`), and addresses, IPv6 with or without
// brackets. It is the one in the folder if that has all the names, comes from
// this CA and is good for 30 days from now; otherwise a new one takes its
// place. Its key is made once.
//
// Errors: a name that cannot stand on a certificate, a folder that cannot be
// written, a key that is damaged or that others can read.
func (a *Authority) Server(hosts []string, now time.Time) (tls.Certificate, error) {
	names, err := parseNames(hosts)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := a.folder.key(serverKeyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, good, err := a.kept(key, names, now)
	if err == nil && !good {
		leaf, err = a.renew(key, names, now)
	}
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// kept is the certificate in the folder and whether it is good. One that is
// not, for whatever reason, is ours to replace; one that cannot be read is an
// error.
func (a *Authority) kept(key crypto.Signer, names names, now time.Time) (leaf *x509.Certificate, good bool, err error) {
	text, err := a.folder.read(serverFile, public)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	chain, err := parseCertificates(text)
	if err != nil {
		return nil, false, nil
	}
	leaf = chain[0]
	good = belongs(leaf, key) && leaf.CheckSignatureFrom(a.cert) == nil && names.on(leaf) &&
		!now.Before(leaf.NotBefore) && !leaf.NotAfter.Before(now.Add(renewal))
	return leaf, good, nil
}

// renew issues a certificate and puts it into the folder.
func (a *Authority) renew(key crypto.Signer, names names, now time.Time) (*x509.Certificate, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: serverName},
		NotBefore:             now.Add(-backdate),
		NotAfter:              a.within(now.Add(serverLife - backdate)),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              names.dns,
		IPAddresses:           names.ips,
	}
	text, err := issue(template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	if err := a.folder.replace(serverFile, text, public); err != nil {
		return nil, err
	}
	chain, err := parseCertificates(text)
	if err != nil {
		return nil, err
	}
	return chain[0], nil
}

// names are what a server goes by, each once.
type names struct {
	dns []string // in lower case
	ips []net.IP
}

// parseNames tells addresses from DNS names.
func parseNames(hosts []string) (names, error) {
	var n names
	for _, host := range hosts {
		address, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
		if err == nil && address.Zone() == "" {
			if ip := net.IP(address.Unmap().AsSlice()); !slices.ContainsFunc(n.ips, ip.Equal) {
				n.ips = append(n.ips, ip)
			}
			continue
		}
		name := strings.TrimSuffix(strings.ToLower(host), ".")
		if !validName(name) {
			return names{}, fmt.Errorf("%q cannot stand on a certificate: it is neither a host name nor an IP address", host)
		}
		if !slices.Contains(n.dns, name) {
			n.dns = append(n.dns, name)
		}
	}
	if len(n.dns)+len(n.ips) == 0 {
		return names{}, errors.New("there is no name to issue a certificate for")
	}
	return n, nil
}

// on says whether a certificate has all the names.
func (n names) on(leaf *x509.Certificate) bool {
	for _, name := range n.dns {
		if !slices.Contains(leaf.DNSNames, name) {
			return false
		}
	}
	for _, ip := range n.ips {
		if !slices.ContainsFunc(leaf.IPAddresses, ip.Equal) {
			return false
		}
	}
	return true
}

// validName says whether name is a DNS name in lower case, perhaps with `*` as
// its first label, or with the underscores of container names.
func validName(name string) bool {
	if len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimPrefix(name, "*."), ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}
