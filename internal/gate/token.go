package gate

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/cidr"
)

// Scope is something that a token may do. What is in no scope no token may do:
// above all no token makes another.
type Scope string

// Scopes of tokens.
const (
	ScopeNetworksRead  Scope = "networks:read"
	ScopeNetworksWrite Scope = "networks:write" // and read them
	ScopeAttemptsRead  Scope = "attempts:read"  // and the change log
	ScopeAdminsWrite   Scope = "admins:write"   // people and their sessions: whoever has it can make an owner
)

// Scopes is the closed list of scopes.
var Scopes = []Scope{ScopeNetworksRead, ScopeNetworksWrite, ScopeAttemptsRead, ScopeAdminsWrite}

// Bounds of tokens.
const (
	MaxTokens        = 100 // of a tenant
	MaxTokenNetworks = 100 // of a token
	MaxTokenName     = 60  // characters
)

// APIToken lets a script use the API of one tenant. The store keeps the hash
// only.
type APIToken struct {
	ID          string
	Tenant      string // tenant ID
	Name        string // unique in the tenant while the token is there
	Hash        []byte // see auth.HashAPIToken
	Scopes      []Scope
	Networks    []cidr.Range // it is admitted from exactly these, whatever the list says; none: from where the list admits
	Created     time.Time
	CreatedBy   string
	Expires     time.Time // counts for nothing from then on; zero: never
	LastUsed    time.Time // zero: never
	LastAddress netip.Addr
}

// May reports whether the token has a scope. Who may write networks may read
// them: an edit that comes too late is answered with the list as it is.
func (t *APIToken) May(s Scope) bool {
	return slices.Contains(t.Scopes, s) || s == ScopeNetworksRead && slices.Contains(t.Scopes, ScopeNetworksWrite)
}

// Shown is the name of a token among those of people, in records and logs.
func (t *APIToken) Shown() string { return tokenWord + t.Name }

// tokenWord begins what a token is called in records.
const tokenWord = "token "

// TokenUse is when and from where a token was last used.
type TokenUse struct {
	ID      string
	At      time.Time
	Address netip.Addr
}

// TokenStore keeps tokens.
type TokenStore interface {
	// AddToken returns ErrExists when the tenant has a token of this name, and
	// *InvalidError when it has as many as it may.
	AddToken(ctx context.Context, rec Record, t APIToken) error
	// Tokens lists a tenant's tokens, in the order they were made.
	Tokens(ctx context.Context, tenant string) ([]APIToken, error)
	// RemoveToken makes a token count no more. Its name stays, for records.
	RemoveToken(ctx context.Context, rec Record, tenant, id string) error
	// TouchTokens stores when and from where tokens were last used.
	TouchTokens(ctx context.Context, used []TokenUse) error
}

// NewToken is a token to make.
type NewToken struct {
	Name     string
	Scopes   []Scope
	Networks []string  // addresses, CIDRs or ranges; none: from where the list admits
	Expires  time.Time // zero: never
}

// AddToken makes a token and returns its secret, which nobody can read again.
// Only owners do, and no token: one that leaked could not be got rid of.
func (g *Gate) AddToken(ctx context.Context, by Actor, tenant string, n NewToken) (*APIToken, string, error) {
	err := by.mayTokens(tenant)
	if err == nil {
		err = by.lately()
	}
	if err != nil {
		return nil, "", err
	}
	t := APIToken{
		ID: NewID(), Tenant: tenant, Name: strings.TrimSpace(n.Name), Scopes: slices.Clone(n.Scopes),
		Expires: micros(n.Expires), Created: micros(g.now()), CreatedBy: by.Name(),
	}
	if err := t.check(n, g.now()); err != nil {
		return nil, "", err
	}
	var secret string
	secret, t.Hash = auth.NewAPIToken()
	rec := Record{Actor: by, Action: "token.add", At: g.now(), Detail: difference{After: t.detail()}}
	if err := g.store.AddToken(ctx, rec, t); err != nil {
		return nil, "", err
	}
	return &t, secret, g.applied(ctx)
}

