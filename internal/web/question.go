package web

import "net/http"

// question is a page that asks before something is done which cannot simply be
// taken back. What leads to it are links, so that nothing happens without it; its
// one form does what it asks about.
type question struct {
	*consoleView
	Lead   string       // what would happen
	Notice string       // what would be lost with it; empty: nothing
	Action string       // where the form is sent
	Sent   []sentValue  // with what
	Do     string       // the button that does it
	Danger bool         // it takes something away
	Reason *reasonField // a reason can be given; nil: none is asked for
	Keep   string       // the way out
	Back   string       // where that leads
}

// reasonField is a reason that may be given, at most so many characters of it.
type reasonField struct {
	Value string
	Most  int
}

// ask shows a question. Without another way out, it leads back to a page.
func (s *screen) ask(q *question) error {
	if q.Keep == "" {
		q.Keep = q.T("page.cancel")
	}
	status := http.StatusOK
	if len(q.Problems) > 0 {
		status = http.StatusUnprocessableEntity
	}
	return s.render(status, "question", q)
}
