package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// consolePages are the pages of the console, which whoever is signed in sees.
// To add one takes three things:
//
//   - an entry here: its path, who may see it, what shows it and what it posts to;
//   - a template templates/console/NAME.html, which defines "content";
//   - a [screenFunc], which makes the page's data around [screen.frame] and ends
//     with [screen.render], or after a POST with [screen.done].
//
// The dispatcher has checked session, role, method and origin before it calls
// the function, and shows every error that it returns in the frame, so handlers
// return errors as they come from package gate. networkspage.go is an example
// with everything.
var consolePages = []consolePage{
	{path: securityPath, nav: "nav.review", roles: readerRoles, get: securityPage, visit: true},
	{path: findPath, roles: readerRoles, get: findAttempt, visit: true},
	{path: livePath, roles: readerRoles, get: livePage},
	{path: allowPath, roles: ownerRoles, get: allowPage, post: allow},
	{path: undoAllowPath, roles: ownerRoles, post: undoAllow},
	{path: attemptPath, roles: readerRoles, get: attemptPage, visit: true},
	{path: "requests", nav: "nav.requests", roles: readerRoles, get: requestsPage, visit: true},
	{path: "requests/*/approve", roles: readerRoles, post: approvePage},
	{path: "requests/*/decline", roles: readerRoles, post: declinePage},
	{path: networksPath, nav: "nav.networks", roles: readerRoles, get: networksPage, post: editNetworks, visit: true},
	{path: networksPath + "/add", roles: ownerRoles, get: addNetworkPage, post: addNetwork},
	{path: networksPath + "/entries/*", roles: ownerRoles, get: networkPage, post: setNetwork},
	{path: confirmPath, roles: ownerRoles, post: confirmChange},
	{path: undoPath, roles: ownerRoles, post: undoChange},
	{path: historyPath, roles: readerRoles, get: history, visit: true},
	{path: comparePath, roles: readerRoles, get: compareVersions, visit: true},
	{path: restorePath, roles: ownerRoles, get: restoreQuestion, post: restoreVersion},
	{path: mendPath, roles: ownerRoles, post: mend},
	{path: suggestPath, roles: ownerRoles, get: suggestPage, post: takeSuggestion},
	{path: reviewPath, roles: ownerRoles, get: reviewPage, post: applyReview},
	{path: importPath, roles: ownerRoles, get: importPage, post: importNetworks},
	{path: exportPath, roles: readerRoles, get: exportPage, visit: true},
	{path: draftPath, roles: ownerRoles, get: draftPage, post: revertInDraft},
	{path: draftPath + "/*", roles: readerRoles, get: othersDraftPage},
	{path: discardPath, roles: ownerRoles, get: discardQuestion, post: discardDraft},
	{path: conflictPath, roles: ownerRoles, get: conflictPage, post: settleConflict},
	{path: peoplePath, nav: "nav.people", roles: ownerRoles, get: peoplePage, visit: true},
	{path: invitationPath, roles: ownerRoles, get: inviteSomebody, post: sendInvitation},
	{path: personPath, roles: ownerRoles, get: personPage, post: changePerson},
	{path: sessionsPath, nav: "nav.sessions", roles: everyRole, get: sessionsPage, post: endSessions, visit: true},
	{path: sessionsPath + "/all", roles: everyRole, get: endSessionsQuestion},
	{path: sessionsPath + "/*", roles: everyRole, get: endSessionQuestion, post: endSession},
	{path: policyPath, nav: "nav.policy", roles: readerRoles, get: policyPage, post: setPolicy, visit: true},
	{path: tokensPath, under: policyPath, roles: ownerRoles, get: tokensPage},
	{path: newTokenPath, under: policyPath, roles: ownerRoles, get: newTokenPage, post: makeToken},
	{path: tokensPath + "/*", under: policyPath, roles: ownerRoles, get: removeTokenQuestion, post: removeToken},
	{path: alertsPath, roles: ownerRoles, get: alertsPage, post: setAlerts},
	{path: testAlertPath, roles: ownerRoles, post: testAlerts},
	{path: auditPath, nav: "nav.audit", roles: readerRoles, get: auditPage, visit: true},
	{path: verifyLog, roles: readerRoles, post: verifyChanges},
	{path: auditLines, roles: readerRoles, get: downloadChanges},
	{path: keysPath, roles: everyRole, get: keysPage},
	{path: provePath, roles: everyRole, get: provePage, post: takeProof},
	{path: "", roles: everyRole, get: homePage},
}

var (
	everyRole   = gate.Roles
	readerRoles = []gate.Role{gate.RoleOwner, gate.RoleReviewer}
	ownerRoles  = []gate.Role{gate.RoleOwner}
)

// consolePage is one page of the console.
type consolePage struct {
	path  string      // behind [Prefix]; * in it stands for anything that is not empty
	nav   string      // key of its word in the navigation, in the order of the table; empty: it is not there
	under string      // path of the page that the navigation has for it, where its own path does not begin with that
	roles []gate.Role // who may see it, and post to it
	get   screenFunc  // GET and HEAD; nil: it cannot be looked at
	post  screenFunc  // nil: there is nothing to send
	visit bool        // those who run the gateway may look at it, see [screen.visitPage]
}

