package auth

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestNewReference(t *testing.T) {
	form := regexp.MustCompile(`^SP-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$`)
	seen := make(map[string]bool)
	for range 1000 {
		r := NewReference()
		if !form.MatchString(r) || seen[r] {
			t.Errorf("got %q", r)
		}
		seen[r] = true
		if got, err := ParseReference(r); err != nil || got != r {
			t.Errorf("%q parsed is %q, %v", r, got, err)
		}
	}
}

func TestParseReference(t *testing.T) {
	// 1010101 and its check sign, which has ones and zeros to mistype.
	want := formatReference("1010101" + string(crockford[timesX(checksum("1010101"))]))
	check := want[len(want)-1:]
	for _, tt := range []struct {
		name, text, problem string
	}{
		{"as written", want, ""},
		{"small", strings.ToLower(want), ""},
		{"without dashes", "SP1010101" + check, ""},
		{"without SP", "1010-101" + check, ""},
		{"signs alone", "1010101" + check, ""},
		{"spaces", "  sp 1010 101" + check + "\n", ""},
		{"I, L and O", "SP-IOlo-1oi" + check, ""},
		{"other dashes", "SP–1010—101" + check, ""},
		{"full-width", "ＳＰ－１０１０－１０１" + check, ""},
		{"one sign wrong", "SP-1011-101" + check, "is mistyped"},
		{"two signs swapped", "SP-1001-101" + check, "is mistyped"},
		{"other prefix", "PS-1010-101" + check, "one looks like"},
		{"prefix twice", "SPSP-1010-101" + check, "one looks like"},
		{"short", "SP-1010-101", "one looks like"},
		{"long", want + "0", "one looks like"},
		{"empty", "", "one looks like"},
		{"U", "SP-U010-101" + check, "one looks like"},
		{"words", "my reference", "one looks like"},
		{"endless", strings.Repeat("SP", 1<<20), "one looks like"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseReference(tt.text)
			if tt.problem == "" && (err != nil || got != want) {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
			if tt.problem != "" && (got != "" || !errors.Is(err, ErrBadReference) || !strings.Contains(err.Error(), tt.problem)) {
				t.Errorf("got %q, %v, want an error with %q", got, err, tt.problem)
			}
		})
	}
}

// TestReferenceBeginningWithSP: signs that begin like the prefix are not it.
func TestReferenceBeginningWithSP(t *testing.T) {
	signs := "SPSP000"
	signs += string(crockford[timesX(checksum(signs))])
	want := "SP-" + signs[:4] + "-" + signs[4:]
	for _, text := range []string{want, signs, "sp" + signs} {
		if got, err := ParseReference(text); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
}

// TestCheckSignCatchesEverything proves it for all 32^7 references: the
// checksum is linear, so whether a mistake is noticed depends on the mistake
// alone, and all mistakes are tried. A wrong sign adds a difference in one
// place; swapped signs add the same difference in two.
func TestCheckSignCatchesEverything(t *testing.T) {
	for range 1000 { // linear: the sum of two words has the sum of their checksums
		a, b := randomSigns(8), randomSigns(8)
		sum := make([]byte, 8)
		for i := range sum {
			sum[i] = crockford[strings.IndexByte(crockford, a[i])^strings.IndexByte(crockford, b[i])]
		}
		if checksum(string(sum)) != checksum(string(a))^checksum(string(b)) {
			t.Fatalf("not linear: %s and %s", a, b)
		}
	}
	for d := 1; d < 32; d++ {
		for i := range 8 {
			word := []byte("00000000")
			word[i] = crockford[d]
			if checksum(string(word)) == 0 {
				t.Errorf("the difference %d in place %d is not noticed", d, i)
			}
			for j := range i {
				word[j] = crockford[d]
				if checksum(string(word)) == 0 {
					t.Errorf("signs with the difference %d, swapped in places %d and %d, are not noticed", d, j, i)
				}
				word[j] = '0'
			}
		}
	}
}

// TestMistakesAreNoticed makes them: every wrong sign and every swap of
// neighbours, in references as they come.
func TestMistakesAreNoticed(t *testing.T) {
	for range 200 {
		signs := []byte(strings.ReplaceAll(NewReference(), "-", "")[2:])
		mistake := func(changed []byte) {
			if string(changed) == string(signs) {
				return
			}
			if _, err := ParseReference(string(changed)); !errors.Is(err, ErrBadReference) {
				t.Errorf("%s for %s: got %v", changed, signs, err)
			}
		}
		for i := range signs {
			changed := append([]byte(nil), signs...)
			for _, sign := range []byte(crockford) {
				changed[i] = sign
				mistake(changed)
			}
			if i > 0 {
				copy(changed, signs)
				changed[i-1], changed[i] = changed[i], changed[i-1]
				mistake(changed)
			}
		}
	}
}

// FuzzReference: what is accepted is canonical, and reading it again changes
// nothing.
func FuzzReference(f *testing.F) {
	for _, seed := range []string{NewReference(), "SP-1010-101V", "sp 7k3m 9qxf", "SPSPSPSPSP", "Ｓ\xff", "-"} {
		f.Add(seed)
	}
	form := regexp.MustCompile(`^SP-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseReference(text)
		if err != nil {
			if got != "" || !errors.Is(err, ErrBadReference) {
				t.Errorf("%q: got %q, %v", text, got, err)
			}
			return
		}
		if again, err := ParseReference(got); !form.MatchString(got) || err != nil || again != got {
			t.Errorf("%q: got %q, then %q, %v", text, got, again, err)
		}
	})
}

// TestNearReferences: what was meant is among what is proposed, whichever sign
// was mistyped, and there is never much of it.
func TestNearReferences(t *testing.T) {
	for range 50 {
		want := NewReference()
		signs := want[3:7] + want[8:]
		var typed []string
		for i := range signs {
			other := crockford[(strings.IndexByte(crockford, signs[i])+7)%32]
			typed = append(typed, signs[:i]+string(other)+signs[i+1:], signs[:i]+signs[i+1:], "SP"+signs[:i]+"7"+signs[i:], signs[:i]+"u"+signs[i+1:])
			for j := range i {
				if signs[i] != signs[j] {
					typed = append(typed, signs[:j]+signs[i:i+1]+signs[j+1:i]+signs[j:j+1]+signs[i+1:])
				}
			}
		}
		typed = append(typed, "5P"+signs)
		for _, text := range typed {
			if _, err := ParseReference(text); err == nil { // V for V, or a doubled sign
				continue
			}
			if near := NearReferences(text); !slices.Contains(near, want) || len(near) > 36 {
				t.Errorf("%s typed as %s: %d proposed, %v", want, text, len(near), near)
			}
		}
		if near := NearReferences(want); near != nil {
			t.Errorf("of %s itself: %v", want, near)
		}
	}
	for _, text := range []string{"", "my reference", "SP-", "1010", strings.Repeat("SP", 1<<20)} {
		if near := NearReferences(text); near != nil {
			t.Errorf("%.20q: %v", text, near)
		}
	}
}
