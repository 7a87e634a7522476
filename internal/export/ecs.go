package export

import (
	"cmp"

	"golang.org/x/text/language"

	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/geo"
)

// ecsVersion is the Elastic Common Schema that events follow. They have no
// field that 8.17 does not have as well.
const ecsVersion = "9.0.0"

// ecs writes events of the Elastic Common Schema, one a line, and what it has no
// fields for under "sallyport".
// https://www.elastic.co/docs/reference/ecs/ecs-field-reference
type ecs struct{}

type object map[string]any

// set sets a field unless there is nothing to say.
func (o object) set(name string, value any) {
	switch v := value.(type) {
	case string:
		if v == "" {
			return
		}
	case int64:
		if v == 0 {
			return
		}
	case object:
		if len(v) == 0 {
			return
		}
	}
	o[name] = value
}

func (ecs) begin(b []byte) []byte { return b }

func (ecs) add(b []byte, it *item) ([]byte, error) {
	event := object{
		"@timestamp": Time(it.FirstTime),
		"ecs":        object{"version": ecsVersion},
		"message":    summary(it),
		"event":      ecsEvent(it),
		"observer":   object{"vendor": product, "product": product, "type": "gateway", "version": version, "name": it.Node},
		"sallyport":  ecsOwn(it),
	}
	if it.Tenant != "" {
		event["organization"] = object{"id": it.Tenant, "name": it.tenant}
	}
	event.set("source", ecsSource(it))
	host := object{}
	host.set("domain", it.Host)
	host.set("path", it.Path)
	event.set("url", host)
	if it.Method != "" {
		event["http"] = object{"request": object{"method": it.Method}}
	}
	if it.UserAgent != "" {
		event["user_agent"] = object{"original": it.UserAgent}
	}
	user := object{}
	user.set("id", it.Admin)
	user.set("name", cmp.Or(it.Login, it.Admin))
	event.set("user", user)
	event.set("related", ecsRelated(it))
	return addJSON(b, event)
}

func ecsEvent(it *item) object {
	category, kind := []string{"network"}, []string{"connection"}
	switch it.Stage {
	case gate.StageSignIn:
		category, kind = []string{"authentication"}, []string{"start"}
	case gate.StageSession:
		category, kind = []string{"session"}, []string{"info"}
	case gate.StageGate:
		kind = append(kind, map[bool]string{true: "allowed", false: "denied"}[passed(it)])
	}
	outcome := "failure"
	if passed(it) {
		outcome = "success"
	}
	return object{
		"kind": "event", "category": category, "type": kind, "action": string(it.Stage) + "_" + string(it.Outcome),
		"outcome": outcome, "reason": string(it.Reason), "id": eventID(it), "start": Time(it.FirstTime), "end": Time(it.LastTime),
		"provider": "sallyport", "module": "sallyport", "dataset": "sallyport.attempts",
	}
}

func ecsSource(it *item) object {
	source := object{}
	source.set("address", Address(it.Address, it.Bits))
	if ip := oneAddress(it); ip != "" {
		source["ip"] = ip
	}
	if code := it.place.Country; code != "" {
		source["geo"] = object{"country_iso_code": code, "country_name": geo.Name(code, language.English)}
	}
	if n := NetworkOf(it.place); n != nil {
		as := object{"number": n.ASN}
		if n.Name != "" {
			as["organization"] = object{"name": n.Name}
		}
		source["as"] = as
	}
	return source
}

func ecsRelated(it *item) object {
	related := object{}
	var ips []string
	if ip := oneAddress(it); ip != "" {
		ips = append(ips, ip)
	}
	if it.Peer.IsValid() && it.Peer != it.Address {
		ips = append(ips, it.Peer.String())
	}
	if ips != nil {
		related["ip"] = ips
	}
	if it.Host != "" {
		related["hosts"] = []string{it.Host}
	}
	if name := cmp.Or(it.Login, it.Admin); name != "" {
		related["user"] = []string{name}
	}
	return related
}

// ecsOwn is what the schema has no fields for.
func ecsOwn(it *item) object {
	own := object{"reference": it.Reference, "stage": string(it.Stage), "outcome": string(it.Outcome), "count": it.Count}
	own.set("list_version", it.ListVersion)
	own.set("login_hash", it.LoginHash)
	own.set("session", it.Session)
	if it.Peer.IsValid() {
		own["peer"] = it.Peer.String()
	}
	return own
}

// eventID tells an attempt from every other, whatever references meet.
func eventID(it *item) string {
	return it.Reference + "-" + it.FirstTime.UTC().Format("20060102150405.000000")
}

// passed reports whether the visitor got on.
func passed(it *item) bool { return it.Outcome == gate.Allowed || it.Outcome == gate.WouldBlock }

// oneAddress is the address of a record that stands for one; empty: it is
// unknown, or there are many.
func oneAddress(it *item) string {
	if !it.Address.IsValid() || it.Bits < it.Address.BitLen() {
		return ""
	}
	return it.Address.String()
}

// summary says in a line what happened.
func summary(it *item) string {
	from := cmp.Or(Address(it.Address, it.Bits), "an unknown address")
	return string(it.Outcome) + " (" + string(it.Reason) + ") from " + from + " at " + Plain(cmp.Or(it.Host, "an unknown host"))
}
