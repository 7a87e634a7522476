package gate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
)

// Attempts lists attempts, newest first, for owners and reviewers of a tenant
// and for commands, which may leave the tenant out.
func (g *Gate) Attempts(ctx context.Context, by Actor, f AttemptFilter) ([]Attempt, error) {
	if err := g.readable(ctx, by, &f); err != nil {
		return nil, err
	}
	if f.byPlace() {
		return g.attemptsByPlace(ctx, f)
	}
	if f.Tenant != "" && len(f.Where) > 0 && f.Limit > 0 {
		return g.findAttempts(ctx, f)
	}
	return g.store.Attempts(ctx, f)
}

// reviewable checks the actor, and turns logins in the filter into what is
// recorded of them: the admin, or the keyed hash of what is no admin's.
func (g *Gate) reviewable(ctx context.Context, by Actor, f *AttemptFilter) error {
	if err := by.may(f.Tenant, RoleOwner, RoleReviewer); err != nil {
		return err
	}
	for i := range f.Where {
		c := &f.Where[i]
		if c.Field != FieldLogin {
			continue
		}
		admin, err := g.store.AdminByLogin(ctx, f.Tenant, CanonicalLogin(c.Value))
		switch {
		case err == nil:
			c.Value = admin.ID
		case errors.Is(err, ErrNotFound):
			c.Value = g.strangerOrToken(f.Tenant, c.Value)
		default:
			return err
		}
	}
	return nil
}

// strangerOrToken is what is recorded of a login that no admin has: the id of
// the token of this name, or the keyed hash of what was typed.
func (g *Gate) strangerOrToken(tenant, login string) string {
	if t := g.snap.byID(tenant); t != nil {
		for _, token := range t.tokens {
			if token.Shown() == login {
				return token.ID
			}
		}
	}
	return g.LoginHash(login)
}

// Step is one line of an explanation.
type Step struct {
	Name   string // address, place, tenant, mode, list, entry, nearest, before, password, result
	Detail string // a sentence in English
}

// Explanation is a record with the way its decision went.
type Explanation struct {
	Attempt Attempt
	Check   *Check       // by the list version that was in force; nil: the tenant or the list is gone
	List    *ListVersion // that version, without its entries; nil as above
	// ModeSince is when the list came into the mode that it was in; zero: it is
	// not known.
	ModeSince time.Time
	Now       *Check // by the list as it is, now; nil as above
	Before    *Past  // when the list last admitted the address before; nil: never, or it did
	Address   Seen   // what else came from the address in the last 30 days
	Admin     *Seen  // what else the admin did in the last 30 days; nil: it was nobody's login
	Steps     []Step
}

// Past is the last entry that admitted an address before an attempt.
type Past struct {
	Network Network
	Version int64     // the last one, up to the attempt's, that has the entry
	Until   time.Time // when it ceased to
}

// Seen is what an address or an admin did, by what became of it. The counts are
// of attempts, not of records.
type Seen struct {
	SignIns, Refused, Blocked, WouldBlock int64
	Last                                  time.Time // of a sign-in; zero: none
}

// Explain returns an attempt, by its canonical reference, and how it was
// decided: from the record and the very version of the list.
func (g *Gate) Explain(ctx context.Context, by Actor, tenant, reference string) (*Explanation, error) {
	if err := by.may(tenant, RoleOwner, RoleReviewer); err != nil {
		return nil, err
	}
	a, err := g.store.Attempt(ctx, tenant, reference)
	if err != nil {
		return nil, err
	}
	if err := g.noteRead(ctx, by, tenant, readDetail{Reference: reference}); err != nil {
		return nil, err
	}
	e := &Explanation{Attempt: *a}
	if a.Tenant != "" && a.ListVersion > 0 && a.Address.IsValid() && !a.shortened() {
		v, err := g.store.List(ctx, a.Tenant, a.ListVersion)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		if v != nil {
			e.Check = checkList(v, a.Address, a.FirstTime)
			if e.List, e.ModeSince, err = g.modeSince(ctx, a); err != nil {
				return nil, err
			}
		}
		if err := g.around(ctx, e); err != nil {
			return nil, err
		}
	}
	e.Steps = g.steps(e)
	return e, nil
}

