package web

import (
	"net/netip"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/export"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// attemptJSON is one recorded refusal or sign-in.
type attemptJSON struct {
	export.Record
	Explanation *explanationJSON `json:"explanation,omitempty"` // only where one is asked for
}

// placeJSON is where an address seems to be. It is looked up when it is shown,
// and never recorded.
type placeJSON struct {
	Country *string         `json:"country"` // or region: a code of two letters
	Network *export.Network `json:"network"`
}

type explanationJSON struct {
	Hops  []gate.Hop `json:"hops"`
	Check *checkJSON `json:"check"` // by the list as it was; null where no list was asked
	Now   *checkJSON `json:"now"`   // by the list as it is
	// Before is when the list last admitted the address before; null: never, or
	// it did then.
	Before  *pastJSON  `json:"before"`
	Address seenJSON   `json:"address"` // what else came from the address in 30 days
	Admin   *seenJSON  `json:"admin"`   // what else the admin did; null: it was nobody's login
	Steps   []stepJSON `json:"steps"`
}

type pastJSON struct {
	Version int64       `json:"version"`
	Entry   networkJSON `json:"entry"`
	Until   timestamp   `json:"until"`
}

// seenJSON counts attempts.
type seenJSON struct {
	SignIns    int64     `json:"sign_ins"`
	Refused    int64     `json:"refused"`
	Blocked    int64     `json:"blocked"`
	WouldBlock int64     `json:"would_block"`
	LastSignIn timestamp `json:"last_sign_in"`
}

func showSeen(s *gate.Seen) seenJSON {
	return seenJSON{s.SignIns, s.Refused, s.Blocked, s.WouldBlock, timestamp(s.Last)}
}

type stepJSON struct {
	Name   string `json:"name"`
	Detail string `json:"detail"`
}

// present returns nil for what is not known.
func present(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func (h *Handler) showAttempt(a *gate.Attempt) attemptJSON {
	return attemptJSON{Record: export.NewRecord(a, h.slug(a.Tenant), h.door.PlaceOf(a.Address, a.Bits))}
}

// addressText is an address, or the network that its first bits stand for.
func addressText(a netip.Addr, bits int) string { return export.Address(a, bits) }

// slug names a tenant as people do.
func (h *Handler) slug(id string) string {
	if t := h.door.TenantByID(id); t != nil {
		return t.Slug
	}
	return id
}

func getAttempts(c *call) (any, error) {
	f := c.query.filter(c.tenant)
	if _, ok := c.query.values["group_by"]; ok {
		return getAttemptGroups(c, f)
	}
	limit := c.query.limit()
	f.Limit, f.Before = limit+1, c.query.cursor("attempts").moment()
	if err := c.query.err(); err != nil {
		return nil, err
	}
	found, err := c.h.door.Attempts(c.Context(), c.actor, f)
	if err != nil {
		return nil, err
	}
	return page(found, limit, c.h.showAttempt, func(a *gate.Attempt) cursor {
		return cursor{"attempts", a.FirstTime.UnixMicro(), a.Reference}
	}), nil
}

func getAttempt(c *call) (any, error) {
	reference, err := auth.ParseReference(c.arg)
	if err != nil {
		return nil, notFound.problem(err.Error())
	}
	e, err := c.h.door.Explain(c.Context(), c.actor, c.tenant, reference)
	if err != nil {
		return nil, err
	}
	return c.h.showExplained(e), nil
}

// showExplained is an attempt with its explanation.
func (h *Handler) showExplained(e *gate.Explanation) attemptJSON {
	out := h.showAttempt(&e.Attempt)
	out.Explanation = &explanationJSON{Hops: append([]gate.Hop{}, e.Attempt.Hops...), Steps: []stepJSON{}}
	x := out.Explanation
	if e.Check != nil {
		x.Check = showCheck(e.Check)
	}
	if e.Now != nil {
		x.Now = showCheck(e.Now)
	}
	if p := e.Before; p != nil {
		x.Before = &pastJSON{p.Version, showNetwork(&p.Network), timestamp(p.Until)}
	}
	x.Address = showSeen(&e.Address)
	if e.Admin != nil {
		seen := showSeen(e.Admin)
		x.Admin = &seen
	}
	for _, s := range e.Steps {
		x.Steps = append(x.Steps, stepJSON(s))
	}
	return out
}
