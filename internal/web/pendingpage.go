package web

import (
	"strconv"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// Paths of what the banner of a waiting change posts to.
const (
	confirmPath = networksPath + "/confirm"
	undoPath    = networksPath + "/undo"
)

// pendingForm names the version that waits, so that nobody confirms another than
// the one they saw.
type pendingForm struct {
	Version string `json:"version"`
}

// pendingVersion reads which version is meant.
func (s *screen) pendingVersion() (int64, error) {
	var f pendingForm
	if err := s.read(maxForm, &f); err != nil {
		return 0, err
	}
	version, err := strconv.ParseInt(f.Version, 10, 64)
	if err != nil {
		return 0, malformed.problem("", fieldProblem{"version", "invalid", "this has to be the number of a version"})
	}
	return version, nil
}

// confirmChange lets a waiting change stand.
func confirmChange(s *screen) error {
	version, err := s.pendingVersion()
	if err != nil {
		return err
	}
	if err := s.h.door.Confirm(s.Context(), s.actor, s.tenant, version); err != nil {
		return err
	}
	return s.done(networksPath, "done.confirmed")
}

// undoChange brings back what was before a waiting change.
func undoChange(s *screen) error {
	version, err := s.pendingVersion()
	if err != nil {
		return err
	}
	if _, err := s.h.door.Undo(s.Context(), s.actor, s.tenant, version); err != nil {
		return err
	}
	return s.done(networksPath, "done.undone")
}

// pendingBanner counts down to the moment at which a change is undone, and lets
// owners keep it.
func pendingBanner(s *screen, v *consoleView) []*banner {
	p := s.h.door.Pending(s.tenant)
	if p == nil {
		return nil
	}
	left := p.Until.Sub(s.visit.Decision.Now)
	b := &banner{Class: "dry", Text: v.T("confirm.bar", "V", p.Version, "Time", timeMark), Left: max(1, int64(left.Seconds())), Also: s.inForce(v)}
	if v.Owner {
		version := strconv.FormatInt(p.Version, 10)
		b.Buttons = []bannerButton{
			{v.Link(confirmPath), "version", version, v.T("confirm.keep"), true},
			{v.Link(undoPath), "version", version, v.T("confirm.undo"), false},
		}
	}
	return []*banner{b}
}

// lagShown is how long a node may take before it is named.
const lagShown = 3 * time.Second

// inForce says on how many nodes the tenant's list is in force as it stands, and
// which one keeps everybody waiting.
func (s *screen) inForce(v *consoleView) string {
	at := s.h.door.InForce(s.tenant)
	text := v.T("net.active", "N", at.Active, "M", at.Nodes)
	if len(at.Behind) == 0 || at.Since < lagShown {
		return text
	}
	names := make([]string, len(at.Behind))
	for i := range at.Behind {
		names[i] = at.Behind[i].Name
	}
	return v.T("net.lagging", "Active", text, "N", len(names), "Nodes", v.List(names), "Time", v.rough(at.Since))
}

// emergencyBanner tells those who read the list of everybody who is let in past
// it by a command.
func emergencyBanner(s *screen, v *consoleView) (out []*banner) {
	for _, e := range s.h.door.Emergencies(s.tenant) {
		out = append(out, &banner{Class: "dry", Text: v.T("emergency.banner",
			"IP", e.Address, "Time", v.minute(e.Until), "By", v.by(e.By), "Reason", e.Reason)})
	}
	return out
}

// undoneBanner says that the list in force is one that came back by itself.
func undoneBanner(v *consoleView, list *gate.ListVersion) *banner {
	if list.Undoes == 0 || list.By != string(gate.ActorSystem) {
		return nil
	}
	active := list.Version
	if list.Restores > 0 {
		active = list.Restores
	}
	return &banner{Class: "dry", Text: v.T("confirm.undone", "V", list.Undoes, "W", active)}
}
