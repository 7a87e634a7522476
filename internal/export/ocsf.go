package export

import (
	"cmp"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// ocsfVersion is the Open Cybersecurity Schema Framework that events follow: the
// newest one when this was written is 1.8, and the widest-spread collectors
// know this one.
const ocsfVersion = "1.5.0"

// Classes of OCSF, and their categories.
const (
	ocsfAuthentication = 3002 // a sign-in
	ocsfIAM            = 3
	ocsfHTTP           = 4002 // everything else: a request that was let through or refused
	ocsfNetwork        = 4
	ocsfLogon          = 1
)

// ocsf writes events of the Open Cybersecurity Schema Framework, one a line,
// with the profile security_control: sign-ins of somebody as Authentication,
// everything else as HTTP Activity. What it has no attributes for is "unmapped".
// https://schema.ocsf.io/1.5.0/
type ocsf struct{}

func (ocsf) begin(b []byte) []byte { return b }

func (ocsf) add(b []byte, it *item) ([]byte, error) {
	return line(b, func(o *object) {
		signIn := it.Stage == gate.StageSignIn && (it.Admin != "" || it.LoginHash != "")
		if signIn {
			ocsfClass(o, ocsfIAM, ocsfAuthentication, ocsfLogon)
			o.object("user", func() { ocsfUser(o, it) })
			o.boolean("is_remote", true)
			o.object("session", func() { o.text("uid", it.Session) })
		} else {
			ocsfClass(o, ocsfNetwork, ocsfHTTP, ocsfActivity(it.Method))
		}
		o.object("metadata", func() { ocsfMetadata(o, it) })
		o.number("time", it.FirstTime.UnixMilli())
		o.number("start_time", it.FirstTime.UnixMilli())
		o.number("end_time", it.LastTime.UnixMilli())
		o.number("count", it.Count)
		o.text("message", Summary(it.Attempt))
		ocsfOutcome(o, it)
		o.object("src_endpoint", func() { ocsfSource(o, it) })
		o.object("dst_endpoint", func() { // the gate, by the name it was asked for
			o.text("svc_name", product)
			o.text("hostname", it.Host)
		})
		o.object("http_request", func() { ocsfRequest(o, it) })
		if it.ListVersion > 0 {
			o.object("policy", func() {
				o.text("name", "allowed networks")
				o.text("version", number(it.ListVersion))
				o.boolean("is_applied", it.Outcome != gate.WouldBlock)
			})
		}
		o.object("unmapped", func() { ocsfUnmapped(o, it, signIn) })
	}), nil
}

func ocsfClass(o *object, category, class, activity int64) {
	o.number("category_uid", category)
	o.number("class_uid", class)
	o.number("activity_id", activity)
	o.number("type_uid", class*100+activity)
}

func ocsfMetadata(o *object, it *item) {
	o.text("version", ocsfVersion)
	o.texts("profiles", "security_control")
	o.object("product", func() {
		o.text("name", product)
		o.text("vendor_name", product)
		o.text("version", version)
	})
	o.text("uid", EventID(it.Attempt))
	o.text("correlation_uid", it.Reference)
	o.text("event_code", string(it.Reason))
	o.text("log_name", "attempts")
	o.text("tenant_uid", it.tenant)
}

// ocsfMethods are the activities of HTTP Activity.
var ocsfMethods = map[string]int64{
	"": 0, "CONNECT": 1, "DELETE": 2, "GET": 3, "HEAD": 4, "OPTIONS": 5, "POST": 6, "PUT": 7, "TRACE": 8,
}

// ocsfActivity is what HTTP Activity calls a method.
func ocsfActivity(method string) int64 {
	if n, ok := ocsfMethods[method]; ok {
		return n
	}
	return 99 // other
}

// ocsfOutcome says what was done, in the words of the profile security_control.
func ocsfOutcome(o *object, it *item) {
	var status, action, disposition, severity int64 = 2, 2, 2, 2 // failure, denied, blocked, low
	switch it.Outcome {
	case gate.Allowed:
		status, action, disposition, severity = 1, 1, 1, 1 // success, allowed, allowed, informational
	case gate.WouldBlock:
		status, action, disposition, severity = 1, 3, 17, 1 // success, observed, logged, informational
	case gate.Refused:
		disposition = 26 // unauthorized
	}
	o.number("status_id", status)
	o.text("status_code", string(it.Reason))
	o.number("action_id", action)
	o.number("disposition_id", disposition)
	o.number("severity_id", severity)
}

func ocsfSource(o *object, it *item) {
	ip := oneAddress(it)
	if o.text("ip", ip); ip == "" {
		o.text("name", Address(it.Address, it.Bits))
	}
	o.object("location", func() { o.text("country", it.place.Country) })
	o.object("autonomous_system", func() {
		o.positive("number", int64(it.place.ASN))
		o.text("name", it.place.Network)
	})
	if it.Address.IsValid() {
		o.texts("intermediate_ips", proxy(it))
	}
}

// ocsfRequest is the request; the class has to have one, even if it says nothing.
func ocsfRequest(o *object, it *item) {
	o.key("http_method")
	o.b = appendText(o.b, it.Method)
	if it.Path != "" {
		o.object("url", func() {
			o.text("hostname", it.Host)
			o.text("path", it.Path)
		})
	}
	o.text("user_agent", it.UserAgent)
}

// ocsfUser is who signed in or tried to.
func ocsfUser(o *object, it *item) {
	if it.Admin != "" {
		o.text("uid", it.Admin)
		o.text("name", it.Login)
		return
	}
	o.text("uid", it.LoginHash)
	o.number("type_id", 99)
	o.text("type", "keyed hash of what was typed")
}

func ocsfUnmapped(o *object, it *item, signIn bool) {
	o.text("stage", string(it.Stage))
	o.text("outcome", string(it.Outcome))
	o.text("node", it.Node)
	o.text("login_hash", it.LoginHash)
	o.text("password", string(it.Password))
	if !signIn {
		o.text("admin", cmp.Or(it.Login, it.Admin))
		o.text("admin_id", it.Admin)
		o.text("session", it.Session)
	}
}
