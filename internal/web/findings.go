package web

import (
	"errors"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// mostFindings is how many findings the page of the list shows.
const mostFindings = 30

// mendPath is where findings are mended.
const mendPath = networksPath + "/mend"

// findingView is a finding in words.
type findingView struct {
	ID, Text, Also string
	Do             string // what mends it; empty: nothing that a button can do
	Edit           string // link to the entry, where nothing does
	Grave          bool
}

// findings says what could be better about the list, to who may read it.
// complete is false while there may be more, since records are still being read.
func (s *screen) findings(v *consoleView) (out []findingView, complete bool, err error) {
	found, complete, err := s.h.door.Hygiene(s.Context(), s.actor, s.tenant)
	if err != nil {
		return nil, false, err
	}
	for i := range found[:min(len(found), mostFindings)] {
		f := &found[i]
		n := v.finding(f, s.visit.Decision.Now)
		switch {
		case !v.Owner:
			n.Do = ""
		case f.Op == nil:
			n.Edit = v.Link(networksPath + "/entries/" + f.Entry.ID)
		}
		out = append(out, n)
	}
	return out, complete, nil
}

// finding puts a finding into words.
func (l *locale) finding(f *gate.Finding, now time.Time) findingView {
	n := findingView{ID: f.ID()}
	words := []any{"Label", f.Entry.Label, "Net", f.Entry.Range.String(), "Days", f.Days, "Range", f.Range.String(), "SignIns", l.signIns(f.Count)}
	if f.Other != nil {
		words = append(words, "Other", f.Other.Label, "OtherNet", f.Other.Range.String())
	}
	switch f.Code {
	case gate.FindRedundant:
		n.Text, n.Do = l.T("find.redundant", words...), l.T("find.do.remove")
	case gate.FindOverlap:
		n.Text, n.Do = l.T("find.overlapping", words...), l.T("find.do.cut", words...)
	case gate.FindUnused:
		n.Text, n.Do = l.T("find.unused", words...), l.T("find.do.remove")
	case gate.FindWide:
		if n.Text = l.T("find.wide", append(words, "Addresses", thousands(f.Entry.Range.Count().String()))...); f.Op != nil {
			n.Text, n.Do = l.T("find.wider", words...), l.T("find.do.cut", words...)
		}
	case gate.FindEnding:
		n.Text = l.T("find.ending", append(words, "Time", l.rough(f.Entry.Expires.Sub(now)))...)
		n.Do, n.Grave = l.T("find.do.extend"), len(f.People) > 0
		if n.Grave {
			n.Also = l.T("find.ending.people", "Names", l.names(f.People))
		}
	case gate.FindIPv6:
		n.Text, n.Do = l.T("find.ipv6", words...), l.T("find.do.add", words...)
		n.Also = l.names(f.People)
	}
	return n
}

// names are people in one line, the first few by name.
func (l *locale) names(people []gate.AdminView) string {
	const most = 5
	var names []string
	for _, p := range people[:min(len(people), most)] {
		names = append(names, nameOf(p))
	}
	text := l.List(names)
	if more := len(people) - most; more > 0 {
		text = l.T("find.and_more", "Names", text, "N", more)
	}
	return text
}

// mend does to the visitor's draft what a finding proposes. One that is no
// finding any more was mended already.
func mend(s *screen) error {
	var form struct {
		Finding string `json:"finding"`
	}
	if err := s.read(maxForm, &form); err != nil {
		return err
	}
	found, complete, err := s.h.door.Hygiene(s.Context(), s.actor, s.tenant)
	if err != nil {
		return err
	}
	for i := range found {
		if found[i].ID() != form.Finding || found[i].Op == nil {
			continue
		}
		op := *found[i].Op
		op.Accept, op.Trusted = []string{gate.AcceptWide}, s.h.door.Source.Trusted // no wider than it was
		_, _, err := s.h.door.EditDraft(s.Context(), s.actor, s.tenant, op)
		if _, ok := errors.AsType[*gate.InvalidError](err); ok { // somebody else has just added it
			break
		}
		if err != nil {
			return err
		}
		return s.done(networksPath, "done.mended")
	}
	if !complete { // it may be one of those that are not known again yet
		return s.done(networksPath, "done.mend_later")
	}
	return s.done(networksPath, "done.mended_before")
}
