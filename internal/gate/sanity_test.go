package gate

import (
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestFindings(t *testing.T) {
	var forwarded = "X-Forwarded-For"
	trusted := func(a netip.Addr) bool { return a == netip.MustParseAddr("10.0.0.9") }
	source := &Source{Header: forwarded, Trusted: trusted}
	type traffic struct {
		peer   string
		header []string
		n      int
	}
	for name, tt := range map[string]struct {
		traffic []traffic
		want    []AddressTrouble
	}{
		"nothing":     {},
		"as it is":    {[]traffic{{"10.0.0.9", []string{"198.51.100.1"}, 500}, {"198.51.100.2", nil, 90}}, nil},
		"an office":   {[]traffic{{"203.0.113.7", nil, 5000}}, nil},
		"a few":       {[]traffic{{"10.0.0.4", []string{"198.51.100.1"}, 19}}, nil},
		"hidden":      {[]traffic{{"10.0.0.4", []string{"198.51.100.1"}, 312}, {"198.51.100.9", nil, 5000}}, []AddressTrouble{{TroubleHidden, addr("10.0.0.4"), forwarded, 312}}},
		"hidden, far": {[]traffic{{"203.0.113.4", []string{"198.51.100.1"}, 312}, {"198.51.100.9", nil, 600}}, []AddressTrouble{{TroubleHidden, addr("203.0.113.4"), forwarded, 312}}},
		"an attacker": {[]traffic{{"203.0.113.4", []string{"198.51.100.1"}, 312}, {"198.51.100.9", nil, 5000}}, nil},
		"a mixture":   {[]traffic{{"10.0.0.4", []string{"198.51.100.1"}, 50}, {"10.0.0.4", nil, 50}}, nil},
		"silent":      {[]traffic{{"10.0.0.9", nil, 25}, {"10.0.0.9", []string{" "}, 5}}, []AddressTrouble{{TroubleSilent, addr("10.0.0.9"), "", 30}}},
		"unreadable":  {[]traffic{{"10.0.0.9", []string{"unknown"}, 40}}, []AddressTrouble{{TroubleUnreadable, addr("10.0.0.9"), "", 40}}},
		"too long":    {[]traffic{{"10.0.0.9", make([]string, 65), 40}}, []AddressTrouble{{TroubleSilent, addr("10.0.0.9"), "", 40}}},
		"everybody":   {[]traffic{{"10.0.0.4", nil, 400}, {"198.51.100.9", nil, 4}}, []AddressTrouble{{TroubleOne, addr("10.0.0.4"), "", 400}}},
		"not all":     {[]traffic{{"10.0.0.4", nil, 400}, {"198.51.100.9", nil, 40}}, nil},
	} {
		var g Gate
		g.peers.turn(time.Unix(1000, 0))
		for _, x := range tt.traffic {
			a := source.Find(x.peer+":1", x.header)
			if !a.Trusted && x.header != nil {
				a.Ignored = &forwarded
			}
			for range x.n {
				g.Met(&a)
			}
		}
		if got := g.peers.findings(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, tt.want)
		}
	}
}

func addr(text string) netip.Addr { return netip.MustParseAddr(text) }

// TestFindingsInAFlood: a proxy is found among a flood from more addresses than
// there are slots, and is forgotten after an hour.
func TestFindingsInAFlood(t *testing.T) {
	var g Gate
	header, start := "Forwarded", time.Unix(1000, 0)
	g.peers.turn(start)
	proxy := Address{Peer: addr("10.0.0.4"), Addr: addr("10.0.0.4"), Ignored: &header}
	var done sync.WaitGroup
	for part := range 4 {
		done.Go(func() {
			flood := Address{Peer: netip.AddrFrom4([4]byte{198, byte(part), 0, 0})}
			for range 20000 {
				g.Met(&proxy)
				flood.Peer = flood.Peer.Next()
				g.Met(&flood)
			}
		})
	}
	done.Wait()
	got := g.peers.findings()
	if len(got) != 1 || got[0].Peer != proxy.Peer || got[0].Header != header || got[0].Requests < 70000 {
		t.Errorf("got %+v, want the proxy with nearly 80000 requests", got)
	}
	g.peers.turn(start.Add(peerSpan))
	if len(g.peers.findings()) != 1 {
		t.Error("it is forgotten too early")
	}
	g.peers.turn(start.Add(2 * peerSpan))
	if got := g.peers.findings(); got != nil {
		t.Errorf("after an hour: got %+v", got)
	}
}

func TestMetAllocatesNothing(t *testing.T) {
	var g Gate
	g.peers.turn(time.Unix(1000, 0))
	a := Address{Peer: addr("10.0.0.4"), Addr: addr("10.0.0.4"), Header: []string{"198.51.100.1"}, Trusted: true}
	if n := testing.AllocsPerRun(1000, func() { g.Met(&a) }); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

func BenchmarkMet(b *testing.B) {
	var g Gate
	g.peers.turn(time.Unix(1000, 0))
	a := Address{Peer: addr("10.0.0.4"), Addr: addr("10.0.0.4")}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			g.Met(&a)
		}
	})
}
