package gate_test

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// guarded is an edit that a guard looks at, and what comes of it.
type guarded struct {
	name string
	edit func(*gate.Edit)
	want string // which guard refuses; empty: none
}

// guardOf names the guard that an error is of.
func guardOf(err error) string {
	var ends *gate.EndsError
	var cover *gate.CoverError
	switch {
	case err == nil:
		return ""
	case errors.Is(err, gate.ErrLocksYouOut):
		return "you"
	case errors.Is(err, gate.ErrLocksEveryoneOut):
		return "everyone"
	case errors.As(err, &ends):
		return "ends " + ends.At.Format("15:04")
	case errors.As(err, &cover):
		return "cover " + cover.At.Format("15:04")
	}
	return err.Error()
}

// try makes each edit of the list as it is now, and puts it back.
func (w *world) try(t *testing.T, by gate.Actor, tests []guarded) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before, e := w.list(), w.list()
			tt.edit(&e)
			_, err := w.PutNetworks(t.Context(), by, e)
			if got := guardOf(err); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if err != nil {
				return
			}
			before.Base, before.Accept = w.list().Base, gate.AcceptWords
			for i := range before.Entries {
				before.Entries[i].ID = ""
			}
			if _, err := w.PutNetworks(t.Context(), command, before); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// entries makes an edit that replaces the list.
func entries(list ...gate.Draft) func(*gate.Edit) {
	return func(e *gate.Edit) { e.Entries = list }
}

func accepting(edit func(*gate.Edit), words ...string) func(*gate.Edit) {
	return func(e *gate.Edit) {
		edit(e)
		e.Accept = words
	}
}

// TestReachable: an owner is let in at every moment to come.
func TestReachable(t *testing.T) {
	w := newWorld(t)
	w.member("li.na", gate.RoleOwner)
	w.member("wu.min", gate.RoleOwner)
	w.member("chen.jie", gate.RoleMember)
	now := w.clock.Now()
	hq := entry("203.0.113.0/24", "HQ")
	lasting := func(from, until int, admins ...string) gate.Draft {
		d := entry("203.0.113.0/24", "HQ")
		if from != 0 {
			d.NotBefore = now.Add(time.Duration(from) * time.Hour)
		}
		if until != 0 {
			d.Expires = now.Add(time.Duration(until) * time.Hour)
		}
		d.Admins = admins
		return d
	}
	other := func(d gate.Draft, span string) gate.Draft { d.Range = span; return d }
	w.try(t, command, []guarded{
		{"ends", entries(lasting(0, 8)), "ends 20:00"},
		{"ends, and that is meant", accepting(entries(lasting(0, 8)), gate.AcceptEnds), ""},
		{"another word", accepting(entries(lasting(0, 8)), gate.AcceptFewAdmins), "ends 20:00"},
		{"one goes on", entries(lasting(0, 8), other(hq, "192.0.2.64/26")), ""},
		{"one takes over", entries(lasting(0, 8), other(lasting(8, 0), "192.0.2.64/26")), ""},
		{"one takes over late", entries(lasting(0, 8), other(lasting(9, 0), "192.0.2.64/26")), "ends 20:00"},
		{"the one that takes over ends", entries(lasting(0, 8), other(lasting(7, 9), "192.0.2.64/26")), "ends 21:00"},
		{"the one that goes on is off", func(e *gate.Edit) {
			off := other(hq, "192.0.2.64/26")
			off.Enabled = false
			e.Entries = []gate.Draft{lasting(0, 8), off}
		}, "ends 20:00"},
		{"the one that goes on is for a member", entries(lasting(0, 8), other(lasting(0, 0, "chen.jie"), "192.0.2.64/26")), "ends 20:00"},
		{"the one that goes on is for another owner", entries(lasting(0, 8), other(lasting(0, 0, "wu.min"), "192.0.2.64/26")), ""},
		{"only a member's", accepting(entries(lasting(0, 0, "chen.jie")), gate.AcceptWords...), "everyone"},
		{"begins later", accepting(entries(lasting(1, 0)), gate.AcceptWords...), "everyone"},
		{"ended", accepting(entries(lasting(0, -1)), gate.AcceptWords...), "everyone"},
		{"not enforced", func(e *gate.Edit) { e.Mode, e.Entries = gate.ModeDryRun, nil }, ""},
	})
}

