package gate

import (
	"context"
	"maps"
	"math"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/cidr"
)

// Pace of calls with tokens. Wrong tokens cost next to nothing and nobody can
// guess one: what is held back is a script that goes on with a token that was
// removed, and what it fills the records with.
const (
	tokenRate   = rate.Limit(20) // calls a second of one token, on one node
	tokenBurst  = 100
	strangeRate = rate.Limit(0.2) // wrong tokens a second from one address
	strangers   = 10_000          // addresses remembered
	strangeMax  = 10
)

// heldToken is a token in the snapshot. All but its pace never changes.
type heldToken struct {
	APIToken
	networks *cidr.Set     // nil: it has none of its own
	pace     *rate.Limiter // goes on when the tenant is read anew
}

// holdTokens compiles a tenant's tokens by their hashes. Those that were there
// before keep their pace.
func holdTokens(tokens []APIToken, old map[string]*heldToken) map[string]*heldToken {
	held := make(map[string]*heldToken, len(tokens))
	for _, t := range tokens {
		h := &heldToken{APIToken: t}
		if len(t.Networks) > 0 {
			h.networks = cidr.NewSet(t.Networks)
		}
		if before := old[string(t.Hash)]; before != nil {
			h.pace = before.pace
		} else {
			h.pace = rate.NewLimiter(tokenRate, tokenBurst)
		}
		held[string(t.Hash)] = h
	}
	return held
}

// bearer is Decide for a call of the API that brings a token. t is the tenant of
// the site, nil where all share it: there only the token says whose call it is.
// A token that does not count opens nothing: who brings it is decided about as
// if it were not there, and then refused.
func (d *Door) bearer(q *Request, t *tenantState, dec Decision) Decision {
	held, owner, reason := d.heldBy(q, t, dec.Now)
	if t == nil {
		t = owner
	}
	if t == nil {
		dec.Pass = ByGateOff // the sign-in page of such a site is open to all, and names nobody
		return dec.refuse(reason)
	}
	dec.Tenant = &t.Tenant
	if held != nil {
		dec.Token = &held.APIToken
	}
	a := q.Address.Addr
	switch own := reason == "" && held.networks != nil; {
	case !a.IsValid():
		return dec.block(AddressUnknown)
	case own && !held.networks.Contains(a):
		return dec.block(OutsideNetworks)
	case own:
		dec.Pass = ByNetwork
	default:
		if dec.Pass, dec.Reason = d.network(t, a, dec.Now); dec.Pass == "" {
			return dec
		}
		if reason != "" {
			return dec.refuse(reason)
		}
		if dec.Pass == ByNetwork && d.Rules.Bind != BindOff && !t.at(dec.Now).admitAdmin(a, "", held.ID) {
			return d.notForAdmin(t, q, dec)
		}
	}
	dec.Stage = StageSession
	return dec.pass()
}

// heldBy finds the token of a request, whose it is, and why it does not count.
// What else the request brings makes it nobody's.
func (d *Door) heldBy(q *Request, t *tenantState, now time.Time) (held *heldToken, owner *tenantState, reason Reason) {
	if q.Doubled {
		return nil, nil, SessionInvalid
	}
	hash := string(auth.HashAPIToken(q.Bearer))
	if owner = d.snap.byToken(hash); owner != nil {
		held = owner.tokens[hash]
	}
	switch {
	case held == nil:
		return nil, nil, BadCredentials
	case t != nil && owner.ID != t.ID:
		return nil, nil, WrongTenant
	case !held.Expires.IsZero() && !now.Before(held.Expires):
		return held, owner, SessionExpired
	}
	return held, owner, ""
}

// Call counts and records a call with a token that was decided, and says if it
// may not go on: because of the decision, or because there are too many. A wrong
// token from an address never keeps a right one from the same from passing.
func (d *Door) Call(q *Request, dec *Decision) *Refusal {
	refusal := &Refusal{Reason: dec.Reason}
	switch {
	case dec.Passed():
		held := d.held(q)
		if held == nil { // removed since it was decided
			refusal.Reason, dec.Pass = BadCredentials, ""
		} else if refusal.RetryAfter = wait(held.pace, dec.Now); refusal.RetryAfter == 0 {
			d.used.note(TokenUse{dec.Token.ID, dec.Now, q.Address.Addr})
			d.Record(q, dec)
			return nil
		}
	case dec.Stage == StageSession && dec.Token == nil:
		refusal.RetryAfter = d.strange.wait(NetworkOf(q.Address.Addr), dec.Now)
	}
	if refusal.RetryAfter > 0 {
		refusal.Reason = Throttled
	}
	failed := *dec
	if refusal.Reason != dec.Reason {
		failed.Outcome, failed.Reason, failed.Stage = Refused, refusal.Reason, StageSession
	}
	refusal.Reference = d.Record(q, &failed)
	if refusal.Reason == WrongTenant { // nobody is told that it is good elsewhere
		refusal.Reason = BadCredentials
	}
	return refusal
}

func (d *Door) held(q *Request) *heldToken {
	hash := string(auth.HashAPIToken(q.Bearer))
	if t := d.snap.byToken(hash); t != nil {
		return t.tokens[hash]
	}
	return nil
}

// wait takes one of what a limiter allows, or returns the seconds until there
// is one.
func wait(l *rate.Limiter, now time.Time) (seconds int64) {
	r := l.ReserveN(now, 1)
	delay := r.DelayFrom(now)
	if delay <= 0 {
		return 0
	}
	r.CancelAt(now)
	return int64(math.Ceil(delay.Seconds()))
}

// strangeCalls paces wrong tokens by network. It forgets those that are quiet,
// and where all of many are loud, new ones have to wait with them.
type strangeCalls struct {
	mu   sync.Mutex
	from map[netip.Prefix]*rate.Limiter
}

func (s *strangeCalls) wait(from netip.Prefix, now time.Time) (seconds int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.from[from]
	if l == nil {
		if len(s.from) >= strangers {
			maps.DeleteFunc(s.from, func(_ netip.Prefix, l *rate.Limiter) bool { return l.TokensAt(now) >= strangeMax })
		}
		if len(s.from) >= strangers {
			return int64(1 / strangeRate)
		}
		if s.from == nil {
			s.from = map[netip.Prefix]*rate.Limiter{}
		}
		l = rate.NewLimiter(strangeRate, strangeMax)
		s.from[from] = l
	}
	return wait(l, now)
}

// tokenUses are the last uses of tokens that the store does not have yet.
type tokenUses struct {
	mu   sync.Mutex
	last map[string]TokenUse
	down atomic.Bool
}

func (u *tokenUses) note(use TokenUse) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.last == nil {
		u.last = map[string]TokenUse{}
	}
	if use.At.After(u.last[use.ID].At) {
		u.last[use.ID] = use
	}
}

// flushUses stores when tokens were used. What cannot be stored stays.
func (g *Gate) flushUses(ctx context.Context) {
	g.used.mu.Lock()
	batch := slices.Collect(maps.Values(g.used.last))
	g.used.last = nil
	g.used.mu.Unlock()
	if len(batch) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	err := g.store.TouchTokens(ctx, batch)
	g.trouble("storing when tokens were used", &g.used.down, err)
	if err != nil {
		for _, use := range batch {
			g.used.note(use)
		}
	}
}
