package web

import (
	"cmp"

	"golang.org/x/text/language"

	"github.com/sallyport-gate/sallyport/internal/export"
	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/geo"
)

// attentionView is an address that needs attention.
type attentionView struct {
	Address, Place string
	Counts         string
	Last           moment
	Ago            string
	Signs          []signView
	Only           string // link to everything from there
	Explain        string
	Allow          string // empty: this is no owner
}

// signView is a reason to look at an address.
type signView struct{ Text, URL string }

// groupView is attempts taken together.
type groupView struct {
	Name    string // empty: unknown, or nobody's
	Mono    bool
	None    string // key of the words for no name
	Place   string
	Count   string
	Bad     string
	Last    moment
	Only    string // links; empty: there is no such filter
	Exclude string
	Explain string
}

// attemptRow is one record.
type attemptRow struct {
	Reference, URL string
	At             moment
	Outcome        stateWord
	Reason         string // key
	Address, Place string
	Who            string
	Request        string
	Count          string // empty: once
}

func (d *securityData) attention(s *screen, sum *gate.Summary) {
	now := s.visit.Decision.Now
	for i := range sum.Attention {
		a := &sum.Attention[i]
		v := attentionView{
			Address: a.Key, Place: d.place(a.Place), Counts: d.T("security.times", "N", a.NotAllowed, "Count", grouped(a.NotAllowed)),
			Last: d.moment(a.LastTime), Ago: d.ago(now.Sub(a.LastTime)),
			Only: d.query.link(d.consoleView, "address", a.Key, "group_by", groupNone), Explain: d.Link(attemptLink(a.Reference)),
		}
		if d.Owner {
			v.Allow = d.Link(attemptLink(a.Reference) + "/allow")
		}
		for _, sign := range a.Signs {
			v.Signs = append(v.Signs, d.sign(sign, a))
		}
		d.Attention = append(d.Attention, v)
	}
	if more := sum.AttentionCount - len(sum.Attention); more > 0 {
		d.More = d.T("security.more", "N", more)
	}
	if sum.NoiseAddresses > 0 {
		d.Noise = d.T("review.noise", "Count", grouped(sum.Noise), "M", grouped(int64(sum.NoiseAddresses)))
		switch {
		case d.query.group != gate.GroupAddress:
		case d.query.noise:
			d.HideNoise = d.query.link(d.consoleView, "noise", "", "limit", "")
		default:
			d.ShowNoise = d.query.link(d.consoleView, "noise", "1")
		}
	}
}

// sign says why an address needs attention.
func (d *securityData) sign(sign gate.AttentionSign, a *gate.AttentionGroup) signView {
	key := attentionWords[sign]
	who := cmp.Or(a.Admin, d.T("sign.somebody"))
	v := signView{Text: d.T(key, "Who", who)}
	if a.Entry != nil && (sign == gate.SignListed || sign == gate.SignNearMiss) {
		v.Text = d.T(key, "Who", who, "Label", a.Entry.Label, "Net", a.Entry.Range.String())
	}
	if sign == gate.SignRequest {
		v.URL = d.Link("requests")
	}
	return v
}

var attentionWords = map[gate.AttentionSign]string{
	gate.SignPassword: "sign.right_password", gate.SignRequest: "sign.open_request", gate.SignAdmin: "sign.known_admin", gate.SignBefore: "sign.signed_in_before",
	gate.SignListed: "sign.was_listed", gate.SignNearMiss: "sign.near_miss",
}

// groupFilters are the filters that select one group.
var groupFilters = map[gate.GroupBy]gate.Field{
	gate.GroupAddress: gate.FieldAddress, gate.GroupNetwork: gate.FieldAddress, gate.GroupAdmin: gate.FieldLogin,
	gate.GroupReason: gate.FieldReason, gate.GroupCountry: gate.FieldCountry, gate.GroupASN: gate.FieldASN,
}

