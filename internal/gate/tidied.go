package gate

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"sync"
	"time"

	"github.com/sallyport-gate/sallyport/cidr"
)

// How long findings stand for who looks again, and for how many lists at once:
// which entries are in force moves on without a new list.
const (
	tidiedFresh = time.Minute
	tidiedMost  = 64
)

// tidyKey is what findings follow from, but for the clock.
type tidyKey struct {
	tenant            string
	version, revision int64       // of the list, and of who is there
	draft             string      // whose draft was looked at; empty: the list
	drafted           int64       // its revision
	long, recent      *collection // the evidence
	sessions          uint64      // who is where, hashed
	operator          *cidr.Set
}

// tidied keeps what was found, since the pages of a long list are looked at more
// often than it changes.
type tidied struct {
	mu    sync.Mutex
	found map[tidyKey]tidyFound
}

type tidyFound struct {
	at       time.Time
	findings []Finding
}

func (t *tidied) get(key tidyKey, now time.Time) ([]Finding, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f, ok := t.found[key]
	return f.findings, ok && now.Sub(f.at) < tidiedFresh
}

func (t *tidied) put(key tidyKey, findings []Finding, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.found, func(_ tidyKey, f tidyFound) bool { return now.Sub(f.at) >= tidiedFresh })
	if t.found == nil || len(t.found) >= tidiedMost {
		t.found = map[tidyKey]tidyFound{}
	}
	t.found[key] = tidyFound{now, findings}
}

// tidyKey says what the findings for somebody would follow from now. Without a
// list in the snapshot there is none.
func (d *Door) tidyKey(ctx context.Context, by Actor, tenant string) (key tidyKey, err error) {
	t := d.snap.byID(tenant)
	if t == nil {
		return key, ErrNotFound
	}
	key = tidyKey{
		tenant: tenant, version: t.Version, revision: t.Revision, operator: d.Rules.Operator,
		long:   d.evidence.begin(d.Gate, evidenceKey{tenant, d.hygieneSpan(&t.Tenant), true}),
		recent: d.evidence.begin(d.Gate, evidenceKey{tenant, replayDays, false}),
	}
	drafts, err := d.store.Drafts(ctx, tenant)
	for i := range drafts {
		if drafts[i].Admin == by.Admin {
			key.draft, key.drafted = by.Admin, drafts[i].Revision
		}
	}
	if err != nil {
		return key, err
	}
	running, err := d.store.Sessions(ctx, SessionFilter{Tenant: tenant, Now: d.now()})
	where := fnv.New64a()
	for i := range running {
		fmt.Fprintln(where, running[i].Admin, running[i].LastAddress)
	}
	key.sessions = where.Sum64()
	return key, err
}

// hygieneSpan is how many days the use of entries is looked at.
func (g *Gate) hygieneSpan(t *Tenant) int { return min(hygieneDays, int(g.wholeFor(t)/evidencePiece)) }
