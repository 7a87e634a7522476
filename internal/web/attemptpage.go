package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"golang.org/x/text/language"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/export"
	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/geo"
)

// Paths of the pages around one attempt. * is its reference.
const (
	securityPath  = "review"
	attemptPath   = securityPath + "/*"
	allowPath     = securityPath + "/*/allow"
	undoAllowPath = securityPath + "/*/undo"
	findPath      = securityPath + "/find"
)

// attemptData is the explanation of one attempt.
type attemptData struct {
	*consoleView
	Reference string
	Outcome   stateWord
	Reason    string // key of a few words
	At        moment
	Node      string
	Repeated  string // how often it was; empty: once
	Because   string
	Now       *checkResult // what the list makes of the address now; nil: the same
	Steps     []explainStep
	Facts     []explainFact
	JSON      string
	URL       string       // of this page, to be sent to somebody
	Allow     string       // link; empty: there is nothing to allow
	Undo      int64        // the version that shut the address out; 0: none did
	Restore   int64        // the version before it
	Owners    []string     // whom a reviewer asks
	Allowed   *allowedView // what was allowed just now; nil: nothing
}

// attemptPage explains an attempt. Its reference may be typed in any way; there
// is one address for each.
func attemptPage(s *screen) error {
	reference, err := auth.ParseReference(s.arg)
	if err != nil {
		return s.unknownReference(s.arg)
	}
	if reference != s.arg {
		return s.done(attemptLink(reference), "")
	}
	return s.attempt(http.StatusOK, reference, nil)
}

// attempt shows an attempt, with what is wrong with what was done about it.
func (s *screen) attempt(status int, reference string, wrong *allowGuard) error {
	e, err := s.h.door.Explain(s.Context(), s.actor, s.tenant, reference)
	if errors.Is(err, gate.ErrNotFound) {
		return s.unknownReference(reference)
	}
	if err != nil {
		return err
	}
	d := &attemptData{
		consoleView: s.frame("attempt.title", "Ref", reference), Reference: reference, Outcome: outcomeWords[e.Attempt.Outcome],
		Reason: reasonWords[e.Attempt.Reason],
		Node:   e.Attempt.Node, URL: Origin(s.Request) + Prefix + s.base + attemptLink(reference),
	}
	d.At = d.moment(e.Attempt.FirstTime)
	if e.Attempt.Count > 1 {
		d.Repeated = d.T("attempt.repeated", "N", e.Attempt.Count, "Time", d.moment(e.Attempt.LastTime).Text)
	}
	d.Because = d.because(e)
	d.Steps, d.Facts = d.steps(e), d.facts(s, e)
	if d.JSON, err = plainJSON(s.h.showExplained(e)); err != nil {
		return err
	}
	if err := d.actions(s, e); err != nil {
		return err
	}
	if wrong != nil && d.Allowed != nil {
		d.Problems = []trouble{{Field: "allowed", Text: wrong.Text}}
	}
	return s.render(status, "attempt", d)
}

// attemptLink is the path of an attempt's page, behind [Prefix].
func attemptLink(reference string) string { return securityPath + "/" + url.PathEscape(reference) }

// actions adds what can be done about an attempt.
func (d *attemptData) actions(s *screen, e *gate.Explanation) error {
	a := &e.Attempt
	if e.Now == nil {
		return nil
	}
	if e.Now.Entry != nil && (e.Check == nil || e.Check.Entry == nil) {
		d.Now = d.checked(e.Now, a.Address, s.visit.Decision.Now)
	}
	keptOut := e.Now.Entry == nil && a.Bits == a.Address.BitLen()
	if !d.Owner {
		if keptOut && !d.Visit { // a link of a visit is nothing to owners
			people, err := s.h.door.People(s.actor, s.tenant)
			if err != nil {
				return err
			}
			d.Owners = ownersOf(people)
		}
		return nil
	}
	if keptOut {
		d.Allow = d.Link(attemptLink(a.Reference) + "/allow")
	}
	if p := e.Before; p != nil && keptOut && p.Version < a.ListVersion && !p.Until.Equal(p.Network.Expires) {
		d.Undo, d.Restore = p.Version+1, p.Version
	}
	var err error
	d.Allowed, err = s.allowed(d.consoleView, a.Reference)
	return err
}

// plainJSON writes a value as people read it. What would hide or turn around
// text that visitors made up stands there as JSON escapes it.
func plainJSON(v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	var out strings.Builder
	for _, r := range b.String() {
		switch {
		case r == '\n' || unicode.IsPrint(r):
			out.WriteRune(r)
		case r > 0xFFFF: // as JSON writes what has more than 16 bits: in two
			r -= 0x10000
			fmt.Fprintf(&out, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String(), nil
}

// unknownData is the page in place of an attempt that there is not.
type unknownData struct {
	*consoleView
	Typed string
	Near  []string // references that may be meant
}

// unknownReference says that there is no attempt with a reference, and which
// ones there are that differ little. Another tenant's is not there either.
func (s *screen) unknownReference(typed string) error {
	near, err := s.h.door.NearReferences(s.Context(), s.actor, s.tenant, typed)
	if err != nil {
		return err
	}
	d := &unknownData{consoleView: s.frame("attempt.unknown.title"), Typed: shorten(export.Plain(strings.TrimSpace(typed))), Near: near}
	return s.render(http.StatusNotFound, "attempt-none", d)
}

// Find links to the page of an attempt.
func (d *unknownData) Find(reference string) string { return d.Link(attemptLink(reference)) }

// place is where an address seems to be, in words; empty: it is not known.
func (l *locale) place(p gate.Place) string {
	var parts []string
	if p.Network != "" || p.ASN != 0 {
		network := export.Plain(p.Network)
		if p.ASN != 0 {
			network = strings.TrimSpace(fmt.Sprintf("AS%d %s", p.ASN, network))
		}
		parts = append(parts, network)
	}
	if p.Country != "" {
		parts = append(parts, geo.Name(p.Country, language.MustParse(l.Lang)))
	}
	return strings.Join(parts, " · ")
}
