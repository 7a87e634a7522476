package gate

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"sync"
	"time"
)

// readAgain is how long a reading stands for its repeats: whoever turns pages or
// looks once more is in the change log once.
const readAgain = 10 * time.Minute

// readings remembers who read what lately, for one node.
type readings struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// fresh reports whether a reading is not a repeat, and remembers it.
func (r *readings) fresh(key string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last, ok := r.last[key]; ok && now.Sub(last) < readAgain {
		return false
	}
	maps.DeleteFunc(r.last, func(_ string, last time.Time) bool { return now.Sub(last) >= readAgain })
	if r.last == nil {
		r.last = map[string]time.Time{}
	}
	r.last[key] = now
	return true
}

func (r *readings) forget(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.last, key)
}

// readDetail is what the change log says of a reading of attempts.
type readDetail struct {
	Since     *time.Time      `json:"since,omitempty"`
	Until     *time.Time      `json:"until,omitempty"`
	Where     []exportedWhere `json:"where,omitempty"`
	Reference string          `json:"reference,omitempty"`
}

// noteRead writes to the change log that somebody reads attempts; without that
// nothing is read. What a filter selects by time does not make it another one.
func (g *Gate) noteRead(ctx context.Context, by Actor, tenant string, d readDetail) error {
	same := d
	same.Since, same.Until = nil, nil
	what, err := json.Marshal(same)
	if err != nil {
		return err
	}
	key := string(by.Kind) + " " + cmp.Or(by.Admin, by.Login) + " " + tenant + " " + string(what)
	now := g.now()
	if by.Kind == ActorSystem || !g.read.fresh(key, now) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	err = g.store.NoteAccess(ctx, Record{Actor: by, Action: "attempts.read", Detail: d, At: now}, tenant, tenant)
	if err != nil {
		g.read.forget(key)
	}
	return err
}

// MayReadAttempts reports whether the actor may, without reading any: nil,
// ErrForbidden or ErrNotFound.
func (g *Gate) MayReadAttempts(by Actor, tenant string) error {
	return by.may(tenant, RoleOwner, RoleReviewer)
}

// readable is reviewable for who only looks, which is noted.
func (g *Gate) readable(ctx context.Context, by Actor, f *AttemptFilter) error {
	if err := g.reviewable(ctx, by, f); err != nil {
		return err
	}
	return g.noteRead(ctx, by, f.Tenant, readDetail{Since: orNil(f.Since), Until: orNil(f.Until), Where: whereOf(f.Where)})
}

// whereOf writes the conditions of a filter. Logins are ids or hashes by now.
func whereOf(conditions []Condition) (out []exportedWhere) {
	for _, c := range conditions {
		where := exportedWhere{c.Field, c.Value, c.Not}
		if c.Field == FieldAddress {
			where.Value = c.Range.String()
		}
		out = append(out, where)
	}
	return out
}
