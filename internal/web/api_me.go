package web

import (
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// timestamp is a time as JSON has it: RFC 3339 in UTC, null for none.
type timestamp time.Time

// MarshalJSON implements json.Marshaler.
func (t timestamp) MarshalJSON() ([]byte, error) {
	if time.Time(t).IsZero() {
		return []byte("null"), nil
	}
	return time.Time(t).UTC().MarshalJSON()
}

type meJSON struct {
	Login   string         `json:"login"`
	Name    string         `json:"name"`
	AdminID string         `json:"admin_id"`
	Role    gate.Role      `json:"role"`
	Tenant  tenantJSON     `json:"tenant"`
	Session *mySessionJSON `json:"session"` // null for a token
	Token   *tokenJSON     `json:"token"`   // null for people
	Address string         `json:"address"`
	Hops    []gate.Hop     `json:"hops"` // how the address was found
	Network myNetworkJSON  `json:"network"`
}

type tenantJSON struct {
	Slug string `json:"slug"`
	Name string `json:"name"`
}

type mySessionJSON struct {
	ID       string    `json:"id"`
	SignedIn timestamp `json:"signed_in"`
	Proved   timestamp `json:"proved"` // the last proof of who it is
	Expires  timestamp `json:"expires"`
}

type myNetworkJSON struct {
	Allowed bool        `json:"allowed"`
	Reason  gate.Reason `json:"reason"`
	Entry   *myEntry    `json:"entry"` // null where no entry was needed
}

// myEntry is as much of an entry as everybody may see whom it lets in.
type myEntry struct {
	ID    string `json:"id"`
	Range string `json:"range"`
	Label string `json:"label"`
}

func getMe(c *call) (any, error) {
	q, dec := c.visit.Request, c.visit.Decision
	me := meJSON{
		Login: c.actor.Login, AdminID: c.actor.Admin, Role: c.actor.Role,
		Tenant:  tenantJSON{dec.Tenant.Slug, dec.Tenant.Name},
		Address: q.Address.Addr.String(), Hops: c.h.door.Source.Hops(q.Address),
		Network: myNetworkJSON{Allowed: true, Reason: dec.Pass},
	}
	if t := dec.Token; t != nil {
		token := showToken(t)
		me.Name, me.Token = t.Name, &token
		return me, nil
	}
	me.Name = dec.Admin.Name
	me.Session = &mySessionJSON{dec.Claims.Session, timestamp(dec.Claims.SignedIn), timestamp(dec.Claims.Proved), timestamp(dec.Claims.Expires)}
	// A member may not read the list, but may know what lets it in.
	if n := c.h.door.Entry(q, dec); n != nil && dec.Pass == gate.ByNetwork {
		me.Network.Entry = &myEntry{n.ID, n.Range.String(), n.Label}
	}
	return me, nil
}