func (d *securityData) groups(sum *gate.Summary) {
	by := d.query.group
	d.Caption = d.T(groupWords[by])
	switch by {
	case gate.GroupCountry:
		d.Caption = d.T("col.country") // which says that it is approximate
	case gate.GroupASN:
		d.Caption = d.T("col.network")
	}
	for i := range sum.Groups {
		g := &sum.Groups[i]
		v := groupView{
			Name: d.groupName(by, g), Mono: by == gate.GroupAddress || by == gate.GroupNetwork, None: noneWords[by],
			Count: grouped(g.Count), Bad: grouped(g.NotAllowed), Last: d.moment(g.LastTime), Explain: d.Link(attemptLink(g.Reference)),
		}
		if v.Mono {
			v.Place = d.place(g.Place)
		}
		if g.Key != "" {
			field := string(groupFilters[by])
			v.Only = d.query.link(d.consoleView, field, g.Key, "not."+field, "", "limit", "")
			v.Exclude = d.query.link(d.consoleView, "not."+field, joinedFilter(d.query.values.Get("not."+field), g.Key))
			if by == gate.GroupAdmin { // a login may have commas in it, so there is one at a time
				v.Exclude = d.query.link(d.consoleView, "not."+field, g.Key)
			}
		}
		d.Groups = append(d.Groups, v)
	}
	if sum.GroupCount > len(sum.Groups) {
		d.Shown = d.T("security.shown", "Count", grouped(int64(len(sum.Groups))), "All", grouped(int64(sum.GroupCount)))
		if d.query.limit < securityMost {
			d.Next = d.limitLink()
		}
	}
}

// joinedFilter adds a value to those of a filter.
func joinedFilter(old, value string) string {
	if old == "" {
		return value
	}
	return old + "," + value
}

// noneWords are the keys for groups of what is not known.
var noneWords = map[gate.GroupBy]string{
	gate.GroupAddress: "group.unknown", gate.GroupNetwork: "group.unknown", gate.GroupAdmin: "group.nobody",
	gate.GroupCountry: "group.unknown", gate.GroupASN: "group.unknown",
}

func (d *securityData) groupName(by gate.GroupBy, g *gate.AttemptGroup) string {
	switch {
	case g.Key == "":
		return ""
	case by == gate.GroupReason:
		return d.T(reasonWords[gate.Reason(g.Key)])
	case by == gate.GroupCountry:
		return geo.Name(g.Key, language.MustParse(d.Lang))
	case by == gate.GroupASN:
		return d.place(gate.Place{ASN: g.Place.ASN, Network: g.Place.Network})
	}
	return export.Plain(g.Key)
}

// attempts lists the records one by one.
func (d *securityData) attempts(s *screen) error {
	f := d.query.filter
	f.Limit = d.query.limit + 1
	found, err := s.h.door.Attempts(s.Context(), s.actor, f)
	if err != nil {
		return err
	}
	if len(found) > d.query.limit {
		found = found[:d.query.limit]
		last := &found[len(found)-1]
		d.Next = d.query.link(d.consoleView, "cursor", cursor{"attempts", last.FirstTime.UnixMicro(), last.Reference}.String())
	}
	d.Caption = d.T("group.none")
	for i := range found {
		a := &found[i]
		row := attemptRow{
			Reference: a.Reference, URL: d.Link(attemptLink(a.Reference)), At: d.moment(a.FirstTime), Outcome: outcomeWords[a.Outcome], Reason: reasonWords[a.Reason],
			Address: addressText(a.Address, a.Bits), Place: d.place(s.h.door.PlaceOf(a.Address, a.Bits)),
			Who: export.Plain(cmp.Or(a.Login, a.Admin)), Request: export.Plain(a.Method + " " + a.Path),
		}
		if a.Count > 1 {
			row.Count = "× " + grouped(a.Count)
		}
		d.Attempts = append(d.Attempts, row)
	}
	return nil
}
