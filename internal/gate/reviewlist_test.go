package gate_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/store"
)

// review says what a list would do, as an actor.
func (w *world) review(by gate.Actor, mode gate.Mode, entries ...gate.Draft) *gate.Review {
	w.Helper()
	e := w.list()
	e.Mode, e.Entries = mode, entries
	r, err := w.door.Review(w.Context(), by, e)
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// lineTexts are lines of a replay in short.
func lineTexts(all []gate.ReplayLine) (out []string) {
	for _, l := range all {
		out = append(out, fmt.Sprintf("%s %d × %s", l.Admin.Login, l.Count, l.Address))
	}
	return out
}

func TestReplay(t *testing.T) {
	w := newWorld(t)
	li, wu, chen := w.member("li.na", gate.RoleOwner), w.member("wu.min", gate.RoleMember), w.member("chen.jie", gate.RoleReviewer)
	gone := w.member("gone", gate.RoleMember)
	if err := w.RemoveAdmin(t.Context(), command, w.acme.ID, gone.ID); err != nil {
		t.Fatal(err)
	}
	const lab, home = "203.0.113.201", "198.51.100.9"
	w.remember(
		past{li, inside, 4, day, gate.EvidenceSignIn},
		past{li, lab, 1, 2 * day, gate.EvidenceSignIn},
		past{wu, lab, 8, day, gate.EvidenceSignIn},
		past{wu, "203.0.113.202", 1, day, gate.EvidenceSignIn},
		past{wu, home, 2, 20 * day, gate.EvidenceSignIn}, // before it was taken off the list
		past{wu, operators, 3, day, gate.EvidenceSignIn}, // by the operator's networks
		past{wu, lab, 5, 31 * day, gate.EvidenceSignIn},  // too long ago
		past{wu, inside, 7, day, gate.EvidenceFailed},
		past{gone, lab, 6, day, gate.EvidenceSignIn},
		past{nil, home, 9, day, gate.EvidenceBlocked},
		past{nil, "192.0.2.99", 11, day, gate.EvidenceBlocked},
		past{nil, lab, 13, day, gate.EvidenceBlocked}, // the list has it by now
	)
	half := entry("203.0.113.0/25", "HQ")
	forOwners := entry("203.0.113.0/24", "HQ")
	forOwners.Roles = []gate.Role{gate.RoleOwner}
	tests := []struct {
		name                           string
		mode                           gate.Mode
		entries                        []gate.Draft
		still, already, newly, blocked int64
		lost, would                    []string
	}{
		{"the same", gate.ModeEnforced, []gate.Draft{entry("203.0.113.0/24", "HQ")}, 17, 2, 0, 20, nil, nil},
		{"half of it", gate.ModeEnforced, []gate.Draft{half}, 7, 2, 0, 33,
			[]string{"wu.min 8 × 203.0.113.201", "wu.min 1 × 203.0.113.202", "li.na 1 × 203.0.113.201"}, nil},
		{"another comes", gate.ModeEnforced, []gate.Draft{half, entry(home, "Home")}, 9, 0, 9, 24,
			[]string{"wu.min 8 × 203.0.113.201", "wu.min 1 × 203.0.113.202", "li.na 1 × 203.0.113.201"}, nil},
		{"for owners only", gate.ModeEnforced, []gate.Draft{forOwners}, 8, 2, 0, 20,
			[]string{"wu.min 8 × 203.0.113.201", "wu.min 1 × 203.0.113.202"}, nil},
		{"half of it, on trial", gate.ModeDryRun, []gate.Draft{half}, 19, 0, 20, 0, nil,
			[]string{"wu.min 8 × 203.0.113.201", "wu.min 2 × 198.51.100.9", "wu.min 1 × 203.0.113.202", "li.na 1 × 203.0.113.201"}},
		{"off", gate.ModeOff, nil, 19, 0, 20, 0, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := w.review(w.ownerOf(li), tt.mode, tt.entries...).Replay
			if got.SignIns != 19 || got.People != 2 || !got.Complete || got.Days != 30 || got.Read != 65 || got.Total != 65 {
				t.Errorf("basis: %+v", got)
			}
			if got.StillAllowed != tt.still || got.AlreadyBlocked != tt.already || got.NewlyAllowed != tt.newly || got.StillBlocked != tt.blocked {
				t.Errorf("still allowed %d, already blocked %d, newly allowed %d, still blocked %d; want %d, %d, %d, %d",
					got.StillAllowed, got.AlreadyBlocked, got.NewlyAllowed, got.StillBlocked, tt.still, tt.already, tt.newly, tt.blocked)
			}
			if lost, would := lineTexts(got.NewlyBlocked), lineTexts(got.WouldBlock); !slices.Equal(lost, tt.lost) || !slices.Equal(would, tt.would) {
				t.Errorf("newly blocked %q, would block %q; want %q, %q", lost, would, tt.lost, tt.would)
			}
			if len(got.Unknown) != 1 || got.Unknown[0].ID != chen.ID {
				t.Errorf("unknown: %+v", got.Unknown)
			}
			lost, _ := gate.Count(got.NewlyBlocked)
			if got.StillAllowed+got.AlreadyBlocked+lost != got.SignIns {
				t.Error("the sum is not the number of sign-ins")
			}
		})
	}
}

