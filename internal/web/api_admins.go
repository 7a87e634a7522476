package web

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// adminJSON is a person as owners see it.
type adminJSON struct {
	ID           string    `json:"id"`
	Login        string    `json:"login"`
	Name         string    `json:"name"`
	Role         gate.Role `json:"role"`
	Disabled     bool      `json:"disabled"`
	SecondFactor bool      `json:"second_factor"`        // has enrolled one
	Exempt       bool      `json:"second_factor_exempt"` // needs none
	Password     bool      `json:"password"`             // false: has none, and cannot sign in
	MustChange   bool      `json:"must_change_password"`
	InvitedUntil timestamp `json:"invited_until"` // null: there is no invitation that counts
	Created      timestamp `json:"created"`
	LastSignIn   timestamp `json:"last_sign_in"`

	Invitation *invitationJSON `json:"invitation,omitempty"` // only where it was made
}

// invitationJSON is the link with which somebody sets a password, this once.
type invitationJSON struct {
	URL     string    `json:"url"`
	Expires timestamp `json:"expires"`
}

func showAdmin(a *gate.Admin, now time.Time) adminJSON {
	out := adminJSON{
		ID: a.ID, Login: a.Login, Name: a.Name, Role: a.Role, Disabled: a.Disabled, SecondFactor: a.TOTP != "", Exempt: a.Exempt,
		Password: a.Password != "", MustChange: a.MustChange, Created: timestamp(a.Created), LastSignIn: timestamp(a.LastSignIn),
	}
	if a.Invited(now) {
		out.InvitedUntil = timestamp(a.InvitedUntil)
	}
	return out
}

// invited is showAdmin with the link that somebody has to be given.
func (c *call) invited(a *gate.Admin, secret string) adminJSON {
	out := showAdmin(a, c.visit.Decision.Now)
	if secret != "" {
		out.Invitation = &invitationJSON{invitationURL(c.Request, secret), timestamp(a.InvitedUntil)}
	}
	return out
}

// invitationURL is the link of an invitation on the site of a request.
func invitationURL(r *http.Request, secret string) string {
	return Origin(r) + InvitationPath(secret)
}

// InvitationPath is the path and query of the link of an invitation.
func InvitationPath(secret string) string {
	return invitePath + "?token=" + url.QueryEscape(secret)
}

func getAdmins(c *call) (any, error) {
	admins, err := c.h.door.Admins(c.Context(), c.actor, c.tenant)
	if err != nil {
		return nil, err
	}
	out := list[adminJSON]{Items: make([]adminJSON, len(admins))}
	for i := range admins {
		out.Items[i] = showAdmin(&admins[i], c.visit.Decision.Now)
	}
	return out, nil
}

func getAdmin(c *call) (any, error) {
	a, err := c.h.door.Admin(c.Context(), c.actor, c.tenant, c.arg)
	if err != nil {
		return nil, err
	}
	return showAdmin(a, c.visit.Decision.Now), nil
}

func postAdmin(c *call) (any, error) {
	var body struct {
		Login string    `json:"login"`
		Name  string    `json:"name"`
		Role  gate.Role `json:"role"`
	}
	if err := c.read(&body); err != nil {
		return nil, err
	}
	a, secret, err := c.h.door.Invite(c.Context(), c.actor, c.tenant, gate.NewAdmin{Login: body.Login, Name: body.Name, Role: body.Role})
	if err != nil {
		return nil, err
	}
	return c.invited(a, secret), nil
}

// What can be reset of a person.
const (
	resetPassword     = "password"
	resetSecondFactor = "second_factor"
)

func patchAdmin(c *call) (any, error) {
	var body struct {
		Name     *string    `json:"name"`
		Role     *gate.Role `json:"role"`
		Disabled *bool      `json:"disabled"`
		Reset    []string   `json:"reset"`
		SignOut  bool       `json:"sign_out"`
	}
	if err := c.read(&body); err != nil {
		return nil, err
	}
	p := gate.AdminPatch{Name: body.Name, Role: body.Role, Disabled: body.Disabled, SignOut: body.SignOut}
	for i, what := range body.Reset {
		switch what {
		case resetPassword:
			p.Invite = true
		case resetSecondFactor:
			p.NoFactor = true
		default:
			return nil, invalid.problem("nothing was changed", fieldProblem{
				fmt.Sprintf("reset[%d]", i), "unknown", "write " + resetPassword + " or " + resetSecondFactor,
			})
		}
	}
	if _, err := c.h.door.Admin(c.Context(), c.actor, c.tenant, c.arg); err != nil { // by its id only
		return nil, err
	}
	a, secret, err := c.h.door.SetAdmin(c.Context(), c.actor, c.tenant, c.arg, p)
	if err != nil {
		return nil, err
	}
	return c.invited(a, secret), nil
}

func deleteAdmin(c *call) (any, error) {
	if _, err := c.h.door.Admin(c.Context(), c.actor, c.tenant, c.arg); err != nil { // by its id only
		return nil, err
	}
	return nil, c.h.door.RemoveAdmin(c.Context(), c.actor, c.tenant, c.arg)
}
