package gate

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// Actions of the change log about the data of a person.
const (
	actionExportSubject = "subject.export"
	actionEraseSubject  = "subject.erase"  // a part of it
	actionErasedSubject = "subject.erased" // the last part
)

// ErrStillAdmin means that somebody's data cannot be erased yet: who may sign
// in has to be known.
var ErrStillAdmin = errors.New("is still an admin")

// Subject is a person whose data is asked for: somebody who is or was an admin
// of a tenant, or, without any id, who typed a login that is nobody's.
type Subject struct {
	Tenant   string // tenant ID
	Operator bool   // the tenant is that of who runs the gateway, so that it may be named in all others, too
	IDs      []string
	Logins   []string
	Names    []string
	Admin    *Admin   // nil: not any more, or never
	Hashes   []string // of what is recorded of the logins where they are no admin's
	Throttle [][]byte // keys by which failed tries are counted
	Asks     []string // ids of their access requests

	home, abroad subjectWords
}

// words are those that name the person in a tenant.
func (s *Subject) words(tenant string) subjectWords {
	if tenant == s.Tenant {
		return s.home
	}
	return s.abroad
}

// Is reports whether the name of an actor in a tenant is that of the person.
func (s *Subject) Is(tenant, name string) bool { return s.words(tenant).is(name) }

// Mentioned reports whether a text in a tenant names the person.
func (s *Subject) Mentioned(tenant, text string) bool { return s.words(tenant).mentioned(text) }

// Without is a text of a tenant with [ErasedText] wherever it names the person.
func (s *Subject) Without(tenant, text string) string { return s.words(tenant).without(text) }

// Identifies reports whether a change tells whose id the person's is. Those are
// erased last, so that what was interrupted can go on.
func (s *Subject) Identifies(c *Change) bool {
	return c.Kind == ChangeAdmin && c.Tenant == s.Tenant && slices.Contains(s.IDs, c.Subject)
}

// Names of fields in the details of changes.
var (
	// personalFields say something of whom a change is about.
	personalFields = []string{"login", "name", "address", "user_agent", "why", "reason", "note"}
	// closedFields only ever have words of a closed list, which may be somebody's
	// login: owner.
	closedFields = []string{"role", "roles", "mode", "password", "state", "format", "field", "page", "kind", "language", "scopes", "accepted"}
)

// fieldOf is the name of the field that a path leads to, or of the list in it.
func fieldOf(path string) string {
	parts := strings.Split(path, "/")
	for len(parts) > 1 && strings.Trim(parts[len(parts)-1], "0123456789") == "" {
		parts = parts[:len(parts)-1]
	}
	return parts[len(parts)-1]
}

// about reports whether a change is about the person, so that what it says of
// its subject is said of them.
func (s *Subject) about(c *Change, texts []changeText) bool {
	if slices.Contains(s.IDs, c.Subject) || slices.Contains(s.Asks, c.Subject) {
		return true
	}
	return slices.ContainsFunc(texts, func(t changeText) bool {
		field := fieldOf(t.path)
		named := field == "login" || field == "name" && c.Kind == ChangeAdmin || c.Kind == ChangeEmergency && field == "reason"
		return named && s.Mentioned(c.Tenant, t.text)
	})
}

// picks returns which texts of a change say something of the person.
func (s *Subject) picks(c *Change) func(path, text string) bool {
	texts, err := c.texts()
	if err != nil {
		return func(string, string) bool { return false } // it stays for the verification to find
	}
	by := slices.Contains(s.IDs, c.ActorID) || c.ActorID == "" && s.Is(c.Tenant, c.Actor)
	asked := slices.Contains(s.Asks, c.Subject) && c.ActorID == "" && c.Actor == string(ActorVisitor)
	about := s.about(c, texts)
	return func(path, text string) bool {
		field := fieldOf(path)
		switch {
		case path == actorPath:
			return by || s.Mentioned(c.Tenant, text)
		case path == addressPath:
			return by || asked
		case slices.Contains(closedFields, field):
			return false
		}
		return about && slices.Contains(personalFields, field) || s.Mentioned(c.Tenant, text) || slices.Contains(s.Hashes, text)
	}
}

// Erase takes out of a change what it says of the person, and returns how many
// texts that were.
func (s *Subject) Erase(c *Change) (int, error) { return c.Erase(s.picks(c)) }

// Concerns reports whether a change is by, about or names the person.
func (s *Subject) Concerns(c *Change) bool {
	if slices.Contains(s.IDs, c.Subject) || slices.Contains(s.IDs, c.ActorID) {
		return true
	}
	texts, _ := c.texts() // of one that cannot be read only the above is known
	picks := s.picks(c)
	return slices.ContainsFunc(texts, func(t changeText) bool { return t.text != "" && picks(t.path, t.text) })
}

