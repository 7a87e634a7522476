package web

import (
	"net/http"
	"strings"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// blockedData is what those see who come from outside.
type blockedData struct {
	view
	AddressUnknown     bool
	Reference, Spelled string
	Address            string // empty: unknown
	Time               moment
	Copy               string // what the copy button copies
	Retention          string
}

// blockedPage is shown in place of whatever was asked for.
func (h *Handler) blockedPage(w http.ResponseWriter, r *http.Request, v Visit, p problem) {
	d := &blockedData{view: h.view(r, v), Reference: p.Reference, Spelled: spell(p.Reference)}
	d.Title, d.AddressUnknown = d.T("blocked.title"), p.Reason == gate.AddressUnknown
	if d.AddressUnknown {
		d.Title = d.T("blocked.unknown.title")
	}
	if a := v.Request.Address.Addr; a.IsValid() {
		d.Address = a.String()
	}
	d.Time, d.Retention = d.moment(v.Decision.Now), d.duration(h.door.Retention())
	d.Copy = strings.TrimSpace(p.Reference + ", " + d.Time.Machine + ", " + d.Address)
	problemHeaders(w, p)
	render(w, r, p.Status, "blocked", d)
}

// spell writes a reference as it is read out: "S P – 7 K 4 M – 9 2 Q D".
func spell(reference string) string {
	signs := strings.Split(strings.ReplaceAll(reference, "-", "–"), "")
	return strings.Join(signs, " ")
}