// modeVersions bounds how far back the beginning of a mode is looked for.
const modeVersions = 1000

// modeSince returns the version of the list by which an attempt was decided,
// and since when the list had its mode.
func (g *Gate) modeSince(ctx context.Context, a *Attempt) (list *ListVersion, since time.Time, err error) {
	versions, err := g.store.ListVersions(ctx, a.Tenant, a.ListVersion+1, modeVersions)
	if err != nil || len(versions) == 0 {
		return nil, time.Time{}, err
	}
	for i := range versions {
		if versions[i].Mode != versions[0].Mode {
			return &versions[0], since, nil
		}
		since = versions[i].At
	}
	if len(versions) == modeVersions {
		since = time.Time{}
	}
	return &versions[0], since, nil
}

// NearReferences returns the references of a tenant's attempts that somebody
// may have meant who typed one that there is not. Only whoever looks at one
// reads an attempt.
func (g *Gate) NearReferences(ctx context.Context, by Actor, tenant, text string) ([]string, error) {
	if err := by.may(tenant, RoleOwner, RoleReviewer); err != nil {
		return nil, err
	}
	var found []string
	for _, reference := range auth.NearReferences(text) {
		switch _, err := g.store.Attempt(ctx, tenant, reference); {
		case err == nil:
			found = append(found, reference)
		case !errors.Is(err, ErrNotFound):
			return nil, err
		}
	}
	return found, nil
}

// around adds what was before the attempt, what is now, and what else is known.
func (g *Gate) around(ctx context.Context, e *Explanation) error {
	a := &e.Attempt
	newest, err := g.store.List(ctx, a.Tenant, 0)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if newest != nil {
		e.Now = checkList(newest, a.Address, g.now())
	}
	if e.Check != nil && e.Check.Entry == nil {
		spans, err := g.store.NetworkSpans(ctx, a.Tenant)
		if err != nil {
			return err
		}
		e.Before = lastAdmitted(spans, a)
	}
	standsFor, err := a.Address.Prefix(a.Bits)
	if err != nil {
		return err
	}
	if e.Address, err = g.seenOf(ctx, a.Tenant, Condition{Field: FieldAddress, Range: standsFor}); err != nil || a.Admin == "" {
		return err
	}
	admin, err := g.seenOf(ctx, a.Tenant, Condition{Field: FieldLogin, Value: a.Admin})
	e.Admin = &admin
	return err
}

// lastAdmitted finds the entry that was the last to admit the address before an
// attempt.
func lastAdmitted(spans []NetworkSpan, a *Attempt) *Past {
	var last *Past
	for i := range spans {
		n := &spans[i]
		if !n.Range.Contains(a.Address) || !n.Enabled || !n.From.Before(a.FirstTime) {
			continue
		}
		from, until := n.From, a.FirstTime
		if n.NotBefore.After(from) {
			from = n.NotBefore
		}
		for _, end := range []time.Time{n.To, n.Expires} {
			if !end.IsZero() && end.Before(until) {
				until = end
			}
		}
		if from.Before(until) && (last == nil || until.After(last.Until)) {
			last = &Past{Network: n.Network, Version: a.ListVersion, Until: until}
			if n.Until > 0 {
				last.Version = min(n.Until-1, a.ListVersion)
			}
		}
	}
	return last
}

// seenOf counts what is on record of an address or an admin.
func (g *Gate) seenOf(ctx context.Context, tenant string, c Condition) (Seen, error) {
	now := g.now()
	f := AttemptFilter{Tenant: tenant, Since: now.Add(-usesSince), Until: now.Add(time.Second), Where: []Condition{c}}
	v, err := g.recall(ctx, tenant, f.Since.Add(-LongestRecord), f.Until, exact)
	if err != nil {
		return Seen{}, err
	}
	var s Seen
	if v.Complete {
		for r := range v.selected(matchingOf(g, v, f.Where), &f) {
			kind := &v.kinds[r.kind]
			s.add(AttemptSum{Stage: kind.stage, Outcome: kind.outcome, Count: r.count, Last: time.UnixMicro(r.last()).UTC()})
		}
		return s, nil
	}
	sums, err := g.store.SumAttempts(ctx, f)
	for _, sum := range sums {
		s.add(sum)
	}
	return s, err
}

