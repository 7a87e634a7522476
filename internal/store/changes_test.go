package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// fiveChanges makes a log to tamper with.
func fiveChanges(t *testing.T, s *Store) {
	addTenant(t, s, "ACME")
	a := addAdmin(t, s, "ACME", "A1")
	signIn(t, s, a, "S1", epoch)
	must(t, s.EndSession(t.Context(), record("session.end"), "S1"))
	must(t, s.RaiseEpoch(t.Context(), record("epoch.raise")))
	must(t, s.RemoveAdmin(t.Context(), record("admin.remove"), "A1"))
}

func TestChanges(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		fiveChanges(t, s)
		all, err := s.ChangesFrom(t.Context(), 0, 0)
		must(t, err)
		type row struct {
			pos             int64
			kind            gate.ChangeKind
			action          string
			tenant, subject string
			version         int64
		}
		var got []row
		for _, c := range all {
			got = append(got, row{c.Pos, c.Kind, c.Action, c.Tenant, c.Subject, c.Version})
		}
		equal(t, "changes", got, []row{
			{1, gate.ChangeTenant, "tenant.add", "ACME", "ACME", 1},
			{2, gate.ChangeAdmin, "admin.add", "ACME", "A1", 0},
			{3, gate.ChangeSession, "session.end", "ACME", "S1", epoch.Add(12 * time.Hour).UnixMicro()},
			{4, gate.ChangeGlobal, "epoch.raise", "", "", 0},
			{5, gate.ChangeAdmin, "admin.remove", "ACME", "A1", 0},
		})
		c := all[2]
		equal(t, "actor", c.Actor+" "+c.ActorID+" "+c.Address.String(), "li.na ADMIN 192.0.2.1")
		equal(t, "detail", string(c.Detail), `{"note":"session.end"}`)
		equal(t, "time", c.At, epoch)
		if c.ID == "" || len(c.Hash) != 32 {
			t.Errorf("id %q and hash %x are not whole", c.ID, c.Hash)
		}

		some, err := s.ChangesFrom(t.Context(), 3, 2)
		must(t, err)
		equal(t, "from 3", some, all[2:4])
		newest, err := s.Changes(t.Context(), gate.ChangeFilter{Limit: 2})
		must(t, err)
		for i := range newest {
			newest[i].Before = nil // of that TestChangesAreFiltered
		}
		equal(t, "newest", newest, []gate.Change{all[4], all[3]})
		acme, err := s.Changes(t.Context(), gate.ChangeFilter{Tenant: "ACME", Before: 5})
		must(t, err)
		for i := range acme {
			acme[i].Before = nil
		}
		equal(t, "of a tenant before 5", acme, []gate.Change{all[2], all[1], all[0]})

		p, err := s.LoadPolicy(t.Context())
		must(t, err)
		equal(t, "position", p.Position, all[4].Position)
		n, err := s.VerifyChanges(t.Context())
		must(t, err)
		equal(t, "rows that hold", n, gate.Chain{Held: 5})
	})
}

func TestNoChangesYet(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		p, err := s.LoadPolicy(t.Context())
		must(t, err)
		equal(t, "position", p.Position, gate.Position{})
		n, err := s.VerifyChanges(t.Context())
		must(t, err)
		equal(t, "rows", n, gate.Chain{})
		must(t, s.RaiseEpoch(t.Context(), gate.Record{At: epoch, Action: "epoch.raise", Actor: gate.Actor{Kind: gate.ActorSystem}}))
		list, err := s.Changes(t.Context(), gate.ChangeFilter{})
		must(t, err)
		if c := list[0]; c.Detail != nil || c.Address.IsValid() || c.Actor != "system" {
			t.Errorf("a change without detail and address came back as %+v", c)
		}
		_, err = s.VerifyChanges(t.Context())
		must(t, err)
	})
}