// TestOwnAddress: who edits stays, unless another owner has to confirm it.
func TestOwnAddress(t *testing.T) {
	w := newWorld(t)
	li := w.editor("li.na")
	elsewhere := entries(entry("192.0.2.64/26", "Elsewhere"))
	few := []string{gate.AcceptFewAdmins}
	confirmed := func(edit func(*gate.Edit)) func(*gate.Edit) {
		return func(e *gate.Edit) { edit(e); e.ConfirmWithin = time.Minute }
	}
	w.try(t, li, []guarded{
		{"goes", accepting(elsewhere, few...), "you"},
		{"goes, meant", accepting(elsewhere, gate.AcceptFewAdmins, gate.AcceptOwnAddress), "you"},
		{"goes, to be confirmed", confirmed(accepting(elsewhere, few...)), "you"},
	})
	for name, change := range map[string]func(*gate.Actor){
		"operator":  func(a *gate.Actor) { a.Operator = true },
		"emergency": func(a *gate.Actor) { a.Emergency = true },
		"command":   func(a *gate.Actor) { *a = command },
	} {
		by := li
		change(&by)
		w.try(t, by, []guarded{{name, elsewhere, ""}})
	}
	e := w.list()
	confirmed(accepting(elsewhere, gate.AcceptFewAdmins, gate.AcceptOwnAddress))(&e)
	done, err := w.PutNetworks(t.Context(), li, e)
	if err != nil || done.Pending == nil {
		t.Fatalf("meant, and to be confirmed: %+v, %v", done, err)
	}
	v, err := w.Version(t.Context(), command, w.acme.ID, done.Version)
	if want := []string{gate.AcceptOwnAddress, gate.AcceptFewAdmins}; err != nil || !slices.Equal(v.Accepted, want) {
		t.Errorf("recorded: got %q, %v, want %q", v.Accepted, err, want)
	}
}

// TestCover: two admins keep a network that they really used.
func TestCover(t *testing.T) {
	w := newWorld(t)
	li := w.editor("li.na")
	wu, chen, old := w.member("wu.min", gate.RoleReviewer), w.member("chen.jie", gate.RoleMember), w.member("old", gate.RoleMember)
	w.remember(
		past{wu, "198.51.100.7", 1, 29 * day, gate.EvidenceSignIn},
		past{chen, "203.0.113.9", 1, 2 * day, gate.EvidenceSignIn},
		past{old, "198.51.100.9", 1, 31 * day, gate.EvidenceSignIn},
		past{old, "198.51.100.10", 1, day, gate.EvidenceFailed},
	)
	hq, branch := entry("203.0.113.0/24", "HQ"), entry("198.51.100.0/28", "Branch")
	w.set(gate.ModeEnforced, hq, branch) // of three, all keep one
	now := w.clock.Now()
	only := func(d gate.Draft, admins ...string) gate.Draft { d.Admins = admins; return d }
	until := func(d gate.Draft, hours int) gate.Draft {
		d.Expires = now.Add(time.Duration(hours) * time.Hour)
		return d
	}
	w.try(t, li, []guarded{
		{"one of three goes", entries(hq), ""},
		{"two of three go", entries(only(hq, "li.na")), "cover 12:00"},
		{"two of three go, meant", accepting(entries(only(hq, "li.na")), gate.AcceptFewAdmins), ""},
		{"two go later", entries(only(hq, "li.na"), until(only(entry("203.0.113.9", "desk"), "chen.jie"), 3)), "cover 15:00"},
		{"another stays", entries(only(hq, "li.na"), branch), ""},
		{"off", func(e *gate.Edit) { e.Mode, e.Entries = gate.ModeOff, nil }, ""},
	})
	// An edit does not answer for what was so before it…
	w.set(gate.ModeOff)
	w.acceptingAll(gate.ModeEnforced, only(hq, "li.na"))
	w.try(t, li, []guarded{
		{"nothing worse", entries(only(hq, "li.na"), entry("192.0.2.64/26", "x")), ""},
		{"better for a while", entries(only(hq, "li.na"), until(branch, 3)), ""},
	})
	// …but turning it on does.
	w.set(gate.ModeDryRun, only(hq, "li.na"))
	w.try(t, li, []guarded{{"turned on", func(e *gate.Edit) { e.Mode = gate.ModeEnforced }, "cover 12:00"}})
	// Who is disabled needs none.
	yes := true
	for _, a := range []*gate.Admin{wu, chen} {
		if _, _, err := w.SetAdmin(t.Context(), command, w.acme.ID, a.ID, gate.AdminPatch{Disabled: &yes}); err != nil {
			t.Fatal(err)
		}
	}
	w.try(t, li, []guarded{{"turned on, for those who are left", func(e *gate.Edit) { e.Mode = gate.ModeEnforced }, ""}})
}

