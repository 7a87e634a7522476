package export

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// cef writes events in ArcSight's Common Event Format, version 0, one a line:
//
//	CEF:0|Vendor|Product|Version|Event class|Name|Severity|key=value …
//
// It takes the keys that its dictionary has, and for IPv6 c6a2, since src only
// holds IPv4 there.
type cef struct{}

func (cef) begin(b []byte) []byte { return b }

func (cef) add(b []byte, it *item) ([]byte, error) {
	b = append(b, "CEF:0"...)
	for _, field := range []string{product, product, version, string(it.Reason), string(it.Stage) + " " + string(it.Outcome), cefSeverity(it)} {
		b = append(b, '|')
		b = append(b, cefHeader.Replace(Plain(field))...)
	}
	b = append(b, '|')
	start := len(b)
	for _, e := range cefExtensions(it) {
		if e.value == "" {
			continue
		}
		if len(b) > start {
			b = append(b, ' ')
		}
		b = append(b, e.key...)
		b = append(b, '=')
		b = append(b, cefValue.Replace(Plain(e.value))...)
	}
	return append(b, '\n'), nil
}

// What has to be escaped in the header and in values. Line ends are no longer
// among it: they were made text before.
var (
	cefHeader = strings.NewReplacer(`\`, `\\`, `|`, `\|`)
	cefValue  = strings.NewReplacer(`\`, `\\`, `=`, `\=`)
)

// cefSeverity is 0 to 10.
func cefSeverity(it *item) string {
	switch {
	case passed(it):
		return "1"
	case it.Stage == gate.StageSignIn:
		return "5"
	}
	return "3"
}

type extension struct{ key, value string }

func cefExtensions(it *item) []extension {
	v4, v6, network := "", "", ""
	switch ip := oneAddress(it); {
	case ip == "":
		network = Address(it.Address, it.Bits)
	case it.Address.Is4():
		v4 = ip
	default:
		v6 = ip
	}
	all := []extension{
		{"rt", strconv.FormatInt(it.LastTime.UnixMilli(), 10)},
		{"start", strconv.FormatInt(it.FirstTime.UnixMilli(), 10)},
		{"end", strconv.FormatInt(it.LastTime.UnixMilli(), 10)},
		{"cnt", strconv.FormatInt(it.Count, 10)},
		{"externalId", it.Reference},
		{"act", string(it.Outcome)},
		{"outcome", success(it)},
		{"reason", string(it.Reason)},
		{"src", v4},
		{"dhost", it.Host},
		{"requestMethod", it.Method},
		{"request", it.Path},
		{"requestClientApplication", it.UserAgent},
		{"duser", cmp.Or(it.Login, it.Admin)},
		{"duid", it.Admin},
		{"dvchost", it.Node},
	}
	for _, custom := range []struct{ key, label, value string }{
		{"c6a2", "Source IPv6 Address", v6},
		{"cs1", "tenant", it.tenant},
		{"cs2", "source network", network},
		{"cs3", "login hash", it.LoginHash},
		{"cs4", "country or region (approximate)", it.place.Country},
		{"cs5", "network name (approximate)", it.place.Network},
		{"cs6", "session", it.Session},
		{"flexString1", "password", string(it.Password)},
		{"cn1", "list version", number(it.ListVersion)},
		{"cn2", "autonomous system (approximate)", number(int64(it.place.ASN))},
	} {
		if custom.value != "" {
			all = append(all, extension{custom.key, custom.value}, extension{custom.key + "Label", custom.label})
		}
	}
	return all
}
