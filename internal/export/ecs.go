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

func (ecs) begin(b []byte) []byte { return b }

func (ecs) add(b []byte, it *item) ([]byte, error) {
	return line(b, func(o *object) {
		o.time("@timestamp", it.FirstTime)
		o.object("ecs", func() { o.text("version", ecsVersion) })
		o.text("message", Summary(it.Attempt))
		o.object("event", func() { ecsEvent(o, it) })
		o.object("source", func() { ecsSource(o, it) })
		o.object("url", func() {
			o.text("domain", it.Host)
			o.text("path", it.Path)
		})
		o.object("http", func() { o.object("request", func() { o.text("method", it.Method) }) })
		o.object("user_agent", func() { o.text("original", it.UserAgent) })
		o.object("user", func() {
			o.text("id", it.Admin)
			o.text("name", cmp.Or(it.Login, it.Admin))
		})
		o.object("organization", func() {
			o.text("id", it.Tenant)
			o.text("name", it.tenant)
		})
		o.object("observer", func() {
			o.text("vendor", product)
			o.text("product", product)
			o.text("version", version)
			o.text("type", "gateway")
			o.text("name", it.Node)
		})
		o.object("related", func() {
			o.texts("ip", oneAddress(it), proxy(it))
			o.texts("hosts", it.Host)
			o.texts("user", cmp.Or(it.Login, it.Admin))
		})
		o.object("sallyport", func() { ecsOwn(o, it) })
	}), nil
}

func ecsEvent(o *object, it *item) {
	o.text("kind", "event")
	switch it.Stage {
	case gate.StageSignIn:
		o.texts("category", "authentication")
		o.texts("type", "start")
	case gate.StageSession:
		o.texts("category", "session")
		o.texts("type", "info")
	default:
		o.texts("category", "network")
		o.texts("type", "connection", map[bool]string{true: "allowed", false: "denied"}[passed(it)])
	}
	o.text("action", string(it.Stage)+"_"+string(it.Outcome))
	o.text("outcome", success(it))
	o.text("reason", string(it.Reason))
	o.text("id", EventID(it.Attempt))
	o.time("start", it.FirstTime)
	o.time("end", it.LastTime)
	o.text("provider", "sallyport")
	o.text("module", "sallyport")
	o.text("dataset", "sallyport.attempts")
}

func ecsSource(o *object, it *item) {
	o.text("address", Address(it.Address, it.Bits))
	o.text("ip", oneAddress(it))
	if code := it.place.Country; code != "" {
		o.object("geo", func() {
			o.text("country_iso_code", code)
			o.text("country_name", geo.Name(code, language.English))
		})
	}
	o.object("as", func() {
		o.positive("number", int64(it.place.ASN))
		o.object("organization", func() { o.text("name", it.place.Network) })
	})
}

// ecsOwn is what the schema has no fields for.
func ecsOwn(o *object, it *item) {
	o.text("reference", it.Reference)
	o.text("stage", string(it.Stage))
	o.text("outcome", string(it.Outcome))
	o.number("count", it.Count)
	o.positive("list_version", it.ListVersion)
	o.text("login_hash", it.LoginHash)
	o.text("password", string(it.Password))
	o.text("session", it.Session)
	o.text("peer", Address(it.Peer, it.Peer.BitLen()))
}
