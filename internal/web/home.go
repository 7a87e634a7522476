package web

import (
	"net/http"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// homeData is what the gate's first page shows.
type homeData struct {
	*consoleView
	Login, Name             string
	Since, Until            moment
	Logout, Password, Enrol string
}

var roleWords = map[gate.Role]string{
	gate.RoleOwner: "role.owner", gate.RoleReviewer: "role.reviewer", gate.RoleMember: "role.member",
}

// homePage shows whoever is signed in who they are here.
func homePage(s *screen) error {
	dec := s.visit.Decision
	d := &homeData{consoleView: s.frame("home.title", "Tenant", dec.Tenant.Name), Login: dec.Admin.Login, Name: dec.Admin.Name}
	d.Since, d.Until = d.moment(dec.Claims.SignedIn), d.moment(dec.Claims.Expires)
	d.Logout, d.Password = d.link(logoutPath), d.link(passwordPath)
	if s.h.door.Rules.SecondFactor == gate.SecondFactorOptional { // where it is required they have one
		d.Enrol = d.link(enrolPath)
	}
	return s.render(http.StatusOK, "home", d)
}
