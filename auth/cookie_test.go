package auth

import (
	"errors"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestNewCookies(t *testing.T) {
	for _, tt := range []struct {
		name   string
		cookie *http.Cookie
		want   string
	}{
		{"session", NewSessionCookie("a.b.c"), "__Host-sallyport=a.b.c; Path=/; HttpOnly; Secure; SameSite=Lax"},
		{"step", NewStepCookie("a.b.c"), "__Host-sallyport-step=a.b.c; Path=/; HttpOnly; Secure; SameSite=Lax"},
		{"cleared", ClearCookie(StepCookie), "__Host-sallyport-step=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.cookie.String(); got != tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestCookiesFitBrowsers: RFC 6265bis section 5.6 lets browsers drop what is
// over 4096 bytes of name and value.
func TestCookiesFitBrowsers(t *testing.T) {
	for name, size := range map[string]int{SessionCookie: MaxSessionToken, StepCookie: maxStepToken} {
		if len(name)+size > 4096 {
			t.Errorf("%s may have %d bytes", name, len(name)+size)
		}
	}
}

func TestFindCookie(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines []string
		want  string
		found bool
		err   error
	}{
		{"no header", nil, "", false, nil},
		{"empty header", []string{""}, "", false, nil},
		{"alone", []string{"__Host-sallyport=a.b.c"}, "a.b.c", true, nil},
		{"among others", []string{"x=1; __Host-sallyport=a.b.c; y=2"}, "a.b.c", true, nil},
		{"without spaces", []string{"x=1;__Host-sallyport=a.b.c;y=2"}, "a.b.c", true, nil},
		{"in the second line", []string{"x=1", "__Host-sallyport=a.b.c"}, "a.b.c", true, nil},
		{"empty value", []string{"__Host-sallyport="}, "", true, nil},
		{"value with =", []string{"__Host-sallyport=a=b"}, "a=b", true, nil},
		{"quotes are of the value", []string{`__Host-sallyport="a"`}, `"a"`, true, nil},
		{"step is another", []string{"__Host-sallyport-step=a"}, "", false, nil},
		{"other case is another", []string{"__host-sallyport=a; __HOST-SALLYPORT=b"}, "", false, nil},
		{"longer name", []string{"x__Host-sallyport=a; __Host-sallyport2=b"}, "", false, nil},
		{"space in the name", []string{"__Host-sallyport =a"}, "", false, nil},
		{"no value", []string{"__Host-sallyport"}, "", false, nil},
		{"in a value", []string{"x=__Host-sallyport=a"}, "", false, nil},
		{"no name", []string{"=__Host-sallyport=a"}, "", false, nil},
		{"two in a line", []string{"__Host-sallyport=a; __Host-sallyport=b"}, "", true, ErrDuplicateCookie},
		{"two lines", []string{"__Host-sallyport=a", "__Host-sallyport=b"}, "", true, ErrDuplicateCookie},
		{"two alike", []string{"__Host-sallyport=a; x=1; __Host-sallyport=a"}, "", true, ErrDuplicateCookie},
		{"two, one empty", []string{"__Host-sallyport=; __Host-sallyport=a"}, "", true, ErrDuplicateCookie},
		{"session and step", []string{"__Host-sallyport=a; __Host-sallyport-step=b"}, "a", true, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, found, err := FindCookie(http.Header{"Cookie": tt.lines}, SessionCookie)
			if got != tt.want || found != tt.found || !errors.Is(err, tt.err) {
				t.Errorf("got %q, %v, %v, want %q, %v, %v", got, found, err, tt.want, tt.found, tt.err)
			}
		})
	}
}

func TestFindCookieDoesNotAllocate(t *testing.T) {
	h := http.Header{"Cookie": {"theme=dark; _ga=GA1.2.3; __Host-sallyport=a.b.c", "x=1"}}
	if n := testing.AllocsPerRun(100, func() {
		if _, found, err := FindCookie(h, SessionCookie); !found || err != nil {
			t.Error(found, err)
		}
	}); n != 0 {
		t.Errorf("allocates %v times, want 0", n)
	}
}

func TestStripCookies(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines []string
		want  []string
	}{
		{"no header", nil, nil},
		{"alone", []string{"__Host-sallyport=a"}, nil},
		{"both", []string{"__Host-sallyport=a; __Host-sallyport-step=b"}, nil},
		{"nothing of ours", []string{"x=1;  y = 2 ;z=\"a,b\"; "}, []string{"x=1;  y = 2 ;z=\"a,b\"; "}},
		{"first", []string{"__Host-sallyport=a; x=1;y=2"}, []string{"x=1;y=2"}},
		{"in the middle", []string{"x=1; __Host-sallyport=a;  y=2"}, []string{"x=1;  y=2"}},
		{"last", []string{"x=1; __Host-sallyport=a"}, []string{"x=1"}},
		{"lines", []string{"x=1", "__Host-sallyport=a", "y=2; __Host-sallyport-step=b"}, []string{"x=1", "y=2"}},
		{"several", []string{"__Host-sallyport=a; x=1; __Host-sallyport=b; __Host-sallyport=c"}, []string{"x=1"}},
		{"names like it", []string{"__Host-sallyport2=a; x__Host-sallyport=b; __Host-sallyport-step-2=c; sallyport=d"},
			[]string{"__Host-sallyport2=a; x__Host-sallyport=b; __Host-sallyport-step-2=c; sallyport=d"}},
		{"value like it", []string{"x=__Host-sallyport; y=__Host-sallyport=1"}, []string{"x=__Host-sallyport; y=__Host-sallyport=1"}},
		// what some server would read as ours
		{"no space", []string{"x=1;__Host-sallyport=a"}, []string{"x=1"}},
		{"spaces and tabs around", []string{"x=1; \t __Host-sallyport \t = a"}, []string{"x=1"}},
		{"no value", []string{"x=1; __Host-sallyport; y=2"}, []string{"x=1; y=2"}},
		{"no name before", []string{"=__Host-sallyport=a; x=1"}, []string{"x=1"}},
		{"other case", []string{"__HOST-SallyPort=a; x=1"}, []string{"x=1"}},
		{"quoted name", []string{`"__Host-sallyport"=a; x=1`}, []string{"x=1"}},
		{"in a quoted value", []string{`x="1; __Host-sallyport=a"; y=2`}, []string{`x="1; y=2`}},
		{"after a comma", []string{"x=1, __Host-sallyport=a; y=2"}, []string{"x=1; y=2"}},
		{"before a comma", []string{"__Host-sallyport=a,x=1"}, []string{"x=1"}},
		{"with a dollar", []string{"$Version=1; $__Host-sallyport=a"}, []string{"$Version=1"}},
		{"percent signs", []string{"%5F%5fHost%2Dsallyport=a; x=1"}, []string{"x=1"}},
		{"percent signs, one broken", []string{"%5F_Host-sallyport%=a; x=1"}, []string{"x=1"}},
		{"percent space before", []string{"%20__Host-sallyport%20=a; x=1"}, []string{"x=1"}},
		{"percent NUL behind", []string{"__Host-sallyport%00x=a; x=1"}, []string{"x=1"}},
		{"points (PHP)", []string{"..Host-sallyport=a; x=1"}, []string{"x=1"}},
		{"space inside (PHP)", []string{"_ Host-sallyport=a; x=1"}, []string{"x=1"}},
		{"bracket (PHP)", []string{"_[Host-sallyport=a; x=1"}, []string{"x=1"}},
		{"index (PHP)", []string{"__Host-sallyport[0]=a; __Host-sallyport[x=b; x=1"}, []string{"x=1"}},
		{"Unicode spaces", []string{"\u00a0__Host-sallyport\u2003=a; \u3000__Host-sallyport=b; x=1"}, []string{"x=1"}},
		{"Latin-1 spaces", []string{"\xa0__Host-sallyport=a; __Host-sallyport\x85=b; x=1"}, []string{"x=1"}},
		{"byte order mark", []string{"\ufeff__Host-sallyport=a; x=1"}, []string{"x=1"}},
		{"empty pairs", []string{";;__Host-sallyport=a;;"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{"Accept": {"*/*"}}
			if tt.lines != nil {
				h["Cookie"] = slices.Clone(tt.lines)
			}
			StripCookies(h, SessionCookie, StepCookie)
			if got := h["Cookie"]; !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if _, there := h["Cookie"]; there != (tt.want != nil) {
				t.Errorf("the header is there: %v", there)
			}
			if !slices.Equal(h["Accept"], []string{"*/*"}) {
				t.Error("another header was changed")
			}
		})
	}
}

func TestStripCookiesAllocations(t *testing.T) {
	own := SessionCookie + "=" + strings.Repeat("x", 700)
	for name, c := range map[string]struct {
		line string
		most float64
	}{
		"the gate's alone":   {own, 0},
		"beside others":      {"theme=dark; " + own + "; lang=en", 2}, // the line, and the slice for it
		"none of the gate's": {"theme=dark", 1},
	} {
		old, h := []string{c.line}, http.Header{}
		if n := testing.AllocsPerRun(100, func() {
			h["Cookie"] = old
			StripCookies(h, SessionCookie, StepCookie)
		}); n > c.most {
			t.Errorf("%s: got %v allocations, want at most %v", name, n, c.most)
		}
	}
}

// TestStripCookiesLeavesSharedLines: a copy of the headers that shares the
// lines, as a shallow clone does, still has them.
func TestStripCookiesLeavesSharedLines(t *testing.T) {
	h := http.Header{"Cookie": {"__Host-sallyport=a", "x=1; __Host-sallyport-step=b"}}
	shared := maps.Clone(h)
	StripCookies(h, SessionCookie, StepCookie)
	if want := []string{"__Host-sallyport=a", "x=1; __Host-sallyport-step=b"}; !slices.Equal(shared["Cookie"], want) {
		t.Errorf("got %q, want %q", shared["Cookie"], want)
	}
}

// FuzzCookies: FindCookie reads what a regular expression reads. After
// StripCookies net/http, which reads more leniently than we do, finds nothing
// of ours in any case, and what is not ours is as before.
func FuzzCookies(f *testing.F) {
	for _, seed := range [][2]string{
		{"x=1; __Host-sallyport=a; y=2", "__Host-sallyport-step=b"},
		{"__Host-sallyport=a; __Host-sallyport=b", ""},
		{`x="1; __Host-sallyport=a"; y=2`, "..Host-sallyport=1,__Host-sallyport=2"},
		{"\u00a0__Host-sallyport=a;;=;__Host-sallyport", "%5F%5FHost-sallyport%=a"},
		{"_ _Host-sallyport[=;__Host-sallyport[]", "__Host-sallyport%00"},
	} {
		f.Add(seed[0], seed[1])
	}
	exact := regexp.MustCompile(`(?:^|;)[ \t]*__Host-sallyport=([^;]*)`)
	names := []string{SessionCookie, StepCookie}
	ours := func(c *http.Cookie) bool {
		return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, c.Name) })
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		before := http.Header{"Cookie": {first, second}}
		value, found, err := FindCookie(before, SessionCookie)
		matches := append(exact.FindAllStringSubmatch(first, -1), exact.FindAllStringSubmatch(second, -1)...)
		switch {
		case found != (len(matches) > 0), errors.Is(err, ErrDuplicateCookie) != (len(matches) > 1):
			t.Errorf("in %q, %q: found %v, %v, want %d", first, second, found, err, len(matches))
		case len(matches) == 1 && value != strings.TrimRight(matches[0][1], " \t"):
			t.Errorf("in %q, %q: got %q, want %q", first, second, value, matches[0][1])
		}
		h := maps.Clone(before)
		StripCookies(h, names...)
		after := (&http.Request{Header: h}).Cookies()
		if slices.ContainsFunc(after, ours) || exact.MatchString(strings.Join(h["Cookie"], ";")) {
			t.Errorf("of %q, %q: left %q", first, second, h["Cookie"])
		}
		again := maps.Clone(h)
		StripCookies(again, names...)
		if !slices.Equal(again["Cookie"], h["Cookie"]) {
			t.Errorf("once %q, twice %q", h["Cookie"], again["Cookie"])
		}
		if strings.ContainsAny(first+second, ",%.+[$") {
			return // then more goes than net/http reads as ours
		}
		kept := slices.DeleteFunc((&http.Request{Header: before}).Cookies(), ours)
		if !slices.EqualFunc(kept, after, func(a, b *http.Cookie) bool { return a.String() == b.String() }) {
			t.Errorf("of %q, %q: kept %v, want %v", first, second, after, kept)
		}
	})
}