// acceptingAll replaces the list of the tenant, whatever the guards say.
func (w *world) acceptingAll(mode gate.Mode, list ...gate.Draft) {
	w.Helper()
	e := w.list()
	e.Mode, e.Entries, e.Accept = mode, list, gate.AcceptWords
	if _, err := w.PutNetworks(w.Context(), command, e); err != nil {
		w.Fatal(err)
	}
}

// TestCoverOfSessions: where a session is now counts like a sign-in, and where
// it only got in by another way does not.
func TestCoverOfSessions(t *testing.T) {
	w := newWorld(t)
	w.person("li.na", gate.RoleOwner) // signs in from inside
	w.person("wu.min", gate.RoleOwner)
	e := w.list()
	entries(entry("198.51.100.0/24", "Branch"))(&e)
	_, err := w.PutNetworks(t.Context(), command, e)
	cover, ok := errors.AsType[*gate.CoverError](err)
	if !ok || cover.Kept != 0 || cover.Known != 2 || cover.Needed != 2 || len(cover.Losing) != 2 {
		t.Fatalf("got %v (%+v), want both losing", err, cover)
	}
	w.clock.advance(31 * day)
	w.person("chen.jie", gate.RoleOwner)
	if _, err := w.PutNetworks(t.Context(), command, e); guardOf(err) != "cover 12:00" {
		t.Errorf("one sign-in: got %v, want one of one", err)
	}
	w.clock.advance(31 * day)
	w.signIn(operators, "chen.jie")
	w.clock.advance(13 * time.Hour) // the session is over
	if _, err := w.PutNetworks(t.Context(), command, e); err != nil {
		t.Errorf("a sign-in from the operator's network: %v", err)
	}
}

