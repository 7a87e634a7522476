package store

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

func TestSettings(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		addTenant(t, s, "GLOBEX")
		rec := gate.Record{Actor: gate.Actor{Kind: gate.ActorCommand, Login: "root"}, Action: "policy.set", At: epoch}
		set := gate.Settings{Retention: 183 * 24 * time.Hour, ShortenAfter: 90 * 24 * time.Hour, CheckOutside: true, NoRequests: true}
		must(t, s.SetSettings(t.Context(), rec, "ACME", set))
		if err := s.SetSettings(t.Context(), rec, "ACME", set); !errors.Is(err, gate.ErrChanged) {
			t.Errorf("from the same version: got %v, want %v", err, gate.ErrChanged)
		}
		if err := s.SetSettings(t.Context(), rec, "NONE", set); !errors.Is(err, gate.ErrNotFound) {
			t.Errorf("of nobody: got %v, want %v", err, gate.ErrNotFound)
		}
		set.Version = 1
		p, err := s.LoadTenant(t.Context(), "ACME")
		must(t, err)
		equal(t, "settings", p.Tenant.Settings, set)
		must(t, s.SetSettings(t.Context(), rec, "ACME", gate.Settings{Version: 1}))
		all, err := s.Tenants(t.Context())
		must(t, err)
		equal(t, "settings that were taken back", all[0].Settings, gate.Settings{Version: 2})
		equal(t, "settings that nobody made", all[1].Settings, gate.Settings{})
		changes, err := s.Changes(t.Context(), gate.ChangeFilter{Tenant: "ACME", Limit: 1})
		must(t, err)
		equal(t, "change", changes[0].Action, "policy.set")
	})
}

// TestSettingsRace: of changes from one version, one happens.
func TestSettingsRace(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		results := make(chan error)
		for range 8 {
			go func() {
				results <- s.SetSettings(t.Context(), gate.Record{Action: "policy.set", At: epoch}, "ACME", gate.Settings{CheckOutside: true})
			}()
		}
		happened := 0
		for range 8 {
			switch err := <-results; {
			case err == nil:
				happened++
			case !errors.Is(err, gate.ErrChanged):
				t.Error(err)
			}
		}
		equal(t, "changes that happened", happened, 1)
	})
}

func TestLease(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		for i, tt := range []struct {
			holder string
			now    time.Duration
			want   bool
		}{{"A", 0, true}, {"B", time.Second, false}, {"A", time.Minute, true}, {"B", 5 * time.Minute, false}, {"B", 6 * time.Minute, true}, {"A", 7 * time.Minute, false}} {
			now := epoch.Add(tt.now)
			mine, err := s.Lease(t.Context(), "sweep", tt.holder, now, now.Add(5*time.Minute))
			must(t, err)
			equal(t, fmt.Sprintf("step %d", i+1), mine, tt.want)
		}
	})
}

// TestShortenWhatIsOver: requests, emergency access and sessions that were over
// for so long lose their addresses with the records; what lasts keeps its own.
func TestShortenWhatIsOver(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		for _, tenant := range []string{"ACME", "GLOBEX"} {
			addTenant(t, s, tenant)
		}
		signIn(t, s, addAdmin(t, s, "ACME", "A1"), "ENDED", epoch.Add(-8*time.Hour))
		day := 24 * time.Hour
		for id, made := range map[string]time.Duration{"OLD": -40 * day, "UNTIL": -40 * day, "YOUNG": -time.Hour, "OTHER": -40 * day, "V6": -40 * day} {
			r := ask(id, id, epoch.Add(made))
			switch id {
			case "OTHER":
				r.Tenant = "GLOBEX"
			case "V6":
				r.Address = netip.MustParseAddr("2001:db8:1:2:3:4:5:6")
			}
			_, err := s.AddAsk(t.Context(), record("request.add"), r, 9)
			must(t, err)
		}
		for id, ends := range map[string]time.Duration{"OVER": -8 * time.Hour, "RUNS": time.Hour} {
			e := gate.Emergency{ID: id, Tenant: "ACME", Address: netip.MustParseAddr("198.51.100.7"), Until: epoch.Add(ends), Made: epoch.Add(-9 * time.Hour)}
			must(t, s.AddEmergency(t.Context(), record("emergency.open"), e))
		}
		must(t, s.write(t.Context(), func(tx querier) error {
			_, err := tx.exec(t.Context(), `UPDATE access_requests SET state = 'approved', until = $1 WHERE id = 'UNTIL'`, micro(epoch))
			if err == nil {
				_, err = tx.exec(t.Context(), `UPDATE sessions SET ended = $1 WHERE id = 'ENDED'`, micro(epoch.Add(-7*time.Hour-time.Minute)))
			}
			return err
		}))
		for range 2 { // the second time there is nothing left
			_, _, err := s.ShortenAddresses(t.Context(), "ACME", time.Time{}, epoch.Add(-7*time.Hour), 10)
			must(t, err)
		}
		for id, want := range map[string]string{
			"OLD": "198.51.100.0/24", "V6": "2001:db8:1:2::/64", "UNTIL": "198.51.100.7/32", "YOUNG": "198.51.100.7/32", "OTHER": "198.51.100.7/32",
		} {
			got, err := s.Ask(t.Context(), id)
			must(t, err)
			equal(t, "the request "+id, fmt.Sprint(got.Address, "/", got.Bits), want)
		}
		var left string
		must(t, s.read().row(t.Context(), `SELECT MIN(id) FROM emergencies`).Scan(&left))
		equal(t, "emergency access", left, "RUNS")
		ended, err := s.Session(t.Context(), "ENDED")
		must(t, err)
		equal(t, "the session has its addresses", ended.Address.IsValid() || ended.LastAddress.IsValid(), false)
	})
}

