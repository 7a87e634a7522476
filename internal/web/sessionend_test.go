package web

import (
	"strings"
	"testing"
	"time"
)

// TestSessionEnd: every page of the console knows when its session ends, for the
// warning, and says so to who has no scripts.
func TestSessionEnd(t *testing.T) {
	s := newAPISite(t) // idle after an hour, over after twelve
	page, a := s.look("member", "sessions")
	s.says(page, "This session ends on 24 Nov 2026, 13:00 UTC unless you use it, and on 25 Nov 2026, 00:00 UTC at the latest.")
	if !strings.Contains(a.body, `data-idle="3600" data-left="43200"`) {
		t.Error("the page does not tell its script")
	}
	s.door.Rules.Lifetime = 40 * time.Minute // a reload of the configuration
	page, a = s.look("member", "sessions")
	s.says(page, "This session ends on 24 Nov 2026, 12:40 UTC.")
	if !strings.Contains(a.body, `data-idle="3600" data-left="2400"`) {
		t.Error("the page does not tell its script of the shorter life")
	}
	page, _ = s.look("member", "sessions?lang=zh-CN")
	s.says(page, "此会话将于")
}

// TestKeysPage: the list of keys is a page, too, and names what one can get to.
func TestKeysPage(t *testing.T) {
	s := newAPISite(t)
	page, a := s.look("owner", "keys")
	s.says(page, "Keyboard shortcuts", "g n Go to Networks", "n Add a network", "j k Next or previous row")
	if !strings.Contains(a.body, `data-go="p"`) {
		t.Error("the link to people has no key")
	}
	page, _ = s.look("member", "keys")
	if text := textOf(page); strings.Contains(text, "Go to Networks") || strings.Contains(text, "Add a network") {
		t.Errorf("a member is told of keys for what it may not see: %s", text)
	}
}
