package web

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// ReadToken reads into q the token of a call to the API; r.URL.Path is cleaned.
// On every other page a token means nothing.
func ReadToken(q *gate.Request, r *http.Request) {
	if !strings.HasPrefix(r.URL.Path, apiPrefix) {
		return
	}
	if token, found, err := auth.FindAPIToken(r.Header); found {
		q.Bearer, q.Doubled = token, err != nil
	}
}

// anyToken is the scope of a call that every token may make.
const anyToken gate.Scope = "any"

// tokenScopes says what of the API tokens may call, by method and path of the
// route: who has the scope. What is not here no token may.
var tokenScopes = map[string]gate.Scope{
	"GET me":           anyToken,
	"GET openapi.json": anyToken,

	"GET networks":            gate.ScopeNetworksRead,
	"GET networks/check":      gate.ScopeNetworksRead,
	"GET networks/export":     gate.ScopeNetworksRead,
	"GET networks/versions":   gate.ScopeNetworksRead,
	"GET networks/versions/*": gate.ScopeNetworksRead,

	"PUT networks":              gate.ScopeNetworksWrite,
	"POST networks/review":      gate.ScopeNetworksWrite, // it names people
	"POST networks/confirm":     gate.ScopeNetworksWrite,
	"POST networks/undo":        gate.ScopeNetworksWrite,
	"POST networks/import":      gate.ScopeNetworksWrite,
	"POST networks/entries":     gate.ScopeNetworksWrite,
	"DELETE networks/entries/*": gate.ScopeNetworksWrite,

	"GET attempts":         gate.ScopeAttemptsRead,
	"GET attempts/*":       gate.ScopeAttemptsRead,
	"GET attempts/summary": gate.ScopeAttemptsRead,
	"GET attempts/export":  gate.ScopeAttemptsRead,
	"GET attempts/stream":  gate.ScopeAttemptsRead,
	"GET changes":          gate.ScopeAttemptsRead,
	"GET policy":           gate.ScopeAttemptsRead,

	"GET admins":        gate.ScopeAdminsWrite,
	"POST admins":       gate.ScopeAdminsWrite,
	"GET admins/*":      gate.ScopeAdminsWrite,
	"PATCH admins/*":    gate.ScopeAdminsWrite,
	"DELETE admins/*":   gate.ScopeAdminsWrite,
	"GET sessions":      gate.ScopeAdminsWrite,
	"DELETE sessions":   gate.ScopeAdminsWrite,
	"DELETE sessions/*": gate.ScopeAdminsWrite,
}

// mayCall refuses a token that has not the scope of a call.
func mayCall(t *gate.APIToken, method, path string) error {
	if t == nil {
		return nil
	}
	if method == http.MethodHead {
		method = http.MethodGet
	}
	scope, ok := tokenScopes[method+" "+path]
	switch {
	case !ok:
		return forbidden.problem("no token may do this: a person who is signed in has to")
	case scope != anyToken && !t.May(scope):
		return forbidden.problem(fmt.Sprintf("the token has not the scope %s", scope))
	}
	return nil
}

// tokenRefusals say what is wrong with a call that brings a token, where a
// session would be told something else.
var tokenRefusals = map[gate.Reason]struct{ title, detail string }{
	gate.BadCredentials: {"The token is not valid", "it is not one of this organization, or it was removed: ask an owner for another"},
	gate.SessionExpired: {"The token has expired", "ask an owner for another"},
	gate.SessionInvalid: {"There are two credentials", "send the token alone: in one Authorization header and without the session cookie"},
	gate.Throttled:      {"Too many calls", "wait before the next one"},
}

// tokenProblem is the answer to a call with a token that may not go on.
func (h *Handler) tokenProblem(refusal *gate.Refusal) problem {
	p := h.errorProblem(refusal)
	if words, ok := tokenRefusals[refusal.Reason]; ok {
		p.Title, p.Detail = words.title, words.detail
	}
	p.Challenge = `Bearer error="invalid_token"` // RFC 6750, 3.1
	return p
}

// tokenJSON is a token as its owners see it, without its secret.
type tokenJSON struct {
	ID          string       `json:"id"`
	Name        string       `json:"name"`
	Scopes      []gate.Scope `json:"scopes"`
	Networks    []string     `json:"networks"` // empty: from where the list admits
	Created     timestamp    `json:"created"`
	CreatedBy   string       `json:"created_by"`
	Expires     timestamp    `json:"expires"`
	LastUsed    timestamp    `json:"last_used"`
	LastAddress *string      `json:"last_address"`
}

func showToken(t *gate.APIToken) tokenJSON {
	out := tokenJSON{
		ID: t.ID, Name: t.Name, Scopes: t.Scopes, Networks: make([]string, len(t.Networks)),
		Created: timestamp(t.Created), CreatedBy: t.CreatedBy, Expires: timestamp(t.Expires), LastUsed: timestamp(t.LastUsed),
		LastAddress: present(addressText(t.LastAddress, t.LastAddress.BitLen())),
	}
	for i, r := range t.Networks {
		out.Networks[i] = r.String()
	}
	return out
}

// tokensJSON is a tenant's tokens. They are few, so they have no pages.
type tokensJSON = list[tokenJSON]

func getTokens(c *call) (any, error) {
	tokens, err := c.h.door.Tokens(c.Context(), c.actor, c.tenant)
	if err != nil {
		return nil, err
	}
	out := tokensJSON{Items: make([]tokenJSON, len(tokens))}
	for i := range tokens {
		out.Items[i] = showToken(&tokens[i])
	}
	return out, nil
}

// madeToken is a token with its secret, this once.
type madeToken struct {
	tokenJSON
	Token string `json:"token"`
}

func postToken(c *call) (any, error) {
	var body struct {
		Name     string       `json:"name"`
		Scopes   []gate.Scope `json:"scopes"`
		Networks []string     `json:"networks"`
		Expires  string       `json:"expires"`
	}
	if err := c.read(&body); err != nil {
		return nil, err
	}
	n := gate.NewToken{Name: body.Name, Scopes: body.Scopes, Networks: body.Networks}
	if body.Expires != "" {
		at, err := parseTime(body.Expires)
		if err != nil {
			return nil, invalid.problem("nothing was changed", fieldProblem{"expires", "invalid", err.Error()})
		}
		n.Expires = at
	}
	t, secret, err := c.h.door.AddToken(c.Context(), c.actor, c.tenant, n)
	if err != nil {
		return nil, err
	}
	return madeToken{showToken(t), secret}, nil
}

func deleteToken(c *call) (any, error) {
	return nil, c.h.door.RemoveToken(c.Context(), c.actor, c.tenant, c.arg)
}
