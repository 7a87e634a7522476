package store

import (
	"errors"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

func TestTenants(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		globex, acme := addTenant(t, s, "GLOBEX"), addTenant(t, s, "ACME")
		list, err := s.Tenants(t.Context())
		must(t, err)
		equal(t, "tenants", list, []gate.Tenant{acme, globex})

		acme.Name, acme.Hosts = "Acme Ltd", []string{"z.acme.test", "b.acme.test"}
		must(t, s.SetTenant(t.Context(), record("tenant.set"), acme))
		p, err := s.LoadTenant(t.Context(), "ACME")
		must(t, err)
		equal(t, "changed", p.Tenant, acme)

		other := acme
		other.Mode = gate.ModeDryRun // belongs to the list, which has guards
		must(t, s.SetTenant(t.Context(), record("tenant.set"), other))
		p, err = s.LoadTenant(t.Context(), "ACME")
		must(t, err)
		equal(t, "another mode", p.Tenant, acme)
	})
}

func TestTenantConflicts(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		acme := addTenant(t, s, "ACME")
		globex := addTenant(t, s, "GLOBEX")
		fresh := gate.Tenant{ID: "NEW", Slug: "new", Mode: gate.ModeOff, Created: epoch}
		for name, change := range map[string]func(n *gate.Tenant){
			"slug":        func(n *gate.Tenant) { n.Slug = "acme" },
			"id":          func(n *gate.Tenant) { n.ID = "ACME" },
			"host":        func(n *gate.Tenant) { n.Hosts = []string{"new.test", acme.Hosts[1]} },
			"host of own": func(n *gate.Tenant) { n.Hosts = []string{"new.test", "new.test"} },
		} {
			n := fresh
			change(&n)
			if err := s.AddTenant(t.Context(), record("tenant.add"), n); !errors.Is(err, gate.ErrExists) {
				t.Errorf("%s taken: got %v, want %v", name, err, gate.ErrExists)
			}
		}
		must(t, s.AddTenant(t.Context(), record("tenant.add"), fresh)) // nothing was left behind
		taken := globex
		taken.Name, taken.Hosts = "changed", []string{acme.Hosts[0]}
		if err := s.SetTenant(t.Context(), record("tenant.set"), taken); !errors.Is(err, gate.ErrExists) {
			t.Errorf("host taken: got %v, want %v", err, gate.ErrExists)
		}
		p, err := s.LoadTenant(t.Context(), "GLOBEX")
		must(t, err)
		equal(t, "after the refusal", p.Tenant, globex)
		if err := s.SetTenant(t.Context(), record("tenant.set"), gate.Tenant{ID: "NONE"}); !errors.Is(err, gate.ErrNotFound) {
			t.Errorf("no tenant: got %v, want %v", err, gate.ErrNotFound)
		}
	})
}

func TestRemoveTenant(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "GLOBEX")
		acme := addTenant(t, s, "ACME")
		a := addAdmin(t, s, "ACME", "A1")
		_, err := s.SetAdmin(t.Context(), record("admin.set"), a, false, [][]byte{{1}})
		must(t, err)
		signIn(t, s, a, "S1", epoch)
		_, err = s.PutNetworks(t.Context(), record("network.put"), gate.ListPut{
			Tenant: "ACME", Base: 1, Mode: gate.ModeEnforced, Networks: []gate.Network{network("N1", "192.0.2.0/24", 0)}})
		must(t, err)
		must(t, s.RemoveTenant(t.Context(), record("tenant.remove"), "ACME"))

		if _, err := s.LoadTenant(t.Context(), "ACME"); !errors.Is(err, gate.ErrNotFound) {
			t.Errorf("tenant: got %v, want %v", err, gate.ErrNotFound)
		}
		for _, table := range []string{"hosts", "list_versions", "networks", "admins", "sessions"} {
			var n int
			must(t, s.read().row(t.Context(), `SELECT COUNT(*) FROM `+table+` WHERE tenant = 'ACME'`).Scan(&n))
			equal(t, "rows in "+table, n, 0)
		}
		var codes int
		must(t, s.read().row(t.Context(), `SELECT COUNT(*) FROM recovery_codes`).Scan(&codes))
		equal(t, "recovery codes", codes, 0)
		attempts, err := s.Attempts(t.Context(), gate.AttemptFilter{Tenant: "ACME"})
		must(t, err)
		equal(t, "attempts that stay", len(attempts), 1)
		changes, err := s.Changes(t.Context(), gate.ChangeFilter{Tenant: "ACME"})
		must(t, err)
		equal(t, "changes that stay", len(changes), 5)
		must(t, s.AddTenant(t.Context(), record("tenant.add"), gate.Tenant{ID: "ACME2", Slug: acme.Slug, Hosts: acme.Hosts}))
		if err := s.RemoveTenant(t.Context(), record("tenant.remove"), "ACME"); !errors.Is(err, gate.ErrNotFound) {
			t.Errorf("removed twice: got %v, want %v", err, gate.ErrNotFound)
		}
	})
}

