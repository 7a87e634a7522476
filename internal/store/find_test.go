package store

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// However old records are, a list has what its filter selects: those of lately
// come from the store, those before from memory, old ones from the store again.
func TestFindAgainstPlainFilter(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		all := sample(t, s)
		for i := range all { // some begin in one hour and end in the next
			if i%5 == 0 {
				all[i].LastTime = all[i].FirstTime.Add(gate.LongestRecord - time.Second)
			}
		}
		putAll(t, s, all...)
		command := gate.Actor{Kind: gate.ActorCommand, Login: "test"}
		for _, age := range []time.Duration{30 * time.Minute, time.Hour, 2 * time.Hour, 3 * time.Hour, 31*24*time.Hour + 90*time.Minute, 32 * 24 * time.Hour, 50 * 24 * time.Hour} {
			g := after(t, s, age)
			for name, f := range filters() {
				if f.Tenant == "" || len(f.Where) == 0 || strings.Contains(name, "login") {
					continue // logins are typed here, and not ids and hashes
				}
				for _, since := range []time.Time{{}, epoch.Add(20 * time.Minute)} {
					f.Since, f.Before, f.Limit = since, gate.Cursor{}, 0
					want := slices.DeleteFunc(slices.Clone(all), func(a gate.Attempt) bool { return !selects(f, a) })
					f.Limit = 17
					var got []gate.Attempt
					for {
						page, err := g.Attempts(t.Context(), command, f)
						must(t, err)
						got = append(got, page...)
						if len(page) < f.Limit {
							break
						}
						f.Before = gate.Cursor{Time: page[16].FirstTime, ID: page[16].Reference}
					}
					same := func(a, b gate.Attempt) bool { return a.Reference == b.Reference && a.Count == b.Count }
					if !slices.EqualFunc(got, want, same) {
						t.Errorf("%s after %v since %v: got %d records, want %d", name, age, since, len(got), len(want))
					}
				}
			}
		}
	})
}
