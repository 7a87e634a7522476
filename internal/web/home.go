package web

import (
	"net/http"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// homeData is what the gate's first page shows.
type homeData struct {
	view
	Login, Name, Role       string // Role is the key of its word
	Address                 string
	Network                 string // label of the entry that admits it; empty: none was needed
	DryRun                  bool   // it would be blocked if the list were enforced
	Since, Until            moment
	Logout, Password, Enrol string
}

var roleWords = map[gate.Role]string{
	gate.RoleOwner: "role.owner", gate.RoleReviewer: "role.reviewer", gate.RoleMember: "role.member",
}

// homePage shows whoever is signed in who they are here.
func (h *Handler) homePage(w http.ResponseWriter, r *http.Request, v Visit) {
	dec, address := v.Decision, v.Request.Address.Addr
	d := &homeData{
		view: h.view(r, v), Login: dec.Admin.Login, Name: dec.Admin.Name, Role: roleWords[dec.Admin.Role],
		Address: address.String(), DryRun: dec.Pass == gate.ByDryRun,
	}
	d.Title = d.T("home.title", "Tenant", d.Tenant)
	d.Since, d.Until = d.moment(dec.Claims.SignedIn), d.moment(dec.Claims.Expires)
	d.Logout, d.Password = d.link(logoutPath), d.link(passwordPath)
	if h.door.Rules.SecondFactor == gate.SecondFactorOptional { // where it is required they have one
		d.Enrol = d.link(enrolPath)
	}
	if dec.Pass == gate.ByNetwork {
		// A member may not read the list, but may know what lets it in.
		if n := h.door.Entry(v.Request, dec); n != nil {
			d.Network = n.Label
		}
	}
	render(w, r, http.StatusOK, "home", d)
}
