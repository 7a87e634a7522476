package web

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

func (s *site) invited(login string) (link string) {
	s.Helper()
	_, secret, err := s.Invite(s.Context(), command, s.tenant.ID, gate.NewAdmin{Login: login, Name: "Wu Min", Role: gate.RoleMember})
	if err != nil {
		s.Fatal(err)
	}
	return InvitationPath(secret)
}

func TestInvitePage(t *testing.T) {
	s := newSite(t)
	link := s.invited("wu.min")
	token := must(url.Parse(link)).Query().Get("token")
	outsider := s.visitor()
	outsider.address = "198.51.100.7"
	outsider.get(link).shows(t, 403, "Your network isn't allowed here")

	v := s.visitor()
	for range 2 {
		page := v.get(link).shows(t, 200, "Set your password for Acme")
		if text := textOf(page); !strings.Contains(text, "wu.min") {
			t.Errorf("it does not say whose it is: %s", text)
		}
	}
	if a := v.send("HEAD", link, "", ""); a.StatusCode != 200 {
		t.Errorf("HEAD: got %d", a.StatusCode)
	}
	page := v.form(invitePath, "token", token, "password", "short").shows(t, 422, "Set your password for Acme")
	if text := textOf(page); !strings.Contains(text, "too short") {
		t.Errorf("got %s", text)
	}
	if a := v.send("POST", invitePath, formMedia, url.Values{"token": {token}, "password": {newPassword}}.Encode(), "Sec-Fetch-Site", "cross-site"); a.StatusCode != 403 {
		t.Errorf("from another site: got %d", a.StatusCode)
	}
	v.form(invitePath, "token", token, "password", newPassword).leads(t, enrolPath) // a second factor is required
	v.form(invitePath, "token", token, "password", newPassword).shows(t, 401, "This link doesn't work any more")

	zh := s.visitor()
	zh.language = "zh-CN"
	zh.get(link).shows(t, 401, "此链接已失效")
	program := s.visitor()
	program.accept = "application/json"
	program.json(invitePath, "token", "spi_wrong", "password", newPassword).is(t, 401, "reason", "bad_credentials", "type", "urn:sallyport:problem:invitation_invalid")
	program.json(invitePath, "token", must(url.Parse(s.invited("mo"))).Query().Get("token"), "password", newPassword).is(t, 200, "next", "enrol")

	link = s.invited("late")
	s.later(24 * time.Hour)
	s.visitor().get(link).shows(t, 401, "This link doesn't work any more")
}
