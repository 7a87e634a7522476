package gate_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// found is what hygiene says, in short.
func (w *world) found(by gate.Actor) []string {
	w.Helper()
	var out []string
	for _, f := range w.findings(by) {
		text := fmt.Sprintf("%s %s", f.Code, f.Entry.Label)
		if f.Other != nil {
			text += " by " + f.Other.Label
		}
		if f.Range.IsValid() {
			text += " " + f.Range.String()
		}
		for _, p := range f.People {
			text += " " + p.Login
		}
		if f.Op == nil {
			text += " (think)"
		}
		out = append(out, text)
	}
	return out
}

func TestHygiene(t *testing.T) {
	draft := func(span, label string, edit ...func(*gate.Draft)) gate.Draft {
		d := entry(span, label)
		for _, e := range edit {
			e(&d)
		}
		return d
	}
	off := func(d *gate.Draft) { d.Enabled = false }
	ends := func(in time.Duration) func(*gate.Draft) {
		return func(d *gate.Draft) { d.Expires = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC).Add(in) }
	}
	owners := func(d *gate.Draft) { d.Roles = []gate.Role{gate.RoleOwner} }
	both := func(d *gate.Draft) { d.Roles = []gate.Role{gate.RoleOwner, gate.RoleMember} }
	hq, used := draft("203.0.113.0/24", "HQ"), past{nil, "203.0.113.7", 1, day, gate.EvidenceSignIn}
	tests := []struct {
		name    string
		entries []gate.Draft
		past    []past // of li.na where nobody is named
		later   time.Duration
		want    []string
	}{
		{"nothing to say", []gate.Draft{hq}, []past{used}, 0, nil},
		{"redundant", []gate.Draft{hq, draft("203.0.113.7", "Desk")}, []past{used}, 0, []string{"redundant Desk by HQ"}},
		{"redundant twice", []gate.Draft{hq, draft("203.0.113.0/28", "Floor"), draft("203.0.113.7", "Desk")}, []past{used}, 0,
			[]string{"redundant Floor by HQ", "redundant Desk by HQ"}},
		{"covered by one that is off", []gate.Draft{draft("203.0.113.0/24", "HQ", off), draft("203.0.113.7", "Desk")}, []past{used}, 0, nil},
		{"off, and covered", []gate.Draft{hq, draft("203.0.113.7", "Desk", off)}, []past{used}, 0, nil},
		{"covered by one that ends", []gate.Draft{draft("203.0.113.0/24", "HQ", ends(9*day)), draft("203.0.113.7", "Desk")}, []past{used}, 0, nil},
		{"covered by one for owners", []gate.Draft{draft("203.0.113.0/24", "HQ", owners), draft("203.0.113.7", "Desk")}, []past{used}, 0, nil},
		{"owners within owners and members", []gate.Draft{draft("203.0.113.0/24", "HQ", both), draft("203.0.113.7", "Desk", owners)}, []past{used}, 0,
			[]string{"redundant Desk by HQ"}},
		{"overlapping", []gate.Draft{draft("203.0.113.0-203.0.113.40", "HQ"), draft("203.0.113.30-203.0.113.60", "Lab")}, []past{used, {nil, "203.0.113.50", 1, day, gate.EvidenceSignIn}}, 0,
			[]string{"overlapping Lab by HQ 203.0.113.41-203.0.113.60"}},
		{"overlapping, for others", []gate.Draft{draft("203.0.113.0-203.0.113.40", "HQ"), draft("203.0.113.30-203.0.113.60", "Lab", owners)}, []past{used, {nil, "203.0.113.50", 1, day, gate.EvidenceSignIn}}, 0, nil},
		{"not used yet", []gate.Draft{hq, draft("192.0.2.64/26", "Old")}, []past{used}, 89 * day, nil},
		{"unused", []gate.Draft{hq, draft("192.0.2.64/26", "Old")}, []past{used}, 91 * day, []string{"unused Old"}},
		{"unused and off", []gate.Draft{hq, draft("192.0.2.64/26", "Old", off)}, []past{used}, 91 * day, nil},
		{"wide and used in one place", []gate.Draft{draft("203.0.0.0/16", "Provider")}, []past{{nil, "203.0.113.7", 9, day, gate.EvidenceSignIn}, {nil, "203.0.113.200", 2, day, gate.EvidenceSignIn}}, 0,
			[]string{"wide Provider 203.0.113.0/24 li.na"}},
		{"wide and hardly used", []gate.Draft{draft("203.0.0.0/16", "Provider")}, []past{used}, 0, nil},
		{"wide and used all over", []gate.Draft{draft("203.0.0.0/16", "Provider")}, []past{{nil, "203.0.113.7", 9, day, gate.EvidenceSignIn}, {nil, "203.0.240.1", 9, day, gate.EvidenceSignIn}}, 0, nil},
		{"wider than any site", []gate.Draft{draft("203.0.0.0/12", "Provider")}, nil, 0, []string{"wide Provider (think)"}},
		{"ending, and relied on", []gate.Draft{draft("203.0.113.0/24", "HQ", ends(71*time.Hour))}, []past{used}, 0, []string{"ending HQ li.na"}},
		{"ending, with another", []gate.Draft{draft("203.0.113.0/24", "HQ", ends(71*time.Hour)), draft("192.0.2.64/26", "Home")},
			[]past{used, {nil, "192.0.2.70", 1, 60 * day, gate.EvidenceSignIn}}, 0, []string{"ending HQ"}},
		{"ending later", []gate.Draft{draft("203.0.113.0/24", "HQ", ends(73*time.Hour))}, []past{used}, 0, nil},
		{"ended", []gate.Draft{hq, draft("192.0.2.64/26", "Guest", ends(time.Hour))}, []past{used}, 2 * time.Hour, nil},
		{"IPv6 forgotten", []gate.Draft{hq}, []past{used, {nil, "2001:db8:1::7", 3, day, gate.EvidenceSignIn}, {nil, "2001:db8:1:0:9::1", 1, day, gate.EvidenceBlocked}}, 0,
			[]string{"ipv6 HQ 2001:db8:1::/64 li.na"}},
		{"IPv6 of somebody from nowhere", []gate.Draft{hq}, []past{{nil, "2001:db8:1::7", 3, day, gate.EvidenceSignIn}}, 0, nil},
		{"IPv6 in the list", []gate.Draft{hq, draft("2001:db8:1::/48", "HQ IPv6")}, []past{used, {nil, "2001:db8:1::7", 3, day, gate.EvidenceSignIn}}, 0, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			li := w.member("li.na", gate.RoleOwner)
			e := w.list()
			e.Mode, e.Entries, e.Accept = gate.ModeEnforced, tt.entries, []string{gate.AcceptWide, gate.AcceptEnds}
			if _, err := w.PutNetworks(t.Context(), command, e); err != nil {
				t.Fatal(err)
			}
			w.clock.advance(tt.later)
			for i := range tt.past {
				tt.past[i].admin = li
			}
			w.remember(tt.past...)
			by := w.ownerOf(li)
			if got := w.found(by); !slices.Equal(got, tt.want) {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			w.mend(by)
			for _, left := range w.found(by) {
				if !strings.HasSuffix(left, "(think)") {
					t.Errorf("mended, and still there: %s", left)
				}
			}
		})
	}
}

