package seed

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
	"github.com/linarite/linarite/twin"
)

// checker finds what is wrong with a file beyond single values. What the
// registry and the twins of a hub would refuse, it lets them say, in stores
// that are thrown away.
type checker struct {
	*problems
	root     *node // nil where there are no lines to point at
	clock    *clock.Clock
	registry *registry.Store
	twins    *twin.Store
}

func (f File) check(ps *problems, root *node) {
	clk := clock.New()
	c := checker{problems: ps, root: root, clock: clk, registry: registry.NewStore(clk), twins: twin.NewStore(clk)}
	c.policies(f.Policies)
	c.certificates(f.Certificates)
	c.devices(f.Devices)
	c.routing(f)
}

// wrong notes a problem where the key, or what it is missing in, stands.
func (c *checker) wrong(key *path, format string, args ...any) {
	var at position
	if c.root != nil {
		_, at = key.find(c.root)
	}
	c.add(at, key, format, args...)
}

func (c *checker) policies(policies []Policy) {
	all := (*path)(nil).member("policies")
	builtin := auth.BuiltinPolicies()
	known := map[string]bool{}
	for i, p := range policies {
		at := all.element(i)
		if known[p.Name] && p.Name != "" {
			c.wrong(at.member("name"), "there is a policy %s before this", quoted(p.Name))
		}
		known[p.Name] = true
		isBuiltin := slices.ContainsFunc(builtin, func(b auth.Policy) bool { return b.Name == p.Name })
		if len(p.Rights) == 0 && !isBuiltin {
			c.wrong(at.member("rights"), "is missing: a policy that is not built in needs some of %s", either(rules["right"].choices))
		}
		c.keys(at, p.PrimaryKey, p.SecondaryKey)
	}
}

// keys wants both keys or none, in base64 that decodes.
func (c *checker) keys(at *path, primary, secondary string) {
	first, second := at.member("primaryKey"), at.member("secondaryKey")
	switch {
	case primary != "" && secondary == "":
		c.wrong(second, "is missing: there must be both keys or none")
	case primary == "" && secondary != "":
		c.wrong(first, "is missing: there must be both keys or none")
	}
	c.key(first, primary)
	c.key(second, secondary)
}

func (c *checker) key(at *path, key string) {
	raw, err := base64.StdEncoding.DecodeString(key)
	if key != "" && (err != nil || len(raw) < 16 || len(raw) > 64) {
		c.wrong(at, "%s", rules["key"].say)
	}
}

func (c *checker) devices(devices []Device) {
	all := (*path)(nil).member("devices")
	known := map[string]bool{}
	for i, d := range devices {
		at := all.element(i)
		if known[d.ID] && d.ID != "" {
			c.wrong(at.member("id"), "there is a device %s before this", quoted(d.ID))
			continue
		}
		known[d.ID] = true
		c.device(at, d)
	}
}

func (c *checker) device(at *path, d Device) {
	c.identity(at, d.Identity)
	if c.told(at) {
		return // the registry would say it again
	}
	if _, err := c.registry.Create(d.over(d.fresh())); err != nil {
		c.wrong(at, "%s", reason(err))
		return
	}
	c.twin(at, iot.Device(d.ID), d.Identity)
	modules := at.member("modules")
	known := map[string]bool{}
	for i, m := range d.Modules {
		place := modules.element(i)
		if known[m.ID] && m.ID != "" {
			c.wrong(place.member("id"), "there is a module %s before this", quoted(m.ID))
			continue
		}
		known[m.ID] = true
		c.module(place, d.ID, m)
	}
}

func (c *checker) module(at *path, device string, m Module) {
	c.identity(at, m.Identity)
	if c.told(at) {
		return
	}
	if _, err := c.registry.CreateModule(m.over(m.fresh(device))); err != nil {
		c.wrong(at, "%s", reason(err))
		return
	}
	c.twin(at, iot.Module(device, m.ID), m.Identity)
}

// identity wants the credentials of an identity to be of one type.
func (c *checker) identity(at *path, id Identity) {
	c.keys(at, id.PrimaryKey, id.SecondaryKey)
	hasKeys := id.PrimaryKey != "" || id.SecondaryKey != ""
	hasThumbprints := id.PrimaryThumbprint != "" || id.SecondaryThumbprint != ""
	switch kind := iot.AuthenticationType(id.Authentication); {
	case hasKeys && hasThumbprints:
		c.wrong(at, "has keys and thumbprints: it can have either")
	case kind != "" && kind != iot.AuthenticationSAS && hasKeys:
		c.wrong(at.member("authentication"), "%s has no keys", kind)
	case kind != "" && kind != iot.AuthenticationSelfSigned && hasThumbprints:
		c.wrong(at.member("authentication"), "%s has no thumbprints", kind)
	}
}

// twin lets the sections of a twin be tried, each alone.
func (c *checker) twin(at *path, id iot.Identity, i Identity) {
	c.section(at.member("tags"), i.Tags, func(raw json.RawMessage) error {
		defer c.twins.Delete(id)
		return c.twins.Create(id, twin.Initial{Tags: raw})
	})
	c.section(at.member("desired"), i.Desired, func(raw json.RawMessage) error {
		defer c.twins.Delete(id)
		return c.twins.Create(id, twin.Initial{Desired: raw})
	})
}

func (c *checker) section(at *path, raw json.RawMessage, try func(json.RawMessage) error) {
	if len(raw) == 0 {
		return
	}
	err := try(raw)
	if err == nil {
		return
	}
	if n, _ := at.find(c.root); n != nil {
		at, err = culprit(at, n, err, func(b []byte) error { return try(b) })
	}
	c.wrong(at, "%s", reason(err))
}

// culprit narrows an error down to the deepest value that has it alone.
func culprit(at *path, n *node, err error, try func(json []byte) error) (*path, error) {
	for _, m := range n.members {
		in := func(value []byte) []byte {
			return append(append(append(appendString([]byte{'{'}, m.key), ':'), value...), '}')
		}
		if e := try(in(m.value.json())); e != nil {
			return culprit(at.member(m.key), m.value, e, func(b []byte) error { return try(in(b)) })
		}
	}
	return at, err
}

// reason is an error of the hub without its name.
func reason(err error) string {
	var e *iot.Error
	if errors.As(err, &e) && e.Message != "" {
		return e.Message
	}
	return err.Error()
}
