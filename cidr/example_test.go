package cidr_test

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/sallyport-gate/sallyport/cidr"
)

func ExampleParse() {
	for _, text := range []string{"203.0.113.7/24", "203.0.113.10 - 203.0.113.40", "::ffff:10.0.0.0/104", "203.0.113.300"} {
		r, notes, err := cidr.Parse(text)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(r, "host bits cleared:", notes&cidr.HostBitsCleared != 0)
	}
	// Output:
	// 203.0.113.0/24 host bits cleared: true
	// 203.0.113.10-203.0.113.40 host bits cleared: false
	// 10.0.0.0/8 host bits cleared: false
	// "203.0.113.300": "300" is over 255
}

func ExampleParseError() {
	_, _, err := cidr.Parse("0.0.0.0/0")
	if problem, ok := errors.AsType[*cidr.ParseError](err); ok {
		fmt.Println(problem.Code)
		fmt.Println(problem.Problem)
	}
	// Output:
	// everything
	// "0.0.0.0/0" is every IPv4 address: to admit everybody, use mode off
}

func ExampleRange_Prefixes() {
	for _, p := range cidr.MustParse("203.0.113.10-203.0.113.40").Prefixes() {
		fmt.Println(p)
	}
	// Output:
	// 203.0.113.10/31
	// 203.0.113.12/30
	// 203.0.113.16/28
	// 203.0.113.32/29
	// 203.0.113.40/32
}

func ExampleSet() {
	set := cidr.NewSet([]cidr.Range{cidr.MustParse("203.0.113.0/24"), cidr.MustParse("2001:db8::/48")})
	for _, text := range []string{"203.0.113.7", "::ffff:203.0.113.7", "198.51.100.7", "2001:db8::1"} {
		fmt.Println(text, set.Contains(netip.MustParseAddr(text)))
	}
	// Output:
	// 203.0.113.7 true
	// ::ffff:203.0.113.7 true
	// 198.51.100.7 false
	// 2001:db8::1 true
}

func ExampleIndex() {
	list := []cidr.Range{
		cidr.MustParse("203.0.113.0/24"), // headquarters
		cidr.MustParse("203.0.113.7"),    // the router there
		cidr.MustParse("198.51.100.0/25"),
	}
	index := cidr.NewIndex(list)

	fmt.Println("admitted by:", index.Matching(netip.MustParseAddr("203.0.113.7")))
	for _, r := range index.Redundant() {
		fmt.Printf("%v is already covered by %v\n", list[r.Entry], list[r.By])
	}
	if near, ok := index.Nearest(netip.MustParseAddr("198.51.100.200")); ok {
		fmt.Printf("nearest: %v, differs in bit %d\n", near.Prefix, near.Bit)
	}
	// Output:
	// admitted by: [1 0]
	// 203.0.113.7 is already covered by 203.0.113.0/24
	// nearest: 198.51.100.0/25, differs in bit 25
}
