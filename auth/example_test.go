package auth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
)

// A console behind the gate lets in only who comes with an assertion. It needs
// no secret: the key set is what the gate publishes at /_sallyport/jwks.json,
// fetched at start and again when a key is unknown.
func ExampleVerifyAssertion() {
	now := time.Date(2026, 7, 14, 9, 30, 0, 0, time.UTC)

	// The gate's side.
	key := auth.NewAssertionKey(now)
	keys, err := auth.NewAssertionKeys(key.ID, []auth.AssertionKey{key})
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := keys.Sign(auth.Assertion{
		Issuer: "https://acme.example", Audience: "acme", Subject: "ADMIN", Login: "li.na", Role: "owner", Session: "SESSION",
		Address: netip.MustParseAddr("203.0.113.7"), Issued: now, Expires: now.Add(5 * time.Minute),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	jwks := keys.JWKS()

	// The console's side.
	console := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := auth.VerifyAssertion(r.Header.Get("X-Sallyport-Assertion"), jwks, "acme", "https://acme.example", now)
		if err != nil {
			http.Error(w, "come through the gate", http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, "%s (%s) from %s\n", who.Login, who.Role, who.Address)
	})

	for _, assertion := range []string{token, ""} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("X-Sallyport-Assertion", assertion)
		w := httptest.NewRecorder()
		console.ServeHTTP(w, r)
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 200 li.na (owner) from 203.0.113.7
	// 401 come through the gate
}

func ExampleCheckPassword() {
	for _, password := range []string{"Summer2026!", "P@ssw0rd12345678", "acme-corporation-1", "my cat hates mondays"} {
		fmt.Println(auth.CheckPassword(password, false, "Acme Corporation"))
	}
	// Output:
	// password is weak: too_short, it needs 15 characters
	// password is weak: common
	// password is weak: own
	// <nil>
}

func ExampleParseReference() {
	for _, text := range []string{"sp 1010 101v", "SP-1010-1O1V", "SP-1010-1011"} {
		fmt.Println(auth.ParseReference(text))
	}
	// Output:
	// SP-1010-101V <nil>
	// SP-1010-101V <nil>
	//  not a reference: the last sign does not fit the others, so one is mistyped
}
