package gate

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport-gate/sallyport/cidr"
)

// AcceptWide is said by who means an entry wider than /16 or IPv6 /32.
const AcceptWide = "wide"

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

// Edit replaces a tenant's mode and list.
type Edit struct {
	Tenant  string
	Base    int64 // the version it was made from
	Mode    Mode
	Entries []Draft
	Reason  string
	Accept  []string
	// Trusted reports whether an address is a trusted proxy's: allowing one
	// would allow whoever comes through it. It may be nil.
	Trusted func(netip.Addr) bool
	draft   *WorkingDraft // that this edit applies, see ApplyDraft; nil: none
}

// Edited is what came of an edit.
type Edited struct {
	Version  int64
	Entries  []Network // as they are stored, in order
	Warnings []Warning
}

// Warning is a word about an entry that is stored all the same.
type Warning struct {
	Field string // e.g. entries[2].range
	Code  string // from a closed list: see the constants
	Text  string // in English, for whoever has no page
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
// errors to expect are *InvalidError, *VersionConflict, ErrLocksYouOut and
// ErrLocksEveryoneOut.
func (g *Gate) PutNetworks(ctx context.Context, by Actor, e Edit) (*Edited, error) {
	if err := by.may(e.Tenant, RoleOwner); err != nil {
		return nil, err
	}
	old, err := g.store.List(ctx, e.Tenant, 0)
	if err != nil {
		return nil, err
	}
	if old.Version != e.Base {
		return nil, &VersionConflict{Base: e.Base, Current: old.Version}
	}
	admins, err := g.store.Admins(ctx, e.Tenant)
	if err != nil {
		return nil, err
	}
	b := newBuilder(&e, old.Networks, admins, by, g.now())
	networks, err := b.build()
	if err != nil {
		return nil, err
	}
	if err := guard(by, e.Mode, networks, b.now); err != nil {
		return nil, err
	}
	put := ListPut{Tenant: e.Tenant, Base: e.Base, Mode: e.Mode, Networks: networks, Reason: e.Reason, Draft: e.draft}
	version, err := g.store.PutNetworks(ctx, Record{Actor: by, Action: "network.put", At: b.now}, put)
	if err != nil {
		return nil, err
	}
	return &Edited{Version: version, Entries: networks, Warnings: b.warnings}, g.applied(ctx)
}

// guard refuses a list that locks out who sets it, or everybody.
func guard(by Actor, mode Mode, networks []Network, now time.Time) error {
	if mode != ModeEnforced {
		return nil
	}
	l := compile(networks, now)
	if l.any.Len() == 0 {
		return ErrLocksEveryoneOut
	}
	if by.Kind == ActorAdmin && !by.Operator && !l.admitAdmin(by.Address, by.Role, by.Admin) {
		return ErrLocksYouOut
	}
	return nil
}

// AddNetwork adds one entry to the newest list.
func (g *Gate) AddNetwork(ctx context.Context, by Actor, tenant string, d Draft, accept []string, trusted func(netip.Addr) bool) (*Edited, error) {
	return g.change(ctx, by, tenant, func(e *Edit) error {
		e.Entries, e.Accept, e.Trusted = append(e.Entries, d), accept, trusted
		return nil
	})
}

// RemoveNetwork removes one entry, named by its id or its range.
func (g *Gate) RemoveNetwork(ctx context.Context, by Actor, tenant, name string) (*Edited, error) {
	return g.change(ctx, by, tenant, func(e *Edit) error {
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
func (g *Gate) change(ctx context.Context, by Actor, tenant string, edit func(*Edit) error) (*Edited, error) {
	for tries := 0; ; tries++ {
		if err := by.may(tenant, RoleOwner); err != nil {
			return nil, err
		}
		old, err := g.store.List(ctx, tenant, 0)
		if err != nil {
			return nil, err
		}
		e := Edit{Tenant: tenant, Base: old.Version, Mode: old.Mode, Entries: DraftsOf(old.Networks)}
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

// builder turns drafts into networks and collects what is wrong with them.
type builder struct {
	edit     *Edit
	byID     map[string]*Network // of the list before
	byRange  map[cidr.Range]*Network
	admins   []Admin
	by       Actor
	now      time.Time
	bad      InvalidError
	warnings []Warning
	ranges   map[cidr.Range]int
	named    map[string]bool // ids met so far
}

func newBuilder(e *Edit, old []Network, admins []Admin, by Actor, now time.Time) *builder {
	b := &builder{
		edit: e, admins: admins, by: by, now: now,
		byID: make(map[string]*Network, len(old)), byRange: make(map[cidr.Range]*Network, len(old)),
		ranges: make(map[cidr.Range]int, len(e.Entries)), named: make(map[string]bool, len(e.Entries)),
	}
	for i := range old {
		b.byID[old[i].ID], b.byRange[old[i].Range] = &old[i], &old[i]
	}
	// What is named by its id is not found by its range a second time, as when a
	// new entry takes the range that another one gives up.
	for i := range e.Entries {
		if named := b.byID[e.Entries[i].ID]; named != nil {
			delete(b.byRange, named.Range)
		}
	}
	return b
}

func (b *builder) build() ([]Network, error) {
	if !b.frame() {
		return nil, &b.bad
	}
	networks := b.entries()
	if err := b.bad.orNil(); err != nil {
		return nil, err
	}
	b.whole(networks)
	b.covered(networks)
	return networks, b.bad.orNil()
}

// frame checks what is written around the entries, and reports whether there
// are few enough of them to look at.
func (b *builder) frame() bool {
	if !slices.Contains(Modes, b.edit.Mode) {
		b.bad.add("mode", "unknown", "%q is no mode: write off, dry_run or enforced", b.edit.Mode)
	}
	if n := len(b.edit.Entries); n > MaxEntries {
		b.bad.add("entries", "too_many", "a list has at most %d entries, this one has %d", MaxEntries, n)
		return false
	}
	if utf8.RuneCountInString(b.edit.Reason) > MaxNote {
		b.bad.add("reason", "too_long", "the reason has more than %d characters", MaxNote)
	}
	return true
}

func (b *builder) entries() []Network {
	networks := make([]Network, 0, len(b.edit.Entries))
	for i := range b.edit.Entries {
		networks = append(networks, b.entry(fmt.Sprintf("entries[%d].", i), &b.edit.Entries[i], i))
	}
	return networks
}

// whole checks what no entry is wrong with by itself.
func (b *builder) whole(networks []Network) {
	if family := cidr.CoversAll(rangesOf(networks)); family != 0 {
		b.bad.add("entries", "everything", "together the entries are all of IPv%d: if everybody may come in, set the mode to off", family)
	}
	prefixes := 0
	for i := range networks {
		prefixes += len(networks[i].Range.Prefixes())
	}
	if prefixes > MaxPrefixes {
		b.bad.add("entries", "too_many", "the ranges come to %d prefixes, and a list has at most %d: write CIDRs instead of ranges from address to address", prefixes, MaxPrefixes)
	}
}

// entry builds one network.
func (b *builder) entry(at string, d *Draft, i int) Network {
	n := Network{
		ID: d.ID, Label: strings.TrimSpace(d.Label), Note: strings.TrimSpace(d.Note), Owner: strings.TrimSpace(d.Owner),
		Enabled: d.Enabled, NotBefore: micros(d.NotBefore), Expires: micros(d.Expires),
		Created: micros(b.now), CreatedBy: b.by.Name(),
	}
	b.address(at+"range", d, &n, i)
	b.words(at, &n)
	b.times(at, &n)
	b.people(at, d, &n)
	if d.ID != "" && b.named[d.ID] {
		b.bad.add(at+"id", "duplicate", "the entry %q stands here twice: leave the id away to add a new one", d.ID)
	}
	b.named[d.ID] = true
	if old := b.before(d, n.Range); old != nil {
		n.ID, n.Created, n.CreatedBy = old.ID, old.Created, old.CreatedBy
	} else if d.ID != "" {
		b.bad.add(at+"id", "unknown", "the list has no entry %q: leave the id away to add a new one", d.ID)
	} else {
		n.ID = NewID()
	}
	return n
}

// before finds the entry that a draft replaces.
func (b *builder) before(d *Draft, r cidr.Range) *Network {
	if d.ID != "" {
		return b.byID[d.ID]
	}
	return b.byRange[r]
}

func (b *builder) address(field string, d *Draft, n *Network, i int) {
	r, notes, err := cidr.Parse(d.Range)
	if err != nil {
		code := "invalid"
		if p, ok := errors.AsType[*cidr.ParseError](err); ok {
			code = p.Code
		}
		b.bad.add(field, code, "%s", err)
		return
	}
	n.Range = r
	if first, twice := b.ranges[r]; twice {
		b.bad.add(field, "duplicate", "%s stands in entry %d already", r, first+1)
		return
	}
	b.ranges[r] = i
	if old := b.before(d, r); r.Wide() && !slices.Contains(b.edit.Accept, AcceptWide) && (old == nil || old.Range != r) {
		b.bad.add(field, "wide", "%s has %s addresses, and everybody on them could reach the sign-in page: say that you mean it", r, r.Count())
	}
	if notes != 0 {
		b.warn(field, WarnStoredAs, "%s is stored as %s", d.Range, r)
	}
	switch kind := r.Kind(); kind {
	case cidr.Public, cidr.Documentation:
	default:
		b.warn(field, WarnPrivate, "%s is %s: visitors from the internet never have such an address, unless your proxy is set up that way", r, kind)
	}
	if t := b.edit.Trusted; t != nil && (t(r.First()) || t(r.Last())) {
		b.warn(field, WarnTrustedProxy, "%s is a trusted proxy's own address", r)
	}
}

func (b *builder) words(at string, n *Network) {
	for _, f := range []struct {
		name, text string
		max        int
		required   bool
	}{{"label", n.Label, MaxLabel, true}, {"note", n.Note, MaxNote, false}, {"owner", n.Owner, MaxLabel, false}} {
		switch {
		case f.required && f.text == "":
			b.bad.add(at+f.name, "required", "write what this network is, so that the next person knows")
		case utf8.RuneCountInString(f.text) > f.max:
			b.bad.add(at+f.name, "too_long", "at most %d characters", f.max)
		case !utf8.ValidString(f.text) || f.name != "note" && hasControl(f.text):
			b.bad.add(at+f.name, "control_character", "there is a control or invisible character in it")
		}
	}
}

func (b *builder) times(at string, n *Network) {
	switch {
	case !n.Expires.IsZero() && !n.NotBefore.Before(n.Expires):
		b.bad.add(at+"expires", "before_begin", "it ends before it begins")
	case !n.Expires.IsZero() && !b.now.Before(n.Expires):
		b.warn(at+"expires", WarnEnded, "%s is past, so the entry admits nobody", n.Expires.Format(time.RFC3339))
	}
}

// people checks whom the entry counts for. Admins may be written by login. Who
// stood in the entry before may be gone by now, and must not stand in the way of
// other edits.
func (b *builder) people(at string, d *Draft, n *Network) {
	for _, r := range d.Roles {
		if !slices.Contains(Roles, r) {
			b.bad.add(at+"roles", "unknown", "%q is no role: write owner, reviewer or member", r)
		}
	}
	n.Roles = slices.Compact(slices.Sorted(slices.Values(d.Roles)))
	for _, name := range d.Admins {
		i := slices.IndexFunc(b.admins, func(a Admin) bool {
			return a.ID == name || CanonicalLogin(a.Login) == CanonicalLogin(name)
		})
		if old := b.byID[d.ID]; i < 0 && old != nil && slices.Contains(old.Admins, name) {
			n.Admins = append(n.Admins, name)
			continue
		}
		if i < 0 {
			b.bad.add(at+"admins", "unknown", "there is no admin %q", shorten(name, 80))
			continue
		}
		n.Admins = append(n.Admins, b.admins[i].ID)
	}
}

// covered warns of new entries that another one makes unnecessary.
func (b *builder) covered(networks []Network) {
	for _, r := range cidr.NewIndex(rangesOf(networks)).Redundant() {
		n, by := &networks[r.Entry], &networks[r.By]
		if b.byID[n.ID] == nil && by.Admits(b.now) && len(by.Roles) == 0 && len(by.Admins) == 0 {
			b.warn(fmt.Sprintf("entries[%d].range", r.Entry), WarnCovered, "%s is inside %q (%s) already", n.Range, by.Label, by.Range)
		}
	}
}

func (b *builder) warn(field, code, format string, args ...any) {
	b.warnings = append(b.warnings, Warning{field, code, fmt.Sprintf(format, args...)})
}

// micros is a time as the store keeps it.
func micros(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}
