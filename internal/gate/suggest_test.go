package gate_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/store"
)

// past is attempts that were recorded some time ago.
type past struct {
	admin   *gate.Admin // nil: nobody who is known
	address string
	count   int
	ago     time.Duration
	kind    gate.EvidenceKind
}

// remember puts attempts into the store.
func (w *world) remember(all ...past) {
	w.Helper()
	s, err := store.Open(w.Context(), w.dsn, store.Options{Secret: w.secret})
	if err != nil {
		w.Fatal(err)
	}
	defer s.Close()
	var batch []gate.Attempt
	for _, p := range all {
		a := netip.MustParseAddr(p.address)
		at := gate.Attempt{
			Tenant: w.acme.ID, Host: "acme.example", Address: a, Bits: a.BitLen(), Stage: gate.StageSignIn, Outcome: gate.Allowed, Reason: gate.ByNetwork,
			Count: 1, FirstTime: w.clock.Now().Add(-p.ago), LastTime: w.clock.Now().Add(-p.ago), Node: "past", Boot: "past",
		}
		switch p.kind {
		case gate.EvidenceBlocked:
			at.Outcome, at.Reason = gate.Refused, gate.OutsideNetworks
			if p.admin == nil {
				at.Stage, at.Outcome = gate.StageGate, gate.Blocked
			}
		case gate.EvidenceFailed:
			at.Outcome, at.Reason = gate.Refused, gate.AccountUnknown
		}
		if p.admin != nil {
			at.Admin = p.admin.ID
		}
		for range p.count {
			at.Reference = gate.NewID()
			batch = append(batch, at)
		}
	}
	if err := s.PutAttempts(w.Context(), gate.Ledger{Boot: "past", Node: "past"}, batch); err != nil {
		w.Fatal(err)
	}
}

// member adds an admin who has never signed in.
func (w *world) member(login string, role gate.Role) *gate.Admin {
	w.Helper()
	a, _, err := w.AddAdmin(w.Context(), command, w.acme.ID, gate.NewAdmin{Login: login, Name: login, Role: role})
	if err != nil {
		w.Fatal(err)
	}
	return a
}

// set replaces the list of the tenant.
func (w *world) set(mode gate.Mode, entries ...gate.Draft) {
	w.Helper()
	e := w.list()
	e.Mode, e.Entries = mode, entries
	if _, err := w.PutNetworks(w.Context(), command, e); err != nil {
		w.Fatal(err)
	}
}

const day = 24 * time.Hour

