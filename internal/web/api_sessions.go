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
	Moves       int64     `json:"moves"`   // how often it came from another address than before
	Current     bool      `json:"current"` // the one that asks
}

func (c *call) showSession(s *gate.Session) sessionJSON {
	return sessionJSON{
		ID: s.ID, Login: s.Login, AdminID: s.Admin,
		Started: timestamp(s.Started), LastSeen: timestamp(s.LastSeen), Expires: timestamp(s.Expires),
		Address:     present(addressText(s.Address, s.Address.BitLen())),
		LastAddress: present(addressText(s.LastAddress, s.LastAddress.BitLen())),
		UserAgent:   s.UserAgent, Moves: s.Moves, Current: s.ID == c.actor.Session,
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
	return nil, c.h.door.EndSession(c.Context(), c.actor, c.arg, c.query.values["reason"])
}

// endedJSON says how many sessions were ended.
type endedJSON struct {
	Ended int64 `json:"ended"`
}

func deleteSessions(c *call) (any, error) {
	n, err := c.h.door.EndSessions(c.Context(), c.actor, c.tenant)
	if err != nil {
		return nil, err
	}
	return endedJSON{n}, nil
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
	Erased   []string        `json:"erased"` // where texts of it were erased, as JSON pointers; their places are empty
	Before   *string         `json:"before"` // hash of the row before it, whosever that is; null for the first
	Hash     string          `json:"hash"`   // covers the row and the hash before it
}

func showChange(c *gate.Change) changeJSON {
	out := changeJSON{
		ID: c.ID, Position: c.Pos, Time: timestamp(c.At), Kind: c.Kind, Action: c.Action, Subject: c.Subject, Version: c.Version,
		Actor: c.Actor, ActorID: present(c.ActorID), Address: present(addressText(c.Address, c.Address.BitLen())), Before: present(hex.EncodeToString(c.Before)), Hash: hex.EncodeToString(c.Hash),
		Erased: append([]string{}, c.Erased()...),
	}
	if len(c.Detail) > 0 {
		out.Detail = c.Detail
	}
	return out
}

// changeParams are the filters of the change log.
var changeParams = append([]string{"kind", "actor"}, pageParams...)

func getChanges(c *call) (any, error) {
	limit, from := c.query.limit(), c.query.cursor("changes")
	f := gate.ChangeFilter{
		Tenant: c.tenant, Kind: gate.ChangeKind(c.query.values["kind"]), Actor: c.query.values["actor"], Before: from.at, Limit: limit + 1,
	}
	if f.Kind != "" {
		oneOf(&c.query, "kind", string(f.Kind), gate.ChangeKinds)
	}
	if err := c.query.err(); err != nil {
		return nil, err
	}
	found, err := c.h.door.Changes(c.Context(), c.actor, f)
	if err != nil {
		return nil, err
	}
	return page(found, limit, showChange, func(c *gate.Change) cursor {
		return cursor{list: "changes", at: c.Pos, id: c.ID}
	}), nil
}