// pageTables are the pages there are. They are handed over, since functions that
// the tables name need them.
type pageTables struct{ console, operator []consolePage }

// screenFunc answers a request for a page. What it returns as an error is shown
// in the frame: it must not have answered before.
type screenFunc func(*screen) error

// screen is one request for a page of the console, and its answer.
type screen struct {
	*http.Request
	h      *Handler
	w      http.ResponseWriter
	visit  Visit // in the tenant whose page it is
	self   Visit // of whoever looks at it
	actor  gate.Actor
	tenant string     // ID
	base   string     // begins the paths of this console's pages; empty but for visits
	arg    string     // what * of the path stands for
	pages  pageTables // that there are
	nav    []navItem
}

// console answers requests for pages of the console, of whoever is signed in.
func (h *Handler) console(w http.ResponseWriter, r *http.Request, v Visit) {
	r, done := hurry(r)
	defer done()
	h.show(pageTables{consolePages, operatorPages}, w, r, v)
}

// show answers a request for one of the pages.
func (h *Handler) show(pages pageTables, w http.ResponseWriter, r *http.Request, v Visit) {
	s := &screen{
		Request: r, h: h, w: w, visit: v, self: v, pages: pages,
		actor: h.door.Actor(v.Request, v.Decision), tenant: v.Decision.Tenant.ID,
	}
	page, err := s.route(strings.TrimPrefix(r.URL.Path, Prefix))
	if err == nil {
		err = s.answer(page)
	}
	if err != nil {
		s.fail(err)
	}
}

// findPage returns the first page that fits, and what * stands for.
func findPage(pages []consolePage, path string) (*consolePage, string) {
	for i := range pages {
		if arg, ok := fits(pages[i].path, path); ok {
			return &pages[i], arg
		}
	}
	return nil, ""
}

func (s *screen) answer(page *consolePage) error {
	if page == nil {
		return notFound.problem("there is nothing by this name")
	}
	var allowed []string
	if page.get != nil {
		allowed = append(allowed, http.MethodGet, http.MethodHead)
	}
	if page.post != nil {
		allowed = append(allowed, http.MethodPost)
	}
	switch {
	case !slices.Contains(page.roles, s.actor.Role):
		return gate.ErrForbidden
	case !slices.Contains(allowed, s.Method):
		s.w.Header().Set("Allow", strings.Join(allowed, ", "))
		return methodNotAllowed.problem("allowed are " + strings.Join(allowed, ", "))
	case s.Method == http.MethodPost:
		return page.post(s)
	}
	return page.get(s)
}

// done ends a POST: it sends the browser on to a page of the console, which says
// what was done. The sentence is the one that notice is the key of; its name
// begins with "done.", and empty is none. Of the pairs of the query, the one named
// # is the element to go to.
func (s *screen) done(path, notice string, query ...string) error {
	values, fragment := url.Values{}, ""
	for i := 0; i+1 < len(query); i += 2 {
		if query[i] == "#" {
			fragment = "#" + query[i+1]
			continue
		}
		values.Set(query[i], query[i+1])
	}
	if notice != "" {
		values.Set("done", strings.TrimPrefix(notice, donePrefix))
	}
	_, chosen := localeOf(s.Request)
	seeOther(s.w, chosen.link(Prefix+s.base+path, values)+fragment)
	return nil
}

// read reads a form of at most limit bytes into a pointer to a struct, whose
// fields are named by their json tags; see [readForm].
func (s *screen) read(limit int64, into any) error { return readForm(s.w, s.Request, limit, into) }

// render answers with a page of templates/console/. data embeds the view that
// [screen.frame] returned.
func (s *screen) render(status int, name string, data framed) error {
	body, err := execute(consolePrefix+name, data)
	if err != nil {
		return err
	}
	v := data.frame()
	SetHeaders(s.w.Header(), securityHeaders...)
	SetHeaders(s.w.Header(), "Content-Security-Policy", consolePolicy(v.Nonce), "Reporting-Endpoints", `sallyport="`+reportPath+`"`,
		"Content-Type", "text/html; charset=utf-8", "Content-Language", v.Lang)
	write(s.w, s.Request, status, body)
	return nil
}

// again shows the page of a form once more, after what was sent was refused:
// the problems stand in its view, and what was sent stands in its fields.
func (s *screen) again(name string, data framed) error {
	return s.render(http.StatusUnprocessableEntity, name, data)
}

// consolePolicy is the content security policy of the console. The nonce is of
// one response: htmx heeds the attributes that carry it and no others.
func consolePolicy(nonce string) string {
	return "default-src 'none'; script-src 'self' 'nonce-" + nonce + "'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types htmx sallyport; report-uri " + reportPath + "; report-to sallyport"
}