func TestSuggest(t *testing.T) {
	w := newWorld(t)
	li, wu, gone := w.member("li.na", gate.RoleOwner), w.member("wu.min", gate.RoleMember), w.member("gone", gate.RoleMember)
	disabled := true
	if _, _, err := w.SetAdmin(t.Context(), command, w.acme.ID, gone.ID, gate.AdminPatch{Disabled: &disabled}); err != nil {
		t.Fatal(err)
	}
	w.remember(
		past{li, inside, 7, day, gate.EvidenceSignIn},            // in the list
		past{li, operators, 2, day, gate.EvidenceSignIn},         // the operator's
		past{gone, "198.51.100.99", 1, day, gate.EvidenceSignIn}, // may not sign in any more
		past{li, "198.51.100.8", 2, day, gate.EvidenceSignIn},    // two neighbours
		past{wu, "198.51.100.9", 3, 2 * day, gate.EvidenceSignIn},
		past{wu, "198.51.100.200", 1, 3 * day, gate.EvidenceSignIn}, // far from them
		past{nil, "198.51.100.9", 4, day, gate.EvidenceFailed},
		past{nil, "198.51.100.200", 4, 31 * day, gate.EvidenceFailed}, // too long ago
		past{wu, "100.64.7.7", 2, day, gate.EvidenceSignIn},
		past{wu, "10.1.2.3", 2, day, gate.EvidenceSignIn},
		past{li, "2001:db8:1:2::1", 3, day, gate.EvidenceSignIn}, // one /64, two devices
		past{li, "2001:db8:1:2:ffff::9", 3, day, gate.EvidenceSignIn},
		past{li, "2001:db8:1:3::1", 3, day, gate.EvidenceSignIn}, // its neighbour
		past{li, "192.0.2.77", 5, 31 * day, gate.EvidenceSignIn}, // too long ago
	)
	s, err := w.door.Suggest(t.Context(), w.ownerOf(li), w.acme.ID)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Complete || s.SignIns != 28 || s.Listed != 9 {
		t.Errorf("got complete %v, %d sign-ins, %d listed; want true, 28, 9", s.Complete, s.SignIns, s.Listed)
	}
	var got []string
	for _, r := range s.Ranges {
		got = append(got, fmt.Sprintf("%s %q ×%d by %d from %d %v %d", r.Range, r.Label, r.SignIns, len(r.People), r.Addresses, r.Signs, r.Strangers))
	}
	want := []string{
		`2001:db8:1:2::/63 "li.na" ×9 by 1 from 3 [] 0`,
		`198.51.100.8/31 "li.na, wu.min" ×5 by 2 from 2 [strangers] 4`,
		`10.1.2.3 "wu.min" ×2 by 1 from 1 [private] 0`,
		`100.64.7.7 "wu.min" ×2 by 1 from 1 [cgnat] 0`,
		`198.51.100.200 "wu.min" ×1 by 1 from 1 [once] 0`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", lines(got), lines(want))
	}
}

// ownerOf is an admin as an actor who comes from inside.
func (w *world) ownerOf(a *gate.Admin) gate.Actor {
	return gate.Actor{
		Kind: gate.ActorAdmin, Tenant: a.Tenant, Admin: a.ID, Login: a.Login, Role: a.Role, Address: netip.MustParseAddr(inside),
	}
}

func lines(all []string) (text string) {
	for _, line := range all {
		text += line + "\n"
	}
	return text
}

// Whatever people use, every address is in one suggested range and in no other,
// and no range goes far beyond what was used.
func TestSuggestHoldsWhatWasUsed(t *testing.T) {
	chance := rand.New(rand.NewPCG(3, 4))
	for round := range 3 {
		w := newWorld(t)
		wu := w.member("wu.min", gate.RoleMember)
		var all []past
		for range 60 {
			a := fmt.Sprintf("198.51.%d.%d", chance.IntN(3), chance.IntN(1<<(4+2*round)))
			if chance.IntN(3) == 0 {
				a = fmt.Sprintf("2001:db8:%x:%x::%x", chance.IntN(2), chance.IntN(1<<(4+4*round)), chance.IntN(3))
			}
			all = append(all, past{wu, a, 1 + chance.IntN(2), day, gate.EvidenceSignIn})
		}
		w.remember(all...)
		s, err := w.door.Suggest(t.Context(), command, w.acme.ID)
		if err != nil {
			t.Fatal(err)
		}
		var signIns int64
		for _, r := range s.Ranges {
			signIns += r.SignIns
			if p := r.Range.Prefixes(); len(p) != 1 || p[0].Addr().Is4() && p[0].Bits() < 24 || p[0].Addr().Is6() && p[0].Bits() < 48 {
				t.Errorf("%s is wider than one site", r.Range)
			} else if p[0].Addr().Is4() && 1<<(32-p[0].Bits()) > 16*r.Addresses {
				t.Errorf("%s for %d addresses", r.Range, r.Addresses)
			}
		}
		if signIns != s.SignIns {
			t.Errorf("the ranges hold %d of %d sign-ins", signIns, s.SignIns)
		}
		for _, p := range all {
			holds := 0
			for _, r := range s.Ranges {
				if r.Range.Contains(netip.MustParseAddr(p.address)) {
					holds++
				}
			}
			if holds != 1 {
				t.Errorf("%s is in %d ranges", p.address, holds)
			}
		}
	}
}
