package gate

import (
	"context"
	"slices"
	"time"
)

// Bounds of a tail.
const (
	// tailMost is how many records one look shows: more in a second is a flood,
	// of which nobody reads every line.
	tailMost = 200
	// tailOverlap is how far behind its own time a record may become visible:
	// nodes store theirs within a second, and their clocks differ.
	tailOverlap = 5 * time.Second
)

// Tail follows a tenant's attempts as they are stored, whichever node saw them:
// each look reads from the store, so that a follower who was cut off may go on
// at any node. It is not safe for concurrent use.
type Tail struct {
	store  AttemptStore
	filter AttemptFilter
	at     time.Time // of the newest record that was shown or passed over
	begun  bool
	shown  map[tailKey]Attempt // what the next look reaches back to
}

// tailKey names a record.
type tailKey struct {
	reference string
	first     int64 // unix µs
}

func keyOf(a *Attempt) tailKey { return tailKey{a.Reference, a.FirstTime.UnixMicro()} }

// Tail begins to follow attempts from a moment on, from now on where it is zero,
// for owners and reviewers. A record that grows is shown again. Since, Until,
// Limit and Before of the filter count for nothing.
func (g *Gate) Tail(ctx context.Context, by Actor, f AttemptFilter, from time.Time) (*Tail, error) {
	if err := g.readable(ctx, by, &f); err != nil {
		return nil, err
	}
	f.Until, f.Before = time.Time{}, Cursor{}
	if now := g.now(); from.IsZero() || from.After(now) {
		from = now
	}
	return &Tail{store: g.store, filter: f, at: micros(from), shown: map[tailKey]Attempt{}}, nil
}

// At is the moment to go on from in another Tail.
func (t *Tail) At() time.Time { return t.at }

// Next returns what was made or has grown since the last call, oldest first. In
// a flood it returns the newest, and how many newer records than those of the
// last call it passed over.
func (t *Tail) Next(ctx context.Context) (grown []Attempt, skipped int64, err error) {
	f := t.filter
	f.Since, f.Limit = t.at.Add(-tailOverlap), tailMost+len(t.shown)
	grown, err = t.store.GrownAttempts(ctx, f)
	if err != nil {
		return nil, 0, err
	}
	whole := len(grown) < f.Limit
	grown = slices.DeleteFunc(grown, t.known)
	if !whole || len(grown) > tailMost {
		grown = grown[:min(len(grown), tailMost)]
		if skipped, err = t.passedOver(ctx, grown); err != nil {
			return nil, 0, err
		}
	}
	slices.Reverse(grown)
	t.remember(grown)
	return grown, skipped, nil
}

// known reports whether a record was shown as it is, or is older than the tail.
func (t *Tail) known(a Attempt) bool {
	old, shown := t.shown[keyOf(&a)]
	if !shown && !t.begun && !a.LastTime.After(t.at) {
		t.shown[keyOf(&a)] = a
		return true
	}
	return shown && old.Count == a.Count
}

// passedOver counts the records that are newer than the last look and not among
// those to show.
func (t *Tail) passedOver(ctx context.Context, shown []Attempt) (int64, error) {
	f := t.filter
	f.Since = t.at.Add(time.Microsecond)
	n, err := t.store.CountAttempts(ctx, f)
	for i := range shown {
		if shown[i].LastTime.After(t.at) {
			n--
		}
	}
	return max(n, 0), err
}

// remember notes what was shown, and forgets what no look reaches back to.
func (t *Tail) remember(shown []Attempt) {
	t.begun = true
	for _, a := range shown {
		t.shown[keyOf(&a)] = a
		if a.LastTime.After(t.at) {
			t.at = a.LastTime
		}
	}
	for key, a := range t.shown {
		if a.LastTime.Before(t.at.Add(-tailOverlap)) {
			delete(t.shown, key)
		}
	}
}
