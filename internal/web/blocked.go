package web

import (
	"html/template"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// blockedData is what those see who come from outside.
type blockedData struct {
	view
	AddressUnknown     bool
	Reference, Spelled string
	Address            template.HTML
	Time               moment
	Copy               string // what the copy button copies
	Retention          string
	Ask                string // where access is asked for; empty: nowhere
}

// Gaps of the blocked page: what differs from one visit to the next.
const (
	gapReference = iota
	gapSpelled
	gapMachine // of the time
	gapTime
	gapAddress
	gapCopy
	gapAsk
	gapLanguages // and one more for each further language
)

// blockedPage is shown in place of whatever was asked for. Floods see it too, so
// it is filled in and not made each time.
func (h *Handler) blockedPage(w http.ResponseWriter, r *http.Request, v Visit, p problem) {
	l, chosen := localeOf(r)
	key := blockedKey{lang: l, retention: h.door.Retention(v.Decision.Tenant), unknown: p.Reason == gate.AddressUnknown, ask: h.mayAsk(askPath, v)}
	if t := v.Decision.Tenant; t != nil {
		key.tenant = t.Name
	}
	page, err := h.blocked.page(key)
	if err != nil {
		writeProblem(w, brokenPage)
		return
	}
	problemHeaders(w, p)
	writePage(w, r, p.Status, l, page.fill(l.blockedVisit(r, v, p.Reference, chosen)))
}

// blockedVisit is what the blocked page shows of one visit, by gap.
func (l *locale) blockedVisit(r *http.Request, v Visit, reference string, chosen choice) []template.HTML {
	addr, at, address := v.Request.Address.Addr, l.moment(v.Decision.Now), ""
	if addr.IsValid() {
		address = addr.String()
	}
	values := []template.HTML{
		gapReference: escaped(reference),
		gapSpelled:   escaped(spell(reference)),
		gapMachine:   escaped(at.Machine),
		gapTime:      escaped(at.Text),
		gapAddress:   l.address(addr),
		gapCopy:      escaped(strings.TrimSpace(reference + ", " + at.Machine + ", " + address)),
		gapAsk:       escaped(chosen.link(askPath, url.Values{"reference": {reference}})),
	}
	for _, link := range languageLinks(r) {
		values = append(values, escaped(link))
	}
	return values
}

// address writes an address that, if it has to, breaks between its groups.
func (l *locale) address(a netip.Addr) template.HTML {
	if !a.IsValid() {
		return escaped(l.T("blocked.ip.unknown"))
	}
	return template.HTML(strings.ReplaceAll(string(escaped(a.String())), ":", ":<wbr>")) //nolint:gosec // G203: it is escaped
}

// spell writes a reference as it is read out: "S P – 7 K 4 M – 9 2 Q D".
func spell(reference string) string {
	signs := strings.Split(strings.ReplaceAll(reference, "-", "–"), "")
	return strings.Join(signs, " ")
}

// blockedKey is what all visits have in common that see the same blocked page.
// Nothing of it is a visitor's to choose but one of the languages.
type blockedKey struct {
	lang      *locale
	tenant    string // name
	retention time.Duration
	unknown   bool // the address
	ask       bool // access may be asked for
}

// stencil makes the page for a key, with gaps.
func (k blockedKey) stencil() (stencil, error) {
	d := &blockedData{
		view: view{locale: k.lang, Tenant: k.tenant}, AddressUnknown: k.unknown,
		Reference: gap(gapReference), Spelled: gap(gapSpelled), Copy: gap(gapCopy),
		Time: moment{gap(gapMachine), gap(gapTime)}, Address: escaped(gap(gapAddress)), Retention: k.lang.duration(k.retention),
	}
	d.Title = d.T("blocked.title")
	if k.unknown {
		d.Title = d.T("blocked.unknown.title")
	}
	if k.ask {
		d.Ask = gap(gapAsk)
	}
	for i := range languages {
		d.Languages = append(d.Languages, k.lang.languageLink(i, gap(gapLanguages+i)))
	}
	return newStencil("blocked", d)
}

// blockedPages are those that were shown, at most blockedMax: beyond, they are
// made afresh.
type blockedPages struct {
	mu   sync.Mutex
	made map[blockedKey]stencil
}

const blockedMax = 1000 // of some 5 KB

func (b *blockedPages) page(key blockedKey) (stencil, error) {
	b.mu.Lock()
	s, ok := b.made[key]
	b.mu.Unlock()
	if ok {
		return s, nil
	}
	s, err := key.stencil()
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.made == nil || len(b.made) >= blockedMax {
		b.made = map[blockedKey]stencil{}
	}
	b.made[key] = s
	return s, nil
}
