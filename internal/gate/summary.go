package gate

import (
	"cmp"
	"context"
	"errors"
	"time"
)

// Question is what somebody wants to know of a tenant's attempts, all together.
type Question struct {
	AttemptFilter         // Limit is how many groups; Before counts for nothing
	Group         GroupBy // empty: none
	// Attention parts the addresses that a person should look at from the noise.
	// Grouped by address, the groups are the noise.
	Attention bool
	Patient   bool // waits longer for records that are not in memory yet
}

// Summary answers a question. Counts are of attempts where nothing else is said.
type Summary struct {
	Reach
	Until   time.Time
	Bucket  time.Duration // length of a bucket
	Buckets []Bucket      // of the whole span, the oldest first
	Total   Tally
	Records int64

	Groups     []AttemptGroup // the largest first
	GroupCount int            // of all groups

	Attention      []AttentionGroup // the most urgent first
	AttentionCount int              // addresses
	Noise          int64            // attempts that were not let in, from all other addresses
	NoiseAddresses int
}

// Tally counts attempts by what became of them.
type Tally struct{ Blocked, WouldBlock, Refused, Allowed int64 }

// NotAllowed counts what did not pass, or would not have.
func (t *Tally) NotAllowed() int64 { return t.Blocked + t.WouldBlock + t.Refused }

func (t *Tally) add(o Outcome, n int64) {
	switch o {
	case Blocked:
		t.Blocked += n
	case WouldBlock:
		t.WouldBlock += n
	case Refused:
		t.Refused += n
	case Allowed:
		t.Allowed += n
	}
}

// Bounds of summaries.
const (
	maxGroups    = 500
	maxAttention = 50
)

// defaultSpan is what is summed up where nobody says since when.
const defaultSpan = 24 * time.Hour

// Summarize answers a question, for owners and reviewers.
func (g *Gate) Summarize(ctx context.Context, by Actor, q Question) (*Summary, error) {
	if by.Kind != ActorSystem {
		if err := g.readable(ctx, by, &q.AttemptFilter); err != nil {
			return nil, err
		}
	}
	q.Limit = min(cmp.Or(q.Limit, maxGroups), maxGroups)
	return g.summarize(ctx, q)
}

// summarize is Summarize without a bound of the groups, for the gate itself.
func (g *Gate) summarize(ctx context.Context, q Question) (*Summary, error) {
	now := g.now()
	if q.Until.IsZero() || q.Until.After(now) {
		q.Until = now.Add(time.Second) // clocks of nodes differ
	}
	if q.Since.IsZero() {
		q.Since = q.Until.Add(-defaultSpan)
	}
	if !q.Since.Before(q.Until) {
		return &Summary{Reach: Reach{Since: q.Since, Complete: true}, Until: q.Until, Bucket: bucketLengths[0]}, nil
	}
	p := quick
	if q.Patient {
		p = patient
	}
	v, err := g.recall(ctx, q.Tenant, q.Since.Add(-LongestRecord), q.Until, p)
	if err != nil {
		return nil, err
	}
	if v.Complete || v.Since.Before(q.Since) {
		v.Since = q.Since
	}
	var marks *marksOf
	if q.Attention {
		if marks, err = g.attentionMarks(ctx, q.Tenant); err != nil {
			return nil, err
		}
	}
	select {
	case g.history.counts <- struct{}{}:
		defer func() { <-g.history.counts }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c := newCount(g, v, &q)
	c.run()
	out := c.summary(marks)
	if q.Group == GroupAdmin {
		err = g.nameGroups(ctx, q.Tenant, out.Groups)
	}
	return out, err
}

// nameGroups turns ids into the logins that people know.
func (g *Gate) nameGroups(ctx context.Context, tenant string, groups []AttemptGroup) error {
	t := g.snap.byID(tenant)
	for i := range groups {
		group := &groups[i]
		if group.Key == "" {
			continue
		}
		if t != nil {
			if admin, ok := t.admins[group.Key]; ok {
				group.Key = admin.Login
				continue
			}
		}
		// A token, or somebody who is gone: the store knows what they were called.
		a, err := g.store.Attempt(ctx, tenant, group.Reference)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if a != nil && a.Admin == group.Key {
			group.Key = cmp.Or(a.Login, a.Admin)
		}
	}
	return nil
}
