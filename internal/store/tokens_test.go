package store

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

func apiToken(id, tenant string) gate.APIToken {
	return gate.APIToken{
		ID: id, Tenant: tenant, Name: "robot " + id, Hash: auth.HashAPIToken(id), Scopes: []gate.Scope{gate.ScopeNetworksRead, gate.ScopeAdminsWrite},
		Networks: []cidr.Range{cidr.MustParse("203.0.113.10-203.0.113.40"), cidr.MustParse("2001:db8::/48")},
		Created:  epoch, CreatedBy: "li.na", Expires: epoch.Add(time.Hour),
	}
}

func TestTokens(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		addTenant(t, s, "GLOBEX")
		t1, t2, g := apiToken("T1", "ACME"), apiToken("T2", "ACME"), apiToken("G1", "GLOBEX")
		t2.Networks, t2.Expires, t2.Created = nil, time.Time{}, epoch.Add(time.Second)
		for _, one := range []gate.APIToken{t2, t1, g} {
			must(t, s.AddToken(t.Context(), record("token.add"), one))
		}
		list, err := s.Tokens(t.Context(), "ACME")
		must(t, err)
		equal(t, "tokens", list, []gate.APIToken{t1, t2})

		again := apiToken("T3", "ACME")
		again.Name = t1.Name
		if err := s.AddToken(t.Context(), record("token.add"), again); !errors.Is(err, gate.ErrExists) {
			t.Errorf("a name twice: got %v, want %v", err, gate.ErrExists)
		}
		again.Tenant = "NONE"
		if err := s.AddToken(t.Context(), record("token.add"), again); !errors.Is(err, gate.ErrNotFound) {
			t.Errorf("no tenant: got %v, want %v", err, gate.ErrNotFound)
		}

		a := netip.MustParseAddr("203.0.113.11")
		must(t, s.TouchTokens(t.Context(), []gate.TokenUse{{ID: "T2", At: epoch.Add(2 * time.Minute), Address: a}, {ID: "T1", At: epoch.Add(time.Minute), Address: a}}))
		must(t, s.TouchTokens(t.Context(), []gate.TokenUse{{ID: "T2", At: epoch.Add(time.Minute), Address: netip.MustParseAddr("2001:db8::1")}})) // another node's, later
		t1.LastUsed, t1.LastAddress, t2.LastUsed, t2.LastAddress = epoch.Add(time.Minute), a, epoch.Add(2*time.Minute), a
		p, err := s.LoadTenant(t.Context(), "ACME")
		must(t, err)
		equal(t, "policy", p.Tokens, []gate.APIToken{t1, t2})

		for name, err := range map[string]error{
			"another tenant's": s.RemoveToken(t.Context(), record("token.remove"), "GLOBEX", "T1"),
			"unknown":          s.RemoveToken(t.Context(), record("token.remove"), "ACME", "NONE"),
		} {
			if !errors.Is(err, gate.ErrNotFound) {
				t.Errorf("%s: got %v, want %v", name, err, gate.ErrNotFound)
			}
		}
		must(t, s.RemoveToken(t.Context(), record("token.remove"), "ACME", "T1"))
		if err := s.RemoveToken(t.Context(), record("token.remove"), "ACME", "T1"); !errors.Is(err, gate.ErrNotFound) {
			t.Errorf("twice: got %v, want %v", err, gate.ErrNotFound)
		}
		again.Tenant = "ACME"
		must(t, s.AddToken(t.Context(), record("token.add"), again)) // the name is free again
		all, err := s.LoadPolicy(t.Context())
		must(t, err)
		var ids []string
		for _, p := range all.Tenants {
			for _, one := range p.Tokens {
				ids = append(ids, one.ID)
			}
		}
		equal(t, "in force", ids, []string{"T3", "T2", "G1"})
		changes, err := s.Changes(t.Context(), gate.ChangeFilter{Tenant: "ACME", Limit: 1})
		must(t, err)
		equal(t, "change", string(changes[0].Kind)+" "+changes[0].Subject, "token T3")
	})
}

// A record of a call names the token, also when that is gone.
func TestTokenAttempts(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		must(t, s.AddToken(t.Context(), record("token.add"), apiToken("T1", "ACME")))
		a := attempt("SP-1", "ACME", epoch)
		a.Admin, a.Login = "T1", "token robot T1"
		must(t, s.PutAttempts(t.Context(), gate.Ledger{Boot: "B"}, []gate.Attempt{a}))
		must(t, s.RemoveToken(t.Context(), record("token.remove"), "ACME", "T1"))
		got, err := s.Attempt(t.Context(), "ACME", "SP-1")
		must(t, err)
		equal(t, "login", got.Login, "token robot T1")
	})
}

func TestTokensAreBounded(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		for i := range gate.MaxTokens {
			must(t, s.AddToken(t.Context(), record("token.add"), apiToken(fmt.Sprint("T", i), "ACME")))
		}
		_, tooMany := errors.AsType[*gate.InvalidError](s.AddToken(t.Context(), record("token.add"), apiToken("ONE", "ACME")))
		if !tooMany {
			t.Error("one more than there may be was stored")
		}
		must(t, s.RemoveToken(t.Context(), record("token.remove"), "ACME", "T7"))
		must(t, s.AddToken(t.Context(), record("token.add"), apiToken("ONE", "ACME")))
	})
}
