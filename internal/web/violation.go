package web

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"

	"golang.org/x/time/rate"
)

// reportPath is where browsers say that a page of the console broke its content
// security policy, which none of them should.
const reportPath = Prefix + "csp-report"

// maxReport is the most bytes of a report.
const maxReport = 16 << 10

// newReports lets reports be counted: a few at once, then one a second.
func newReports() *rate.Limiter { return rate.NewLimiter(1, 20) }

// violation is a report in either of the two forms that browsers send (CSP level 3,
// 5.3 and 5.4).
type violation struct {
	Directive    string `json:"effective-directive"`
	Blocked      string `json:"blocked-uri"`
	Page         string `json:"document-uri"`
	NewDirective string `json:"effectiveDirective"`
	NewBlocked   string `json:"blockedURL"`
	NewPage      string `json:"documentURL"`
}

// report counts a violation that the browser of somebody who is signed in tells
// of. Others are not believed, and everybody gets the same answer.
func (h *Handler) report(w http.ResponseWriter, r *http.Request, v Visit) {
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
	if !signedIn(v) || !h.reports.Allow() {
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxReport))
	if err != nil {
		return
	}
	for _, what := range violationsOf(body) {
		h.door.Violated(what)
	}
}

// violationsOf reads what browsers send, in words without queries.
func violationsOf(body []byte) (out []string) {
	var old struct {
		Report *violation `json:"csp-report"`
	}
	if json.Unmarshal(body, &old) == nil && old.Report != nil {
		return []string{old.Report.String()}
	}
	var list []struct {
		Type string    `json:"type"`
		Body violation `json:"body"`
	}
	if json.Unmarshal(body, &list) != nil {
		return nil
	}
	const most = 10
	for _, r := range list[:min(len(list), most)] {
		if r.Type == "csp-violation" {
			out = append(out, r.Body.String())
		}
	}
	return out
}

// String says what was blocked where.
func (v *violation) String() string {
	if v.Directive == "" {
		v.Directive, v.Blocked, v.Page = v.NewDirective, v.NewBlocked, v.NewPage
	}
	return shorten(v.Directive) + ": " + withoutQuery(v.Blocked) + " @ " + withoutQuery(v.Page)
}

// withoutQuery is an address without what may be secret in it.
func withoutQuery(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return shorten(u.String())
}
