package caddymodule

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// trusting makes a world that trusts two proxies, and whose tenant acme admits
// what the console shall see as 198.51.100.7, 2001:db8::7 and the proxies.
func trusting(t *testing.T, more string) *world {
	w := newWorld(t)
	w.options = "trusted_proxies static " + proxyIP + " " + proxy2IP + "\n" + more
	w.site = "login off"
	for _, text := range []string{"198.51.100.7", "2001:db8::7", proxyIP, proxy2IP} {
		w.add("acme", text)
	}
	w.load()
	return w
}

// TestAddresses is the table "Where a visitor comes from", over real sockets: the
// console is told the address, and who has none is told nothing else.
func TestAddresses(t *testing.T) {
	w := trusting(t, "")
	none := "" // refused: address_unknown
	for name, c := range map[string]struct {
		from   string
		header []string
		want   string
	}{
		"peer not trusted, nothing":       {insideIP, nil, insideIP},
		"peer not trusted, header":        {insideIP, []string{"198.51.100.7"}, insideIP},
		"peer not trusted, rubbish":       {insideIP, []string{"rubbish"}, insideIP},
		"trusted, absent":                 {proxyIP, nil, none},
		"trusted, empty":                  {proxyIP, []string{""}, none},
		"trusted, blank":                  {proxyIP, []string{" , ,"}, none},
		"trusted, one":                    {proxyIP, []string{"198.51.100.7"}, "198.51.100.7"},
		"trusted, forged on the left":     {proxyIP, []string{"203.0.113.1, 198.51.100.7"}, "198.51.100.7"},
		"trusted, rubbish on the left":    {proxyIP, []string{"unknown, 198.51.100.7"}, "198.51.100.7"},
		"trusted, chain of proxies":       {proxyIP, []string{"203.0.113.1, 198.51.100.7, " + proxy2IP}, "198.51.100.7"},
		"all trusted: the leftmost":       {proxyIP, []string{proxyIP + ", " + proxy2IP}, proxyIP},
		"rubbish on the walk":             {proxyIP, []string{"198.51.100.7, unknown"}, none},
		"rubbish behind a proxy":          {proxyIP, []string{"198.51.100.7, unknown, " + proxy2IP}, none},
		"empty entry on the walk":         {proxyIP, []string{"198.51.100.7,"}, none},
		"two lines, joined":               {proxyIP, []string{"203.0.113.1", "198.51.100.7"}, "198.51.100.7"},
		"two lines, the last by a proxy":  {proxyIP, []string{"203.0.113.1, 198.51.100.7", proxy2IP}, "198.51.100.7"},
		"port":                            {proxyIP, []string{"198.51.100.7:567"}, "198.51.100.7"},
		"IPv6 with port":                  {proxyIP, []string{"[2001:db8::7]:567"}, "2001:db8::7"},
		"IPv6 in brackets":                {proxyIP, []string{"[2001:db8::7]"}, "2001:db8::7"},
		"quotes":                          {proxyIP, []string{`"198.51.100.7"`}, "198.51.100.7"},
		"quotes, IPv6 with port":          {proxyIP, []string{`"[2001:db8::7]:567"`}, "2001:db8::7"},
		"mapped IPv4":                     {proxyIP, []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		"mapped proxy on the walk":        {proxyIP, []string{"198.51.100.7, ::ffff:" + proxy2IP}, "198.51.100.7"},
		"zone":                            {proxyIP, []string{"fe80::1%eth0"}, none},
		"leading zeros":                   {proxyIP, []string{"198.051.100.7"}, none},
		"shortened":                       {proxyIP, []string{"198.7"}, none},
		"hexadecimal":                     {proxyIP, []string{"0xc6336407"}, none},
		"64 entries":                      {proxyIP, []string{strings.Repeat("203.0.113.1, ", 63) + "198.51.100.7"}, "198.51.100.7"},
		"65 entries":                      {proxyIP, []string{strings.Repeat("203.0.113.1, ", 64) + "198.51.100.7"}, none},
		"more than 4 KiB":                 {proxyIP, []string{strings.Repeat("203.0.113.1"+strings.Repeat(" ", 90)+",", 50) + "198.51.100.7"}, none},
		"Forwarded is not the header":     {proxyIP, nil, none},
		"another peer claims to be proxy": {outsideIP, []string{"198.51.100.7"}, "outside"},
	} {
		t.Run(name, func(t *testing.T) {
			w.console.take()
			text := "GET / HTTP/1.1\r\nHost: acme.example\r\nForwarded: for=198.51.100.7\r\nX-Real-Ip: 198.51.100.7\r\nConnection: close\r\n"
			for _, line := range c.header {
				text += "X-Forwarded-For: " + line + "\r\n"
			}
			answer := w.raw(c.from, text+"\r\n")
			seen := w.console.take()
			switch c.want {
			case none:
				refusedFor(t, answer, gate.AddressUnknown, len(seen))
			case "outside":
				refusedFor(t, answer, gate.OutsideNetworks, len(seen))
			default:
				if len(seen) != 1 {
					t.Fatalf("did not pass: %s", answer)
				}
				if got := seen[0].Header.Get("X-Sallyport-Address"); got != c.want {
					t.Errorf("got address %s, want %s", got, c.want)
				}
			}
		})
	}
}

func refusedFor(t *testing.T, answer string, reason gate.Reason, passed int) {
	t.Helper()
	if passed > 0 {
		t.Error("it reached the console")
	}
	if want := `"reason":"` + string(reason) + `"`; !strings.HasPrefix(answer, "HTTP/1.1 403 ") || !strings.Contains(answer, want) {
		t.Errorf("got %s, want 403 %s", answer, reason)
	}
}

// TestWithoutHeaderPeer: a proxy may lend its address where that is said.
func TestWithoutHeaderPeer(t *testing.T) {
	w := trusting(t, "without_header peer")
	for _, header := range []string{"", "X-Forwarded-For:\r\n", "X-Forwarded-For: 198.51.100.7\r\n"} {
		w.raw(proxyIP, "GET / HTTP/1.1\r\nHost: acme.example\r\n"+header+"Connection: close\r\n\r\n")
		seen := w.console.take()
		want := proxyIP
		if strings.Contains(header, "7") {
			want = "198.51.100.7"
		}
		if len(seen) != 1 || seen[0].Header.Get("X-Sallyport-Address") != want {
			t.Errorf("%q: the console saw %d requests, want one from %s", header, len(seen), want)
		}
	}
	w.raw(proxyIP, "GET / HTTP/1.1\r\nHost: acme.example\r\nX-Forwarded-For: unknown\r\nConnection: close\r\n\r\n")
	if len(w.console.take()) > 0 {
		t.Error("a header that cannot be read counts as none")
	}
}

// TestClientIPHeader: one header counts, and only that.
func TestClientIPHeader(t *testing.T) {
	w := trusting(t, "client_ip_header cf-connecting-ip")
	w.raw(proxyIP, "GET / HTTP/1.1\r\nHost: acme.example\r\nX-Forwarded-For: 203.0.113.1\r\nCF-Connecting-IP: 198.51.100.7\r\nConnection: close\r\n\r\n")
	seen := w.console.take()
	if len(seen) != 1 {
		t.Fatal("did not pass")
	}
	for name, want := range map[string]string{
		"X-Sallyport-Address": "198.51.100.7", "Cf-Connecting-Ip": "198.51.100.7", "X-Forwarded-For": "198.51.100.7, " + proxyIP,
	} {
		if got := seen[0].Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	w.raw(proxyIP, "GET / HTTP/1.1\r\nHost: acme.example\r\nX-Forwarded-For: 198.51.100.7\r\nConnection: close\r\n\r\n")
	if len(w.console.take()) > 0 {
		t.Error("another header counts as well")
	}
}

// TestPROXYProtocol: behind Caddy's own listener wrapper the peer is whom the
// preamble names, if it comes from where preambles are believed.
func TestPROXYProtocol(t *testing.T) {
	w := newWorld(t)
	w.site = "login off"
	w.servers = "listener_wrappers {\n proxy_protocol {\n  allow " + proxyIP + "/32\n  fallback_policy reject\n }\n}"
	for _, text := range []string{"198.51.100.7", "2001:db8::7"} {
		w.add("acme", text)
	}
	w.load()
	v1 := func(family, source string) string {
		return fmt.Sprintf("PROXY %s %s %s 4711 80\r\n", family, source, source)
	}
	for name, c := range map[string]struct {
		from, preamble, want string // want empty: not served
	}{
		"v1, IPv4":                   {proxyIP, v1("TCP4", "198.51.100.7"), "198.51.100.7"},
		"v1, IPv6":                   {proxyIP, v1("TCP6", "2001:db8::7"), "2001:db8::7"},
		"v1, mapped":                 {proxyIP, v1("TCP6", "::ffff:198.51.100.7"), "198.51.100.7"},
		"v1, outside":                {proxyIP, v1("TCP4", "198.51.100.8"), ""},
		"v1, unknown":                {proxyIP, "PROXY UNKNOWN\r\n", ""}, // the proxy itself, which is outside
		"v1, leading zeros":          {proxyIP, v1("TCP4", "198.051.100.7"), ""},
		"v1, zone":                   {proxyIP, v1("TCP6", "fe80::1%eth0"), ""},
		"v1, two preambles":          {proxyIP, v1("TCP4", "198.51.100.8") + v1("TCP4", "198.51.100.7"), ""},
		"v1, cut short":              {proxyIP, "PROXY TCP4 198.51.100.7\r\n", ""},
		"v1, without an end":         {proxyIP, "PROXY TCP4 198.51.100.7 " + strings.Repeat("1", 200), ""},
		"v2, IPv4":                   {proxyIP, v2("198.51.100.7", 1), "198.51.100.7"},
		"v2, IPv6":                   {proxyIP, v2("2001:db8::7", 1), "2001:db8::7"},
		"v2, mapped":                 {proxyIP, v2("::ffff:198.51.100.7", 1), "198.51.100.7"},
		"v2, outside":                {proxyIP, v2("198.51.100.8", 1), ""},
		"v2, local: the proxy":       {proxyIP, v2("198.51.100.7", 0), ""},
		"v2, cut short":              {proxyIP, v2("198.51.100.7", 1)[:20], ""},
		"none, from the proxy":       {proxyIP, "", ""}, // which is outside
		"v1, from somebody else":     {insideIP, v1("TCP4", "198.51.100.7"), ""},
		"v2, from somebody else":     {insideIP, v2("198.51.100.7", 1), ""},
		"none, from somebody inside": {insideIP, "", insideIP},
	} {
		t.Run(name, func(t *testing.T) {
			w.console.take()
			answer := w.raw(c.from, c.preamble+"GET / HTTP/1.1\r\nHost: acme.example\r\nX-Forwarded-For: 198.51.100.7\r\nConnection: close\r\n\r\n")
			seen := w.console.take()
			switch {
			case c.want == "" && len(seen) > 0:
				t.Errorf("it reached the console from %s", seen[0].Header.Get("X-Sallyport-Address"))
			case c.want != "" && len(seen) != 1:
				t.Errorf("did not pass: %s", answer)
			case c.want != "" && seen[0].Header.Get("X-Sallyport-Address") != c.want:
				t.Errorf("got %s, want %s", seen[0].Header.Get("X-Sallyport-Address"), c.want)
			}
		})
	}
}

// v2 is the preamble of version 2 with a command: 0 local, 1 proxy.
func v2(source string, command byte) string {
	a := netip.MustParseAddr(source)
	family := byte(0x11)
	if a.Is6() {
		family = 0x21
	}
	body := append(a.AsSlice(), a.AsSlice()...)
	body = binary.BigEndian.AppendUint16(body, 4711)
	body = binary.BigEndian.AppendUint16(body, 80)
	head := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), 0x20|command, family)
	return string(append(binary.BigEndian.AppendUint16(head, uint16(len(body))), body...))
}

// TestTrustWarning: who has told only Caddy which proxies to trust is warned at
// the start, and Caddy's trust counts for nothing.
func TestTrustWarning(t *testing.T) {
	w := newWorld(t)
	w.site = "login off"
	w.servers = "trusted_proxies static 127.0.0.0/8"
	w.load()
	if log := w.log(); !strings.Contains(log, "sallyport { trusted_proxies static") {
		t.Error("there is no warning")
	}
	w.raw(insideIP, "GET / HTTP/1.1\r\nHost: acme.example\r\nX-Forwarded-For: 203.0.113.1\r\nX-Forwarded-Host: globex.example\r\nConnection: close\r\n\r\n")
	seen := w.console.take()
	if len(seen) != 1 {
		t.Fatal("did not pass")
	}
	for name, want := range map[string]string{"X-Sallyport-Address": insideIP, "X-Forwarded-For": insideIP, "X-Forwarded-Host": "acme.example"} {
		if got := seen[0].Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	w.options = "trusted_proxies static " + proxyIP
	before := len(w.log())
	w.load()
	if strings.Contains(w.log()[before:], "sallyport { trusted_proxies static") {
		t.Error("there is a warning for who has said it twice")
	}
}
