package store

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// packed is how many hours are packed.
func packed(t testing.TB, s *Store) (n int) {
	t.Helper()
	must(t, s.read().row(t.Context(), `SELECT COUNT(*) FROM attempt_hours WHERE pack IS NOT NULL`).Scan(&n))
	return n
}

// after is a gate that knows nothing yet, some time after the records were stored.
func after(t testing.TB, s *Store, d time.Duration) *gate.Gate {
	t.Helper()
	g, err := gate.New(t.Context(), gate.Options{Store: s, Node: "sh-1", Now: func() time.Time { return epoch.Add(d) }})
	must(t, err)
	t.Cleanup(g.Stop)
	return g
}

// pack packs what has come to rest, also when another node is at it.
func pack(t testing.TB, s *Store, g *gate.Gate) {
	t.Helper()
	_, err := s.writer.ExecContext(t.Context(), `DELETE FROM chores`)
	if err = errors.Join(err, g.PackHours(t.Context())); err != nil {
		t.Error(err)
	}
}

// total is what a gate that knows nothing yet counts.
func total(t testing.TB, s *Store) int64 {
	t.Helper()
	q := gate.Question{Patient: true}
	q.Tenant, q.Since = "ACME", epoch.Add(-100*time.Hour)
	sum, err := after(t, s, 2*time.Hour).Summarize(t.Context(), gate.Actor{Kind: gate.ActorSystem}, q)
	must(t, err)
	if !sum.Complete {
		t.Fatal("the answer is not complete")
	}
	return sum.Total.NotAllowed()
}

// A pack is believed as long as it is what the records were packed as, and then
// no record is read; otherwise they are, and it is packed anew.
func TestPackIsBelieved(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		addTenant(t, s, "GLOBEX")
		list := []gate.Attempt{attempt("SP-1", "ACME", epoch), attempt("SP-2", "ACME", epoch.Add(-time.Hour)), attempt("SP-3", "GLOBEX", epoch)}
		list[0].Count, list[1].Count, list[2].Count = 1, 20, 300
		putAll(t, s, list...)
		g := after(t, s, 2*time.Hour)
		pack(t, s, after(t, s, 5*time.Minute))
		equal(t, "hours packed before they come to rest", packed(t, s), 0)
		pack(t, s, g)
		equal(t, "packed hours", packed(t, s), 3)
		raw(t, s, `UPDATE attempts SET count = count + 4000`) // which no mark tells
		equal(t, "counted from packs", total(t, s), int64(21))
		const hour = `tenant = 'ACME' AND hour = (SELECT MAX(hour) FROM attempt_hours)`
		for _, tt := range []struct {
			name, change string
			want         int64
			left         int // packs after somebody looked
		}{
			{"of another tenant", `UPDATE attempt_hours SET pack = (SELECT pack FROM attempt_hours WHERE tenant = 'GLOBEX') WHERE ` + hour, 4021, 2},
			{"of another hour", `UPDATE attempt_hours SET pack = (SELECT pack FROM attempt_hours WHERE tenant = 'ACME' AND hour < (SELECT MAX(hour) FROM attempt_hours)) WHERE ` + hour, 4021, 2},
			{"with an old mark", `UPDATE attempt_hours SET mark = 'ANOTHER' WHERE ` + hour, 4021, 2},
			{"of an unknown version", `UPDATE attempt_hours SET pack = ` + bytesOf(s, "02000000000000") + ` WHERE ` + hour, 4021, 2},
			{"of no version", `UPDATE attempt_hours SET pack = ` + bytesOf(s, "01") + ` WHERE ` + hour, 4021, 2},
			{"of too many records", `UPDATE attempt_hours SET pack = ` + bytesOf(s, "") + ` WHERE ` + hour, 4021, 3},
			{"that is missing", `UPDATE attempt_hours SET pack = NULL WHERE ` + hour, 4021, 2},
		} {
			raw(t, s, tt.change)
			equal(t, "counted with a pack "+tt.name, total(t, s), tt.want)
			equal(t, "packs left of one "+tt.name, packed(t, s), tt.left)
			raw(t, s, `UPDATE attempt_hours SET pack = NULL WHERE `+hour)
			raw(t, s, `UPDATE attempts SET count = count - 4000 WHERE reference = 'SP-1'`)
			pack(t, s, g)
			raw(t, s, `UPDATE attempts SET count = count + 4000 WHERE reference = 'SP-1'`)
			equal(t, "counted after it was packed again", total(t, s), int64(21))
		}
	})
}

// bytesOf writes bytes, given in hex, as the engine has them.
func bytesOf(s *Store, hex string) string {
	if s.clock == "" {
		return `x'` + hex + `'`
	}
	return `'\x` + hex + `'::bytea`
}

// Whatever changes or removes a record takes the pack away that has it, in the
// same transaction.
func TestPackGoesWithItsRecords(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		g := after(t, s, 2*time.Hour)
		first := attempt("SP-1", "ACME", epoch)
		first.LoginHash = "HASH"
		putAll(t, s, first, attempt("SP-0", "ACME", epoch.Add(-time.Second)))
		for name, change := range map[string]func() error{
			"one grows": func() error {
				first.Count++
				putAll(t, s, first)
				return nil
			},
			"one comes late": func() error { putAll(t, s, attempt("SP-2", "ACME", epoch)); return nil },
			"addresses are shortened": func() error {
				_, _, err := s.ShortenAddresses(t.Context(), "ACME", time.Time{}, epoch.Add(time.Hour), 100)
				return err
			},
			"a person is erased": func() error {
				n, _, err := s.EraseAttempts(t.Context(), &gate.Subject{Tenant: "ACME", Hashes: []string{"HASH"}}, gate.Cursor{}, 100, false)
				equal(t, "erased records", n, int64(1))
				return err
			},
			"one is deleted": func() error {
				_, err := s.DeleteAttempts(t.Context(), "", epoch, 0)
				return err
			},
		} {
			pack(t, s, g)
			before := packed(t, s)
			must(t, change())
			if n := packed(t, s); before == 0 || n >= before {
				t.Errorf("%s: %d hours are packed, before %d", name, n, before)
			}
		}
	})
}

// Records change while nodes pack them: at the end, what is packed is what there
// is.
func TestPackRace(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		const hours, rounds = 5, 30
		var work sync.WaitGroup
		for writer := range 2 {
			work.Go(func() {
				for round := range rounds {
					var batch []gate.Attempt
					for hour := range hours {
						a := attempt(fmt.Sprintf("SP-%d-%d", writer, hour), "ACME", epoch.Add(-time.Duration(hour)*time.Hour))
						a.Count = int64(round + 1)
						batch = append(batch, a, attempt(fmt.Sprintf("SP-%d-%d-%d", writer, hour, round), "ACME", a.FirstTime))
					}
					putAll(t, s, batch...)
				}
			})
		}
		stop := make(chan struct{})
		var packing sync.WaitGroup
		for range 2 {
			g := after(t, s, 2*time.Hour)
			packing.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					pack(t, s, g)
				}
			})
		}
		work.Wait()
		close(stop)
		packing.Wait()
		pack(t, s, after(t, s, 2*time.Hour))
		equal(t, "packed hours", packed(t, s), hours)
		equal(t, "counted", total(t, s), int64(2*hours*(rounds+rounds)))
	})
}
