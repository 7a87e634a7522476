package web

import (
	"encoding/hex"
	"encoding/json"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// sessionJSON is a session that is running.
type sessionJSON struct {
	ID          string    `json:"id"`
	Login       string    `json:"login"`
	AdminID     string    `json:"admin_id"`
	Started     timestamp `json:"started"`
	LastSeen    timestamp `json:"last_seen"`
	Expires     timestamp `json:"expires"`
	Address     *string   `json:"address"` // of the sign-in
	LastAddress *string   `json:"last_address"`
	UserAgent   string    `json:"user_agent"`
	Current     bool      `json:"current"` // the one that asks
}

func (c *call) showSession(s *gate.Session) sessionJSON {
	return sessionJSON{
		ID: s.ID, Login: s.Login, AdminID: s.Admin,
		Started: timestamp(s.Started), LastSeen: timestamp(s.LastSeen), Expires: timestamp(s.Expires),
		Address:     present(addressText(s.Address, s.Address.BitLen())),
		LastAddress: present(addressText(s.LastAddress, s.LastAddress.BitLen())),
		UserAgent:   s.UserAgent, Current: s.ID == c.actor.Session,
	}
}

func getSessions(c *call) (any, error) {
	limit, from := c.query.limit(), c.query.cursor("sessions")
	if err := c.query.err(); err != nil {
		return nil, err
	}
	f := gate.SessionFilter{Tenant: c.tenant, Limit: limit + 1, Before: from.moment()}
	found, err := c.h.door.Sessions(c.Context(), c.actor, f)
	if err != nil {
		return nil, err
	}
	return page(found, limit, c.showSession, func(s *gate.Session) cursor {
		return cursor{"sessions", s.Started.UnixMicro(), s.ID}
	}), nil
}

func deleteSession(c *call) (any, error) {
	return nil, c.h.door.EndSession(c.Context(), c.actor, c.arg)
}

// changeJSON is one row of the change log.
type changeJSON struct {
	ID       string          `json:"id"`
	Position int64           `json:"position"`
	Time     timestamp       `json:"time"`
	Kind     gate.ChangeKind `json:"kind"`
	Action   string          `json:"action"`
	Subject  string          `json:"subject"` // id of what changed
	Version  int64           `json:"version"`
	Actor    string          `json:"actor"`
	ActorID  *string         `json:"actor_id"`
	Address  *string         `json:"address"`
	Detail   json.RawMessage `json:"detail"` // null where there is none
	Hash     string          `json:"hash"`   // covers the row and the hash before it
}

func showChange(c *gate.Change) changeJSON {
	out := changeJSON{
		ID: c.ID, Position: c.Pos, Time: timestamp(c.At), Kind: c.Kind, Action: c.Action, Subject: c.Subject, Version: c.Version,
		Actor: c.Actor, ActorID: present(c.ActorID), Address: present(addressText(c.Address, c.Address.BitLen())), Hash: hex.EncodeToString(c.Hash),
	}
	if len(c.Detail) > 0 {
		out.Detail = c.Detail
	}
	return out
}

func getChanges(c *call) (any, error) {
	limit, from := c.query.limit(), c.query.cursor("changes")
	if err := c.query.err(); err != nil {
		return nil, err
	}
	found, err := c.h.door.Changes(c.Context(), c.actor, c.tenant, from.at, limit+1)
	if err != nil {
		return nil, err
	}
	return page(found, limit, showChange, func(c *gate.Change) cursor {
		return cursor{list: "changes", at: c.Pos, id: c.ID}
	}), nil
}
