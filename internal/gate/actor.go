package gate

import (
	"errors"
	"net/netip"
	"slices"
)

// ErrForbidden means that the actor's role does not allow the operation.
var ErrForbidden = errors.New("your role does not allow this")

// Actor is who asks for an operation, from where. It is handed over
// explicitly, never through a context.
type Actor struct {
	Kind    ActorKind
	Tenant  string // tenant ID of the admin or token; empty for commands and the system
	Admin   string // admin ID, or the token's
	Login   string // or the name of the operating system's user, for a command, or what a token is called
	Role    Role
	Session string
	Address netip.Addr // not valid for commands
	// By another way than the list: the address is in one of the operator's
	// networks, has emergency access, or is in the networks that a token has for
	// itself.
	Operator, Emergency, OwnNetworks bool
	// Stale: who is signed in has not proved for long who that is, see [ErrStepUp].
	Stale bool
	// Visiting: somebody who runs the gateway looks at another tenant. The store
	// takes no change from it.
	Visiting bool
}

// ActorKind says what sort of actor asks.
type ActorKind string

// Kinds of actors.
const (
	ActorAdmin   ActorKind = "admin"
	ActorToken   ActorKind = "token"   // a script; what its scopes do not allow never gets here
	ActorCommand ActorKind = "command" // somebody with access to the store itself
	ActorSystem  ActorKind = "system"  // Sallyport: key rotation, expiry
	ActorVisitor ActorKind = "visitor" // somebody who was kept out and asks to be let in
)

// Name is how the actor is shown in records.
func (a Actor) Name() string {
	if a.Login == "" {
		return string(a.Kind)
	}
	return a.Login
}

// besideList reports whether the actor comes in whatever the list says.
func (a Actor) besideList() bool { return a.Operator || a.Emergency || a.OwnNetworks }

// counts reports whether an entry counts for the actor: for a token, only one
// that counts for everybody.
func (a Actor) counts(n *Network) bool { return n.For(a.listRole(), a.Admin) }

// listRole is the role that entries for a role go by.
func (a Actor) listRole() Role {
	if a.Kind == ActorToken {
		return ""
	}
	return a.Role
}

// may checks that the actor has one of the roles in the tenant. Another
// tenant's things do not exist for it: ErrNotFound.
func (a Actor) may(tenant string, roles ...Role) error {
	switch {
	case a.Kind == ActorCommand, a.Kind == ActorSystem:
		return nil
	case a.Kind != ActorAdmin && a.Kind != ActorToken, a.Tenant == "", a.Tenant != tenant:
		return ErrNotFound
	case !slices.Contains(roles, a.Role):
		return ErrForbidden
	}
	return nil
}
