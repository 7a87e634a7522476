package web

import "net/http"

// keysPath is the list of the console's keys, which scripts show over any page.
const keysPath = "keys"

// goKeys are the letters that lead to parts of the console, after a g.
var goKeys = map[string]string{"review": "r", networksPath: "n", peoplePath: "p", sessionsPath: "s"}

// keyHelp says what keys do: each of Keys is pressed, one after the other where
// Then, or else one or the other.
type keyHelp struct {
	Keys []string
	Then bool
	Word string
	For  keysFor
}

// keysFor says whose pages a key is of use on.
type keysFor int

const (
	forEverybody keysFor = iota
	forReaders
	forOwners
)

// keyHelps are the keys of static/keys.js that lead to no part of the console.
var keyHelps = []keyHelp{
	{[]string{"?"}, false, "keys.show", forEverybody},
	{[]string{"/"}, false, "keys.filter", forEverybody},
	{[]string{"j", "k"}, false, "keys.rows", forEverybody},
	{[]string{"Enter"}, false, "keys.open", forEverybody},
	{[]string{"n"}, false, "keys.new", forOwners},
	{[]string{"e"}, false, "keys.explain", forReaders},
	{[]string{"a"}, false, "keys.allow", forReaders},
	{[]string{"x"}, false, "keys.exclude", forReaders},
	{[]string{"l"}, false, "keys.live", forReaders},
	{[]string{"Space"}, false, "keys.pause", forReaders},
	{[]string{"Esc"}, false, "keys.close", forEverybody},
}

// KeyHelp is what the list of keys says, to whoever sees this navigation.
func (v *consoleView) KeyHelp() []keyHelp {
	var out []keyHelp
	for _, k := range keyHelps {
		if (v.Owner || k.For != forOwners) && (v.Reader || k.For != forReaders) {
			out = append(out, k)
		}
	}
	for _, n := range v.Nav {
		if n.Key != "" {
			out = append(out, keyHelp{[]string{"g", n.Key}, true, n.Word, forEverybody})
		}
	}
	return out
}

func keysPage(s *screen) error {
	return s.render(http.StatusOK, "keys", s.frame("keys.title"))
}
