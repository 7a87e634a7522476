package gate

import (
	"slices"
	"testing"
)

func TestSubjectWords(t *testing.T) {
	t.Parallel()
	w := newSubjectWords([]string{"li.na"}, []string{"Li Na", "李娜", "Łukasz"})
	for text, want := range map[string]string{
		"":                           "",
		"li.na":                      ErasedText,
		" LI.NA":                     ErasedText,
		"ｌｉ．ｎａ":                      ErasedText, // wide letters: the login all the same
		"for Li.Na's phone":          "for [erased]'s phone",
		"write to li.na@example.com": "write to [erased]@example.com",
		"li.na, li.na.":              "[erased], [erased].",
		"token li.na":                "token [erased]",
		"li.na@operator":             "[erased]@operator",
		"LI NA at home":              "[erased] at home",
		"请联系李娜。":                     "请联系[erased]。",
		"ŁUKASZ":                     ErasedText,
		"li.nas":                     "li.nas",
		"ali.na":                     "ali.na",
		"x.li.na":                    "x.li.na",
		"li.na.bak":                  "li.na.bak",
		"li na":                      ErasedText,
		"Li Nadia":                   "Li Nadia",
		"li":                         "li",
	} {
		if got := w.without(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
		if got := w.mentioned(text); got != (want != text) {
			t.Errorf("%q is mentioned: %t", text, got)
		}
	}
}

// A login that is a word of a closed list takes nothing with it.
func TestSubjectIsNoWordOfAList(t *testing.T) {
	t.Parallel()
	s := &Subject{Tenant: "ACME", IDs: []string{"A1"}, home: newSubjectWords([]string{"owner"}, nil)}
	c := &Change{
		Kind: ChangeAdmin, Tenant: "ACME", Subject: "A2", Actor: "owner", ActorID: "A1", Key: NewChangeKey(),
		Detail: []byte(`{"before":{"login":"mo","role":"owner"},"after":{"login":"mo","role":"member"},"accepted":["owner"],"reason":"the owner said so"}`),
	}
	if _, err := s.Erase(c); err != nil {
		t.Fatal(err)
	}
	if got, want := c.Erased(), []string{"/actor", "/detail/reason"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
