package gate

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/cidr"
)

// Words by which an editor says that what a guard refuses is meant. What was
// said and needed is kept with the version and in the change log.
const (
	AcceptWide       = "wide"        // an entry wider than /16 or IPv6 /32
	AcceptFewAdmins  = "few_admins"  // fewer admins keep a network than they need
	AcceptEnds       = "ends"        // a moment to come at which no owner is let in
	AcceptOwnAddress = "own_address" // the editor's own address is not in the list; only with a time to confirm
)

// AcceptWords is the closed list of these words.
var AcceptWords = []string{AcceptWide, AcceptFewAdmins, AcceptEnds, AcceptOwnAddress}

// Bounds of the time to confirm a change.
const (
	MinConfirm = 5 * time.Second
	MaxConfirm = 24 * time.Hour
)

// Draft is an entry as it is written.
type Draft struct {
	ID        string // of the entry it replaces; empty: a new one, or the one of the same range
	Range     string
	Label     string
	Note      string
	Owner     string
	Enabled   bool
	NotBefore time.Time
	Expires   time.Time
	Roles     []Role
	Admins    []string // ids or logins
}

// EditOptions are what every edit of a list can say beside what it changes.
type EditOptions struct {
	Reason string
	// ConfirmWithin is how long the change waits to be confirmed before it is
	// undone; 0: it is in force for good at once.
	ConfirmWithin time.Duration
	Accept        []string // of AcceptWords
	// Trusted reports whether an address is a trusted proxy's: allowing one
	// would allow whoever comes through it. It may be nil.
	Trusted func(netip.Addr) bool
	draft   *WorkingDraft // that this edit applies, see ApplyDraft; nil: none
}

func (o *EditOptions) accepts(word string) bool { return slices.Contains(o.Accept, word) }

// Edit replaces a tenant's mode and list.
type Edit struct {
	Tenant   string
	Base     int64 // the version it was made from
	Mode     Mode
	Entries  []Draft
	Restores int64 // the version whose entries these are; 0: none
	EditOptions
}

// Edited is what came of an edit.
type Edited struct {
	Version  int64
	Pending  *Pending  // what waits to be confirmed; nil: nothing
	Entries  []Network // as they are stored, in order
	Warnings []Warning
}

// Warning is a word about an entry that is stored all the same.
type Warning struct {
	Field string   // e.g. entries[2].range
	Code  string   // from a closed list: see the constants
	Text  string   // in English, for whoever has no page
	Cover *Network // covered: the entry that contains it
}

// Codes of warnings.
const (
	WarnStoredAs     = "stored_as"     // host bits were cleared, or a mapped address unwrapped
	WarnPrivate      = "private"       // visitors from the internet never have such an address
	WarnTrustedProxy = "trusted_proxy" // whoever comes through the proxy would be admitted if it lends its address
	WarnEnded        = "ended"         // its end is past
	WarnCovered      = "covered"       // another entry contains it
)

// FieldError says what is wrong with one field of what was written.
type FieldError struct {
	Field   string // e.g. entries[2].range
	Code    string
	Message string // a sentence that says what to do
}

// InvalidError is the error of an operation whose input is wrong; nothing was
// done.
type InvalidError struct{ Errors []FieldError }

func (e *InvalidError) Error() string {
	lines := make([]string, len(e.Errors))
	for i, f := range e.Errors {
		lines[i] = f.Field + ": " + f.Message
	}
	return strings.Join(lines, "; ")
}

func (e *InvalidError) add(field, code, format string, args ...any) {
	e.Errors = append(e.Errors, FieldError{field, code, fmt.Sprintf(format, args...)})
}

func (e *InvalidError) orNil() error {
	if len(e.Errors) == 0 {
		return nil
	}
	return e
}

// Invalid returns an InvalidError of one field.
func Invalid(field, code, format string, args ...any) error {
	e := &InvalidError{}
	e.add(field, code, format, args...)
	return e
}

// PutNetworks replaces a tenant's mode and list as a whole, or not at all. The
// errors to expect are ErrStepUp, *InvalidError, *VersionConflict, ErrChangePending
// and those of the guards: ErrLocksYouOut, ErrLocksEveryoneOut, *EndsError and
// *CoverError.
func (g *Gate) PutNetworks(ctx context.Context, by Actor, e Edit) (*Edited, error) {
	if err := by.proved(e.Tenant, RoleOwner); err != nil {
		return nil, err
	}
	for tries := 0; ; tries++ {
		p, err := g.prepare(ctx, by, &e)
		if err != nil {
			return nil, err
		}
		if err := refusal(p.checks); err != nil {
			return nil, err
		}
		done, err := g.putNetworks(ctx, by, &e, p)
		// Who may come in was changed between checking and storing.
		if errors.Is(err, ErrChanged) && tries < 10 {
			continue
		}
		if err != nil {
			return nil, err
		}
		return done, g.applied(ctx)
	}
}

