package web

import (
	"net/http"
	"strings"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// visitPage puts the screen into the console of another tenant, to be looked at
// by somebody who runs the gateway: the pages are the tenant's own, with an actor
// that may read what a reviewer does, and nothing else. Each look is in the change
// log of the tenant before anything is shown.
func (s *screen) visitPage(slug, path string) (*consolePage, error) {
	page, arg := findPage(s.pages.console, path)
	if page == nil || !page.visit {
		return nil, nil
	}
	if s.Method != http.MethodGet && s.Method != http.MethodHead {
		return nil, gate.ErrForbidden
	}
	t, actor, err := s.h.door.Visit(s.Context(), s.actor, slug, strings.TrimSuffix(page.path, "/*"))
	if err != nil {
		return nil, err
	}
	decision := *s.visit.Decision
	decision.Tenant = t
	s.visit.Decision = &decision
	s.actor, s.tenant, s.arg, s.base = actor, t.ID, arg, tenantPrefix+slug+"/"
	for _, item := range navOf(s.pages.console, gate.RoleOwner, path) {
		if there, _ := findPage(s.pages.console, item.Path); there.visit {
			s.nav = append(s.nav, item)
		}
	}
	looked := *page
	looked.post, looked.roles = nil, []gate.Role{actor.Role} // who may look was asked
	return &looked, nil
}

// visitBanner says on every page of a visit that it is one, and leads back.
func visitBanner(s *screen, v *consoleView) []*banner {
	if !v.Visit {
		return nil
	}
	back := v.choice.link(Prefix+tenantPrefix+s.visit.Decision.Tenant.Slug, nil)
	return []*banner{{Class: "dry", Text: v.T("op.banner", "Tenant", v.Tenant), URL: back, More: v.T("op.leave")}}
}
