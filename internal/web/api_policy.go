package web

import (
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// policyJSON is what a tenant chose about signing in and privacy. Spans are
// written as in 183d; null is none.
type policyJSON struct {
	Version      int64   `json:"version"`
	Retention    *string `json:"retention"`               // null: for as long as the operator allows
	ShortenAfter *string `json:"shorten_addresses_after"` // null: never
	CheckOutside bool    `json:"check_passwords_from_outside"`
	Requests     bool    `json:"access_requests"`

	InForce string           `json:"retention_in_force"`
	Bounds  policyBoundsJSON `json:"bounds"`
}

// policyBoundsJSON are the bounds of the spans.
type policyBoundsJSON struct {
	RetentionLeast string `json:"retention_least"`
	RetentionMost  string `json:"retention_most"`
	ShortenLeast   string `json:"shorten_addresses_least"`
}

// changedPolicyJSON is the policy after a change, with what the change does to
// what is stored.
type changedPolicyJSON struct {
	policyJSON
	Deleted   int64 `json:"deleted"`   // records that are deleted now
	Shortened int64 `json:"shortened"` // records whose addresses are cut now
}

func (c *call) showPolicy(s *gate.Settings) policyJSON {
	b := c.h.door.RetentionBounds()
	return policyJSON{
		Version: s.Version, Retention: spanOrNull(s.Retention), ShortenAfter: spanOrNull(s.ShortenAfter),
		CheckOutside: s.CheckOutside, Requests: !s.NoRequests,
		InForce: spanText(c.h.door.Retention(&gate.Tenant{Settings: *s})),
		Bounds:  policyBoundsJSON{spanText(b.Floor), spanText(b.Most), spanText(gate.MinShorten)},
	}
}

func spanOrNull(d time.Duration) *string {
	if d == 0 {
		return nil
	}
	return present(spanText(d))
}

func getPolicy(c *call) (any, error) {
	s, err := c.h.door.Settings(c.Context(), c.actor, c.tenant)
	if err != nil {
		return nil, err
	}
	return c.showPolicy(s), nil
}

func putPolicy(c *call) (any, error) {
	var body struct {
		Base         *int64 `json:"base_version"`
		Retention    string `json:"retention"`
		ShortenAfter string `json:"shorten_addresses_after"`
		CheckOutside *bool  `json:"check_passwords_from_outside"`
		Requests     *bool  `json:"access_requests"`
	}
	if err := c.read(&body); err != nil {
		return nil, err
	}
	var bad []fieldProblem
	for _, f := range []struct {
		name    string
		missing bool
	}{
		{"base_version", body.Base == nil}, {"check_passwords_from_outside", body.CheckOutside == nil}, {"access_requests", body.Requests == nil},
	} {
		if f.missing {
			bad = append(bad, fieldProblem{f.name, "required", "write it: a policy is replaced as a whole"})
		}
	}
	s := gate.Settings{
		Retention: readSpan(&bad, "retention", body.Retention), ShortenAfter: readSpan(&bad, "shorten_addresses_after", body.ShortenAfter),
	}
	if bad != nil {
		return nil, invalid.problem("nothing was changed", bad...)
	}
	s.Version, s.CheckOutside, s.NoRequests = *body.Base, *body.CheckOutside, !*body.Requests
	effect, err := c.h.door.CheckSettings(c.Context(), c.actor, c.tenant, s)
	if err != nil {
		return nil, err
	}
	set, err := c.h.door.SetSettings(c.Context(), c.actor, c.tenant, s)
	if err != nil {
		return nil, err
	}
	return changedPolicyJSON{c.showPolicy(set), effect.Deleted, effect.Shortened}, nil
}

// readSpan reads a span, where there is one.
func readSpan(bad *[]fieldProblem, field, text string) time.Duration {
	if text == "" {
		return 0
	}
	d, ok := parseSpan(text)
	if !ok || d == 0 {
		*bad = append(*bad, fieldProblem{field, "invalid", "write 183d, or null for none"})
	}
	return d
}
