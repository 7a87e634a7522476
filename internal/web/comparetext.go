package web

import (
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// compareText writes what differs between two lists the way diff -u -U0 writes
// it: for tickets and mails. It is the same in every language, as files are.
func compareText(from, to string, before, after gate.Mode, changes []gate.NetworkChange, names map[string]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", oneLine(from), oneLine(to))
	if before != after {
		fmt.Fprintf(&b, "-mode %s\n+mode %s\n", before, after)
	}
	for _, c := range changes {
		if c.Before != nil {
			b.WriteString("-" + entryText(c.Before, names) + "\n")
		}
		if c.After != nil {
			b.WriteString("+" + entryText(c.After, names) + "\n")
		}
	}
	return b.String()
}

// versionText names a version in a comparison.
func versionText(v *gate.ListVersion) string {
	return fmt.Sprintf("version %d\t%s\t%s", v.Version, v.At.UTC().Format(time.RFC3339), v.By)
}

// entryText is an entry on one line.
func entryText(n *gate.Network, names map[string]string) string {
	words := []string{n.Range.String(), quote(n.Label)}
	add := func(name, value string) { words = append(words, name+"="+value) }
	if !n.Enabled {
		add("enabled", "false")
	}
	if !n.NotBefore.IsZero() {
		add("not_before", n.NotBefore.UTC().Format(time.RFC3339))
	}
	if !n.Expires.IsZero() {
		add("expires", n.Expires.UTC().Format(time.RFC3339))
	}
	if len(n.Roles) > 0 {
		roles := make([]string, len(n.Roles))
		for i, r := range n.Roles {
			roles[i] = string(r)
		}
		add("roles", strings.Join(roles, ","))
	}
	if len(n.Admins) > 0 {
		add("admins", quote(strings.Join(called(n.Admins, names, "?"), ", ")))
	}
	if n.Owner != "" {
		add("owner", quote(n.Owner))
	}
	if n.Note != "" {
		add("note", quote(n.Note))
	}
	return strings.Join(words, " ")
}

// quote puts a text in quotes, on one line.
func quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(text) + `"`
}

// oneLine keeps a name from ending its line.
func oneLine(text string) string { return strings.NewReplacer("\n", " ", "\r", " ").Replace(text) }
