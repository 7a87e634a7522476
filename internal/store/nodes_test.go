package store

import (
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

func TestNodes(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		node := func(name, boot string, seen time.Time) gate.Node {
			return gate.Node{
				Name: name, Boot: boot, Version: "v1.2.3", Started: epoch, Seen: seen, Position: 7, Reached: epoch.Add(time.Second),
				Offset: -3 * time.Millisecond,
				Health: gate.Health{Decisions: gate.Timing{P50: 38 * time.Microsecond, P99: time.Millisecond, PerSecond: 1.5}, Seen: 9, Waiting: 2, Open: 4},
			}
		}
		put := func(n gate.Node) {
			t.Helper()
			now, err := s.PutNode(t.Context(), n)
			must(t, err)
			if s.clock == "" && !now.Equal(s.now()) || s.clock != "" && time.Since(now).Abs() > time.Minute {
				t.Errorf("the store says it is %s", now)
			}
		}
		names := func(since time.Time, want ...gate.Node) {
			t.Helper()
			got, err := s.Nodes(t.Context(), since)
			must(t, err)
			equal(t, "nodes", got, want)
		}
		old, first, again, second := node("n0", "A", epoch.Add(-time.Hour)), node("n1", "B", epoch), node("n1", "C", epoch.Add(time.Second)), node("n2", "D", epoch)
		for _, n := range []gate.Node{second, first, again, old} {
			put(n)
		}
		names(epoch, again, second)
		must(t, s.RemoveNode(t.Context(), "n1", "B")) // an earlier start takes nothing away from the next
		names(epoch.Add(-time.Hour), old, again, second)
		must(t, s.RemoveNode(t.Context(), "n2", "D"))
		must(t, s.ForgetNodes(t.Context(), epoch))
		names(time.Time{}, again)
	})
}
