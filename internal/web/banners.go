package web

import (
	"fmt"
	"strings"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// banner is a notice about the state of the whole tenant, on every page of the
// console.
type banner struct {
	Class   string // allowed, dry, off or blocked
	Text    string // where it counts down, {} stands for the time
	Left    int64  // seconds to count down; 0: none
	Also    string // what is said besides
	Buttons []bannerButton
	URL     string // leads on; empty: nowhere
	More    string // the words of that link
}

// bannerButton is a form of one button, which sends one field.
type bannerButton struct {
	Action, Name, Value, Text string
	Primary                   bool
}

// banners make the notices, the gravest first. They say what the node knows by
// itself: the frame of a page must not wait for the store. Only who may read the
// list sees them.
var banners = []func(*screen, *consoleView) []*banner{visitBanner, pendingBanner, storeAwayBanner, emergencyBanner, offBanner}

// storeAwayBanner says that nothing can be changed for the time being.
func storeAwayBanner(s *screen, v *consoleView) []*banner {
	if !s.h.door.StoreDown() {
		return nil
	}
	return []*banner{{Class: "blocked", Text: v.T("banner.store_away")}}
}

// offBanner says that the list protects nobody.
func offBanner(s *screen, v *consoleView) []*banner {
	if s.visit.Decision.Tenant.Mode != gate.ModeOff {
		return nil
	}
	return []*banner{{Class: "off", Text: v.T("off.banner")}}
}

// timeMark is where in a text the time comes that counts down.
const timeMark = "{}"

// around is a text up to the time that counts down, and behind it.
func around(text string) (before, after string) {
	before, after, _ = strings.Cut(text, timeMark)
	return before, after
}

// Before is the text up to the time that counts down.
func (b *banner) Before() string {
	before, _ := around(b.Text)
	return before
}

// After is the text behind the time that counts down.
func (b *banner) After() string {
	_, after := around(b.Text)
	return after
}

// Clock is the time that is left, as a clock shows it.
func (b *banner) Clock() string {
	const hour = 3600
	if b.Left >= hour {
		return fmt.Sprintf("%d:%02d:%02d", b.Left/hour, b.Left%hour/60, b.Left%60)
	}
	return fmt.Sprintf("%d:%02d", b.Left/60, b.Left%60)
}
