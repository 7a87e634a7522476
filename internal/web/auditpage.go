package web

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// Paths of the pages about the change log.
const (
	auditPath  = "audit"
	verifyLog  = "audit/verify"
	auditLines = "audit/download"
)

// changesPerPage is how many changes the page shows at once.
const changesPerPage = 50

// auditData is the change log of a tenant.
type auditData struct {
	*consoleView
	Kinds       []option
	Kind, Actor string
	Verified    verdict
	Running     bool
	Rows        []changeLine
	Older       string // link to what follows; empty: nothing does
	Download    string
}

// changeLine is one change.
type changeLine struct {
	gate.Change
	At      moment
	What    string // in words
	By      string
	From    string // address; empty: none
	Fields  []changedField
	Entries []changeRow // of a change of the list, the first of them
	More    int         // entries that are not shown
	Compare string      // link to the whole change; empty: it made no version
	HashOf  string      // the first signs of it
}

// changedField is a field as it was and as it is, or only as it is.
type changedField struct {
	Name, Before, After string
	Both                bool
}

// kindWords are the names of kinds of changes.
var kindWords = map[gate.ChangeKind]string{
	gate.ChangeList: "kind.list", gate.ChangeAdmin: "kind.admin", gate.ChangeSession: "kind.session", gate.ChangeSessions: "kind.sessions",
	gate.ChangeToken: "kind.token", gate.ChangeTenant: "kind.tenant", gate.ChangeEmergency: "kind.emergency",
	gate.ChangeAsk: "kind.request", gate.ChangeAlerts: "kind.alerts", gate.ChangeAccess: "kind.access",
	gate.ChangeSubject: "kind.subject",
}

func auditPage(s *screen) error {
	query := s.URL.Query()
	d := &auditData{consoleView: s.frame("audit.title"), Kind: query.Get("kind"), Actor: strings.TrimSpace(query.Get("actor"))}
	for _, kind := range gate.ChangeKinds {
		d.Kinds = append(d.Kinds, option{string(kind), kindWords[kind]})
	}
	before, _ := strconv.ParseInt(query.Get("before"), 10, 64) // anything else is the newest
	found, err := s.h.door.Changes(s.Context(), s.actor, gate.ChangeFilter{
		Tenant: s.tenant, Kind: gate.ChangeKind(d.Kind), Actor: d.Actor, Before: max(before, 0), Limit: changesPerPage + 1,
	})
	if err != nil {
		return err
	}
	if len(found) > changesPerPage {
		found = found[:changesPerPage]
		d.Older = d.Link(auditPath, "kind", d.Kind, "actor", d.Actor, "before", number(found[changesPerPage-1].Pos))
	}
	names, err := s.h.door.Names(s.actor, s.tenant)
	if err != nil {
		return err
	}
	for i := range found {
		d.Rows = append(d.Rows, d.changeLine(&found[i], names))
	}
	d.Download = d.Link(auditLines)
	if d.Verified, d.Running, err = s.verified(d.consoleView, false); err != nil {
		return err
	}
	return s.render(http.StatusOK, "audit", d)
}

// verified says in words whether the chain of the change log holds.
func (s *screen) verified(v *consoleView, now bool) (verdict, bool, error) {
	check, err := s.h.door.Verified(s.actor, s.tenant, now)
	switch {
	case err != nil:
		return verdict{}, false, err
	case check.Trouble != "":
		return verdict{"blocked", "cross", v.T("audit.broken")}, check.Running, nil
	case check.At.IsZero():
		return verdict{"off", "clock", v.T("audit.unverified")}, check.Running, nil
	}
	age := v.ago(s.visit.Decision.Now.Sub(check.At))
	text := v.T("audit.verified", "Count", grouped(check.Held), "Time", age)
	if check.Erased > 0 {
		text = v.T("audit.verified_erased", "Count", grouped(check.Held), "Erased", grouped(check.Erased), "Time", age)
	}
	return verdict{"allowed", "tick", text}, check.Running, nil
}

func verifyChanges(s *screen) error {
	if err := s.read(maxForm, &struct{}{}); err != nil {
		return err
	}
	if _, err := s.h.door.Verified(s.actor, s.tenant, true); err != nil {
		return err
	}
	return s.done(auditPath, "done.verifying")
}

