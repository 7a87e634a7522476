package gate

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/cidr"
)

// snapshot is what requests are decided from. Readers take no lock; the
// follower is its only writer.
type snapshot struct {
	hosts   *shards[string]       // canonical host → tenant ID
	slugs   *shards[string]       // slug → tenant ID
	tokens  *shards[string]       // hash of a token → tenant ID
	tenants *shards[*tenantState] // tenant ID → state
	pending *shards[*Pending]     // tenant ID → the change that waits to be confirmed
	asks    *shards[[]time.Time]  // tenant ID → when the access requests that wait were made
	global  atomic.Pointer[globalState]
}

// globalState is the policy that belongs to no tenant.
type globalState struct {
	epoch      int64
	keys       *auth.Keys
	assertions *auth.AssertionKeys
	newest     auth.Key // of the session keys, for rotation
}

func newSnapshot() *snapshot {
	return &snapshot{hosts: newShards[string](), slugs: newShards[string](), tokens: newShards[string](), tenants: newShards[*tenantState](), pending: newShards[*Pending](), asks: newShards[[]time.Time]()}
}

// ready reports whether the policy was ever loaded.
func (s *snapshot) ready() bool { return s.global.Load() != nil }

// byHost finds the tenant of a host, nil if there is none. The host is tried
// as it came first: most are canonical and cost nothing.
func (s *snapshot) byHost(host string) *tenantState {
	id, ok := s.hosts.get(host)
	if !ok {
		canonical, err := CanonicalHost(host)
		if err != nil {
			return nil
		}
		if id, ok = s.hosts.get(canonical); !ok {
			return nil
		}
	}
	return s.byID(id)
}

func (s *snapshot) bySlug(slug string) *tenantState {
	id, _ := s.slugs.get(slug)
	return s.byID(id)
}

// byToken finds the tenant of a token by its hash, nil if there is none.
func (s *snapshot) byToken(hash string) *tenantState {
	id, _ := s.tokens.get(hash)
	return s.byID(id)
}

func (s *snapshot) byID(id string) *tenantState {
	t, _ := s.tenants.get(id)
	return t
}

// put takes in the newest state of a tenant.
func (s *snapshot) put(p *TenantPolicy, at taken) {
	next := newTenantState(p)
	next.taken = at
	old := s.byID(p.Tenant.ID)
	if old != nil {
		next.tokens = holdTokens(p.Tokens, old.tokens)
	}
	s.tenants.set(p.Tenant.ID, next)
	if p.Pending != nil {
		s.pending.set(p.Tenant.ID, p.Pending)
	} else if old != nil && old.pending != nil {
		s.pending.remove(p.Tenant.ID)
	}
	for _, host := range p.Tenant.Hosts {
		s.hosts.set(host, p.Tenant.ID)
	}
	s.slugs.set(p.Tenant.Slug, p.Tenant.ID)
	for hash := range next.tokens {
		s.tokens.set(hash, p.Tenant.ID)
	}
	if old != nil {
		s.dropNames(old, next)
	}
}

// remove forgets a tenant.
func (s *snapshot) remove(id string) {
	if old := s.byID(id); old != nil {
		s.tenants.remove(id)
		s.pending.remove(id)
		s.dropNames(old, &tenantState{})
	}
}

// dropNames removes the hosts, the slug and the tokens that led to old and do
// not lead to next, unless another tenant has them by now.
func (s *snapshot) dropNames(old, next *tenantState) {
	for _, host := range old.Hosts {
		if id, _ := s.hosts.get(host); id == old.ID && !slices.Contains(next.Hosts, host) {
			s.hosts.remove(host)
		}
	}
	if id, _ := s.slugs.get(old.Slug); id == old.ID && next.Slug != old.Slug {
		s.slugs.remove(old.Slug)
	}
	for hash := range old.tokens {
		if next.tokens[hash] == nil {
			s.tokens.remove(hash)
		}
	}
}

// tenantState is one tenant in the snapshot. It is immutable but for the
// compiled lists, which are replaced when an entry begins or ends.
type tenantState struct {
	Tenant
	networks []Network
	admins   map[string]AdminView
	ended    map[string]time.Time
	pending  *Pending
	running  []Emergency
	tokens   map[string]*heldToken // by their hashes
	taken    taken
	lists    atomic.Pointer[lists]
}

