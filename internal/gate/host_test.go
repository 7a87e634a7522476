package gate

import (
	"strings"
	"testing"
)

func TestCanonicalHost(t *testing.T) {
	tests := []struct{ text, want string }{ // want empty: an error
		{"acme.example.com", "acme.example.com"},
		{"ACME.Example.COM", "acme.example.com"},
		{"acme.example.com:8443", "acme.example.com"},
		{"acme.example.com.", "acme.example.com"},
		{"acme.example.com.:443", "acme.example.com"},
		{"acme.example.com:", "acme.example.com"},
		{"bücher.example", "xn--bcher-kva.example"},
		{"BÜCHER.example", "xn--bcher-kva.example"},
		{"xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"控制台.example", "xn--xcrx5b1z3a.example"},
		{"localhost", "localhost"},
		{"192.0.2.1", "192.0.2.1"},
		{"", ""},
		{".", ""},
		{"a..b", ""},
		{"acme.example.com..", ""},
		{"acme.example.com:80:80", ""},
		{"acme.example.com:99999", ""},
		{"acme.example.com:http", ""},
		{"[2001:db8::1]:443", ""},
		{"user@acme.example.com", ""},
		{"acme.example.com/path", ""},
		{"acme example.com", ""},
		{"acme\x00.example.com", ""},
		{"xn--a.example", ""},
		{strings.Repeat("a", 64) + ".example", ""},
		{strings.Repeat("a.", 130) + "example", ""},
	}
	for _, tt := range tests {
		got, err := CanonicalHost(tt.text)
		if got != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("CanonicalHost(%q): got %q, %v; want %q", tt.text, got, err, tt.want)
		}
	}
}

func TestCanonicalHostAllocatesNothing(t *testing.T) {
	n := testing.AllocsPerRun(100, func() {
		if _, err := CanonicalHost("console.acme.example.com:8443"); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("a canonical host costs %v allocations, want 0", n)
	}
}

func TestCanonicalLogin(t *testing.T) {
	for _, same := range [][]string{
		{"li.na", "Li.Na", " LI.NA ", "ｌｉ.ｎａ"},
		{"straße@example.com", "STRASSE@example.com"},
		{"王伟", " 王伟"},
	} {
		for _, login := range same {
			if got, want := CanonicalLogin(login), CanonicalLogin(same[0]); got != want {
				t.Errorf("CanonicalLogin(%q): got %q, want %q", login, got, want)
			}
		}
	}
}

func TestValidLogin(t *testing.T) {
	for _, login := range []string{"", " li", "li ", "l\ni", "li\u202ena", "a\u200bb", strings.Repeat("a", 121)} {
		if ValidLogin(login) == nil {
			t.Errorf("ValidLogin(%q) accepts it", login)
		}
	}
	for _, login := range []string{"li.na", "li.na@example.com", "王伟", "O'Neil"} {
		if err := ValidLogin(login); err != nil {
			t.Errorf("ValidLogin(%q): %v", login, err)
		}
	}
}
