package browser

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The addresses that visitors of the test site come from, as its proxy says.
const (
	headOffice = "203.0.113.7"  // on the list of acme
	elsewhere  = "198.51.100.7" // on none
)

// siteCaddyfile is an installation behind a proxy on this machine. It has a site
// for each tenant, one for all of them, and one that no tenant has.
const siteCaddyfile = `{
	admin off
	persist_config off
	skip_install_trust
	local_certs
	auto_https disable_redirects
	grace_period 1s
	storage file_system "DIR/caddy"
	storage_clean_interval off
	sallyport {
		store "STORE"
		trusted_proxies static 127.0.0.1
		sign_in {
			attempts 8 within 15m lock 15m
			second_factor required
		}
	}
}

(console) {
	header Content-Type "text/html; charset=utf-8"
	respond <<HTML
		<!doctype html><html lang="en"><title>Console</title><link rel="icon" href="data:,">
		<main><h1>Console of {http.sallyport.tenant}</h1>
		<p>{http.sallyport.admin}, {http.sallyport.role}, from {http.sallyport.address}</p></main></html>
		HTML
}

https://acme.localhost:PORT, https://globex.localhost:PORT, https://nobody.localhost:PORT {
	bind 127.0.0.1
	sallyport
	import console
}

https://console.localhost:PORT {
	bind 127.0.0.1
	sallyport {
		tenant_from login
	}
	import console
}
`

// startSite starts the test site, with further options of the gate where a test
// gives some.
func startSite(t *testing.T, options ...string) *Gate {
	t.Helper()
	more := strings.Join(append(options, "sign_in {"), "\n\t\t")
	return StartSite(t, strings.Replace(siteCaddyfile, "sign_in {", more, 1),
		[]string{"tenant", "add", "acme", "--name", "Acme", "--host", "acme.localhost", "--mode", "enforced"},
		[]string{"tenant", "add", "globex", "--name", "Globex", "--host", "globex.localhost", "--mode", "enforced"},
		[]string{"network", "add", "acme", "203.0.113.0/24", "--label", "Head office"},
		[]string{"network", "add", "globex", "192.0.2.0/24", "--label", "Data centre"},
	)
}

// addAdmin adds an owner of acme and returns the first password.
func (g *Gate) addAdmin(t *testing.T, login string, more ...string) string {
	t.Helper()
	var admin struct{ Password string }
	out := g.Command(t, append([]string{"admin", "add", "acme", login, "--name", "Li Na", "--role", "owner", "--json"}, more...)...)
	if err := json.Unmarshal([]byte(out), &admin); err != nil || admin.Password == "" {
		t.Fatalf("adding %s printed %q: %v", login, out, err)
	}
	return admin.Password
}

// phrasebook is what the pages say in one language, by key.
type phrasebook map[string]any

func readPhrases(t *testing.T, lang string) (p phrasebook) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "internal", "web", "locales", lang+".json"))
	if err == nil {
		err = json.Unmarshal(data, &p)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// say returns a sentence; of one that ends in a value of the moment, what stands
// before that.
func (p phrasebook) say(t *testing.T, key string) string {
	t.Helper()
	text, ok := p[key].(string)
	if !ok {
		t.Fatalf("no sentence %q", key)
	}
	text, _, _ = strings.Cut(strings.ReplaceAll(text, "{{.Tenant}}", "Acme"), "{{")
	return strings.TrimSpace(text)
}

// fits reports whether a text is a sentence, in any of its forms and with any
// values in it.
func (p phrasebook) fits(t *testing.T, key, text string) bool {
	t.Helper()
	forms, ok := p[key].(map[string]any)
	if !ok {
		forms = map[string]any{"other": p[key]}
	}
	for _, form := range forms {
		sentence, ok := form.(string)
		if !ok {
			t.Fatalf("no sentence %q", key)
		}
		parts := regexp.MustCompile(`\{\{[^}]*\}\}`).Split(sentence, -1)
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		if regexp.MustCompile("^" + strings.Join(parts, ".+") + "$").MatchString(text) {
			return true
		}
	}
	return false
}