// findings waits until all evidence was read.
func (w *world) findings(by gate.Actor) (all []gate.Finding) {
	w.Helper()
	eventually(w, "the evidence is read", func() bool {
		found, complete, err := w.door.Hygiene(w.Context(), by, w.acme.ID)
		if err != nil {
			w.Fatal(err)
		}
		all = found
		return complete
	})
	return all
}

// mend does to the actor's draft what findings propose, one after another.
func (w *world) mend(by gate.Actor) {
	w.Helper()
	for range 10 {
		all := w.findings(by)
		i := slices.IndexFunc(all, func(f gate.Finding) bool { return f.Op != nil })
		if i < 0 {
			return
		}
		w.draft(by, *all[i].Op)
	}
	w.Error("mending never ends")
}

// A session that came to a network counts as its use, and so do people's
// sign-ins for the entries that count for them only.
func TestHygieneOfSessions(t *testing.T) {
	w := newWorld(t)
	w.add("acme", entry("198.51.100.0/24", "Lab"))
	li := w.person("li.na", gate.RoleOwner)
	w.clock.advance(91 * day)
	token := w.signIn(inside, "li.na")
	if got, want := w.found(w.ownerOf(li)), []string{"unused Lab"}; !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	w.clock.advance(time.Minute)
	q := w.with(w.from(outside), token)
	dec := w.door.Decide(q)
	w.door.Seen(q, &dec)
	w.clock.advance(time.Minute)
	eventually(t, "the session's address is stored", func() bool { return len(w.found(w.ownerOf(li))) == 0 })
}

func TestHygieneIsForReviewers(t *testing.T) {
	w := newWorld(t)
	for role, want := range map[gate.Role]error{gate.RoleOwner: nil, gate.RoleReviewer: nil, gate.RoleMember: gate.ErrForbidden} {
		if _, _, err := w.door.Hygiene(t.Context(), w.owner(inside, role), w.acme.ID); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", role, err, want)
		}
	}
	for role, want := range map[gate.Role]error{gate.RoleOwner: nil, gate.RoleReviewer: gate.ErrForbidden, gate.RoleMember: gate.ErrForbidden} {
		if _, err := w.door.Suggest(t.Context(), w.owner(inside, role), w.acme.ID); !errors.Is(err, want) {
			t.Errorf("suggestion, %s: got %v, want %v", role, err, want)
		}
	}
}

// A list of 5,000 entries is looked at in no time that anybody notices.
func TestHygieneOfFiveThousand(t *testing.T) {
	w := newWorld(t)
	many := make([]gate.Draft, gate.MaxEntries)
	for i := range many {
		many[i] = entry(fmt.Sprintf("20.%d.%d.0/24", i>>8, i&255), "x")
	}
	e := w.list()
	e.Mode, e.Entries = gate.ModeDryRun, many
	if _, err := w.PutNetworks(t.Context(), command, e); err != nil {
		t.Fatal(err)
	}
	w.found(command) // evidence is read
	began := time.Now()
	w.found(command)
	if took := time.Since(began); took > 5*time.Second { // a third of a second, but for the race detector and busy machines
		t.Errorf("it took %v", took)
	} else {
		t.Logf("it took %v", took)
	}
}
