package auth

import (
	"bytes"
	"errors"
	"net/http"
	"regexp"
	"testing"
)

func TestNewAPIToken(t *testing.T) {
	for prefix, make := range map[string]func() (string, []byte){"spt_": NewAPIToken, "spi_": NewInvitation} {
		token, hash := make()
		other, otherHash := make()
		if !regexp.MustCompile(`^`+prefix+`[0-9A-Za-z_-]{43}$`).MatchString(token) || token == other {
			t.Errorf("got %q and %q", token, other)
		}
		if len(hash) != 32 || !bytes.Equal(hash, HashAPIToken(token)) || bytes.Equal(hash, otherHash) {
			t.Errorf("got hashes %x and %x", hash, otherHash)
		}
	}
}

func TestFindAPIToken(t *testing.T) {
	for name, c := range map[string]struct {
		authorization, cookies []string
		want                   string
		err                    error
	}{
		"nothing":                       {},
		"a token":                       {authorization: []string{"Bearer spt_a"}, want: "spt_a"},
		"the scheme in any case":        {authorization: []string{"bEARER  spt_a "}, want: "spt_a"},
		"no scheme":                     {authorization: []string{"spt_a"}},
		"another scheme":                {authorization: []string{"Basic spt_a"}},
		"another's token":               {authorization: []string{"Bearer eyJhbGciOi"}},
		"another's token and a session": {authorization: []string{"Bearer eyJhbGciOi"}, cookies: []string{SessionCookie + "=x"}},
		"a token and a session":         {authorization: []string{"Bearer spt_a"}, cookies: []string{"a=b; " + SessionCookie + "=x"}, want: "spt_a", err: ErrTwoCredentials},
		"a token and two sessions":      {authorization: []string{"Bearer spt_a"}, cookies: []string{SessionCookie + "=x", SessionCookie + "=x"}, want: "spt_a", err: ErrTwoCredentials},
		"a token and another cookie":    {authorization: []string{"Bearer spt_a"}, cookies: []string{"a=b"}, want: "spt_a"},
		"the token twice":               {authorization: []string{"Bearer spt_a", "Bearer spt_a"}, want: "spt_a", err: ErrTwoCredentials},
		"two tokens":                    {authorization: []string{"Bearer spt_a", "Bearer spt_b"}, want: "spt_b", err: ErrTwoCredentials},
		"a token and a password":        {authorization: []string{"Bearer spt_a", "Basic eA=="}, want: "spt_a", err: ErrTwoCredentials},
		"two in one line":               {authorization: []string{"Bearer spt_a, Bearer spt_b"}, want: "spt_a, Bearer spt_b"}, // nobody's
	} {
		token, found, err := FindAPIToken(http.Header{"Authorization": c.authorization, "Cookie": c.cookies})
		if token != c.want || found != (c.want != "") || !errors.Is(err, c.err) {
			t.Errorf("%s: got %q, %t, %v; want %q, %v", name, token, found, err, c.want, c.err)
		}
	}
}
