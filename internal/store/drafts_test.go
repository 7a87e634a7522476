package store

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

func draftOf(a gate.Admin) gate.WorkingDraft {
	return gate.WorkingDraft{
		Tenant: a.Tenant, Admin: a.ID, Login: a.Login, Base: 1, Mode: gate.ModeDryRun, Restores: 7, Changes: 3,
		Updated: epoch, Revision: 10, Entries: []gate.DraftEntry{
			{Key: "N1", Draft: gate.Draft{
				ID: "N1", Range: "192.0.2.0/24", Label: "办公室", Note: "a\nnote", Owner: "IT", Enabled: true,
				NotBefore: epoch.Add(-time.Hour), Expires: epoch.Add(time.Microsecond),
				Roles: []gate.Role{gate.RoleOwner}, Admins: []string{"A1", "A2"},
			}},
			{Key: "K2", Draft: gate.Draft{Range: "2001:db8::/48", Label: "new"}},
		},
	}
}

func TestDrafts(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		addTenant(t, s, "GLOBEX")
		a1, a2 := addAdmin(t, s, "ACME", "A1"), addAdmin(t, s, "ACME", "A2")
		d := draftOf(a1)
		must(t, s.PutDraft(t.Context(), d, 0))
		got, err := s.Draft(t.Context(), "ACME", "A1")
		must(t, err)
		equal(t, "draft", *got, d)

		later := draftOf(a2)
		later.Updated, later.Entries = epoch.Add(time.Minute), []gate.DraftEntry{}
		must(t, s.PutDraft(t.Context(), later, 0))
		list, err := s.Drafts(t.Context(), "ACME")
		must(t, err)
		d.Entries, later.Entries = nil, nil
		equal(t, "drafts", list, []gate.WorkingDraft{later, d})

		for name, err := range map[string]error{
			"a second first draft":     s.PutDraft(t.Context(), d, 0),
			"from an older revision":   s.PutDraft(t.Context(), d, 9),
			"of another tenant":        s.PutDraft(t.Context(), gate.WorkingDraft{Tenant: "GLOBEX", Admin: "A1"}, 10),
			"removing an older one":    s.RemoveDraft(t.Context(), "ACME", "A1", 9),
			"removing what is not":     s.RemoveDraft(t.Context(), "GLOBEX", "A1", 10),
			"removing somebody else's": s.RemoveDraft(t.Context(), "ACME", "A3", 10),
		} {
			if !errors.Is(err, gate.ErrChanged) {
				t.Errorf("%s: got %v, want %v", name, err, gate.ErrChanged)
			}
		}
		for name, err := range map[string]error{
			"of another tenant": second(s.Draft(t.Context(), "GLOBEX", "A1")),
			"of nobody":         second(s.Draft(t.Context(), "ACME", "A3")),
		} {
			if !errors.Is(err, gate.ErrNotFound) {
				t.Errorf("%s: got %v, want %v", name, err, gate.ErrNotFound)
			}
		}
		d = draftOf(a1)
		d.Revision, d.Changes, d.Entries = 11, 1, d.Entries[1:]
		must(t, s.PutDraft(t.Context(), d, 10))
		got, err = s.Draft(t.Context(), "ACME", "A1")
		must(t, err)
		equal(t, "draft after an edit", *got, d)
		must(t, s.RemoveDraft(t.Context(), "ACME", "A1", 11))

		must(t, s.RemoveAdmin(t.Context(), record("admin.remove"), "A2"))
		list, err = s.Drafts(t.Context(), "ACME")
		must(t, err)
		equal(t, "drafts after their owners", len(list), 0)
	})
}

// Of windows of one person that edit at once, each either counts or is told.
func TestDraftsAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		d := draftOf(addAdmin(t, s, "ACME", "A1"))
		must(t, s.PutDraft(t.Context(), d, 0))
		var through atomic.Int32
		var done sync.WaitGroup
		for i := range 8 {
			done.Go(func() {
				mine := d
				mine.Revision = int64(11 + i)
				switch err := s.PutDraft(t.Context(), mine, 10); {
				case err == nil:
					through.Add(1)
				case !errors.Is(err, gate.ErrChanged):
					t.Error(err)
				}
			})
		}
		done.Wait()
		equal(t, "edits of one revision", through.Load(), int32(1))
	})
}

// A draft that is applied is gone with the same transaction, or still there.
func TestPutNetworksOfDraft(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		d := draftOf(addAdmin(t, s, "ACME", "A1"))
		must(t, s.PutDraft(t.Context(), d, 0))
		put := gate.ListPut{Tenant: "ACME", Base: 1, Mode: gate.ModeEnforced, Networks: manyNetworks(2), Draft: &d}
		d.Revision = 9
		if _, err := s.PutNetworks(t.Context(), record("network.put"), put); !errors.Is(err, gate.ErrDraftChanged) {
			t.Errorf("a draft of another revision: got %v, want %v", err, gate.ErrDraftChanged)
		}
		list, err := s.List(t.Context(), "ACME", 0)
		must(t, err)
		equal(t, "version after a refused draft", list.Version, int64(1))
		d.Revision = 10
		put.Base = 3
		if _, ok := errors.AsType[*gate.VersionConflict](second(s.PutNetworks(t.Context(), record("network.put"), put))); !ok {
			t.Error("a draft of another version was applied")
		}
		must(t, second(s.Draft(t.Context(), "ACME", "A1")))
		put.Base = 1
		must(t, second(s.PutNetworks(t.Context(), record("network.put"), put)))
		if _, err := s.Draft(t.Context(), "ACME", "A1"); !errors.Is(err, gate.ErrNotFound) {
			t.Errorf("the draft after it was applied: got %v, want %v", err, gate.ErrNotFound)
		}
	})
}
