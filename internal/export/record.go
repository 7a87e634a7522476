package export

import (
	"cmp"
	"net/netip"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// Record is an attempt in JSON, as the API, the commands and JSON lines show
// it. What is not known is null.
type Record struct {
	Reference   string       `json:"reference"`
	Time        Time         `json:"time"`    // the same as first_time, by which lists are sorted
	Tenant      *string      `json:"tenant"`  // short name
	Host        string       `json:"host"`    // as it was asked for
	Address     *string      `json:"address"` // a CIDR where the record stands for a flood from a network
	Country     *string      `json:"country"` // or region: a code of two letters
	Network     *Network     `json:"network"` // that the address belongs to
	Peer        *string      `json:"peer"`
	Stage       gate.Stage   `json:"stage"`
	Outcome     gate.Outcome `json:"outcome"`
	Reason      gate.Reason  `json:"reason"`
	Admin       *string      `json:"admin"` // login
	AdminID     *string      `json:"admin_id"`
	LoginHash   *string      `json:"login_hash"` // of what was typed and is no admin's login
	Password    *string      `json:"password"`   // "right": of a sign-in from outside the list, where the tenant looks at it
	Session     *string      `json:"session"`
	Method      string       `json:"method"`
	Path        string       `json:"path"`
	UserAgent   string       `json:"user_agent"`
	ListVersion int64        `json:"list_version"`
	Count       int64        `json:"count"`
	FirstTime   Time         `json:"first_time"`
	LastTime    Time         `json:"last_time"`
	Node        string       `json:"node"`
}

// Network is whose network an address belongs to, by its number and name.
type Network struct {
	ASN  uint32 `json:"asn"`
	Name string `json:"name"` // may be empty
}

// Time is a moment in JSON: RFC 3339 in UTC, null for none.
type Time time.Time

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	if time.Time(t).IsZero() {
		return []byte("null"), nil
	}
	return time.Time(t).UTC().MarshalJSON()
}

// NewRecord shows an attempt of the tenant with a short name.
func NewRecord(a *gate.Attempt, tenant string, place gate.Place) Record {
	return Record{
		Reference: a.Reference, Time: Time(a.FirstTime), Tenant: present(tenant), Host: a.Host,
		Address: present(Address(a.Address, a.Bits)), Country: present(place.Country), Network: NetworkOf(place),
		Peer: present(Address(a.Peer, a.Peer.BitLen())), Stage: a.Stage, Outcome: a.Outcome, Reason: a.Reason,
		Admin: present(cmp.Or(a.Login, a.Admin)), AdminID: present(a.Admin), LoginHash: present(a.LoginHash),
		Password: present(string(a.Password)), Session: present(a.Session),
		Method: a.Method, Path: a.Path, UserAgent: a.UserAgent, ListVersion: a.ListVersion,
		Count: a.Count, FirstTime: Time(a.FirstTime), LastTime: Time(a.LastTime), Node: a.Node,
	}
}

// NetworkOf is the network of a place; nil: it is not known.
func NetworkOf(p gate.Place) *Network {
	if p.ASN == 0 && p.Network == "" {
		return nil
	}
	return &Network{p.ASN, p.Network}
}

// Address is an address, or the network that its first bits stand for; empty:
// it is not known.
func Address(a netip.Addr, bits int) string {
	switch {
	case !a.IsValid():
		return ""
	case bits < a.BitLen():
		return netip.PrefixFrom(a, bits).Masked().String()
	}
	return a.String()
}

// present returns nil for what is not known.
func present(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
