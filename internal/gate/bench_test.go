package gate_test

import (
	"fmt"
	"testing"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// BenchmarkDecide decides requests of visitors outside, of visitors without a
// session and of signed-in admins, with lists of 10 and 1,000 entries.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{10, 1000} {
		w := newWorld(b)
		e := w.list()
		for i := range n - 1 {
			e.Entries = append(e.Entries, gate.Draft{Range: fmt.Sprintf("100.%d.%d.0/24", i>>8, i&255), Label: "x", Enabled: true})
		}
		if _, err := w.PutNetworks(b.Context(), command, e); err != nil {
			b.Fatal(err)
		}
		w.person("li.na", gate.RoleOwner)
		token := w.signIn(inside, "li.na")
		for name, q := range map[string]*gate.Request{
			"outside": w.from(outside), "no session": w.from(inside), "signed in": w.with(w.from(inside), token),
		} {
			b.Run(fmt.Sprintf("%s/entries=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					dec := w.door.Decide(q)
					if dec.Reason == gate.SessionIdle {
						b.Fatal("the session idled")
					}
				}
			})
		}
		b.Run(fmt.Sprintf("outside and recorded/entries=%d", n), func(b *testing.B) {
			q := w.from(outside)
			b.ReportAllocs()
			for b.Loop() {
				dec := w.door.Decide(q)
				w.door.Record(q, &dec)
			}
		})
	}
}