// taken is the newest change that a state holds, and when this node took it in.
type taken struct {
	pos int64
	at  time.Time
}

func newTenantState(p *TenantPolicy) *tenantState {
	t := &tenantState{
		Tenant:   p.Tenant,
		networks: p.Networks,
		admins:   make(map[string]AdminView, len(p.Admins)),
		ended:    make(map[string]time.Time, len(p.Ended)),
		pending:  p.Pending,
		running:  p.Running,
		tokens:   holdTokens(p.Tokens, nil),
	}
	for _, a := range p.Admins {
		t.admins[a.ID] = a
	}
	for _, e := range p.Ended {
		t.ended[e.ID] = e.Expires
	}
	return t
}

// withEnded returns the tenant with one more ended session; those whose tokens
// have run out are left behind.
func (t *tenantState) withEnded(e EndedSession, now time.Time) *tenantState {
	next := &tenantState{Tenant: t.Tenant, networks: t.networks, admins: t.admins, pending: t.pending, running: t.running, tokens: t.tokens, taken: t.taken}
	next.ended = make(map[string]time.Time, len(t.ended)+1)
	for id, until := range t.ended {
		if now.Before(until) {
			next.ended[id] = until
		}
	}
	next.ended[e.ID] = e.Expires
	next.lists.Store(t.lists.Load())
	return next
}

// lists are a tenant's entries compiled for the request path, true from one
// moment to the next at which an entry begins or ends.
type lists struct {
	from, until time.Time            // until zero: for good
	any         *cidr.Set            // every entry: who may see the sign-in page
	all         *cidr.Set            // entries that count for everybody
	roles       map[Role]*cidr.Set   // entries that count for a role
	admins      map[string]*cidr.Set // entries that count for an admin
}

// at returns the lists in force at a moment. Compiling them takes some 20 µs
// for 50 entries and happens once for every boundary, so no timer has to fire
// for an entry to end. Two requests may both do it; either result is right.
func (t *tenantState) at(now time.Time) *lists {
	l := t.lists.Load()
	if l == nil || now.Before(l.from) || !l.until.IsZero() && !now.Before(l.until) {
		l = compile(t.networks, now)
		t.lists.Store(l)
	}
	return l
}

func compile(networks []Network, now time.Time) *lists {
	l := &lists{from: now}
	var any, all []cidr.Range
	roles, admins := map[Role][]cidr.Range{}, map[string][]cidr.Range{}
	for i := range networks {
		n := &networks[i]
		if !n.Enabled {
			continue
		}
		l.bound(n.NotBefore, now)
		l.bound(n.Expires, now)
		if !n.Admits(now) {
			continue
		}
		any = append(any, n.Range)
		if len(n.Roles) == 0 && len(n.Admins) == 0 {
			all = append(all, n.Range)
		}
		for _, r := range n.Roles {
			roles[r] = append(roles[r], n.Range)
		}
		for _, a := range n.Admins {
			admins[a] = append(admins[a], n.Range)
		}
	}
	l.any, l.all = cidr.NewSet(any), cidr.NewSet(all)
	l.roles, l.admins = sets(roles), sets(admins)
	return l
}

// bound takes in a moment at which an entry begins or ends.
func (l *lists) bound(at, now time.Time) {
	if now.Before(at) && (l.until.IsZero() || at.Before(l.until)) {
		l.until = at
	}
}

func sets[K comparable](ranges map[K][]cidr.Range) map[K]*cidr.Set {
	out := make(map[K]*cidr.Set, len(ranges))
	for k, r := range ranges {
		out[k] = cidr.NewSet(r)
	}
	return out
}

// admit reports whether any entry admits the address, before it is known who
// comes.
func (l *lists) admit(a netip.Addr) bool { return l.any.Contains(a) }

// admitAdmin reports whether an entry that counts for the admin does.
func (l *lists) admitAdmin(a netip.Addr, role Role, admin string) bool {
	return l.all.Contains(a) || l.roles[role].Contains(a) || l.admins[admin].Contains(a)
}
