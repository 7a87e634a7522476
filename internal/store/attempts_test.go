package store

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

func putAll(t testing.TB, s *Store, list ...gate.Attempt) {
	t.Helper()
	must(t, s.PutAttempts(t.Context(), gate.Ledger{Boot: "BOOT", Node: "sh-1", Started: epoch}, list))
}

func TestPutAttempts(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		addAdmin(t, s, "ACME", "A1")
		whole := attempt("SP-1", "ACME", epoch)
		whole.Admin, whole.Login, whole.Session = "A1", "A1@example.test", "S1"
		whole.Outcome, whole.Reason, whole.Stage = gate.Refused, gate.BadCode, gate.StageSignIn
		v6 := attempt("SP-2", "", epoch)
		v6.Address, v6.Bits, v6.Peer, v6.LoginHash = netip.MustParseAddr("2001:db8::7"), 128, netip.MustParseAddr("2001:db8::1"), "hash"
		unknown := attempt("SP-3", "ACME", epoch)
		unknown.Address, unknown.Bits, unknown.Peer, unknown.Hops = netip.Addr{}, 0, netip.Addr{}, nil
		putAll(t, s, whole, v6, unknown)
		for _, want := range []gate.Attempt{whole, v6, unknown} {
			got, err := s.Attempt(t.Context(), want.Tenant, want.Reference)
			must(t, err)
			equal(t, want.Reference, *got, want)
		}
		for name, err := range map[string]error{
			"no such reference": second(s.Attempt(t.Context(), "", "NONE")),
			"another tenant's":  second(s.Attempt(t.Context(), "GLOBEX", "SP-1")),
		} {
			if !errors.Is(err, gate.ErrNotFound) {
				t.Errorf("%s: got %v, want %v", name, err, gate.ErrNotFound)
			}
		}
	})
}

// References have 35 bits of chance, so among many records two have the same:
// neither loses its count to the other.
func TestReferencesThatMeet(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		older, newer := attempt("SP-1", "ACME", epoch), attempt("SP-1", "ACME", epoch.Add(time.Hour))
		older.Count, newer.Count = 7, 2
		putAll(t, s, older, newer)
		putAll(t, s, older)
		list, err := s.Attempts(t.Context(), gate.AttemptFilter{Tenant: "ACME"})
		must(t, err)
		if len(list) != 2 || list[0].Count != 2 || list[1].Count != 7 {
			t.Errorf("got %+v, want both", list)
		}
		got, err := s.Attempt(t.Context(), "ACME", "SP-1")
		must(t, err)
		equal(t, "the one that is found", got.Count, newer.Count)
	})
}

// Storing twice, late or in the wrong order changes nothing.
func TestAttemptsMoveForward(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		grown := func(count int64, last time.Duration) gate.Attempt {
			a := attempt("SP-1", "ACME", epoch)
			a.Count, a.LastTime = count, epoch.Add(last)
			return a
		}
		for _, tt := range []struct {
			put   []gate.Attempt
			count int64
			last  time.Duration
		}{
			{[]gate.Attempt{grown(3, time.Second)}, 3, time.Second},
			{[]gate.Attempt{grown(3, time.Second)}, 3, time.Second},
			{[]gate.Attempt{grown(2, 0)}, 3, time.Second},
			{[]gate.Attempt{grown(9, 4*time.Second)}, 9, 4 * time.Second},
			{[]gate.Attempt{grown(9, 5*time.Second)}, 9, 5 * time.Second},
			{[]gate.Attempt{grown(11, 5*time.Second), grown(12, 6*time.Second), grown(10, 5*time.Second)}, 12, 6 * time.Second},
		} {
			changed := tt.put[0]
			changed.Path = "/another" // only count and time move
			putAll(t, s, append(tt.put, changed)...)
			got, err := s.Attempt(t.Context(), "", "SP-1")
			must(t, err)
			equal(t, "count", got.Count, tt.count)
			equal(t, "last time", got.LastTime, epoch.Add(tt.last))
		}
	})
}

