package gate

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/cidr"
)

// TestUsageOf compares the search in order with a look at every pair.
func TestUsageOf(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	address := func() netip.Addr {
		if r.IntN(4) == 0 {
			return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(r.IntN(64))})
		}
		return netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(3)), byte(r.IntN(64))})
	}
	for round := range 200 {
		ranges, uses := make([]cidr.Range, r.IntN(20)), make([]Use, r.IntN(40))
		for i := range ranges {
			a := address()
			ranges[i] = must2(cidr.Parse(fmt.Sprintf("%s/%d", a, a.BitLen()-r.IntN(12))))
		}
		for i := range uses {
			uses[i] = Use{Address: address(), Count: int64(1 + r.IntN(5)), Last: time.Unix(int64(r.IntN(1000)), 0)}
		}
		want := make([]Usage, len(ranges))
		for i := range ranges {
			for _, u := range uses {
				if ranges[i].Contains(u.Address) {
					want[i].Count += u.Count
					if u.Last.After(want[i].Last) {
						want[i].Last = u.Last
					}
				}
			}
		}
		if got := usageOf(ranges, uses); !reflect.DeepEqual(got, want) {
			t.Fatalf("round %d: got %v, want %v", round, got, want)
		}
	}
}

func must2(r cidr.Range, _ cidr.Notes, err error) cidr.Range {
	if err != nil {
		panic(err)
	}
	return r
}