func TestShortenAddresses(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		a := addAdmin(t, s, "ACME", "A1")
		signIn(t, s, a, "OLD", epoch.Add(-100*time.Hour))
		signIn(t, s, a, "NEW", epoch.Add(-time.Hour))
		direct := attempt("SP-1", "ACME", epoch.Add(-9*time.Hour))
		direct.Peer = direct.Address
		v6 := attempt("SP-2", "ACME", epoch.Add(-8*time.Hour))
		v6.Address, v6.Bits = netip.MustParseAddr("2001:db8:1:2:3:4:5:6"), 128
		folded := attempt("SP-3", "ACME", epoch.Add(-8*time.Hour))
		folded.Address, folded.Bits = netip.MustParseAddr("203.0.113.0"), 24
		unknown := attempt("SP-4", "ACME", epoch.Add(-8*time.Hour))
		unknown.Address, unknown.Bits = netip.Addr{}, 0
		young, other := attempt("SP-5", "ACME", epoch.Add(-time.Hour)), attempt("SP-6", "GLOBEX", epoch.Add(-9*time.Hour))
		putAll(t, s, direct, v6, folded, unknown, young, other)
		before := epoch.Add(-7 * time.Hour)
		n, err := s.CountAged(t.Context(), "ACME", before, true)
		must(t, err)
		equal(t, "counted with a whole address", n, int64(3)) // and the sign-in of OLD
		var total int64
		for from := (time.Time{}); ; {
			n, last, err := s.ShortenAddresses(t.Context(), "ACME", from, before, 2)
			must(t, err)
			total, from = total+n, last
			if n < 2 {
				break
			}
		}
		equal(t, "cut", total, int64(3))
		for reference, want := range map[string]string{
			"SP-1": "198.51.100.0/24", "SP-2": "2001:db8:1:2::/64", "SP-3": "203.0.113.0/24",
			"SP-4": "", "SP-5": fmt.Sprint(young.Address, "/32"), "SP-6": fmt.Sprint(other.Address, "/32"),
		} {
			got, err := s.Attempt(t.Context(), "", reference)
			must(t, err)
			text := ""
			if got.Address.IsValid() {
				text = fmt.Sprint(got.Address, "/", got.Bits)
			}
			if cut := reference == "SP-1" || reference == "SP-2"; text != want || cut != (len(got.Hops) == 0) || (reference == "SP-1") == got.Peer.IsValid() {
				t.Errorf("%s: got %s, hops %v, peer %v; want %s", reference, text, got.Hops, got.Peer, want)
			}
		}
		for id, want := range map[string]bool{"OLD": false, "NEW": true} {
			got, err := s.Session(t.Context(), id)
			must(t, err)
			equal(t, "the session "+id+" has its address", got.Address.IsValid(), want)
		}
		// A record that grows keeps what it has lost, and the ledger its counts.
		direct.Count, direct.LastTime = 5, epoch
		putAll(t, s, direct)
		got, err := s.Attempt(t.Context(), "", "SP-1")
		must(t, err)
		if got.Bits != 24 || got.Count != 5 {
			t.Errorf("grown: %d bits, count %d", got.Bits, got.Count)
		}
		held, err := s.VerifyChanges(t.Context())
		must(t, err)
		if held.Held == 0 {
			t.Error("the change log is empty")
		}
	})
}