// check reads the networks and says what is wrong with a token to make.
func (t *APIToken) check(n NewToken, now time.Time) error {
	bad := &InvalidError{}
	if length := utf8.RuneCountInString(t.Name); length == 0 || length > MaxTokenName || hasControl(t.Name) {
		bad.add("name", "invalid", "a name has 1 to %d characters, none of them invisible", MaxTokenName)
	}
	if len(t.Scopes) == 0 {
		bad.add("scopes", "required", "say what the token may do: %s", scopeList())
	}
	for i, s := range t.Scopes {
		switch {
		case !slices.Contains(Scopes, s):
			bad.add(fmt.Sprintf("scopes[%d]", i), "unknown", "%q is no scope: write %s", s, scopeList())
		case slices.Contains(t.Scopes[:i], s):
			bad.add(fmt.Sprintf("scopes[%d]", i), "doubled", "the scope stands here twice")
		}
	}
	if !t.Expires.IsZero() && !t.Expires.After(now) {
		bad.add("expires", "past", "this is past: leave it away, or write a time to come")
	}
	if len(n.Networks) > MaxTokenNetworks {
		bad.add("networks", "too_many", "at most %d networks", MaxTokenNetworks)
		return bad
	}
	for i, text := range n.Networks {
		r, _, err := cidr.Parse(text)
		if err != nil {
			bad.add(fmt.Sprintf("networks[%d]", i), "invalid", "%s", err)
			continue
		}
		t.Networks = append(t.Networks, r)
	}
	return bad.orNil()
}

func scopeList() string {
	words := make([]string, len(Scopes))
	for i, s := range Scopes {
		words[i] = string(s)
	}
	return strings.Join(words, ", ")
}

// tokenDetail is a token in the change log.
type tokenDetail struct {
	Name     string     `json:"name"`
	Scopes   []Scope    `json:"scopes"`
	Networks []string   `json:"networks,omitempty"`
	Expires  *time.Time `json:"expires,omitempty"`
}

func (t *APIToken) detail() tokenDetail {
	d := tokenDetail{Name: t.Name, Scopes: t.Scopes}
	for _, r := range t.Networks {
		d.Networks = append(d.Networks, r.String())
	}
	if !t.Expires.IsZero() {
		d.Expires = &t.Expires
	}
	return d
}

// Tokens lists a tenant's tokens, for its owners.
func (g *Gate) Tokens(ctx context.Context, by Actor, tenant string) ([]APIToken, error) {
	if err := by.mayTokens(tenant); err != nil {
		return nil, err
	}
	return g.store.Tokens(ctx, tenant)
}

// RemoveToken makes a token, named by its id or its name, count no more, on
// every node within a second.
func (g *Gate) RemoveToken(ctx context.Context, by Actor, tenant, name string) error {
	if err := by.mayTokens(tenant); err != nil {
		return err
	}
	all, err := g.store.Tokens(ctx, tenant)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(t APIToken) bool { return t.ID == name })
	if i < 0 {
		i = slices.IndexFunc(all, func(t APIToken) bool { return t.Name == name })
	}
	if i < 0 {
		return ErrNotFound
	}
	rec := Record{Actor: by, Action: "token.remove", At: g.now(), Detail: difference{Before: all[i].detail()}}
	if err := g.store.RemoveToken(ctx, rec, tenant, all[i].ID); err != nil {
		return err
	}
	return g.applied(ctx)
}

// mayTokens is may for tokens: the business of owners, never of a token.
func (a Actor) mayTokens(tenant string) error {
	if err := a.may(tenant, RoleOwner); err != nil {
		return err
	}
	if a.Kind == ActorToken {
		return ErrForbidden
	}
	return nil
}
