package caddymodule

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// TestToken: a token opens the API to its networks and nothing else, whatever
// the path looks like, and never reaches the console.
func TestToken(t *testing.T) {
	w := newWorld(t)
	w.load()
	session := w.signIn("li.na", gate.RoleOwner)
	made, secret, err := w.AddToken(t.Context(), asCommand, w.acme.ID, gate.NewToken{Name: "robot", Scopes: gate.Scopes, Networks: []string{outsideIP}})
	if err != nil {
		t.Fatal(err)
	}
	send := func(from, target, more string) string {
		t.Helper()
		return w.raw(from, "GET "+target+" HTTP/1.1\r\nHost: acme.example\r\nConnection: close\r\nAuthorization: Bearer "+secret+"\r\n"+more+"\r\n")
	}
	eventually(t, "the token counts", func() bool {
		return strings.Contains(send(outsideIP, "/_sallyport/api/v1/me", ""), `"login":"token robot"`)
	})
	for _, target := range []string{"/_sallyport/api/v1/networks", "//_sallyport/./api/v1/networks", "/x/../_sallyport/api/v1/networks"} {
		if got := send(outsideIP, target, ""); !strings.HasPrefix(got, "HTTP/1.1 200") || strings.Contains(got, "Set-Cookie") {
			t.Errorf("%s: got %.200q", target, got)
		}
	}
	for target, want := range map[string]string{
		"/": "403", "/admin": "403", "/_sallyport/": "403", "/_sallyport/login": "403", "/_sallyport/api/v1": "403",
		"/_sallyport/api/v1/../../": "403", "/_sallyport/api/v1/..%2f..%2f..%2fadmin": "403", "/_Sallyport/api/v1/me": "403",
	} {
		if got := send(outsideIP, target, ""); !strings.HasPrefix(got, "HTTP/1.1 "+want) {
			t.Errorf("%s: got %.80q, want %s", target, got, want)
		}
	}
	if got := send(insideIP, "/_sallyport/api/v1/me", ""); !strings.HasPrefix(got, "HTTP/1.1 403") {
		t.Errorf("from the list and not its own: got %.80q", got)
	}
	if got := send(outsideIP, "/_sallyport/api/v1/me", "Cookie: __Host-sallyport="+session+"\r\n"); !strings.HasPrefix(got, "HTTP/1.1 403") {
		t.Errorf("with a session: got %.80q", got)
	}
	if seen := w.console.take(); len(seen) > 0 {
		t.Errorf("the console was asked %d times", len(seen))
	}
	// A token that is sent to the console by mistake does not get there.
	for header, want := range map[string]string{"Bearer " + secret: "", "bearer  " + secret: "", "Basic eA==": "Basic eA==", "Bearer theirs": "Bearer theirs"} {
		w.raw(insideIP, "GET / HTTP/1.1\r\nHost: acme.example\r\nConnection: close\r\nAuthorization: "+header+"\r\nCookie: __Host-sallyport="+session+"\r\n\r\n")
		seen := w.console.take()
		if len(seen) != 1 || seen[0].Header.Get("Authorization") != want {
			t.Errorf("%q: the console was told %v", header, seen)
		}
	}
	if err := w.RemoveToken(t.Context(), asCommand, w.acme.ID, made.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the token counts no more", func() bool { return strings.HasPrefix(send(outsideIP, "/_sallyport/api/v1/me", ""), "HTTP/1.1 403") })
}

// eventually waits until something holds that another process has changed.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within five seconds: %s", what)
		}
	}
}

// TestTokenEarlyData: a call that anybody may have sent again proves no address.
func TestTokenEarlyData(t *testing.T) {
	w := trusting(t, "")
	_, secret, err := w.AddToken(t.Context(), asCommand, w.acme.ID, gate.NewToken{Name: "robot", Scopes: gate.Scopes, Networks: []string{"198.51.100.7"}})
	if err != nil {
		t.Fatal(err)
	}
	got := w.rawStatus(proxyIP, "GET /_sallyport/api/v1/me HTTP/1.1\r\nHost: acme.example\r\nX-Forwarded-For: 198.51.100.7\r\nConnection: close\r\nAuthorization: Bearer "+secret+"\r\nEarly-Data: 1\r\n\r\n")
	if got != http.StatusTooEarly {
		t.Errorf("got %d, want 425", got)
	}
}
