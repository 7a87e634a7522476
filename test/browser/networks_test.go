package browser

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// networksStory is what an owner does with the list, up to a draft.
var networksStory = []state{
	{"networks", 200, "net.title", "", func(v *visitor) int {
		status := v.console("networks")
		if got := v.Text("tr:has(.here) .mono"); got != "203.0.113.0/24" {
			v.t.Errorf("the visitor is said to be in %q", got)
		}
		return status
	}},
	{"networks-filtered", 200, "net.title", "", func(v *visitor) int { return v.filter("q", "branch", 1) }},
	{"networks-none", 200, "net.title", "", func(v *visitor) int { return v.filter("q", "nothing has this", 0) }},
	{"networks-check", 200, "net.title", "", func(v *visitor) int {
		v.console("networks")
		v.Fill("#check", "198.51.100.200")
		status := v.Submit(".check button")
		if got := v.Text(".result"); !strings.Contains(got, "198.51.100.0/26") {
			v.t.Errorf("nothing says what comes nearest: %q", got)
		}
		return status
	}},
	{"networks-check-wrong", 200, "net.title", "fault.octet_too_large", func(v *visitor) int {
		v.Fill("#check", "198.51.100.300")
		return v.Submit(".check button")
	}},
	{"network-add", 200, "net.add.title", "", func(v *visitor) int { return v.Submit(".bar a.primary") }},
	{"network-add-wrong", 422, "net.add.title", "fault.octet_too_large", func(v *visitor) int {
		v.Fill("#range", "192.0.2.300")
		v.Fill("#label", "Warehouse")
		return v.Submit("button.primary")
	}},
	{"network-preview", 200, "net.add.title", "", func(v *visitor) int {
		status := v.console("networks/add?range=198.51.0.0/15")
		if got := v.Text("#preview"); !strings.Contains(got, "131,072") {
			v.t.Errorf("the preview says %q", got)
		}
		return status
	}},
	{"network-wide", 422, "net.add.title", "fault.wide", func(v *visitor) int {
		v.Fill("#label", "Both sides of the river")
		return v.Submit("button.primary")
	}},
	{"networks-draft", 200, "net.title", "", func(v *visitor) int {
		v.Fill("#wide", "131072")
		status := v.Submit("button.primary")
		if got := v.Text("tr:target .c-range .mono"); got != "198.50.0.0/15" {
			v.t.Errorf("led to %q", got)
		}
		return status
	}},
	{"network-edit", 200, "net.edit.title", "", func(v *visitor) int {
		v.Click(`tr:nth-child(3) summary`)
		if !v.noScript {
			v.look(v.t, v.lang()+"-networks-menu")
		}
		status := v.Submit(`tr:nth-child(3) .sheet a`)
		v.Click(".more summary")
		v.Click(`input[value="some"]`)
		return status
	}},
	{"network-edit-wrong", 422, "net.edit.title", "fault.nobody", func(v *visitor) int { return v.Submit("button.primary") }},
	{"networks-changed", 200, "net.title", "", func(v *visitor) int {
		v.Click(`input[name="roles"][value="reviewer"]`)
		return v.Submit("button.primary")
	}},
	{"networks-removed", 200, "net.title", "", func(v *visitor) int {
		v.Click(`tr:nth-child(2) summary`)
		return v.Submit(`tr:nth-child(2) .sheet .danger`)
	}},
	{"networks-mode", 200, "net.title", "", func(v *visitor) int { return v.Submit(`.switch button[value="dry_run"]`) }},
}

// filter narrows the list down: as it is typed, or by the button where there are
// no scripts.
func (v *visitor) filter(field, text string, rows int) int {
	v.t.Helper()
	v.Fill("#"+field, text)
	status := 200
	if v.noScript {
		status = v.Submit(".filters button")
	}
	v.await("the filtered list", fmt.Sprintf(`document.querySelectorAll('.list tbody tr').length === %d`, rows))
	return status
}

// aroundNetworks are states of the list that come from elsewhere: commands, and
// time.
var aroundNetworks = []state{
	{"networks-pending", 200, "net.title", "", func(v *visitor) int {
		v.console("networks/discard")
		v.Submit("button.primary")
		v.gate.Command(v.t, "network", "add", "acme", "192.0.2.0/28", "--label", "Warehouse", "--confirm-within", "10m")
		return v.until("networks", ".banner [data-until]")
	}},
	{"networks-kept", 200, "net.title", "", func(v *visitor) int { return v.Submit(".banner button.primary") }},
	{"networks-dry-run", 200, "net.title", "", func(v *visitor) int {
		v.gate.Command(v.t, "tenant", "set", "acme", "--mode", "dry_run")
		return v.until("networks", ".banner.dry button")
	}},
	{"networks-off", 200, "net.title", "", func(v *visitor) int {
		v.gate.Command(v.t, "tenant", "set", "acme", "--mode", "off")
		for _, network := range []string{"203.0.113.0/24", "198.51.100.0/26", "192.0.2.99", "192.0.2.0/28"} {
			v.gate.Command(v.t, "network", "remove", "acme", network)
		}
		return v.until("networks", ".empty button.primary")
	}},
	{"networks-begun", 200, "net.title", "", func(v *visitor) int { return v.Submit(".empty button.primary") }},
}

// lang is the language of the page.
func (v *visitor) lang() string {
	v.t.Helper()
	return eval[string](v.Tab, `document.documentElement.lang`)
}

// until opens a page again until something is on it: the gateway hears of what
// another process did within a second.
func (v *visitor) until(path, selector string) (status int) {
	v.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		status = v.console(path)
		if eval[bool](v.Tab, fmt.Sprintf(`document.querySelector('%s') !== null`, selector)) {
			return status
		}
		if time.Now().After(end) {
			v.t.Fatalf("%s never has %s", path, selector)
		}
	}
}

// TestNetworks walks through both stories in both languages, with and without
// scripts, and looks at every page from all sides.
func TestNetworks(t *testing.T) {
	for _, walk := range walks {
		t.Run(walk.String(), func(t *testing.T) {
			t.Parallel()
			gate := startSite(t)
			gate.Command(t, "network", "add", "acme", "198.51.100.0/26", "--label", "Shenzhen branch", "--expires", "5h", "--note", "Until the move", "--owner", "Wu Min")
			gate.Command(t, "network", "add", "acme", "192.0.2.99", "--label", "Auditor")
			v := newcomer(t, gate, Options{Lang: walk.lang, NoScript: walk.noScript}, "li.na")
			reviewer := newcomer(t, gate, Options{Lang: walk.lang, NoScript: walk.noScript}, "wu.min", "--role", "reviewer")
			if reviewer.console("networks"); len(eval[[]string](reviewer.Tab, `[...document.querySelectorAll('main :is(form[method=post], button[form], a[href*="/add"])')].map(e => e.outerHTML)`)) > 0 {
				t.Error("a reviewer is shown controls")
			}
			if !walk.noScript {
				reviewer.look(t, walk.lang+"-networks-reviewer")
			}
			reviewer.Clean()
			for _, p := range append(networksStory, aroundNetworks...) {
				if v.see(p); t.Failed() {
					t.Fatalf("at %q", p.name)
				}
				if !walk.noScript {
					v.look(t, walk.lang+"-"+p.name)
				}
				v.Clean()
			}
		})
	}
}