// sample is a store's worth of records that differ in everything.
func sample(t *testing.T, s *Store) []gate.Attempt {
	addTenant(t, s, "ACME")
	addTenant(t, s, "GLOBEX")
	logins := map[string]string{"A1": addAdmin(t, s, "ACME", "A1").Login, "A2": addAdmin(t, s, "ACME", "A2").Login, "": "", "GONE": ""}
	random := rand.New(rand.NewPCG(3, 4))
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	var all []gate.Attempt
	for i := range 400 {
		a := attempt(fmt.Sprintf("SP-%04d", i*7919%10000), pick("ACME", "ACME", "GLOBEX", ""), epoch.Add(time.Duration(random.IntN(60))*time.Minute))
		a.LastTime = a.FirstTime.Add(time.Duration(random.IntN(10)) * time.Second)
		a.Count = 1 + random.Int64N(5)
		a.Outcome, a.Reason = gate.Outcome(pick("blocked", "refused", "allowed")), gate.Reason(pick("outside_networks", "bad_code", "network"))
		a.Stage = gate.Stage(pick("gate", "sign_in"))
		a.Admin = pick("", "", "A1", "A2", "GONE")
		a.Login = logins[a.Admin]
		if a.Admin == "" {
			a.LoginHash = pick("", "hash1", "hash2")
		}
		switch random.IntN(10) {
		case 0: // unknown, or everybody
			a.Address, a.Bits = netip.Addr{}, 0
		case 1: // folded
			a.Address, a.Bits = netip.MustParseAddr("198.51.100.0"), 24
		case 2:
			a.Address, a.Bits = netip.MustParseAddr(pick("2001:db8::", "2001:db8:0:1::")), 64
		case 3, 4:
			// c633:6407:: begins with the bytes of 198.51.100.7
			a.Address, a.Bits = netip.MustParseAddr(pick("2001:db8::1", "2001:db8::2", "c633:6407::", "2001:db8:0:1::1")), 128
		default:
			a.Address = netip.MustParseAddr(pick("198.51.100.7", "198.51.100.9", "198.51.101.1", "203.0.113.1"))
		}
		all = append(all, a)
	}
	putAll(t, s, all...)
	slices.SortFunc(all, func(a, b gate.Attempt) int {
		return cmp.Or(b.FirstTime.Compare(a.FirstTime), cmp.Compare(b.Reference, a.Reference))
	})
	return all
}

// selects is what a filter means, record by record.
func selects(f gate.AttemptFilter, a gate.Attempt) bool {
	if f.Tenant != "" && a.Tenant != f.Tenant || a.LastTime.Before(f.Since) || !f.Until.IsZero() && !a.FirstTime.Before(f.Until) {
		return false
	}
	holds := func(c gate.Condition) bool {
		switch c.Field {
		case gate.FieldOutcome:
			return string(a.Outcome) == c.Value
		case gate.FieldReason:
			return string(a.Reason) == c.Value
		case gate.FieldStage:
			return string(a.Stage) == c.Value
		case gate.FieldReference:
			return a.Reference == c.Value
		case gate.FieldLogin:
			return a.Admin == c.Value || a.LoginHash == c.Value
		default:
			return a.Address.IsValid() && c.Range.Contains(a.Address) && a.Bits >= c.Range.Bits()
		}
	}
	wanted, met := map[gate.Field]bool{}, map[gate.Field]bool{}
	for _, c := range f.Where {
		if c.Not && holds(c) {
			return false
		}
		if !c.Not {
			wanted[c.Field] = true
			met[c.Field] = met[c.Field] || holds(c)
		}
	}
	for field := range wanted {
		if !met[field] {
			return false
		}
	}
	return true
}

