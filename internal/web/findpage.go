package web

import (
	"strings"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// findAttempt leads to what somebody typed into the box for references: an attempt, an
// address or range, or a user name.
func findAttempt(s *screen) error {
	typed := strings.TrimSpace(s.URL.Query().Get("reference"))
	if typed == "" {
		return s.done(securityPath, "")
	}
	if reference, err := auth.ParseReference(typed); err == nil {
		return s.done(attemptLink(reference), "")
	}
	if r, _, err := cidr.Parse(typed); err == nil {
		return s.done(securityPath, "", "address", r.String())
	}
	people, err := s.h.door.People(s.actor, s.tenant)
	if err != nil {
		return err
	}
	if !isLogin(typed, people) && meansReference(typed) {
		return s.unknownReference(typed)
	}
	return s.done(securityPath, "", "login", typed)
}

// meansReference reports whether somebody who typed no reference meant to: it
// is nearly one, and no name.
func meansReference(text string) bool {
	const prefix, digits = "SP", "0123456789"
	begins := len(text) > len(prefix) && strings.EqualFold(text[:len(prefix)], prefix) && strings.ContainsAny(text[len(prefix):len(prefix)+1], " -")
	return begins || strings.ContainsAny(text, digits) && len(auth.NearReferences(text)) > 0
}

// isLogin reports whether somebody has this login, which may look like a
// reference.
func isLogin(text string, people []gate.AdminView) bool {
	for _, p := range people {
		if gate.CanonicalLogin(p.Login) == gate.CanonicalLogin(text) {
			return true
		}
	}
	return false
}
