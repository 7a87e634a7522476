package gate

import (
	"context"
	"fmt"
	"time"
)

// Settings are what a tenant's owners choose about signing in and privacy. The
// zero value is what a tenant has that chose nothing.
type Settings struct {
	Version      int64         // how often they were changed
	Retention    time.Duration // how long attempts are kept, within the operator's bounds; 0: as long as these allow
	ShortenAfter time.Duration // age from which on addresses of attempts are cut to their network; 0: never
	// CheckOutside looks at the passwords of sign-ins from outside the list, to
	// record the right ones. Nobody gets in by it.
	CheckOutside bool
	NoRequests   bool // visitors who are kept out cannot ask to be let in
}

// MinShorten is the least age at which addresses are cut: until then lists are
// replayed against them, and the guards of an edit ask where people come from.
const MinShorten = replayDays * 24 * time.Hour

// Bounds of a retention.
const (
	DefaultRetention = 365 * 24 * time.Hour
	MinRetention     = time.Hour
	MaxRetention     = 3650 * 24 * time.Hour
	// DefaultRetentionFloor is how short a tenant may make its retention where
	// the operator says nothing else: the time that lists are replayed against.
	DefaultRetentionFloor = replayDays * 24 * time.Hour
)

// RetentionBounds are between what a tenant may choose how long attempts are
// kept; where it chooses nothing, it is the most. 0 is the default of each.
type RetentionBounds struct{ Floor, Most time.Duration }

// SetRetention changes how long attempts are kept.
func (g *Gate) SetRetention(b RetentionBounds) {
	if b.Most <= 0 {
		b.Most = DefaultRetention
	}
	if b.Floor <= 0 {
		b.Floor = DefaultRetentionFloor
	}
	b.Floor = min(b.Floor, b.Most)
	g.retention.Store(&b)
}

// RetentionBounds are the operator's.
func (g *Gate) RetentionBounds() RetentionBounds { return *g.retention.Load() }

// Retention is how long attempts of a tenant are kept, in its own choice or, for
// nil, where no tenant is known.
func (g *Gate) Retention(t *Tenant) time.Duration {
	if t == nil {
		return g.RetentionBounds().Most
	}
	return t.Settings.retention(g.RetentionBounds())
}

// wholeFor is how far back attempts of a tenant are there with whole addresses.
func (g *Gate) wholeFor(t *Tenant) time.Duration {
	kept := g.Retention(t)
	if d := t.Settings.ShortenAfter; d > 0 {
		return min(d, kept)
	}
	return kept
}

// Oldest is the moment from which on attempts are kept, of whichever tenant.
func (g *Gate) Oldest() time.Time { return g.now().Add(-g.RetentionBounds().Most) }

func (s *Settings) retention(b RetentionBounds) time.Duration {
	if s.Retention == 0 {
		return b.Most
	}
	return min(max(s.Retention, b.Floor), b.Most)
}

// SettingsStore keeps what tenants chose.
type SettingsStore interface {
	// SetSettings stores settings where those there have the version before;
	// ErrChanged otherwise, ErrNotFound without the tenant.
	SetSettings(ctx context.Context, rec Record, tenant string, s Settings) error
	// CountAged counts a tenant's records whose last time is before: all, or
	// only those that have a whole address.
	CountAged(ctx context.Context, tenant string, before time.Time, whole bool) (int64, error)
}

// settingsDetail is what the change log keeps of settings.
type settingsDetail struct {
	Retention    string `json:"retention"`
	ShortenAfter string `json:"shorten_addresses_after"`
	CheckOutside bool   `json:"check_passwords_from_outside"`
	Requests     bool   `json:"access_requests"`
}

func (s *Settings) detail() settingsDetail {
	return settingsDetail{daysOf(s.Retention, "default"), daysOf(s.ShortenAfter, "never"), s.CheckOutside, !s.NoRequests}
}

// daysOf writes a span for the change log, zero as the word given.
func daysOf(d time.Duration, zero string) string {
	switch days := d / (24 * time.Hour); {
	case d == 0:
		return zero
	case d%(24*time.Hour) == 0:
		return fmt.Sprintf("%dd", days)
	}
	return d.String()
}

