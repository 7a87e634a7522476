package gate

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/sallyport-gate/sallyport/cidr"
)

// usesSince is how far back the uses of an entry are counted.
const usesSince = 30 * 24 * time.Hour

// Entry is a network as it is shown: with its use.
type Entry struct {
	Network
	LastUsed time.Time // of a sign-in within 30 days; zero: none
	Uses30d  int64     // sign-ins within 30 days
}

// List is a tenant's list as it is shown.
type List struct {
	Version int64
	Mode    Mode
	Pending *Pending // the change that waits to be confirmed; nil: none
	Entries []Entry
}

// Networks returns a tenant's list.
func (g *Gate) Networks(ctx context.Context, by Actor, tenant string) (*List, error) {
	if err := by.may(tenant, RoleOwner, RoleReviewer); err != nil {
		return nil, err
	}
	v, err := g.store.LoadTenant(ctx, tenant)
	if err != nil {
		return nil, err
	}
	usage, err := g.Usage(ctx, by, tenant, rangesOf(v.Networks))
	if err != nil {
		return nil, err
	}
	list := &List{Version: v.Tenant.Version, Mode: v.Tenant.Mode, Pending: v.Pending, Entries: make([]Entry, len(v.Networks))}
	for i, n := range v.Networks {
		list.Entries[i] = Entry{n, usage[i].Last, usage[i].Count}
	}
	return list, nil
}

func rangesOf(networks []Network) []cidr.Range {
	out := make([]cidr.Range, len(networks))
	for i := range networks {
		out[i] = networks[i].Range
	}
	return out
}

// Check says whether a tenant's list admits an address, at a moment that may
// be past, and why.
type Check struct {
	Allowed bool
	Reason  Reason // network, gate_off, dry_run; outside_networks
	Entry   *Network
	Nearest *Nearest
	Off     []Network // entries that contain the address and do not count: off, not begun, or ended
	Version int64
	Mode    Mode
}

// Nearest is the entry that comes closest to an address.
type Nearest struct {
	Network Network
	Prefix  netip.Prefix // the closest of its prefixes
	Bit     int          // the first bit, counted from 1, that differs
}

// Check answers for the newest list when at is zero.
func (g *Gate) Check(ctx context.Context, by Actor, tenant string, a netip.Addr, at time.Time) (*Check, error) {
	if err := by.may(tenant, RoleOwner, RoleReviewer); err != nil {
		return nil, err
	}
	var v *ListVersion
	var err error
	if at.IsZero() {
		at = g.now()
		v, err = g.store.List(ctx, tenant, 0)
	} else {
		v, err = g.store.ListAt(ctx, tenant, at)
	}
	if err != nil {
		return nil, err
	}
	return checkList(v, a, at), nil
}

// checkList decides an address by a version of a list, with reasons.
func checkList(v *ListVersion, a netip.Addr, at time.Time) *Check {
	c := &Check{Version: v.Version, Mode: v.Mode, Reason: OutsideNetworks}
	index := cidr.NewIndex(rangesOf(v.Networks))
	for _, i := range index.Matching(a) {
		n := v.Networks[i]
		switch {
		case !n.Admits(at):
			c.Off = append(c.Off, n)
		case c.Entry == nil:
			c.Entry, c.Reason = &n, ByNetwork
		}
	}
	if c.Entry == nil {
		c.Nearest = nearest(v.Networks, a, at)
	}
	switch {
	case v.Mode == ModeOff:
		c.Reason = ByGateOff
	case v.Mode == ModeDryRun && c.Entry == nil:
		c.Reason = ByDryRun
	}
	c.Allowed = c.Reason != OutsideNetworks
	return c
}

func nearest(networks []Network, a netip.Addr, at time.Time) *Nearest {
	inForce := slices.DeleteFunc(slices.Clone(networks), func(n Network) bool { return !n.Admits(at) })
	near, ok := cidr.NewIndex(rangesOf(inForce)).Nearest(a)
	if !ok {
		return nil
	}
	return &Nearest{Network: inForce[near.Entry], Prefix: near.Prefix, Bit: near.Bit}
}

// Versions lists the versions of a tenant's list, newest first, without their
// entries; before is the version to go on from (0: the newest).
func (g *Gate) Versions(ctx context.Context, by Actor, tenant string, before int64, limit int) ([]ListVersion, error) {
	if err := by.may(tenant, RoleOwner, RoleReviewer); err != nil {
		return nil, err
	}
	return g.store.ListVersions(ctx, tenant, before, limit)
}

// Version returns one version of a tenant's list with its entries.
func (g *Gate) Version(ctx context.Context, by Actor, tenant string, version int64) (*ListVersion, error) {
	if err := by.may(tenant, RoleOwner, RoleReviewer); err != nil {
		return nil, err
	}
	return g.store.List(ctx, tenant, version)
}
