package gate_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// fullChange has texts in every place where a change can have them.
func fullChange(t *testing.T) *gate.Change {
	t.Helper()
	c := &gate.Change{
		Position: gate.Position{Pos: 7, ID: "C7"}, Kind: gate.ChangeAdmin, Action: "admin.set", Tenant: "ACME", Subject: "A1", Version: 3,
		At: time.Date(2026, 3, 1, 12, 0, 0, 5000, time.UTC), Actor: "li.na", ActorID: "A1", Address: netip.MustParseAddr("2001:db8::7"),
		Detail: []byte(`{"before":{"login":"li.na","n":1.50,"none":""},"after":{"login":"li.na","a/b~":["x","\u003cy\u003e",true,null,{"k":"\"\\"}]}}`),
		Key:    gate.NewChangeKey(), Before: []byte("before"),
	}
	var err error
	if c.Hash, err = gate.HashChange(c.Before, c); err != nil {
		t.Fatal(err)
	}
	return c
}

func holds(c *gate.Change) bool {
	hash, err := gate.HashChange(c.Before, c)
	return err == nil && bytes.Equal(hash, c.Hash)
}

func TestErasedTextsKeepTheHash(t *testing.T) {
	all := []string{
		"/actor", "/address", "/detail/before/login", "/detail/after/login",
		"/detail/after/a~1b~0/0", "/detail/after/a~1b~0/1", "/detail/after/a~1b~0/4/k",
	}
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 1))
		c, want := fullChange(t), []string(nil)
		texts := map[string]string{}
		for range 1 + random.IntN(3) { // erasing more of a row that has erased texts already
			chosen := map[string]bool{}
			for _, path := range all {
				chosen[path] = random.IntN(3) == 0
			}
			before := *c
			n, err := c.Erase(func(path, text string) bool {
				if chosen[path] {
					texts[path] = text
				}
				return chosen[path]
			})
			if err != nil || n == 0 && !bytes.Equal(before.Detail, c.Detail) {
				t.Fatalf("seed %d: %d erased, %v", seed, n, err)
			}
		}
		for _, path := range all {
			if _, ok := texts[path]; ok {
				want = append(want, path)
			}
		}
		if !holds(c) || !slices.Equal(c.Erased(), want) {
			t.Fatalf("seed %d: holds %v; erased %q, want %q", seed, holds(c), c.Erased(), want)
		}
		if len(want) > 0 && c.Key != nil {
			t.Fatalf("seed %d: the key that makes all salts is still there", seed)
		}
		alterEach(t, c, texts)
	}
}

// alterEach makes sure that a change holds with none of its texts altered, and
// that nothing takes the place of what was erased, not even the text itself.
func alterEach(t *testing.T, c *gate.Change, erased map[string]string) {
	t.Helper()
	for name, alter := range map[string]func(*gate.Change){
		"actor":   func(c *gate.Change) { c.Actor += "x" },
		"address": func(c *gate.Change) { c.Address = netip.MustParseAddr("2001:db8::8") },
		"subject": func(c *gate.Change) { c.Subject = "A2" },
		"by":      func(c *gate.Change) { c.ActorID = "A2" },
		"time":    func(c *gate.Change) { c.At = c.At.Add(time.Microsecond) },
		"no key":  func(c *gate.Change) { c.Key, c.Leaves = nil, nil },
		"both":    func(c *gate.Change) { c.Key, c.Leaves = gate.NewChangeKey(), []gate.Leaf{{}, {}} },
		"detail":  func(c *gate.Change) { c.Detail = nil },
		"twice":   func(c *gate.Change) { c.Detail = append(slices.Clone(c.Detail), `{"before":{}}`...) },
	} {
		altered := *c
		alter(&altered)
		if holds(&altered) {
			t.Fatalf("%s: it holds as well", name)
		}
	}
	// Every byte of the detail that is part of a name, number, word or text.
	for i := range c.Detail {
		altered := *c
		altered.Detail = slices.Clone(c.Detail)
		altered.Detail[i] ^= 1
		if holds(&altered) {
			t.Fatalf("%s: it holds as well", altered.Detail)
		}
	}
	for path, text := range erased {
		for _, other := range []string{text, "mo", "x"} {
			if altered := put(c, path, other); holds(altered) {
				t.Fatalf("%q stands at %s, where a text was erased, and it holds", other, path)
			}
		}
	}
	for i := range c.Leaves {
		altered := *c
		altered.Leaves = slices.Clone(c.Leaves)
		altered.Leaves[i] = gate.Leaf{Salt: gate.NewChangeKey()}
		if holds(&altered) {
			t.Fatalf("with another salt for text %d it holds", i)
		}
	}
}

// put returns a change with a text at the path of one that was erased.
func put(c *gate.Change, path, text string) *gate.Change {
	altered := *c
	switch path {
	case "/actor":
		altered.Actor = text
	case "/address":
		altered.Address = netip.MustParseAddr("192.0.2.1")
	default:
		quoted, _ := json.Marshal(text)
		altered.Detail = []byte(strings.Replace(string(c.Detail), `""`, string(quoted), 1))
		if path != "/detail/before/login" { // the first empty text may be one that always was
			altered.Detail = []byte(strings.ReplaceAll(string(c.Detail), `""`, string(quoted)))
		}
	}
	return &altered
}

func TestErasedTextsAreTold(t *testing.T) {
	c := fullChange(t)
	if _, err := c.Erase(func(path, text string) bool { return text == "li.na" || path == "/address" }); err != nil {
		t.Fatal(err)
	}
	actor, address, detail := c.Told("<gone>")
	want := `{"before":{"login":"\u003cgone\u003e","n":1.50,"none":""},"after":{"login":"\u003cgone\u003e","a/b~":["x","\u003cy\u003e",true,null,{"k":"\"\\"}]}}`
	if got := fmt.Sprint(actor, " ", address, " ", string(detail)); got != "<gone> <gone> "+want {
		t.Errorf("got %s", got)
	}
	if c.Actor != "" || c.Address.IsValid() || bytes.Contains(c.Detail, []byte("li.na")) {
		t.Errorf("it is still there: %s %s %s", c.Actor, c.Address, c.Detail)
	}
	if n, err := c.Erase(func(string, string) bool { return true }); n != 3 || err != nil {
		t.Errorf("the rest: %d, %v; want 3", n, err)
	}
	if n, err := c.Erase(func(string, string) bool { return true }); n != 0 || err != nil || !holds(c) {
		t.Errorf("once more: %d, %v", n, err)
	}
}

func TestUnreadableDetails(t *testing.T) {
	for _, detail := range []string{`{`, `{"a":}`, `{"a":"b"} x`, `["\ud800"`, strings.Repeat("[", 100) + strings.Repeat("]", 100)} {
		c := &gate.Change{Detail: []byte(detail), Key: gate.NewChangeKey()}
		if _, err := gate.HashChange(nil, c); err == nil {
			t.Errorf("%.20s: it has a hash", detail)
		}
		if _, err := c.Erase(func(string, string) bool { return true }); err == nil {
			t.Errorf("%.20s: texts were erased in it", detail)
		}
	}
}
