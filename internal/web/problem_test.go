package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

func TestErrorProblem(t *testing.T) {
	const secret = "SELECT secret FROM internal"
	tests := []struct {
		name   string
		err    error
		status int
		code   string
	}{
		{"not found", gate.ErrNotFound, 404, "not_found"},
		{"wrapped", fmt.Errorf("%s: %w", secret, gate.ErrNotFound), 404, "not_found"},
		{"forbidden", gate.ErrForbidden, 403, "forbidden"},
		{"conflict", &gate.VersionConflict{Base: 1, Current: 2}, 409, "version_conflict"},
		{"locks you out", gate.ErrLocksYouOut, 409, "would_lock_you_out"},
		{"locks everyone out", gate.ErrLocksEveryoneOut, 409, "would_lock_everyone_out"},
		{"exists", gate.ErrExists, 409, "exists"},
		{"changed", gate.ErrChanged, 409, "changed"},
		{"last owner", gate.ErrLastOwner, 409, "last_owner"},
		{"second factor", gate.ErrSecondFactorExists, 409, "second_factor_exists"},
		{"invalid", gate.Invalid("mode", "unknown", "write another"), 422, "invalid"},
		{"weak password", &auth.WeakPasswordError{Code: auth.PasswordCommon}, 422, "invalid"},
		{"stored, not read back", errors.Join(gate.ErrNotYetInForce, gate.ErrNotFound), 503, "not_yet_in_force"},
		{"store away", errors.New(secret), 503, "unavailable"},
		{"visitor away", context.Canceled, 503, "unavailable"},
		{"a problem", tooLarge.problem(""), 413, "too_large"},
		{"refused", &gate.Refusal{Reason: gate.BadCode}, 401, "bad_code"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := new(Handler).errorProblem(tt.err)
			if p.Status != tt.status || p.Type != "urn:sallyport:problem:"+tt.code {
				t.Errorf("got %d %s, want %d %s", p.Status, p.Type, tt.status, tt.code)
			}
			if p.Title == "" {
				t.Error("it has no title")
			}
			if text, _ := json.Marshal(p); strings.Contains(string(text), "secret") {
				t.Errorf("internal text is shown: %s", text)
			}
		})
	}
}

// TestWideProblem: whoever uses the API is told how to insist, in its words.
func TestWideProblem(t *testing.T) {
	p := new(Handler).errorProblem(gate.Invalid("range", gate.AcceptWide, "say that you mean it"))
	if want := `say that you mean it, with "accept": ["wide"]`; len(p.Errors) != 1 || p.Errors[0].Message != want {
		t.Errorf("got %+v, want %s", p.Errors, want)
	}
}

// TestRefusalProblem holds that every reason has an answer, and that no answer
// tells whether an account exists.
func TestRefusalProblem(t *testing.T) {
	passing := map[gate.Reason]bool{gate.ByNetwork: true, gate.ByOperatorNetwork: true, gate.ByDryRun: true, gate.ByGateOff: true, gate.ByEmergency: true}
	for _, reason := range gate.Reasons {
		p := refusalProblem(reason)
		switch {
		case reason == gate.AccountUnknown, reason == gate.AccountDisabled:
			if want := refusalProblem(gate.BadCredentials); fmt.Sprint(p) != fmt.Sprint(want) {
				t.Errorf("%s: got %v, want %v", reason, p, want)
			}
		case passing[reason]:
			if p.Status != 403 || p.Reason != "" {
				t.Errorf("%s: got %d %q, want a plain 403", reason, p.Status, p.Reason)
			}
		case p.Reason != reason, p.Status < 400, p.Title == "", p.Detail == "":
			t.Errorf("%s: got %+v", reason, p)
		}
	}
	p := decisionProblem(&gate.Decision{Reason: gate.UnknownSite, Misdirected: true})
	if p.Status != 421 || p.Reason != gate.UnknownSite {
		t.Errorf("misdirected: got %d %q", p.Status, p.Reason)
	}
}

// TestProblemBody: what is put together from pieces is what would be marshalled.
func TestProblemBody(t *testing.T) {
	check := func(name string, p problem) {
		t.Helper()
		got, err := p.body()
		if want, _ := json.Marshal(p); err != nil || string(got) != string(want) {
			t.Errorf("%s:\n got %s, %v\nwant %s", name, got, err, want)
		}
	}
	for _, reason := range gate.Reasons {
		p := refusalProblem(reason)
		check(string(reason)+", no reference", p)
		p.Reference = auth.NewReference()
		check(string(reason), p)
		for what, change := range map[string]func(*problem){
			"detail": func(p *problem) { p.Detail = "another" }, "title": func(p *problem) { p.Title = "another" },
			"type": func(p *problem) { p.Type = "another" }, "status": func(p *problem) { p.Status = 499 },
			"errors": func(p *problem) { p.Errors = []fieldProblem{{"a", "b", "c"}} }, "theirs": func(p *problem) { p.Theirs = 7 },
		} {
			other := p
			change(&other)
			check(string(reason)+", another "+what, other)
		}
	}
	p := decisionProblem(&gate.Decision{Reason: gate.UnknownSite, Misdirected: true})
	p.Reference = auth.NewReference()
	check("misdirected", p)
}

// TestSetHeaders: no header reaches into another, or into another answer.
func TestSetHeaders(t *testing.T) {
	one, two := http.Header{}, http.Header{}
	for _, h := range []http.Header{one, two} {
		SetHeaders(h, "A", "1", "B", "2")
	}
	one["A"][0] = "changed"
	one.Add("A", "more")
	if got := fmt.Sprint(one, two); got != "map[A:[changed more] B:[2]] map[A:[1] B:[2]]" {
		t.Errorf("got %s", got)
	}
}

func TestWriteProblem(t *testing.T) {
	p := refusalProblem(gate.Throttled)
	p.Reference, p.RetryAfter, p.Errors = "SP-7K3M-9QXD", 900, []fieldProblem{{"login", "x", "<b>"}}
	w := httptest.NewRecorder()
	writeProblem(w, p)
	if w.Code != 429 {
		t.Errorf("status: got %d, want 429", w.Code)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/problem+json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Retry-After": "900", "X-Sallyport-Reference": "SP-7K3M-9QXD", "Www-Authenticate": "",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	const want = `{"type":"urn:sallyport:problem:throttled","title":"Too many tries","status":429,"detail":"wait before you try again",` +
		`"reason":"throttled","reference":"SP-7K3M-9QXD","errors":[{"field":"login","code":"x","message":"\u003cb\u003e"}]}`
	if got := w.Body.String(); got != want {
		t.Errorf("body:\n got %s\nwant %s", got, want)
	}
	w = httptest.NewRecorder()
	writeProblem(w, refusalProblem(gate.NoSession))
	if w.Header().Get("WWW-Authenticate") == "" || w.Header().Get("Retry-After") != "" {
		t.Errorf("401: got headers %v", w.Header())
	}
}