func TestVerifyFindsTampering(t *testing.T) {
	tests := []struct {
		name, query string
		held        int64
		want        string
	}{
		{"deleted first", `DELETE FROM change_log WHERE pos = 1`, 0, "change 1 is missing"},
		{"deleted between", `DELETE FROM change_log WHERE pos = 3`, 2, "change 3 is missing"},
		{"deleted last", `DELETE FROM change_log WHERE pos = 5`, 4, "ends at 4 and 5 changes were made"},
		{"deleted all", `DELETE FROM change_log`, 0, "ends at 0 and 5 changes were made"},
		{"deleted last and counted back", `DELETE FROM change_log WHERE pos = 5; UPDATE change_counter SET pos = 4`, 4, "is another than the one that was made"},
		{"swapped", `UPDATE change_log SET pos = 99 WHERE pos = 2; UPDATE change_log SET pos = 2 WHERE pos = 3; UPDATE change_log SET pos = 3 WHERE pos = 99`, 1, "change 2"},
		{"added", `INSERT INTO change_log SELECT stream, 6, 'X', kind, action, tenant, subject, version, made, actor, actor_id, address, detail, key, leaves, hash FROM change_log WHERE pos = 5`, 5, "change 6"},
		{"added before the first", `INSERT INTO change_log SELECT stream, 0, 'X', kind, action, tenant, subject, version, made, actor, actor_id, address, detail, key, leaves, hash FROM change_log WHERE pos = 5`, 0, "there are changes before the first"},
		{"hash", `UPDATE change_log SET hash = address WHERE pos = 2`, 1, "change 2"},
		{"address taken away", `UPDATE change_log SET address = NULL WHERE pos = 2`, 1, "change 2"},
		{"address of no length", `UPDATE change_log SET address = hash WHERE pos = 2`, 1, "change 2: its address has 32 bytes"},
		{"moved text", `UPDATE change_log SET actor = actor || actor_id, actor_id = '' WHERE pos = 2`, 1, "change 2"},
	}
	for _, column := range []string{"id", "kind", "action", "tenant", "subject", "actor", "actor_id", "detail"} {
		tests = append(tests, struct {
			name, query string
			held        int64
			want        string
		}{column, `UPDATE change_log SET ` + column + ` = ` + column + ` || 'x' WHERE pos = 3`, 2, "change 3"})
	}
	for _, column := range []string{"version", "made"} {
		tests = append(tests, struct {
			name, query string
			held        int64
			want        string
		}{column, `UPDATE change_log SET ` + column + ` = ` + column + ` + 1 WHERE pos = 5`, 4, "change 5"})
	}
	each(t, func(t *testing.T, s *Store) {
		fiveChanges(t, s)
		for _, tt := range tests {
			t.Run(strings.ReplaceAll(tt.name, " ", "_"), func(t *testing.T) {
				undone := errors.New("undone")
				err := s.write(t.Context(), func(tx querier) error {
					for query := range strings.SplitSeq(tt.query, "; ") {
						if n, err := tx.exec(t.Context(), query); err != nil || n == 0 {
							return fmt.Errorf("%s: %d rows: %w", query, n, err)
						}
					}
					held, err := verifyChanges(t.Context(), tx)
					if held.Held != tt.held || err == nil || !strings.Contains(err.Error(), tt.want) {
						t.Errorf("%+v hold, error %v; want %d, %q", held, err, tt.held, tt.want)
					}
					return undone
				})
				if !errors.Is(err, undone) {
					t.Fatal(err)
				}
			})
		}
	})
}