// SettingsEffect is what a change of settings does to what is stored.
type SettingsEffect struct {
	Deleted   int64 // records that are deleted at once, since they are kept for a shorter time
	Shortened int64 // records whose addresses are cut, as far as that was not done before
}

// Settings returns what a tenant chose, for owners and reviewers.
func (g *Gate) Settings(_ context.Context, by Actor, tenant string) (*Settings, error) {
	if err := by.may(tenant, RoleOwner, RoleReviewer); err != nil {
		return nil, err
	}
	t := g.TenantByID(tenant)
	if t == nil {
		return nil, ErrNotFound
	}
	s := t.Settings
	return &s, nil
}

// CheckSettings returns what is wrong with settings, as an *InvalidError, and
// what they would do to what is stored. It changes nothing.
func (g *Gate) CheckSettings(ctx context.Context, by Actor, tenant string, s Settings) (*SettingsEffect, error) {
	if err := by.may(tenant, RoleOwner); err != nil {
		return nil, err
	}
	t := g.TenantByID(tenant)
	if t == nil {
		return nil, ErrNotFound
	}
	if err := g.validSettings(&s, &t.Settings); err != nil {
		return nil, err
	}
	return g.effect(ctx, t, &s)
}

// validSettings holds settings to the operator's bounds. What stood there before
// they were made narrower may stay.
func (g *Gate) validSettings(s, before *Settings) error {
	bad, b := &InvalidError{}, g.RetentionBounds()
	switch d := s.Retention; {
	case d == 0 || d == before.Retention:
	case d < b.Floor:
		bad.add("retention", "too_short", "the operator keeps attempts for at least %s", spanOf(b.Floor))
	case d > b.Most:
		bad.add("retention", "too_long", "the operator keeps attempts for at most %s", spanOf(b.Most))
	}
	if d := s.ShortenAfter; d != 0 && (d < MinShorten || d > MaxRetention) {
		bad.add("shorten_addresses_after", "out_of_range",
			"from %s on: until then lists are checked against where people came from", spanOf(MinShorten))
	}
	return bad.orNil()
}

// spanOf writes a span as people do.
func spanOf(d time.Duration) string {
	if days := d / (24 * time.Hour); days > 0 && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%d days", days)
	}
	return d.String()
}

// effect counts what changes at once. Records that are shorter already are not
// told apart from those of floods, which have no address to cut either.
func (g *Gate) effect(ctx context.Context, t *Tenant, next *Settings) (*SettingsEffect, error) {
	e, now := &SettingsEffect{}, g.now()
	kept := next.retention(g.RetentionBounds())
	var err error
	if kept < g.Retention(t) {
		if e.Deleted, err = g.store.CountAged(ctx, t.ID, now.Add(-kept), false); err != nil {
			return nil, err
		}
	}
	if d := next.ShortenAfter; d > 0 && d < kept && (t.Settings.ShortenAfter == 0 || d < t.Settings.ShortenAfter) {
		all, err := g.store.CountAged(ctx, t.ID, now.Add(-d), true)
		if err != nil {
			return nil, err
		}
		gone, err := g.store.CountAged(ctx, t.ID, now.Add(-kept), true)
		if err != nil {
			return nil, err
		}
		e.Shortened = all - gone
	}
	return e, nil
}

// SetSettings changes what a tenant chose; s has the version that the change was
// made from (ErrChanged: there is another by now). Owners who proved lately who
// they are (ErrStepUp), and commands, may.
func (g *Gate) SetSettings(ctx context.Context, by Actor, tenant string, s Settings) (*Settings, error) {
	if err := by.proved(tenant, RoleOwner); err != nil {
		return nil, err
	}
	if err := by.lately(); err != nil {
		return nil, err
	}
	t := g.TenantByID(tenant)
	if t == nil {
		return nil, ErrNotFound
	}
	before := t.Settings
	if err := g.validSettings(&s, &before); err != nil {
		return nil, err
	}
	rec := Record{Actor: by, Action: "policy.set", At: g.now(), Detail: difference{Before: before.detail(), After: s.detail()}}
	if err := g.store.SetSettings(ctx, rec, tenant, s); err != nil {
		return nil, err
	}
	s.Version++
	return &s, g.applied(ctx)
}
