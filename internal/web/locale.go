package web

import (
	"embed"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

//go:embed locales/*.json
var localeFiles embed.FS

// locale is one language that the pages speak.
type locale struct {
	Lang      string // of the html element
	Name      string // in its own words, for the switch
	dateTime  string // layout, of times in UTC
	minutes   string // layout of times to the minute
	date      string // layout of days
	comma     string // between the items of a list
	localizer *i18n.Localizer
}

var (
	bundle  = newBundle()
	english = newLocale("en", "English", "2 Jan 2006", "2 Jan 2006, 15:04", ", ")
	// languages are all there are; the first is for who reads none of them.
	languages = []*locale{english, newLocale("zh-CN", "简体中文", "2006年1月2日", "2006年1月2日 15:04", "、")}
	matcher   = language.NewMatcher([]language.Tag{language.English, language.MustParse("zh-CN")})
)

func newBundle() *i18n.Bundle {
	b := i18n.NewBundle(language.English)
	for _, file := range []string{"en.json", "zh-CN.json"} {
		data, err := localeFiles.ReadFile("locales/" + file)
		if err != nil {
			panic(err) // a test reads the same files
		}
		b.MustParseMessageFileBytes(data, file)
	}
	return b
}

func newLocale(tag, name, date, minutes, comma string) *locale {
	return &locale{tag, name, minutes + ":05 UTC", minutes + " UTC", date, comma, i18n.NewLocalizer(bundle, tag)}
}

// choice is a language that was asked for by name with ?lang=, empty: none. It
// goes from page to page in links, so no cookie is needed to keep it.
type choice string

// link returns a path of the gate's own, in the chosen language.
func (c choice) link(path string, query url.Values) string {
	if c != "" {
		if query == nil {
			query = url.Values{}
		}
		query.Set("lang", string(c))
	}
	if len(query) == 0 {
		return path
	}
	return path + "?" + query.Encode()
}

// localeOf negotiates the language of an answer: ?lang=, then Accept-Language.
func localeOf(r *http.Request) (*locale, choice) {
	asked := r.URL.Query().Get("lang")
	for _, l := range languages {
		if asked == l.Lang {
			return l, choice(l.Lang)
		}
	}
	tags, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	if err != nil {
		return english, ""
	}
	// Of the matcher's answers only the index is one of ours: the tag of zh-HK
	// would be zh-CN-u-rg-hkzzzz.
	_, i, _ := matcher.Match(tags...)
	return languages[i], ""
}

// T returns a sentence. Placeholders are given as pairs of name and value; N
// is the number that the plural form depends on. What it returns is text:
// templates escape it like any other.
func (l *locale) T(key string, pairs ...any) string {
	config := &i18n.LocalizeConfig{MessageID: key}
	if len(pairs) > 0 {
		data := make(map[string]any, len(pairs)/2)
		for i := 0; i+1 < len(pairs); i += 2 {
			data[pairs[i].(string)] = pairs[i+1]
		}
		config.TemplateData = data
		if n, ok := data["N"]; ok {
			config.PluralCount = n
		}
	}
	text, err := l.localizer.Localize(config)                                // falls back to English by itself
	if _, missing := errors.AsType[*i18n.MessageNotFoundErr](err); missing { // any other error is about a plural that is the same
		missingWords.Add(1)
	}
	if err != nil && text == "" {
		return key
	}
	return text
}

// missingWords counts sentences that were said in English or not at all, because a
// language has none of that name.
var missingWords atomic.Int64

// find returns the sentence of a key that is in no program text, and whether
// there is one.
func (l *locale) find(key string) (string, bool) {
	text, err := l.localizer.Localize(&i18n.LocalizeConfig{MessageID: key})
	return text, err == nil && text != ""
}

// List joins what stands in one line.
func (l *locale) List(items []string) string { return strings.Join(items, l.comma) }

// moment is a time as pages show it.
type moment struct{ Machine, Text string }

func (l *locale) moment(t time.Time) moment {
	t = t.UTC()
	return moment{t.Format("2006-01-02T15:04:05Z"), t.Format(l.dateTime)}
}

// minuteOf is a time that people chose, to the minute.
func (l *locale) minuteOf(t time.Time) moment {
	return moment{l.moment(t).Machine, l.minute(t)}
}

func (l *locale) minute(t time.Time) string { return t.UTC().Format(l.minutes) }

// day is the day of a time, in UTC.
func (l *locale) day(t time.Time) string { return t.UTC().Format(l.date) }

// ago says how long something is past.
func (l *locale) ago(d time.Duration) string {
	if d < time.Minute {
		return l.T("time.now")
	}
	return l.T("time.ago", "Time", l.rough(d))
}

// rough writes a length of time in its largest unit alone, rounded down.
func (l *locale) rough(d time.Duration) string {
	for _, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute} {
		if d >= unit {
			return l.duration(d.Truncate(unit))
		}
	}
	return l.duration(d)
}

// thousands writes a whole number in groups of three digits.
func thousands(digits string) string {
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// duration writes a length of time in the largest unit that says it well.
func (l *locale) duration(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= day:
		return l.T("time.days", "N", int((d+day-1)/day))
	case d >= time.Hour && d%time.Hour == 0:
		return l.T("time.hours", "N", int(d/time.Hour))
	case d >= time.Minute:
		return l.T("time.minutes", "N", int(d.Round(time.Minute)/time.Minute))
	}
	return l.T("time.s", "Seconds", int(d/time.Second))
}

// wait writes the seconds until a try is worth it.
func (l *locale) wait(seconds int64) string {
	switch {
	case seconds < 60:
		return l.T("time.s", "Seconds", seconds)
	case seconds%60 == 0:
		return l.T("time.min", "Minutes", seconds/60)
	}
	return l.T("time.min_s", "Minutes", seconds/60, "Seconds", seconds%60)
}

// countdown is what the script needs to keep a waiting time up to date.
type countdown struct {
	Left                   string // seconds
	Text, Over             string // {} stands for the time
	Minutes, Both, Seconds string // {m} and {s} stand for its parts
}

func (l *locale) countdown(seconds int64) *countdown {
	return &countdown{
		Left: strconv.FormatInt(seconds, 10), Text: l.T("login.limited", "Time", "{}"), Over: l.T("login.limited.over"),
		Minutes: l.T("time.min", "Minutes", "{m}"), Seconds: l.T("time.s", "Seconds", "{s}"),
		Both: l.T("time.min_s", "Minutes", "{m}", "Seconds", "{s}"),
	}
}