// add counts what became of attempts.
func (s *Seen) add(sum AttemptSum) {
	switch {
	case sum.signedIn():
		s.SignIns += sum.Count
		if sum.Last.After(s.Last) {
			s.Last = sum.Last
		}
	case sum.Outcome == Blocked:
		s.Blocked += sum.Count
	case sum.Outcome == WouldBlock:
		s.WouldBlock += sum.Count
	case sum.Outcome == Refused:
		s.Refused += sum.Count
	}
}

// signedIn reports whether these are sign-ins that were complete.
func (s *AttemptSum) signedIn() bool {
	return s.Stage == StageSignIn && (s.Outcome == Allowed || s.Outcome == WouldBlock)
}

// steps writes an explanation in the order of the decision.
func (g *Gate) steps(e *Explanation) []Step {
	a := &e.Attempt
	steps := []Step{{"address", addressStep(a)}}
	if place := g.PlaceOf(a.Address, a.Bits); place != (Place{}) {
		steps = append(steps, Step{"place", fmt.Sprintf("%s (approximate)", place)})
	}
	if t := g.TenantByID(a.Tenant); t != nil {
		steps = append(steps, Step{"tenant", fmt.Sprintf("%s belongs to %s", a.Host, t.Name)})
	} else {
		steps = append(steps, Step{"tenant", fmt.Sprintf("%q belongs to no tenant", a.Host)})
	}
	if c := e.Check; c != nil {
		steps = append(steps,
			Step{"mode", e.modeStep()},
			Step{"list", fmt.Sprintf("version %d", c.Version)})
		steps = append(steps, c.steps(a.FirstTime)...)
	}
	if p := e.Before; p != nil {
		steps = append(steps, Step{"before", fmt.Sprintf("version %d admitted it by %s (%q) until %s",
			p.Version, p.Network.Range, p.Network.Label, p.Until.Format(time.RFC3339))})
	}
	if a.Password == PasswordRight {
		steps = append(steps, Step{"password", "it was the right one: somebody outside the list knows it. They were told what everybody outside is told"})
	}
	return append(steps, Step{"result", fmt.Sprintf("%s: %s, at the stage %s", a.Outcome, a.Reason, a.Stage)})
}

func (e *Explanation) modeStep() string {
	text := fmt.Sprintf("the list was %s", e.Check.Mode)
	if !e.ModeSince.IsZero() {
		text += " since " + e.ModeSince.Format(time.RFC3339)
	}
	return text
}

func addressStep(a *Attempt) string {
	var chosen *Hop
	for i := range a.Hops {
		if a.Hops[i].Chosen {
			chosen = &a.Hops[i]
		}
	}
	switch {
	case a.shortened():
		return fmt.Sprintf("%s/%d: the rest of the address, and how it was found, was erased at its age", a.Address, a.Bits)
	case chosen == nil:
		return fmt.Sprintf("no address could be proven: the peer %s sent no entry that could be believed", textOf(a.Peer))
	case chosen.Source == "peer":
		return fmt.Sprintf("%s is the peer of the connection", chosen.Address)
	default:
		return fmt.Sprintf("the peer %s is a trusted proxy; %s was taken from %s", textOf(a.Peer), chosen.Address, chosen.Source)
	}
}

// steps explains what the list said.
func (c *Check) steps(at time.Time) []Step {
	var steps []Step
	if c.Entry != nil {
		steps = append(steps, Step{"entry", fmt.Sprintf("%s (%q) contains it", c.Entry.Range, c.Entry.Label)})
	} else {
		steps = append(steps, Step{"entry", "no entry in force contains it"})
	}
	for i := range c.Off {
		n := &c.Off[i]
		why := "is switched off"
		switch {
		case n.Enabled && at.Before(n.NotBefore):
			why = "begins " + n.NotBefore.Format(time.RFC3339)
		case n.Enabled:
			why = "ended " + n.Expires.Format(time.RFC3339)
		}
		steps = append(steps, Step{"entry", fmt.Sprintf("%s (%q) contains it, but %s", n.Range, n.Label, why)})
	}
	if n := c.Nearest; n != nil {
		steps = append(steps, Step{"nearest", fmt.Sprintf("%s (%q) differs at bit %d", n.Prefix, n.Network.Label, n.Bit)})
	}
	return steps
}