// TestOwnersStayAdmitted: no owner goes who is the last that a list lets in,
// now or later, nor one whom a list lets in that may come back.
func TestOwnersStayAdmitted(t *testing.T) {
	w := newWorld(t)
	w.member("li.na", gate.RoleOwner)
	w.member("wu.min", gate.RoleOwner)
	only := func(admins ...string) gate.Draft {
		d := entry("203.0.113.0/24", "HQ")
		d.Admins = admins
		return d
	}
	yes, reviewer := true, gate.RoleReviewer
	ways := map[string]func(login string) error{
		"disabled": func(login string) error {
			_, _, err := w.SetAdmin(t.Context(), command, w.acme.ID, login, gate.AdminPatch{Disabled: &yes})
			return err
		},
		"another role": func(login string) error {
			_, _, err := w.SetAdmin(t.Context(), command, w.acme.ID, login, gate.AdminPatch{Role: &reviewer})
			return err
		},
		"removed": func(login string) error { return w.RemoveAdmin(t.Context(), command, w.acme.ID, login) },
	}
	stays := func(what, login string) {
		t.Helper()
		for way, do := range ways {
			if err := do(login); !errors.Is(err, gate.ErrLastAdmittedOwner) || !errors.Is(err, gate.ErrLastOwner) {
				t.Errorf("%s, %s: got %v, want %v", what, way, err, gate.ErrLastAdmittedOwner)
			}
		}
	}
	w.set(gate.ModeEnforced, only("li.na"))
	stays("the only one in the list", "li.na")

	later := only("li.na")
	later.Range, later.NotBefore = "192.0.2.64/26", w.clock.Now().Add(time.Hour)
	until := only("wu.min")
	until.Expires = later.NotBefore
	w.set(gate.ModeEnforced, until, later)
	stays("the only one later", "li.na")

	w.set(gate.ModeEnforced, only("li.na"))
	e := w.list()
	e.Entries, e.ConfirmWithin = []gate.Draft{only("wu.min")}, time.Hour
	e.Entries[0].ID = w.list().Entries[0].ID
	done, err := w.PutNetworks(t.Context(), command, e)
	if err != nil {
		t.Fatal(err)
	}
	stays("the only one in the list that may come back", "li.na")
	stays("the only one in the list that waits", "wu.min")
	if err := w.Confirm(t.Context(), command, w.acme.ID, done.Version); err != nil {
		t.Fatal(err)
	}
	if err := ways["removed"]("li.na"); err != nil {
		t.Errorf("whom no list needs: %v", err)
	}
}

// TestEditAndDemotionAtOnce: an edit and a demotion that are each harmless by
// themselves do not both happen.
func TestEditAndDemotionAtOnce(t *testing.T) {
	w := newWorld(t)
	w.member("li.na", gate.RoleOwner)
	w.member("wu.min", gate.RoleOwner)
	yes, no := true, false
	for range 20 {
		e := w.list()
		e.Entries[0].Admins = []string{"li.na"}
		done := make(chan error, 2)
		go func() { _, err := w.PutNetworks(t.Context(), command, e); done <- err }()
		go func() {
			_, _, err := w.SetAdmin(t.Context(), command, w.acme.ID, "li.na", gate.AdminPatch{Disabled: &yes})
			done <- err
		}()
		a, b := <-done, <-done
		if (a == nil) == (b == nil) {
			t.Fatalf("got %v and %v, want one of them", a, b)
		}
		if _, _, err := w.SetAdmin(t.Context(), command, w.acme.ID, "li.na", gate.AdminPatch{Disabled: &no}); err != nil {
			t.Fatal(err)
		}
		w.acceptingAll(gate.ModeEnforced, entry("203.0.113.0/24", "HQ"))
	}
}

// TestChecks: what a review shows is what the guards say.
func TestChecks(t *testing.T) {
	w := newWorld(t)
	li := w.editor("li.na")
	r := w.review(li, gate.ModeEnforced, entry("203.0.113.0/24", "HQ"))
	var codes []string
	for _, c := range r.Checks {
		codes = append(codes, c.Code)
		if !c.OK || c.Err() != nil || !c.Overridable() {
			t.Errorf("%s: got %+v", c.Code, c)
		}
	}
	if want := []string{gate.CheckOwnAddress, gate.CheckReachable, gate.CheckCover}; !slices.Equal(codes, want) {
		t.Errorf("got %q, want %q", codes, want)
	}
	if c := r.Checks[0]; c.Address != netip.MustParseAddr(inside) || c.Entry == nil || c.Entry.Label != "HQ" {
		t.Errorf("own address: got %+v", c)
	}
	if c := w.review(li, gate.ModeEnforced).Checks[1]; c.OK || c.Overridable() {
		t.Errorf("nobody: got %+v, want what nothing overrides", c)
	}
}