// TenantEver finds a tenant by its short name, or by the short name or id under
// which it was removed: what is recorded of its people outlives it. Of several
// that had the name it is the last. It is for commands.
func (g *Gate) TenantEver(ctx context.Context, by Actor, name string) (*Tenant, error) {
	if by.Kind != ActorCommand {
		return nil, ErrNotFound
	}
	if t, err := g.Tenant(ctx, name); err == nil {
		return t, nil
	}
	f := ChangeFilter{Kind: ChangeTenant, Limit: changesPage}
	for {
		page, err := g.store.Changes(ctx, f)
		if err != nil {
			return nil, err
		}
		for i := range page {
			c := &page[i]
			var d struct{ Before tenantDetail }
			_ = json.Unmarshal(c.Detail, &d) // one that cannot be read has no name
			if c.Action == "tenant.remove" && (c.Tenant == name || d.Before.Slug == name) {
				return &Tenant{ID: c.Tenant, Slug: d.Before.Slug, Name: d.Before.Name}, nil
			}
		}
		if len(page) < changesPage {
			return nil, ErrNotFound
		}
		f.Before = page[len(page)-1].Pos
	}
}

// past is what the change log says of who was an admin.
type past struct{ logins, names []string }

// identity is what the change log keeps of an admin's names.
type identity struct {
	Login string `json:"login"`
	Name  string `json:"name"`
}

// findSubject finds a person by id or login, among the admins of a tenant and
// those whom its change log names. Everybody else is somebody who typed it.
func (g *Gate) findSubject(ctx context.Context, tenant *Tenant, who string) (*Subject, error) {
	people, err := g.peopleEver(ctx, tenant.ID)
	if err != nil {
		return nil, err
	}
	admins, err := g.store.Admins(ctx, tenant.ID)
	if err != nil {
		return nil, err
	}
	for i := range admins {
		people.add(admins[i].ID, identity{admins[i].Login, admins[i].Name})
	}
	s := &Subject{Tenant: tenant.ID, Operator: tenant.Slug == OperatorTenant}
	canonical := func(login string) bool { return CanonicalLogin(login) == CanonicalLogin(who) }
	for id, p := range people {
		if id == who || slices.ContainsFunc(p.logins, canonical) {
			s.IDs = append(s.IDs, id)
			s.Logins, s.Names = append(s.Logins, p.logins...), append(s.Names, p.names...)
		}
	}
	if len(s.IDs) == 0 {
		s.Logins = []string{who}
	}
	slices.Sort(s.IDs)
	for i := range admins {
		a := &admins[i]
		if slices.Contains(s.IDs, a.ID) || slices.ContainsFunc(s.Logins, func(l string) bool { return CanonicalLogin(l) == CanonicalLogin(a.Login) }) {
			s.Admin = a
		}
	}
	return s, g.complete(ctx, s)
}

// complete adds what follows from the names.
func (g *Gate) complete(ctx context.Context, s *Subject) (err error) {
	for _, list := range []*[]string{&s.Logins, &s.Names} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	for _, login := range s.Logins {
		s.Hashes = append(s.Hashes, g.LoginHash(login))
		s.Throttle = append(s.Throttle, g.accountKey(s.Tenant, login))
	}
	if len(s.IDs) > 0 { // what somebody typed is not looked for in the words of others
		s.home = newSubjectWords(s.Logins, s.Names)
	}
	if s.Operator {
		abroad := make([]string, len(s.Logins))
		for i, login := range s.Logins {
			abroad[i] = Actor{Kind: ActorAdmin, Login: login}.abroad().Login
		}
		s.abroad = newSubjectWords(abroad, nil)
	}
	s.Asks, err = g.store.SubjectAsks(ctx, s)
	return err
}

// peopleOf are all who were ever admins of a tenant, by id, as far as that was
// not erased.
type peopleOf map[string]past

func (p peopleOf) add(id string, names ...identity) {
	one := p[id]
	for _, n := range names {
		if n.Login != "" {
			one.logins = append(one.logins, n.Login)
		}
		if n.Name != "" {
			one.names = append(one.names, n.Name)
		}
	}
	p[id] = past{slices.Compact(one.logins), slices.Compact(one.names)}
}

func (g *Gate) peopleEver(ctx context.Context, tenant string) (peopleOf, error) {
	people := peopleOf{}
	f := ChangeFilter{Tenant: tenant, Kind: ChangeAdmin, Limit: changesPage}
	for {
		page, err := g.store.Changes(ctx, f)
		if err != nil {
			return nil, err
		}
		for i := range page {
			var d struct{ Before, After identity }
			_ = json.Unmarshal(page[i].Detail, &d) // one that cannot be read names nobody
			people.add(page[i].Subject, d.Before, d.After)
		}
		if len(page) < changesPage {
			return people, nil
		}
		f.Before = page[len(page)-1].Pos
	}
}