func filters() map[string]gate.AttemptFilter {
	is := func(field gate.Field, value string) gate.Condition { return gate.Condition{Field: field, Value: value} }
	in := func(network string) gate.Condition {
		return gate.Condition{Field: gate.FieldAddress, Range: netip.MustParsePrefix(network)}
	}
	not := func(c gate.Condition) gate.Condition { c.Not = true; return c }
	all := map[string]gate.AttemptFilter{
		"all":    {},
		"tenant": {Tenant: "ACME"},
		"since":  {Since: epoch.Add(20*time.Minute + 3*time.Second)},
		"until":  {Until: epoch.Add(20 * time.Minute)},
		"span":   {Tenant: "GLOBEX", Since: epoch.Add(10 * time.Minute), Until: epoch.Add(30 * time.Minute)},
	}
	for name, where := range map[string][]gate.Condition{
		"outcome":               {is(gate.FieldOutcome, "blocked")},
		"one of two outcomes":   {is(gate.FieldOutcome, "blocked"), is(gate.FieldOutcome, "allowed")},
		"outcome and reason":    {is(gate.FieldOutcome, "blocked"), is(gate.FieldReason, "bad_code"), is(gate.FieldReason, "network")},
		"not an outcome":        {not(is(gate.FieldOutcome, "blocked"))},
		"none of two":           {not(is(gate.FieldOutcome, "blocked")), not(is(gate.FieldOutcome, "allowed"))},
		"contradiction":         {is(gate.FieldStage, "gate"), not(is(gate.FieldStage, "gate"))},
		"stage":                 {is(gate.FieldStage, "sign_in")},
		"reference":             {is(gate.FieldReference, "SP-7919"), is(gate.FieldReference, "SP-5838")},
		"login of an admin":     {is(gate.FieldLogin, "A1")},
		"hash of a login":       {is(gate.FieldLogin, "hash1")},
		"not a login":           {not(is(gate.FieldLogin, "A1")), not(is(gate.FieldLogin, "hash2"))},
		"address":               {in("198.51.100.7/32")},
		"network":               {in("198.51.100.0/24")},
		"wider":                 {in("198.51.0.0/16")},
		"narrower than folded":  {in("198.51.100.0/25")},
		"odd length":            {in("198.51.100.0/29")},
		"all of IPv4":           {in("0.0.0.0/0")},
		"all of IPv6":           {in("::/0")},
		"IPv6 network":          {in("2001:db8::/64")},
		"IPv6 address":          {in("2001:db8::1/128")},
		"IPv6 wider":            {in("2001:db8::/47")},
		"not an address":        {not(in("198.51.100.7/32"))},
		"not all of IPv4":       {not(in("0.0.0.0/0"))},
		"one of two networks":   {in("198.51.101.0/24"), in("2001:db8::/32")},
		"in one, not the other": {in("198.51.100.0/24"), not(in("198.51.100.7/32"))},
	} {
		all[name] = gate.AttemptFilter{Tenant: "ACME", Where: where}
		all[name+", of all tenants"] = gate.AttemptFilter{Where: where}
	}
	return all
}

func TestAttemptsAgainstPlainFilter(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		all := sample(t, s)
		for name, f := range filters() {
			t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
				want := slices.DeleteFunc(slices.Clone(all), func(a gate.Attempt) bool { return !selects(f, a) })
				got, err := s.Attempts(t.Context(), f)
				must(t, err)
				if empty := strings.HasPrefix(name, "contradiction"); empty != (len(want) == 0) {
					t.Errorf("the filter selects %d records, so the test says little", len(want))
				}
				if len(want) == 0 {
					want = nil
				}
				equal(t, "attempts", got, want)

				var paged []gate.Attempt
				for f.Limit = 17; ; {
					page, err := s.Attempts(t.Context(), f)
					must(t, err)
					paged = append(paged, page...)
					if len(page) < f.Limit {
						break
					}
					last := page[len(page)-1]
					f.Before = gate.Cursor{Time: last.FirstTime, ID: last.Reference}
				}
				equal(t, "attempts in pages", paged, want)
			})
		}
	})
}

func TestMappedRangeIsIPv4(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		putAll(t, s, attempt("SP-1", "ACME", epoch))
		for network, want := range map[string]int{"::ffff:198.51.100.0/120": 1, "::ffff:198.51.101.0/120": 0} {
			got, err := s.Attempts(t.Context(), gate.AttemptFilter{Where: []gate.Condition{{Field: gate.FieldAddress, Range: netip.MustParsePrefix(network)}}})
			must(t, err)
			equal(t, network, len(got), want)
		}
	})
}

func TestUnknownFilters(t *testing.T) {
	s := openNew(t, newDSN["sqlite"](t))
	for name, where := range map[string]gate.Condition{
		"field": {Field: "path", Value: "x"}, "empty field": {}, "no range": {Field: gate.FieldAddress},
	} {
		if _, err := s.Attempts(t.Context(), gate.AttemptFilter{Where: []gate.Condition{where}}); err == nil {
			t.Errorf("%s: no error, so the filter would select too much", name)
		}
	}
}

// While a reviewer turns pages, records grow and new ones arrive.
func TestPagesAreStable(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		all := sample(t, s)
		seen := map[string]int{}
		f := gate.AttemptFilter{Limit: 50}
		for n := 0; ; n++ {
			page, err := s.Attempts(t.Context(), f)
			must(t, err)
			for _, a := range page {
				seen[a.Reference]++
			}
			if len(page) < f.Limit {
				break
			}
			last := page[len(page)-1]
			f.Before = gate.Cursor{Time: last.FirstTime, ID: last.Reference}
			for i := range all { // all of them grow past the page
				all[i].Count++
				all[i].LastTime = all[i].LastTime.Add(2 * time.Hour)
			}
			putAll(t, s, append(all, attempt(fmt.Sprint("SP-NEW", n), "ACME", epoch.Add(3*time.Hour)))...)
		}
		for _, a := range all {
			if seen[a.Reference] != 1 {
				t.Errorf("%s was seen %d times, want once", a.Reference, seen[a.Reference])
			}
		}
	})
}

