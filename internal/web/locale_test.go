package web

import (
	"encoding/json"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
)

// readLocale returns all forms of all sentences of a language.
func readLocale(t *testing.T, lang string) map[string][]string {
	t.Helper()
	var raw map[string]any
	if err := json.Unmarshal(must(os.ReadFile("locales/"+lang+".json")), &raw); err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for key, value := range raw {
		switch value := value.(type) {
		case string:
			out[key] = []string{value}
		case map[string]any:
			for _, form := range value {
				out[key] = append(out[key], form.(string))
			}
		}
	}
	return out
}

var placeholder = regexp.MustCompile(`\{\{[^}]*\}\}`)

func placeholders(forms []string) []string {
	var found []string
	for _, form := range forms {
		found = append(found, placeholder.FindAllString(form, -1)...)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// TestLocales compares the languages with each other and with the program.
func TestLocales(t *testing.T) {
	en, zh := readLocale(t, "en"), readLocale(t, "zh-CN")
	used := keysUsed(t, en)
	for key, forms := range en {
		if !used[key] {
			t.Errorf("nothing says %s", key)
		}
		if zh[key] == nil {
			t.Errorf("%s is missing in Chinese", key)
		}
		if a, b := placeholders(forms), placeholders(zh[key]); !slices.Equal(a, b) {
			t.Errorf("%s has %v in English and %v in Chinese", key, a, b)
		}
		for _, text := range slices.Concat(forms, zh[key]) {
			if text == "" || strings.ContainsAny(strings.ReplaceAll(placeholder.ReplaceAllString(text, ""), " & ", ""), "<>&{}!") {
				t.Errorf("%s is %q", key, text)
			}
		}
		for _, text := range zh[key] {
			if !strings.ContainsFunc(text, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
				t.Errorf("%s is not translated: %q", key, text)
			}
		}
	}
	for key := range zh {
		if en[key] == nil {
			t.Errorf("%s is missing in English", key)
		}
	}
	for key := range used {
		if en[key] == nil {
			t.Errorf("%s is used and not there", key)
		}
	}
}

// keysUsed returns every word of templates and program that looks like a key:
// it begins as one of the keys there are.
func keysUsed(t *testing.T, keys map[string][]string) map[string]bool {
	t.Helper()
	begin := map[string]bool{}
	for key := range keys {
		first, _, _ := strings.Cut(key, ".")
		begin[first] = true
	}
	key := regexp.MustCompile(`"((?:` + strings.Join(slices.Sorted(maps.Keys(begin)), "|") + `)\.[a-z0-9_.]+)"`)
	used := map[string]bool{}
	files := slices.Concat(must(filepath.Glob("*.go")), must(filepath.Glob("templates/*.html")), must(filepath.Glob("templates/console/*.html")))
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, found := range key.FindAllStringSubmatch(string(must(os.ReadFile(file))), -1) {
			if !slices.Contains([]string{".html", ".js", ".css"}, filepath.Ext(found[1])) {
				used[found[1]] = true
			}
		}
	}
	return used
}

func TestLocaleOf(t *testing.T) {
	for _, c := range []struct{ lang, accept, want, choice string }{
		{"", "", "en", ""},
		{"", "en-GB", "en", ""},
		{"", "zh-CN,zh;q=0.9,en;q=0.8", "zh-CN", ""},
		{"", "zh", "zh-CN", ""},
		{"", "zh-HK", "zh-CN", ""},
		{"", "zh-Hans-SG", "zh-CN", ""},
		{"", "de,zh;q=0.5", "zh-CN", ""},
		{"", "de, fr", "en", ""},
		{"", "en;q=0.5,zh-CN;q=0.9", "zh-CN", ""},
		{"", ";;;", "en", ""},
		{"", strings.Repeat("-", 5000), "en", ""},
		{"zh-CN", "en", "zh-CN", "zh-CN"},
		{"en", "zh-CN", "en", "en"},
		{"tlh", "zh-CN", "zh-CN", ""},
		{"\"><b>", "", "en", ""},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.RawQuery = "lang=" + strings.NewReplacer(`"`, "%22", "<", "%3C", ">", "%3E").Replace(c.lang)
		r.Header.Set("Accept-Language", c.accept)
		if l, chosen := localeOf(r); l.Lang != c.want || string(chosen) != c.choice {
			t.Errorf("lang=%q, Accept-Language: %.40s: %s, chosen %q; want %s, %q", c.lang, c.accept, l.Lang, chosen, c.want, c.choice)
		}
	}
}

func TestTimes(t *testing.T) {
	en, zh := languages[0], languages[1]
	at := time.Date(2026, 11, 24, 22, 5, 9, 999, time.FixedZone("", 8*3600))
	if got, want := en.moment(at), (moment{"2026-11-24T14:05:09Z", "24 Nov 2026, 14:05:09 UTC"}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := zh.moment(at).Text, "2026年11月24日 14:05:09 UTC"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for d, want := range map[time.Duration][2]string{
		time.Second:          {"1 s", "1 秒"},
		time.Minute:          {"1 minute", "1 分钟"},
		30 * time.Minute:     {"30 minutes", "30 分钟"},
		90 * time.Minute:     {"90 minutes", "90 分钟"},
		time.Hour:            {"1 hour", "1 小时"},
		8 * time.Hour:        {"8 hours", "8 小时"},
		24 * time.Hour:       {"1 day", "1 天"},
		365 * 24 * time.Hour: {"365 days", "365 天"},
	} {
		if got := [2]string{en.duration(d), zh.duration(d)}; got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	for seconds, want := range map[int64][2]string{1: {"1 s", "1 秒"}, 60: {"1 min", "1 分钟"}, 270: {"4 min 30 s", "4 分 30 秒"}} {
		if got := [2]string{en.wait(seconds), zh.wait(seconds)}; got != want {
			t.Errorf("%d s is %q, want %q", seconds, got, want)
		}
	}
}
