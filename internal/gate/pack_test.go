package gate_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// tracesOf makes records of an hour that differ in everything.
func tracesOf(hour gate.TenantHour, random *rand.Rand, n int) []gate.Trace {
	start := time.Unix(hour.Hour*3600, 0).UTC()
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	addresses := []netip.Prefix{
		{}, netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("255.255.255.255/32"),
		netip.MustParsePrefix("2001:db8::/64"), netip.MustParsePrefix("c633:6407::/128"), netip.MustParsePrefix("::/0"), netip.MustParsePrefix("198.51.100.0/32"),
	}
	traces := make([]gate.Trace, n)
	for i := range traces {
		first := start.Add(time.Duration(random.Int64N(3_600_000_000)) * time.Microsecond)
		address := addresses[random.IntN(len(addresses))]
		traces[i] = gate.Trace{
			Reference: pick("", "R", "SP-7K3M-9QXF", "SP-0000-0000"), First: first, Last: first.Add(time.Duration(random.Int64N(math.MaxUint32)) * time.Microsecond),
			Stage: gate.Stage(pick("gate", "sign_in")), Outcome: gate.Outcome(pick("blocked", "allowed")), Reason: gate.Reason(pick("network", "bad_code", "")),
			Admin: pick("", "A1", "an admin with a long name and a sign: 李"), LoginHash: pick("", "hash"), Password: gate.PasswordCheck(pick("", "right")),
			Address: address.Addr(), Bits: max(address.Bits(), 0), Count: pick64(random, 1, 127, 128, 1<<40, math.MaxInt64),
		}
	}
	slices.SortStableFunc(traces, func(a, b gate.Trace) int { return a.First.Compare(b.First) })
	return traces
}

func pick64(random *rand.Rand, list ...int64) int64 { return list[random.IntN(len(list))] }

// TestPack: what is packed is what comes out, and nothing else is believed.
func TestPack(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	hour := gate.TenantHour{Tenant: "ACME", Hour: 493_000, Mark: "M1"}
	for _, n := range []int{0, 1, 2, 1000} {
		want := tracesOf(hour, random, n)
		pack := gate.Pack(hour, want)
		if got, err := gate.Unpack(hour, pack); err != nil || !reflect.DeepEqual(got, want) && n > 0 {
			t.Fatalf("%d records: %v, got\n%v\nwant\n%v", n, err, got, want)
		}
		for name, other := range map[string]gate.TenantHour{
			"another mark":      {Tenant: "ACME", Hour: 493_000, Mark: "M2"},
			"another hour":      {Tenant: "ACME", Hour: 493_001, Mark: "M1"},
			"another tenant":    {Tenant: "GLOBEX", Hour: 493_000, Mark: "M1"},
			"cut between names": {Tenant: "ACM", Hour: 493_000, Mark: "EM1"},
		} {
			if _, err := gate.Unpack(other, pack); err == nil {
				t.Errorf("%d records: a pack of %s is believed", n, name)
			}
		}
		for i := range min(len(pack), 200) {
			damaged := slices.Clone(pack)
			damaged[i] ^= 1 << random.IntN(8)
			if _, err := gate.Unpack(hour, damaged); err == nil {
				t.Errorf("%d records: byte %d is damaged, and the pack is believed", n, i)
			}
			if _, err := gate.Unpack(hour, pack[:i]); err == nil {
				t.Errorf("%d records: the pack is cut at %d, and believed", n, i)
			}
		}
	}
}

// FuzzUnpack: whatever stands behind the right sum, it is taken as it says or
// refused, and a length that it names takes no memory that it has not.
func FuzzUnpack(f *testing.F) {
	random := rand.New(rand.NewPCG(7, 8))
	hour := gate.TenantHour{Tenant: "ACME", Hour: 493_000, Mark: "M1"}
	for n := range 4 {
		f.Add(gate.Pack(hour, tracesOf(hour, random, n))[gate.PackHead:])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		traces, err := gate.Unpack(hour, gate.Sealed(hour, body))
		if err != nil {
			return
		}
		again, err := gate.Unpack(hour, gate.Pack(hour, traces))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(traces) {
			t.Errorf("got %v, %v; want %v", again, err, traces)
		}
	})
}
