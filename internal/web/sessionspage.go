package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// sessionsPath is the path of the page about sessions.
const sessionsPath = "sessions"

// sessionsMost is how many sessions the page shows; programs see all of them.
const sessionsMost = 500

// sessionsData is the list of running sessions.
type sessionsData struct {
	*consoleView
	Everybody bool // not only one's own
	Rows      []sessionRow
	More      bool // there are more than are shown
	Others    bool // there is something to end beside this one
}

// sessionRow is one of them.
type sessionRow struct {
	gate.Session
	Browser           string
	Network           string // label of the entry that admits its last address; empty: none, or not to be seen
	Started, LastSeen moment
	Current, Mine     bool
	End               string // where it is ended
}

func sessionsPage(s *screen) error {
	found, err := s.h.door.Sessions(s.Context(), s.actor, gate.SessionFilter{Tenant: s.tenant, Limit: sessionsMost + 1})
	if err != nil {
		return err
	}
	d := &sessionsData{consoleView: s.frame("sessions.title"), Everybody: s.actor.Role != gate.RoleMember}
	d.More = len(found) > sessionsMost
	for i := range found[:min(len(found), sessionsMost)] {
		d.Rows = append(d.Rows, s.sessionRow(d, &found[i]))
		d.Others = d.Others || !d.Rows[i].Current
	}
	return s.render(http.StatusOK, "sessions", d)
}

func (s *screen) sessionRow(d *sessionsData, n *gate.Session) sessionRow {
	row := sessionRow{
		Session: *n, Browser: browserOf(n.UserAgent), Started: d.minuteOf(n.Started), LastSeen: d.minuteOf(n.LastSeen),
		Current: n.ID == s.actor.Session, Mine: n.Admin == s.actor.Admin, End: d.Link(sessionsPath + "/" + url.PathEscape(n.ID)),
	}
	if d.Everybody {
		row.Network = s.h.door.EntryLabel(s.tenant, n.LastAddress)
	}
	return row
}

func endSessionQuestion(s *screen) error { return s.askEndSession("") }

// askEndSession asks before a session ends; for that of somebody else, also why.
func (s *screen) askEndSession(reason string, problems ...trouble) error {
	n, err := s.h.door.Session(s.Context(), s.actor, s.arg)
	if err != nil {
		return err
	}
	q := &question{consoleView: s.frame("sessions.ask.one", "Login", n.Login), Danger: true}
	q.Lead = q.T("sessions.ask.one.lead", "Browser", browserOf(n.UserAgent), "IP", n.LastAddress, "Time", q.minute(n.LastSeen))
	q.Action, q.Do, q.Back = q.Link(sessionsPath+"/"+url.PathEscape(n.ID)), q.T("sessions.ask.one.do"), q.Link(sessionsPath)
	q.Problems = problems
	if n.Admin != s.actor.Admin {
		q.Reason = &reasonField{reason, gate.MaxWhy}
	}
	return s.ask(q)
}

func endSession(s *screen) error {
	var form struct {
		Reason string `json:"reason"`
	}
	if err := s.read(maxForm, &form); err != nil {
		return err
	}
	err := s.h.door.EndSession(s.Context(), s.actor, s.arg, form.Reason)
	if _, ok := errors.AsType[*gate.InvalidError](err); ok {
		return s.askEndSession(form.Reason, trouble{Field: "reason", Text: s.T("question.wrong.reason", "N", gate.MaxWhy)})
	}
	if err != nil {
		return err
	}
	return s.done(sessionsPath, "done.session_ended")
}

// endSessionsQuestion asks before all other sessions end.
func endSessionsQuestion(s *screen) error {
	title, lead, do := "sessions.ask.all", "sessions.ask.all.lead", "sessions.ask.all.do"
	if s.actor.Role == gate.RoleMember {
		title, lead, do = "sessions.ask.mine", "sessions.ask.mine.lead", "sessions.ask.mine.do"
	}
	q := &question{consoleView: s.frame(title), Danger: true}
	q.Lead, q.Do = q.T(lead), q.T(do)
	q.Action, q.Back = q.Link(sessionsPath), q.Link(sessionsPath)
	return s.ask(q)
}

func endSessions(s *screen) error {
	if err := s.read(maxForm, &struct{}{}); err != nil {
		return err
	}
	if _, err := s.h.door.EndSessions(s.Context(), s.actor, s.tenant); err != nil {
		return err
	}
	return s.done(sessionsPath, "done.sessions_ended")
}

// Names of browsers and systems in what browsers call themselves, the more
// special first: each claims to be those before it, too.
var (
	browserNames = [][2]string{{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Version/", "Safari"}, {"curl/", "curl"}}
	systemNames  = [][2]string{{"iPhone", "iOS"}, {"iPad", "iPadOS"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"}}
)

// browserOf shortens what a browser calls itself, for people to recognise it.
// What it does not know it leaves as it is, but short.
func browserOf(agent string) string {
	for _, b := range browserNames {
		_, rest, ok := strings.Cut(agent, b[0])
		if !ok {
			continue
		}
		version, _, _ := strings.Cut(rest, ".")
		name := b[1]
		if version != "" && len(version) < 5 {
			name += " " + version
		}
		for _, system := range systemNames {
			if strings.Contains(agent, system[0]) {
				return name + " · " + system[1]
			}
		}
		return name
	}
	return shorten(agent)
}
