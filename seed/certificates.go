package seed

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// include takes in the certificates that the file has in files of their own. With
// load nil there is nobody to read them for.
func (f *File) include(ps *problems, root *node, load func(name string) ([]byte, error)) {
	c := checker{problems: ps, root: root}
	all := (*path)(nil).member("certificates")
	for i := range f.Certificates {
		it, at := &f.Certificates[i], all.element(i)
		switch {
		case it.File == "":
		case it.Certificate != "":
			c.wrong(at.member("file"), "is one certificate too many: there is one in the file already")
		case load == nil:
			c.wrong(at.member("file"), "is read only where the config file itself is one: give the certificate")
		default:
			text, err := load(it.File)
			if err != nil {
				c.wrong(at.member("file"), "%s", err)
				continue
			}
			it.Certificate = string(text)
		}
	}
}

// readOther reads a file that the config file names.
func readOther(name string) ([]byte, error) {
	r, err := os.Open(name)
	if err != nil {
		return nil, bare(err)
	}
	defer func() { _ = r.Close() }()
	data, err := io.ReadAll(io.LimitReader(r, MaxSize))
	return data, bare(err)
}

// bare is an error without the path, which the problem shows.
func bare(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}

// certificates has the authorities of a hub that is thrown away say what is wrong.
func (c *checker) certificates(certificates []Certificate) {
	all := (*path)(nil).member("certificates")
	trusted := auth.NewAuthorities(c.clock)
	known := map[string]bool{}
	for i, it := range certificates {
		at := all.element(i)
		if known[it.Name] && it.Name != "" {
			c.wrong(at.member("name"), "there is a certificate %s before this", quoted(it.Name))
		}
		known[it.Name] = true
		if c.told(at) {
			continue
		}
		place := at.member("certificate")
		if it.File != "" {
			place = at.member("file")
		}
		if it.Certificate == "" {
			c.wrong(place, "is missing: a certificate in PEM is needed, or the file that holds it")
			continue
		}
		if err := it.register(trusted); err != nil {
			c.wrong(place, "%s", reason(err))
		}
	}
}

// register registers the certificate as one that needs no proof.
func (c Certificate) register(trusted *auth.Authorities) error {
	parsed, err := auth.ParseCertificate([]byte(c.Certificate))
	if err == nil {
		_, _, err = trusted.Put(c.Name, parsed, true, "")
	}
	return err
}

// certificatesFit says whether a hub has room for the certificates that are new.
func (f File) certificatesFit(h *hub.Hub) error {
	there := h.Authorities().List()
	count := len(there)
	for _, c := range f.Certificates {
		if !slices.ContainsFunc(there, func(a auth.Authority) bool { return a.Name == c.Name }) {
			count++
		}
	}
	if count > auth.MaxAuthorities {
		return iot.ErrForbidden.Because("the hub has %d certificates and would have %d; %d are allowed", len(there), count, auth.MaxAuthorities)
	}
	return nil
}

// applyCertificates registers the file's certificates with a hub.
func (f File) applyCertificates(h *hub.Hub) error {
	for _, c := range f.Certificates {
		if err := c.register(h.Authorities()); err != nil {
			return fmt.Errorf("certificate %s: %w", c.Name, err)
		}
	}
	return nil
}
