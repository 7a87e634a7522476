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
)

// ocsf writes events of the Open Cybersecurity Schema Framework, one a line,
// with the profile security_control: sign-ins of somebody as Authentication,
// everything else as HTTP Activity. What it has no attributes for is "unmapped".
// https://schema.ocsf.io/1.5.0/
type ocsf struct{}

func (ocsf) begin(b []byte) []byte { return b }

func (ocsf) add(b []byte, it *item) ([]byte, error) {
	event := object{
		"time": it.FirstTime.UnixMilli(), "start_time": it.FirstTime.UnixMilli(), "end_time": it.LastTime.UnixMilli(), "count": it.Count,
		"message": summary(it), "status_code": string(it.Reason), "dst_endpoint": ocsfTarget(it), "unmapped": ocsfUnmapped(it),
		"metadata": object{
			"version": ocsfVersion, "profiles": []string{"security_control"}, "uid": eventID(it), "correlation_uid": it.Reference,
			"event_code": string(it.Reason), "log_name": "attempts",
			"product": object{"name": product, "vendor_name": product, "version": version},
		},
	}
	if it.tenant != "" {
		event["metadata"].(object)["tenant_uid"] = it.tenant
	}
	ocsfOutcome(event, it)
	event.set("src_endpoint", ocsfSource(it))
	event.set("http_request", ocsfRequest(it))
	if it.ListVersion > 0 {
		event["policy"] = object{"name": "allowed networks", "version": number(it.ListVersion), "is_applied": it.Outcome != gate.WouldBlock}
	}
	if user := ocsfUser(it); it.Stage == gate.StageSignIn && user != nil {
		ocsfClass(event, ocsfIAM, ocsfAuthentication, 1) // logon
		event["user"], event["is_remote"] = user, true
		if it.Session != "" {
			event["session"] = object{"uid": it.Session}
		}
	} else {
		ocsfClass(event, ocsfNetwork, ocsfHTTP, ocsfActivity(it.Method))
	}
	return addJSON(b, event)
}

func ocsfClass(event object, category, class, activity int) {
	event["category_uid"], event["class_uid"], event["activity_id"], event["type_uid"] = category, class, activity, class*100+activity
}

// ocsfMethods are the activities of HTTP Activity.
var ocsfMethods = map[string]int{
	"": 0, "CONNECT": 1, "DELETE": 2, "GET": 3, "HEAD": 4, "OPTIONS": 5, "POST": 6, "PUT": 7, "TRACE": 8,
}

// ocsfActivity is what HTTP Activity calls a method.
func ocsfActivity(method string) int {
	if n, ok := ocsfMethods[method]; ok {
		return n
	}
	return 99 // other
}

// ocsfOutcome says what was done, in the words of the profile security_control.
func ocsfOutcome(event object, it *item) {
	status, action, disposition, severity := 2, 2, 2, 2 // failure, denied, blocked, low
	switch it.Outcome {
	case gate.Allowed:
		status, action, disposition, severity = 1, 1, 1, 1 // success, allowed, allowed, informational
	case gate.WouldBlock:
		status, action, disposition, severity = 1, 3, 17, 1 // success, observed, logged, informational
	case gate.Refused:
		disposition = 26 // unauthorized
	}
	event["status_id"], event["action_id"], event["disposition_id"], event["severity_id"] = status, action, disposition, severity
}

func ocsfSource(it *item) object {
	source := object{}
	if ip := oneAddress(it); ip != "" {
		source["ip"] = ip
	} else {
		source.set("name", Address(it.Address, it.Bits))
	}
	if len(source) == 0 {
		return nil
	}
	if it.place.Country != "" {
		source["location"] = object{"country": it.place.Country}
	}
	if n := NetworkOf(it.place); n != nil {
		as := object{"number": n.ASN}
		as.set("name", n.Name)
		source["autonomous_system"] = as
	}
	if it.Peer.IsValid() && it.Peer != it.Address {
		source["intermediate_ips"] = []string{it.Peer.String()}
	}
	return source
}

// ocsfTarget is the gate, by the name it was asked for.
func ocsfTarget(it *item) object {
	target := object{"svc_name": product}
	target.set("hostname", it.Host)
	return target
}

func ocsfRequest(it *item) object {
	request := object{"http_method": it.Method} // the class has to have one, even if it says nothing
	request.set("user_agent", it.UserAgent)
	if it.Path != "" {
		url := object{"path": it.Path}
		url.set("hostname", it.Host)
		request["url"] = url
	}
	return request
}

// ocsfUser is who signed in or tried to; nil: nothing is known of them.
func ocsfUser(it *item) object {
	switch {
	case it.Admin != "":
		user := object{"uid": it.Admin}
		user.set("name", it.Login)
		return user
	case it.LoginHash != "":
		return object{"uid": it.LoginHash, "type_id": 99, "type": "keyed hash of what was typed"}
	}
	return nil
}

func ocsfUnmapped(it *item) object {
	own := object{"stage": string(it.Stage), "outcome": string(it.Outcome), "node": it.Node}
	own.set("login_hash", it.LoginHash)
	if it.Stage != gate.StageSignIn {
		own.set("admin", cmp.Or(it.Login, it.Admin))
		own.set("admin_id", it.Admin)
		own.set("session", it.Session)
	}
	return own
}