// prepared is an edit that was built and checked, and is not stored.
type prepared struct {
	before   *TenantPolicy
	networks []Network
	warnings []Warning
	checks   []GuardCheck
	accepted []string // overrides that were needed
	now      time.Time
}

// prepare does everything of an edit but refusing and storing it.
func (g *Gate) prepare(ctx context.Context, by Actor, e *Edit) (*prepared, error) {
	if err := by.may(e.Tenant, RoleOwner); err != nil {
		return nil, err
	}
	before, err := g.store.LoadTenant(ctx, e.Tenant)
	if err != nil {
		return nil, err
	}
	if before.Pending != nil {
		return nil, ErrChangePending
	}
	if before.Tenant.Version != e.Base {
		return nil, &VersionConflict{Base: e.Base, Current: before.Tenant.Version}
	}
	b := newBuilder(e, before.Networks, before.Admins, by, g.now())
	networks, err := b.build()
	if err != nil {
		return nil, err
	}
	p := &prepared{before: before, networks: networks, warnings: b.warnings, accepted: b.accepted, now: b.now}
	if p.checks, err = g.checks(ctx, by, e, p); err != nil {
		return nil, err
	}
	for _, c := range p.checks {
		if c.Accepted {
			p.accepted = append(p.accepted, c.Accept)
		}
	}
	return p, nil
}

func (g *Gate) putNetworks(ctx context.Context, by Actor, e *Edit, p *prepared) (*Edited, error) {
	put := ListPut{
		Tenant: e.Tenant, Base: e.Base, Mode: e.Mode, Networks: p.networks,
		Reason: e.Reason, Accepted: p.accepted, Restores: e.Restores, Draft: e.draft,
	}
	detail := between(p.before.Tenant.Mode, e.Mode, p.before.Networks, p.networks)
	detail.Base, detail.Reason, detail.Accepted, detail.Restores = e.Base, e.Reason, p.accepted, e.Restores
	if e.ConfirmWithin > 0 {
		put.ConfirmUntil = micros(p.now.Add(e.ConfirmWithin))
		detail.ConfirmUntil = put.ConfirmUntil.Format(time.RFC3339Nano)
	}
	rec := Record{Actor: by, Action: "network.put", At: p.now, Detail: detail, Guarded: p.before.Tenant.Revision}
	version, err := g.store.PutNetworks(ctx, rec, put)
	if err != nil {
		return nil, err
	}
	done := &Edited{Version: version, Entries: p.networks, Warnings: p.warnings}
	if e.ConfirmWithin > 0 {
		done.Pending = &Pending{
			Version: version, Base: e.Base, Until: put.ConfirmUntil, By: by.Name(), ByAdmin: by.Admin, Reason: e.Reason,
		}
	}
	return done, nil
}

// AddNetwork adds one entry to the newest list.
func (g *Gate) AddNetwork(ctx context.Context, by Actor, tenant string, d Draft, o EditOptions) (*Edited, error) {
	return g.change(ctx, by, tenant, o, func(e *Edit) error {
		e.Entries = append(e.Entries, d)
		return nil
	})
}

// RemoveNetwork removes one entry, named by its id or its range.
func (g *Gate) RemoveNetwork(ctx context.Context, by Actor, tenant, name string, o EditOptions) (*Edited, error) {
	return g.change(ctx, by, tenant, o, func(e *Edit) error {
		r, _, _ := cidr.Parse(name)
		n := len(e.Entries)
		e.Entries = slices.DeleteFunc(e.Entries, func(d Draft) bool {
			return d.ID == name || r.IsValid() && d.Range == r.String()
		})
		if len(e.Entries) == n {
			return ErrNotFound
		}
		return nil
	})
}

// change edits the newest list, again from the start when somebody else was
// faster: unlike a whole list, adding or removing one entry means the same
// whatever else was changed.
func (g *Gate) change(ctx context.Context, by Actor, tenant string, o EditOptions, edit func(*Edit) error) (*Edited, error) {
	for tries := 0; ; tries++ {
		if err := by.proved(tenant, RoleOwner); err != nil {
			return nil, err
		}
		old, err := g.store.List(ctx, tenant, 0)
		if err != nil {
			return nil, err
		}
		e := Edit{Tenant: tenant, Base: old.Version, Mode: old.Mode, Entries: DraftsOf(old.Networks), EditOptions: o}
		if err := edit(&e); err != nil {
			return nil, err
		}
		done, err := g.PutNetworks(ctx, by, e)
		if _, conflict := errors.AsType[*VersionConflict](err); conflict && tries < 10 {
			continue
		}
		return done, err
	}
}

// DraftsOf returns entries as they would be written.
func DraftsOf(networks []Network) []Draft {
	out := make([]Draft, len(networks))
	for i, n := range networks {
		out[i] = Draft{
			ID: n.ID, Range: n.Range.String(), Label: n.Label, Note: n.Note, Owner: n.Owner, Enabled: n.Enabled,
			NotBefore: n.NotBefore, Expires: n.Expires, Roles: n.Roles, Admins: n.Admins,
		}
	}
	return out
}
