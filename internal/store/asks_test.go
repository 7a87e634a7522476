package store

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

func ask(id, browser string, made time.Time) gate.AccessRequest {
	return gate.AccessRequest{
		ID: id, Tenant: "ACME", Reference: "SP-0000-0000", Address: netip.MustParseAddr("198.51.100.7"), Bits: 32, Login: "A1@example.test", Admin: "A1",
		Why: "at a customer\nsite", For: 8 * time.Hour, UserAgent: "Browser/1", Made: made, Browser: []byte(browser), State: gate.AskWaiting,
	}
}

func TestAsks(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		addAdmin(t, s, "ACME", "A1")
		for i := range 3 {
			r := ask(fmt.Sprint("R", i), fmt.Sprint("browser", i), epoch.Add(time.Duration(i)*time.Hour))
			_, err := s.AddAsk(t.Context(), record("request.add"), r, 9)
			must(t, err)
		}
		want := ask("R1", "browser1", epoch.Add(time.Hour))
		want.Name = "Name of A1"
		got, err := s.Ask(t.Context(), "R1")
		must(t, err)
		equal(t, "request", *got, want)

		again, err := s.AddAsk(t.Context(), record("request.add"), ask("R9", "browser1", epoch.Add(2*time.Hour)), 9)
		if !errors.Is(err, gate.ErrAskAgain) || again == nil || again.ID != "R1" {
			t.Errorf("a second request of one browser: got %+v, %v", again, err)
		}
		if _, err := s.AddAsk(t.Context(), record("request.add"), ask("R9", "browser9", epoch.Add(2*time.Hour)), 3); !errors.Is(err, gate.ErrChanged) {
			t.Errorf("one more than most: got %v", err)
		}

		want.State, want.Note, want.Entry = gate.AskApproved, "welcome", "N1"
		want.Decided, want.DecidedBy, want.Until = epoch.Add(2*time.Hour), "li.na", epoch.Add(10*time.Hour)
		must(t, s.SetAsk(t.Context(), at(record("request.approve"), 2*time.Hour), want))
		if err := s.SetAsk(t.Context(), record("request.decline"), want); !errors.Is(err, gate.ErrChanged) {
			t.Errorf("a second answer: got %v, want %v", err, gate.ErrChanged)
		}
		got, err = s.Ask(t.Context(), "R1")
		must(t, err)
		equal(t, "answered", *got, want)

		late := at(record("request.approve"), gate.AskLives)
		if err := s.SetAsk(t.Context(), late, ask("R0", "browser0", epoch)); !errors.Is(err, gate.ErrChanged) {
			t.Errorf("an answer a day later: got %v, want %v", err, gate.ErrChanged)
		}
		_, err = s.AddAsk(t.Context(), record("request.add"), ask("R8", "browser0", epoch.Add(gate.AskLives)), 9)
		must(t, err) // the browser's first one has expired

		for state, ids := range map[gate.AskState]string{
			"": "[R8 R2 R1 R0]", gate.AskWaiting: "[R8 R2]", gate.AskApproved: "[R1]", gate.AskDeclined: "[]", gate.AskExpired: "[R0]",
		} {
			list, err := s.Asks(t.Context(), gate.AskFilter{Tenant: "ACME", State: state, Now: epoch.Add(gate.AskLives)})
			must(t, err)
			found := make([]string, len(list))
			for i := range list {
				found[i] = list[i].ID
			}
			equal(t, "state "+string(state), fmt.Sprint(found), ids)
		}
		page, err := s.Asks(t.Context(), gate.AskFilter{Tenant: "ACME", Now: epoch, Limit: 1, Before: gate.Cursor{Time: epoch.Add(2 * time.Hour), ID: "R2"}})
		must(t, err)
		if len(page) != 1 || page[0].ID != "R1" {
			t.Errorf("the page behind R2: %+v", page)
		}
	})
}