func TestLoadPolicy(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		acme, globex := addTenant(t, s, "ACME"), addTenant(t, s, "GLOBEX")
		a1, a2, g1 := addAdmin(t, s, "ACME", "A1"), addAdmin(t, s, "ACME", "A2"), addAdmin(t, s, "GLOBEX", "G1")
		n1, n2 := network("N1", "192.0.2.0/24", 0), network("N2", "2001:db8::/48", time.Second)
		_, err := s.PutNetworks(t.Context(), record("network.put"), gate.ListPut{Tenant: "ACME", Base: 1, Mode: gate.ModeEnforced, Networks: []gate.Network{n2, n1}})
		must(t, err)
		acme.Version, acme.Revision = 2, 2
		signIn(t, s, a1, "S1", epoch)
		signIn(t, s, a1, "S2", epoch.Add(-12*time.Hour)) // its token has run out
		signIn(t, s, a1, "S3", epoch)
		raw(t, s, `UPDATE sessions SET ended = 1, revoked = TRUE WHERE id = 'S2'`)
		must(t, s.EndSession(t.Context(), record("session.end"), "S1"))

		view := func(a gate.Admin) gate.AdminView {
			return gate.AdminView{ID: a.ID, Login: a.Login, Name: a.Name, Role: a.Role, Epoch: a.Epoch}
		}
		want := []gate.TenantPolicy{
			{
				Tenant: acme, Networks: []gate.Network{n1, n2}, Admins: []gate.AdminView{view(a1), view(a2)},
				Ended: []gate.EndedSession{{ID: "S1", Expires: epoch.Add(12 * time.Hour)}},
			},
			{Tenant: globex, Admins: []gate.AdminView{view(g1)}},
		}
		p, err := s.LoadPolicy(t.Context())
		must(t, err)
		equal(t, "policy", p.Tenants, want)
		for i, id := range []string{"ACME", "GLOBEX"} {
			one, err := s.LoadTenant(t.Context(), id)
			must(t, err)
			equal(t, id, *one, want[i])
		}
	})
}

// A list that cannot be read is not taken for an empty one.
func TestBrokenPolicyIsAnError(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		_, err := s.PutNetworks(t.Context(), record("network.put"), gate.ListPut{
			Tenant: "ACME", Base: 1, Mode: gate.ModeEnforced, Networks: []gate.Network{network("N1", "192.0.2.0/24", 0)}})
		must(t, err)
		raw(t, s, `UPDATE networks SET range = '192.0.2.0/33'`)
		if _, err := s.LoadPolicy(t.Context()); err == nil {
			t.Error("a broken range was read")
		}
		raw(t, s, `UPDATE networks SET range = '192.0.2.0/24', roles = 'owner'`)
		if _, err := s.LoadTenant(t.Context(), "ACME"); err == nil {
			t.Error("broken roles were read")
		}
	})
}