// Writers of two processes get positions without gaps or doubles, and whoever
// reads inclusively from the last row it knows misses none.
func TestConcurrentWriters(t *testing.T) {
	for engine, dsn := range newDSN {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			const writers, each = 16, 12
			dsn := dsn(t)
			stores := []*Store{openNew(t, dsn), openNew(t, dsn)}
			for i := range writers {
				addTenant(t, stores[0], fmt.Sprint("T", i))
			}
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			var seen []gate.Change
			var wg sync.WaitGroup
			wg.Go(func() { seen = followUntil(ctx, t, stores[1], writers*(each+1)) })
			for i := range writers {
				wg.Go(func() {
					for range each {
						n := gate.Tenant{ID: fmt.Sprint("T", i), Name: "x", Mode: gate.ModeEnforced}
						if err := stores[i%2].SetTenant(ctx, record("tenant.set"), n); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			equal(t, "rows seen", len(seen), writers*(each+1))
			for i, c := range seen {
				if c.Pos != int64(i+1) {
					t.Fatalf("change %d has position %d", i+1, c.Pos)
				}
			}
			n, err := stores[0].VerifyChanges(t.Context())
			must(t, err)
			equal(t, "rows that hold", n, gate.Chain{Held: writers * (each + 1)})
		})
	}
}

// followUntil reads as a node does until it has so many changes.
func followUntil(ctx context.Context, t *testing.T, s *Store, n int) (seen []gate.Change) {
	var last gate.Position
	for len(seen) < n && ctx.Err() == nil {
		page, err := s.ChangesFrom(ctx, last.Pos, 7)
		if err != nil {
			t.Error(err)
			return seen
		}
		if last.Pos > 0 {
			if page[0].Position != last {
				t.Errorf("position %d became %v", last.Pos, page[0].Position)
				return seen
			}
			page = page[1:]
		}
		for _, c := range page {
			seen, last = append(seen, c), c.Position
		}
	}
	return seen
}

func TestRefusedWriteLeavesNoChange(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		acme := addTenant(t, s, "ACME")
		a := addAdmin(t, s, "ACME", "A1")
		a.Revision = 7
		rec, ctx := record("x"), t.Context()
		for name, err := range map[string]error{
			"tenant":         s.AddTenant(ctx, rec, acme),
			"missing tenant": s.SetTenant(ctx, rec, gate.Tenant{ID: "NONE"}),
			"no tenant":      s.RemoveTenant(ctx, rec, "NONE"),
			"admin":          s.AddAdmin(ctx, rec, a),
			"stale admin":    second(s.SetAdmin(ctx, rec, a, true, nil)),
			"no admin":       s.RemoveAdmin(ctx, rec, "NONE"),
			"no session":     s.EndSession(ctx, rec, "NONE"),
			"old list":       second(s.PutNetworks(ctx, rec, gate.ListPut{Tenant: "ACME", Base: 9})),
		} {
			if err == nil {
				t.Errorf("%s: no error", name)
			}
		}
		must(t, s.RemoveKeys(ctx, rec, epoch)) // nothing to remove
		p, err := s.LoadPolicy(ctx)
		must(t, err)
		equal(t, "position", p.Pos, int64(2))

		rec.Detail = func() {} // cannot be written as JSON
		if err := s.RaiseEpoch(ctx, rec); err == nil {
			t.Error("a change was stored without its detail")
		}
		g, err := s.LoadGlobal(ctx)
		must(t, err)
		equal(t, "epoch", g.Epoch, int64(1))
	})
}

func second[T any](_ T, err error) error { return err }

func TestChainIsUnambiguous(t *testing.T) {
	key := gate.NewChangeKey()
	hash := func(before string, c gate.Change) []byte {
		c.Key, c.At = key, epoch
		h, err := gate.HashChange([]byte(before), &c)
		must(t, err)
		return h
	}
	a := gate.Change{Kind: "ab", Action: "c"}
	if bytes.Equal(hash("", a), hash("", gate.Change{Kind: "a", Action: "bc"})) {
		t.Error("two rows have one hash")
	}
	if bytes.Equal(hash("x", a), hash("", a)) {
		t.Error("the hash before does not count")
	}
}

func TestChangesAreFiltered(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		addTenant(t, s, "GLOBEX")
		addAdmin(t, s, "ACME", "A1")
		other := record("attempts.read")
		other.Actor = gate.Actor{Kind: gate.ActorAdmin, Admin: "A1", Login: "mo"}
		must(t, s.NoteAccess(t.Context(), other, "ACME", "x"))
		all, err := s.Changes(t.Context(), gate.ChangeFilter{})
		must(t, err)
		for i, c := range all[:len(all)-1] { // each carries the hash before it
			equal(t, fmt.Sprint("before ", c.Pos), string(c.Before), string(all[i+1].Hash))
		}
		equal(t, "before the first", len(all[len(all)-1].Before), 0)
		for name, tt := range map[string]struct {
			f    gate.ChangeFilter
			want int
		}{
			"tenant":   {gate.ChangeFilter{Tenant: "ACME"}, 3},
			"kind":     {gate.ChangeFilter{Tenant: "ACME", Kind: gate.ChangeAccess}, 1},
			"by login": {gate.ChangeFilter{Tenant: "ACME", Actor: "mo"}, 1},
			"by id":    {gate.ChangeFilter{Tenant: "ACME", Actor: "A1"}, 1},
			"nobody":   {gate.ChangeFilter{Tenant: "ACME", Actor: "A2"}, 0},
			"before":   {gate.ChangeFilter{Tenant: "ACME", Before: 3}, 1},
		} {
			got, err := s.Changes(t.Context(), tt.f)
			must(t, err)
			equal(t, name, len(got), tt.want)
		}
		raw(t, s, `UPDATE change_log SET actor = 'nobody' WHERE pos = 2`)
		if _, err := s.VerifyChanges(t.Context()); !errors.Is(err, gate.ErrChainBroken) {
			t.Errorf("an altered row: got %v, want %v", err, gate.ErrChainBroken)
		}
	})
}
