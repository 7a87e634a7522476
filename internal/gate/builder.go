package gate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport-gate/sallyport/cidr"
)

// builder turns drafts into networks and collects what is wrong with them.
type builder struct {
	edit     *Edit
	byID     map[string]*Network // of the list before
	byRange  map[cidr.Range]*Network
	admins   []AdminView
	by       Actor
	now      time.Time
	bad      InvalidError
	warnings []Warning
	ranges   map[cidr.Range]int
	named    map[string]bool // ids met so far
	accepted []string        // of edit.Accept, what was needed
}

func newBuilder(e *Edit, old []Network, admins []AdminView, by Actor, now time.Time) *builder {
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
	b.options(&b.edit.EditOptions)
	return true
}

// options checks what comes beside the list.
func (b *builder) options(o *EditOptions) {
	if utf8.RuneCountInString(o.Reason) > MaxNote {
		b.bad.add("reason", "too_long", "the reason has more than %d characters", MaxNote)
	}
	if o.ConfirmWithin != 0 && (o.ConfirmWithin < MinConfirm || o.ConfirmWithin > MaxConfirm) {
		b.bad.add("confirm_within", "out_of_range", "the time to confirm is from 5s to 24h")
	}
	for i, word := range o.Accept {
		if !slices.Contains(AcceptWords, word) {
			b.bad.add(fmt.Sprintf("accept[%d]", i), "unknown", "%q cannot be accepted: there are %s", shorten(word, 80), strings.Join(AcceptWords, ", "))
		}
	}
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
	switch old := b.before(d, r); {
	case !r.Wide(), old != nil && old.Range == r:
	case b.edit.accepts(AcceptWide):
		b.accepted = []string{AcceptWide}
	default:
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
		case !utf8.ValidString(f.text) || strings.Contains(f.text, "\x00") || f.name != "note" && hasControl(f.text): // PostgreSQL keeps no NUL
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
		i := slices.IndexFunc(b.admins, func(a AdminView) bool {
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
			b.warnings[len(b.warnings)-1].Cover = by
		}
	}
}

func (b *builder) warn(field, code, format string, args ...any) {
	b.warnings = append(b.warnings, Warning{Field: field, Code: code, Text: fmt.Sprintf(format, args...)})
}

// micros is a time as the store keeps it.
func micros(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}