// downloadChanges sends the change log as a file that can be checked offline.
func downloadChanges(s *screen) error {
	var file bytes.Buffer // so that an error of the store is no half a file
	if err := s.h.door.WriteChanges(s.Context(), s.actor, s.tenant, &file); err != nil {
		return err
	}
	SetHeaders(s.w.Header(), "Content-Type", "application/jsonl", "Cache-Control", "no-store", "X-Content-Type-Options", "nosniff",
		"Content-Disposition", `attachment; filename="`+s.visit.Decision.Tenant.Slug+`-changes.jsonl"`)
	write(s.w, s.Request, http.StatusOK, file.Bytes())
	return nil
}

// changeLine is a change in words. names are those of admins, by their ids.
func (v *consoleView) changeLine(c *gate.Change, names map[string]string) changeLine {
	actor, from, detail := c.Told(v.T("audit.erased"))
	line := changeLine{Change: *c, At: v.moment(c.At), By: v.by(actor), From: from}
	line.What = c.Action
	if key := "action." + c.Action; actionKeys[key] {
		line.What = v.T(key)
	}
	if len(c.Hash) > 4 {
		line.HashOf = hex.EncodeToString(c.Hash[:4])
	}
	var all map[string]json.RawMessage
	if json.Unmarshal(detail, &all) != nil {
		return line
	}
	if c.Kind == gate.ChangeList {
		line.Entries, line.More = v.loggedEntries(all["entries"], names)
		delete(all, "entries")
		if c.Version > 1 && c.Action != "network.confirm" {
			if c.Action == "network.put" {
				delete(all, "base") // the version before it
			}
			line.Compare = v.Link(comparePath, "from", number(c.Version-1), "to", number(c.Version))
		}
	}
	line.Fields = v.changedFields(all)
	return line
}

// changedFields turns the detail of a change into what is shown of it: fields
// that became different, or all of what was added, taken away or said.
func (l *locale) changedFields(all map[string]json.RawMessage) (out []changedField) {
	before, after := objectOf(all["before"]), objectOf(all["after"])
	delete(all, "before")
	delete(all, "after")
	names := maps.Clone(before)
	maps.Copy(names, after)
	if login := before["login"]; len(after) > 0 && len(login) > 0 { // whom it is about
		out = append(out, changedField{Name: l.fieldName("login"), After: l.valueText("login", login)})
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, is, both := before[name], after[name], len(before) > 0 && len(after) > 0
		if bytes.Equal(was, is) || !both && empty(was) && empty(is) {
			continue
		}
		out = append(out, changedField{l.fieldName(name), l.valueText(name, was), l.valueText(name, is), both})
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, changedField{Name: l.fieldName(name), After: l.valueText(name, all[name])})
	}
	return out
}

// empty reports whether a value says nothing of something new or gone.
func empty(value json.RawMessage) bool {
	return len(value) == 0 || slices.Contains([]string{"false", `""`, "null", "[]"}, string(value))
}

func objectOf(text json.RawMessage) map[string]json.RawMessage {
	object := map[string]json.RawMessage{}
	_ = json.Unmarshal(text, &object) // what is none is empty
	return object
}

// fieldName is the name of a field in words; one that has none stays as it is.
func (l *locale) fieldName(name string) string {
	if key, ok := fieldWords[name]; ok {
		return l.T(key)
	}
	return name
}

// valueText shows a value: texts without their quotes, and the rest as JSON.
func (l *locale) valueText(field string, value json.RawMessage) string {
	var text string
	var list []string
	switch {
	case len(value) == 0:
		return ""
	case string(value) == "true":
		return l.T("audit.yes")
	case string(value) == "false":
		return l.T("audit.no")
	case json.Unmarshal(value, &text) == nil:
		if key, ok := valueWords[field+" "+text]; ok {
			return l.T(key)
		}
		if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return l.moment(at).Text
		}
		return text
	case json.Unmarshal(value, &list) == nil:
		for i, text := range list {
			if key, ok := valueWords[field+" "+text]; ok {
				list[i] = l.T(key)
			}
		}
		return l.List(list)
	}
	return string(value)
}