// groupKey is what a record is grouped by.
func groupKey(a gate.Attempt, by gate.GroupBy) string {
	switch by {
	case gate.GroupAdmin:
		return cmp.Or(a.Login, a.Admin)
	case gate.GroupReason:
		return string(a.Reason)
	}
	if !a.Address.IsValid() {
		return ""
	}
	own := netip.PrefixFrom(a.Address, a.Bits)
	if by == gate.GroupAddress {
		if own.IsSingleIP() {
			return a.Address.String()
		}
		return own.String()
	}
	if net := gate.NetworkOf(a.Address); a.Bits >= net.Bits() {
		return net.String()
	}
	return own.Masked().String()
}

func TestSignIns(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		all := sample(t, s)
		since := epoch.Add(10 * time.Minute)
		uses := map[netip.Addr]gate.Use{}
		for _, a := range all {
			if a.Tenant != "ACME" || a.Stage != gate.StageSignIn || a.Outcome != gate.Allowed || a.LastTime.Before(since) || !a.Address.IsValid() {
				continue
			}
			u := uses[a.Address]
			u.Address = a.Address
			u.Count += a.Count
			if a.LastTime.After(u.Last) {
				u.Last = a.LastTime
			}
			uses[a.Address] = u
		}
		got, err := s.SignIns(t.Context(), "ACME", since)
		must(t, err)
		if len(got) < 5 || len(got) != len(uses) {
			t.Errorf("%d addresses, want %d", len(got), len(uses))
		}
		for _, u := range got {
			equal(t, u.Address.String(), u, uses[u.Address])
		}
		if !slices.IsSortedFunc(got, func(a, b gate.Use) int { return b.Last.Compare(a.Last) }) {
			t.Error("the last is not first")
		}
	})
}

// Several nodes store at the same time, and some records twice.
func TestConcurrentPutAttempts(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		var wg sync.WaitGroup
		for node := range 4 {
			wg.Go(func() {
				boot := gate.Ledger{Boot: fmt.Sprint("BOOT", node), Node: fmt.Sprint("sh-", node), Started: epoch}
				for round := range 10 {
					var batch []gate.Attempt
					for i := range 30 {
						a := attempt(fmt.Sprintf("SP-%d-%d", node, i), "ACME", epoch)
						if i < 5 { // also stored by the others, as from a spool
							a.Reference, a.Boot = fmt.Sprint("SP-SHARED-", i), "SHARED"
						} else {
							a.Boot = boot.Boot
						}
						a.Count = int64(round + 1)
						batch = append(batch, a)
					}
					rand.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
					boot.Seen = int64(25 * (round + 1))
					if err := s.PutAttempts(t.Context(), boot, batch); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		ledgers, err := s.Ledgers(t.Context())
		must(t, err)
		equal(t, "accounts", len(ledgers), 4)
		for _, l := range ledgers {
			equal(t, l.Boot+" seen", l.Seen, int64(250))
			equal(t, l.Boot+" stored", l.Stored, int64(250))
		}
	})
}

func TestGrownAttempts(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		var all []gate.Attempt
		for i := range 5 {
			a := attempt(fmt.Sprint("SP-", i), "ACME", epoch.Add(time.Duration(i)*time.Second))
			a.LastTime = epoch.Add(time.Duration(10-i) * time.Second) // who came first is seen last
			all = append(all, a)
		}
		foreign := attempt("SP-9", "GLOBEX", epoch.Add(time.Hour))
		putAll(t, s, append(all, foreign)...)
		f := gate.AttemptFilter{Tenant: "ACME", Since: epoch.Add(7 * time.Second), Limit: 3}
		got, err := s.GrownAttempts(t.Context(), f)
		must(t, err)
		equal(t, "the latest", got, all[:3])
		n, err := s.CountAttempts(t.Context(), f)
		must(t, err)
		equal(t, "how many", n, int64(4))
	})
}

// A record that began before the time that is asked for, and grew past it, is
// one of those since: also the one that grew for longest.
func TestSinceWithinARecord(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		long := attempt("SP-1", "ACME", epoch)
		long.LastTime = epoch.Add(gate.LongestRecord - time.Second)
		putAll(t, s, long)
		for since, want := range map[time.Duration]int{gate.LongestRecord - 2*time.Second: 1, gate.LongestRecord: 0} {
			got, err := s.Attempts(t.Context(), gate.AttemptFilter{Tenant: "ACME", Since: epoch.Add(since)})
			must(t, err)
			equal(t, "since "+since.String(), len(got), want)
		}
	})
}
