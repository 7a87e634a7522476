package web

import (
	"crypto/rand"
	"html/template"
	"net/url"
	"slices"
	"strings"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// consoleView is what every page of the console has around its content; the
// data of a page embeds a pointer to it.
type consoleView struct {
	view
	Nonce   string
	Nav     []navItem
	Mode    modePill
	Here    networkChip
	Me      string // login
	Role    string // key of its word
	Owner   bool   // may change things
	Reader  bool   // may look at attempts
	Banners []*banner
	Session sessionEnd
	Style   string // stylesheet that only this page has; empty: none
	Done    string // what the form that led here has done; empty: nothing
	Visit   bool   // whoever looks runs the gateway, and changes nothing here
	Runs    bool   // there are pages about all tenants for whoever looks
	base    string // begins the paths of this console's pages
}

// framed is the data of a page of the console.
type framed interface{ frame() *consoleView }

func (v *consoleView) frame() *consoleView { return v }

// navItem leads to a part of the console.
type navItem struct {
	Path, Word string // Word is the key of its word
	Count      int    // of what waits there; 0: nothing, or nothing can
	Key        string // that leads there, see goKeys; empty: none does
	Current    bool   // this page, or one below it
}

// navOf is the navigation of a role, on the page with a path.
func navOf(pages []consolePage, role gate.Role, path string) []navItem {
	here, _ := findPage(pages, path)
	var items []navItem
	for _, p := range pages {
		if p.nav == "" || !slices.Contains(p.roles, role) {
			continue
		}
		below := path == p.path || strings.HasPrefix(path, p.path+"/") || here != nil && here.under == p.path
		items = append(items, navItem{Path: p.path, Word: p.nav, Key: goKeys[p.path], Current: below})
	}
	return items
}

// modePill says what the tenant's list does.
type modePill struct{ Class, Icon, Word string }

var modePills = map[gate.Mode]modePill{
	gate.ModeEnforced: {"allowed", modeIcons[gate.ModeEnforced], "mode.enforced"},
	gate.ModeDryRun:   {"dry", modeIcons[gate.ModeDryRun], "mode.dry_run"},
	gate.ModeOff:      {"off", modeIcons[gate.ModeOff], "mode.off"},
}

// networkChip says from where the visitor comes, and what let them in.
type networkChip struct {
	Address     string
	Class, Icon string
	Word        string // key, where Label is empty
	Label       string // of the entry that admits them
}

// passChips are the chips of who is not admitted by an entry.
var passChips = map[gate.Reason]networkChip{
	gate.ByNetwork:         {Class: "allowed", Icon: "tick", Word: "home.allowed"},
	gate.ByOperatorNetwork: {Class: "allowed", Icon: "tick", Word: "here.operator"},
	gate.ByDryRun:          {Class: "dry", Icon: "half", Word: "home.would_block"},
	gate.ByGateOff:         {Class: "off", Icon: "ring", Word: "here.unlisted"},
	gate.ByEmergency:       {Class: "dry", Icon: "half", Word: "here.emergency"},
}

// donePrefix is what the keys of sentences begin with that say what a form has
// done: only these can be named in a query.
const donePrefix = "done."

// frame returns the frame of a page, with its title.
func (s *screen) frame(title string, pairs ...any) *consoleView {
	dec := s.visit.Decision
	v := &consoleView{
		view: s.h.view(s.Request, s.visit), Nonce: rand.Text(), Nav: s.nav, Mode: modePills[dec.Tenant.Mode],
		Me: s.self.Decision.Admin.Login, Role: roleWords[s.self.Decision.Admin.Role], Owner: s.actor.Role == gate.RoleOwner, Visit: s.actor.Visiting, base: s.base,
	}
	v.Runs = v.Visit || s.h.door.Operates(s.actor)
	v.Title = v.T(title, pairs...)
	v.Here, v.Session = s.here(), s.sessionEnd(v)
	for i := range v.Nav {
		if v.Nav[i].Word == "nav.requests" {
			v.Nav[i].Count = s.h.door.WaitingAsks(s.actor, s.tenant)
		}
	}
	if v.Reader = slices.Contains(readerRoles, s.actor.Role); v.Reader {
		for _, of := range banners {
			v.Banners = append(v.Banners, of(s, v)...)
		}
	}
	if done := s.URL.Query().Get("done"); done != "" {
		v.Done, _ = v.find(donePrefix + done)
	}
	return v
}

func (s *screen) here() networkChip {
	c := passChips[s.self.Decision.Pass]
	c.Address = s.self.Request.Address.Addr.String()
	// A member may not read the list, but may know what lets it in.
	if n := s.h.door.Entry(s.self.Request, s.self.Decision); n != nil {
		c.Class, c.Icon, c.Label = "allowed", "tick", n.Label
	}
	return c
}

// Link returns a path of the console in the language of this page, if that was
// chosen. Pairs are names and values of its query; empty values are left out.
func (v *consoleView) Link(path string, pairs ...string) string {
	query := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	return v.choice.link(Prefix+v.base+path, query)
}

// Own is Link to what belongs to whoever looks, and not to the console they look
// at.
func (v *consoleView) Own(path string) string { return v.choice.link(Prefix+path, nil) }

// Chosen returns the language, if it was chosen, for the forms that are sent with
// GET, whose query replaces the one of their action.
func (v *consoleView) Chosen() string { return string(v.choice) }

// fieldTrouble is what is said right below a field.
type fieldTrouble struct {
	Field string
	Texts []string
}

// Trouble returns what is wrong with a field, in words: template "says" shows it.
func (v *view) Trouble(field string) fieldTrouble {
	out := fieldTrouble{Field: field}
	for _, t := range v.Problems {
		if t.Field == field {
			out.Texts = append(out.Texts, t.Text)
		}
	}
	return out
}

// Field returns the attributes that tie a field to what is said about it: to
// its help, where it has one, and to what is wrong with it.
func (v *view) Field(field string, help ...string) template.HTMLAttr {
	ids, invalid := help, ""
	if len(v.Trouble(field).Texts) > 0 {
		ids, invalid = append([]string{field + "-wrong"}, help...), ` aria-invalid="true"`
	}
	if len(ids) == 0 {
		return ""
	}
	//nolint:gosec // G203: names of fields are constants of the templates
	return template.HTMLAttr(`aria-describedby="` + strings.Join(ids, " ") + `"` + invalid)
}
