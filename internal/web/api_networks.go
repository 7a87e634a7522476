package web

import (
	"net/netip"

	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// networkJSON is an entry of a list.
type networkJSON struct {
	ID        string      `json:"id"`
	Range     string      `json:"range"`
	First     string      `json:"first"`
	Last      string      `json:"last"`
	Addresses string      `json:"addresses"` // text: an IPv6 network has more than a JSON number holds
	Label     string      `json:"label"`
	Note      string      `json:"note"`
	Owner     string      `json:"owner"`
	Enabled   bool        `json:"enabled"`
	NotBefore timestamp   `json:"not_before"`
	Expires   timestamp   `json:"expires"`
	Roles     []gate.Role `json:"roles"`
	Admins    []string    `json:"admins"` // ids
	Created   timestamp   `json:"created"`
	CreatedBy string      `json:"created_by"`
}

func showNetwork(n *gate.Network) networkJSON {
	return networkJSON{
		ID: n.ID, Range: n.Range.String(), First: n.Range.First().String(), Last: n.Range.Last().String(),
		Addresses: n.Range.Count().String(), Label: n.Label, Note: n.Note, Owner: n.Owner, Enabled: n.Enabled,
		NotBefore: timestamp(n.NotBefore), Expires: timestamp(n.Expires),
		Roles: append([]gate.Role{}, n.Roles...), Admins: append([]string{}, n.Admins...), // [] and not null
		Created: timestamp(n.Created), CreatedBy: n.CreatedBy,
	}
}

func showNetworks(networks []gate.Network) []networkJSON {
	out := make([]networkJSON, len(networks))
	for i := range networks {
		out[i] = showNetwork(&networks[i])
	}
	return out
}

// entryJSON is an entry with its use.
type entryJSON struct {
	networkJSON
	LastUsed timestamp `json:"last_used"`
	Uses30d  int64     `json:"uses_30d"`
}

// listJSON is a tenant's list, and the change of it that waits to be confirmed.
type listJSON struct {
	Version int64        `json:"version"`
	Mode    gate.Mode    `json:"mode"`
	Entries []entryJSON  `json:"entries"`
	Pending *pendingJSON `json:"pending"`
}

func getNetworks(c *call) (any, error) {
	l, err := c.h.door.Networks(c.Context(), c.actor, c.tenant)
	if err != nil {
		return nil, err
	}
	out := listJSON{Version: l.Version, Mode: l.Mode, Pending: showPending(l.Pending), Entries: make([]entryJSON, len(l.Entries))}
	for i := range l.Entries {
		e := &l.Entries[i]
		out.Entries[i] = entryJSON{showNetwork(&e.Network), timestamp(e.LastUsed), e.Uses30d}
	}
	return out, nil
}

// checkJSON says whether a list admits an address, and why.
type checkJSON struct {
	Allowed bool          `json:"allowed"`
	Reason  gate.Reason   `json:"reason"`
	Entry   *networkJSON  `json:"entry"`
	Nearest *nearestJSON  `json:"nearest"`
	Off     []networkJSON `json:"off"` // contain the address and do not count: off, not begun, or ended
	Version int64         `json:"version"`
	Mode    gate.Mode     `json:"mode"`
}

type nearestJSON struct {
	Entry  networkJSON `json:"entry"`
	Prefix string      `json:"prefix"` // of the entry, the closest one
	Bit    int         `json:"bit"`    // the first, counted from 1, that differs
}

func showCheck(c *gate.Check) *checkJSON {
	out := &checkJSON{Allowed: c.Allowed, Reason: c.Reason, Off: showNetworks(c.Off), Version: c.Version, Mode: c.Mode}
	if c.Entry != nil {
		n := showNetwork(c.Entry)
		out.Entry = &n
	}
	if c.Nearest != nil {
		out.Nearest = &nearestJSON{showNetwork(&c.Nearest.Network), c.Nearest.Prefix.String(), c.Nearest.Bit}
	}
	return out
}

func getCheck(c *call) (any, error) {
	address, at := c.query.address("address"), c.query.time("at")
	if err := c.query.err(); err != nil {
		return nil, err
	}
	check, err := c.h.door.Check(c.Context(), c.actor, c.tenant, address, at)
	if err != nil {
		return nil, err
	}
	return showCheck(check), nil
}

// address reads an address that has to be there.
func (q *query) address(name string) netip.Addr {
	text, ok := q.values[name]
	if !ok {
		q.note(name, "required", "this parameter has to be there")
		return netip.Addr{}
	}
	a, err := cidr.ParseAddr(text)
	if err != nil {
		q.note(name, "invalid", "%s", err)
	}
	return a
}

// versionJSON is one version of a list: who, when, why and what.
type versionJSON struct {
	Version  int64         `json:"version"`
	Mode     gate.Mode     `json:"mode"`
	Time     timestamp     `json:"time"`
	By       string        `json:"by"`
	Reason   string        `json:"reason"`
	Accepted []string      `json:"accepted"`           // what the editor overrode
	Undoes   int64         `json:"undoes,omitempty"`   // the version that this one undoes
	Restores int64         `json:"restores,omitempty"` // the version whose entries these are
	Added    int           `json:"added"`
	Removed  int           `json:"removed"`
	Changed  int           `json:"changed"`
	Entries  []networkJSON `json:"entries,omitzero"` // only where one version is asked for
}

func showVersion(v *gate.ListVersion) versionJSON {
	return versionJSON{
		Version: v.Version, Mode: v.Mode, Time: timestamp(v.At), By: v.By, Reason: v.Reason,
		Accepted: append([]string{}, v.Accepted...), Undoes: v.Undoes, Restores: v.Restores,
		Added: v.Added, Removed: v.Removed, Changed: v.Changed,
	}
}

func getVersions(c *call) (any, error) {
	limit, from := c.query.limit(), c.query.cursor("versions")
	if err := c.query.err(); err != nil {
		return nil, err
	}
	found, err := c.h.door.Versions(c.Context(), c.actor, c.tenant, from.at, limit+1)
	if err != nil {
		return nil, err
	}
	return page(found, limit, showVersion, func(v *gate.ListVersion) cursor {
		return cursor{list: "versions", at: v.Version}
	}), nil
}