// A review refuses nothing that a guard does: it says it, as the edit would be
// decided. What else is wrong with an edit is wrong with its review.
func TestReviewSaysWhatTheEditWould(t *testing.T) {
	w := newWorld(t)
	li := w.member("li.na", gate.RoleOwner)
	by := w.ownerOf(li)
	for name, c := range map[string]struct {
		entries []gate.Draft
		failing []string
		want    error
	}{
		"fine":                 {[]gate.Draft{entry("203.0.113.0/25", "HQ")}, nil, nil},
		"locks the editor out": {[]gate.Draft{entry("198.51.100.0/24", "Home")}, []string{gate.CheckOwnAddress, gate.CheckCover}, gate.ErrLocksYouOut},
		"empty":                {nil, []string{gate.CheckOwnAddress, gate.CheckReachable, gate.CheckCover}, gate.ErrLocksEveryoneOut},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.review(by, gate.ModeEnforced, c.entries...)
			var failing []string
			for _, check := range r.Checks {
				if !check.OK {
					failing = append(failing, check.Code)
				}
			}
			if !slices.Equal(failing, c.failing) {
				t.Errorf("failing %q, want %q", failing, c.failing)
			}
			e := w.list()
			e.Entries = c.entries
			if c.want == nil {
				return // it would change the list for the other cases
			}
			if _, err := w.PutNetworks(t.Context(), by, e); !errors.Is(err, c.want) {
				t.Errorf("the edit itself: got %v, want %v", err, c.want)
			}
		})
	}
	e := w.list()
	e.Base--
	_, err := w.door.Review(t.Context(), by, e)
	if _, ok := errors.AsType[*gate.VersionConflict](err); !ok {
		t.Errorf("an older base: got %v", err)
	}
	e = w.list()
	e.Entries[0].Range = "203.0.113.300"
	_, err = w.door.Review(t.Context(), by, e)
	if _, ok := errors.AsType[*gate.InvalidError](err); !ok {
		t.Errorf("nonsense: got %v", err)
	}
	for role, want := range map[gate.Role]error{gate.RoleReviewer: gate.ErrForbidden, gate.RoleMember: gate.ErrForbidden} {
		if _, err := w.door.Review(t.Context(), w.owner(inside, role), w.list()); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", role, err, want)
		}
	}
}

func TestReviewNamesSessionsThatWouldEnd(t *testing.T) {
	w := newWorld(t)
	w.add("acme", entry(outside, "Home"))
	li := w.person("li.na", gate.RoleOwner)
	w.person("wu.min", gate.RoleMember)
	w.signIn(outside, "wu.min")
	w.signIn(operators, "wu.min")
	by := w.ownerOf(li)
	for _, tt := range []struct {
		name    string
		mode    gate.Mode
		entries []gate.Draft
		want    []string
	}{
		{"nothing changes", gate.ModeEnforced, w.list().Entries, nil},
		{"home goes", gate.ModeEnforced, []gate.Draft{entry("203.0.113.0/24", "HQ")}, []string{"wu.min " + outside}},
		{"home goes, on trial", gate.ModeDryRun, []gate.Draft{entry("203.0.113.0/24", "HQ")}, nil},
		{"home is for owners", gate.ModeEnforced, []gate.Draft{entry("203.0.113.0/24", "HQ"), {Range: outside, Label: "x", Enabled: true, Roles: []gate.Role{gate.RoleOwner}}},
			[]string{"wu.min " + outside}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, s := range w.review(by, tt.mode, tt.entries...).Ending {
				got = append(got, s.Login+" "+s.LastAddress.String())
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	// One's own session is where the request comes from, whatever the store
	// knows of it yet.
	claims := w.door.Decide(w.with(w.from(inside), w.signIn(inside, "li.na"))).Claims
	by.Session, by.Address = claims.Session, netip.MustParseAddr(outside)
	r := w.review(by, gate.ModeEnforced, entry("203.0.113.0/24", "HQ"))
	if len(r.Ending) != 2 || r.Ending[0].ID != claims.Session {
		t.Errorf("got %+v, want the session that asks as well", r.Ending)
	}
}

// countedStore counts how often records are read, and fails when it is told to.
type countedStore struct {
	gate.Store
	reads atomic.Int64
	fail  atomic.Bool
}

func (s *countedStore) CountEvidence(ctx context.Context, span gate.EvidenceSpan) (int64, error) {
	s.reads.Add(1)
	if s.fail.Load() {
		return 0, errors.New("the store is away")
	}
	return s.Store.CountEvidence(ctx, span)
}

// Records are read once a minute for everybody who asks, and again at once where
// reading failed.
func TestEvidenceIsKept(t *testing.T) {
	w := newWorld(t)
	s, err := store.Open(t.Context(), w.dsn, store.Options{Secret: w.secret, Now: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	counted := &countedStore{Store: s}
	g, err := gate.New(t.Context(), gate.Options{Store: counted, Node: "n2", Now: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Stop(); s.Close() })
	door := w.doorOf(g)
	ask := func(want int64, works bool) {
		t.Helper()
		_, err := door.Review(t.Context(), command, w.list())
		if (err == nil) != works {
			t.Errorf("got %v, want it to work: %v", err, works)
		}
		if got := counted.reads.Load(); got != want {
			t.Errorf("read %d times, want %d", got, want)
		}
	}
	counted.fail.Store(true)
	ask(1, false)
	ask(2, false)
	counted.fail.Store(false)
	ask(3, true)
	w.clock.advance(59 * time.Second)
	ask(3, true)
	w.clock.advance(time.Second)
	ask(4, true)
	g.Stop()
	w.clock.advance(time.Minute)
	ask(4, false)
}