// However many browsers ask at once, no more wait than may.
// What was typed and is nobody's login does not stay, and no request outlives the
// records.
func TestAsksAreForgotten(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		addAdmin(t, s, "ACME", "A1")
		typed := ask("R2", "b2", epoch)
		typed.Login, typed.Admin = "hunter2", ""
		later := typed
		later.ID, later.Browser, later.Made = "R3", []byte("b3"), epoch.Add(2*time.Hour)
		for _, r := range []gate.AccessRequest{ask("R1", "b1", epoch), typed, later} {
			_, err := s.AddAsk(t.Context(), record("request.add"), r, 9)
			must(t, err)
		}
		logins := func() (found []string) {
			all, err := s.Asks(t.Context(), gate.AskFilter{Tenant: "ACME"})
			must(t, err)
			for _, r := range all {
				found = append(found, r.ID+" "+r.Login)
			}
			slices.Sort(found)
			return found
		}
		must(t, s.ForgetTyped(t.Context(), epoch.Add(time.Hour)))
		equal(t, "logins", logins(), []string{"R1 A1@example.test", "R2 ", "R3 hunter2"})
		_, err := s.DeleteAttempts(t.Context(), "GLOBEX", epoch.Add(time.Hour), 0)
		must(t, err)
		_, err = s.DeleteAttempts(t.Context(), "ACME", epoch.Add(time.Hour), 0)
		must(t, err)
		equal(t, "requests", logins(), []string{"R3 hunter2"})
	})
}

func TestAsksAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				r := ask(fmt.Sprint("R", i), fmt.Sprint("browser", i%8), epoch)
				_, err := s.AddAsk(t.Context(), record("request.add"), r, 5)
				if err != nil && !errors.Is(err, gate.ErrChanged) && !errors.Is(err, gate.ErrAskAgain) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		list, err := s.Asks(t.Context(), gate.AskFilter{Tenant: "ACME", Now: epoch})
		must(t, err)
		equal(t, "waiting", len(list), 5)
	})
}

// TestAskFacts: what is known of addresses and of people, in one question.
func TestAskFacts(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		addAdmin(t, s, "ACME", "A1")
		made := func(reference, address, admin string, outcome gate.Outcome, after time.Duration) gate.Attempt {
			a := gate.Attempt{
				Reference: reference, FirstTime: epoch.Add(after), LastTime: epoch.Add(after), Tenant: "ACME", Address: netip.MustParseAddr(address),
				Stage: gate.StageSignIn, Outcome: outcome, Reason: gate.ByNetwork, Admin: admin, Count: 2, Node: "sh-1", Boot: "BOOT",
			}
			a.Bits = a.Address.BitLen()
			return a
		}
		folded := made("SP-5", "198.51.100.0", "", gate.Blocked, 0)
		folded.Bits = 24
		must(t, s.PutAttempts(t.Context(), gate.Ledger{Boot: "BOOT", Node: "sh-1", Started: epoch}, []gate.Attempt{
			made("SP-1", "198.51.100.7", "A1", gate.Allowed, time.Hour), made("SP-2", "198.51.100.7", "A1", gate.Allowed, 2*time.Hour),
			made("SP-3", "2001:db8::1", "A1", gate.Refused, time.Hour), made("SP-4", "192.0.2.1", "", gate.Blocked, time.Hour), folded,
			made("SP-6", "198.51.100.7", "A1", gate.Allowed, -time.Hour),
		}))
		got, err := s.AskFacts(t.Context(), "ACME", epoch, []netip.Addr{netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("198.51.100.0")}, []string{"A1"})
		must(t, err)
		slices.SortFunc(got, func(a, b gate.AskFact) int { return a.Address.Compare(b.Address) })
		equal(t, "facts", got, []gate.AskFact{
			{Address: netip.MustParseAddr("198.51.100.7"), Admin: "A1", AttemptSum: gate.AttemptSum{Stage: gate.StageSignIn, Outcome: gate.Allowed, Count: 4, Last: epoch.Add(2 * time.Hour)}},
			{Address: netip.MustParseAddr("2001:db8::1"), Admin: "A1", AttemptSum: gate.AttemptSum{Stage: gate.StageSignIn, Outcome: gate.Refused, Count: 2, Last: epoch.Add(time.Hour)}},
		})

		_, err = s.AddAsk(t.Context(), record("request.add"), ask("R1", "b1", epoch), 9)
		must(t, err)
		for _, tenant := range []string{"", "ACME"} {
			waiting, err := s.AsksMade(t.Context(), tenant, epoch.Add(-time.Second))
			must(t, err)
			equal(t, "waiting", waiting, map[string][]time.Time{"ACME": {epoch}})
		}
		past, err := s.Asks(t.Context(), gate.AskFilter{Tenant: "ACME", Past: true, Now: epoch})
		must(t, err)
		equal(t, "not waiting", past, []gate.AccessRequest(nil))
		past, err = s.Asks(t.Context(), gate.AskFilter{Tenant: "ACME", Past: true, Now: epoch.Add(gate.AskLives)})
		must(t, err)
		equal(t, "expired", len(past), 1)
	})
}
