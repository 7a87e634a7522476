package browser

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

// eval evaluates an expression beside the page, and decodes its value.
func eval[T any](tab *Tab, expression string) (value T) {
	tab.t.Helper()
	result := tab.isolated(expression)
	if err := json.Unmarshal(result, &value); err != nil {
		tab.t.Fatalf("%s is %s: %v", expression, result, err)
	}
	return value
}

// await returns once a condition holds: browsers move the focus at the first frame
// after loading.
func (tab *Tab) await(what, condition string) {
	tab.t.Helper()
	for deadline := time.Now().Add(patience); !eval[bool](tab, condition); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			tab.t.Fatalf("%s: never came", what)
		}
	}
}

// walk is how a story is gone through: a language, with or without scripts.
type walk struct {
	lang     string
	noScript bool
}

// walks are all there are.
var walks = []walk{{"en", false}, {"zh-CN", false}, {"en", true}, {"zh-CN", true}}

func (w walk) String() string { return fmt.Sprintf("%s, scripts %v", w.lang, !w.noScript) }

// look checks the document as it stands in every window and colour, and takes
// pictures of it when SALLYPORT_SHOTS is set.
func (tab *Tab) look(t *testing.T, name string) {
	t.Helper()
	for _, width := range []int{1280, 390} {
		for _, dark := range []bool{false, true} {
			tab.View(dark, width, 800)
			side := fmt.Sprintf("%s-%d-%s", name, width, map[bool]string{false: "light", true: "dark"}[dark])
			for _, v := range tab.Axe() {
				t.Errorf("%s: %s: %s\n%s", side, v.Rule, v.Help, strings.Join(v.Nodes, "\n"))
			}
			if os.Getenv("SALLYPORT_SHOTS") != "" {
				tab.Screenshot(side)
			}
		}
	}
	tab.reflows(t, name)
	tab.View(false, 1280, 800)
	tab.Clean()
}

// reflows checks that reading needs no scrolling sideways, down to 320 px, which is
// 1280 px at 400 % (WCAG 1.4.10), nor at 200 % with text twice as large (1.4.4).
func (tab *Tab) reflows(t *testing.T, name string) {
	t.Helper()
	for _, window := range []struct{ width, text int }{{1280, 100}, {640, 100}, {320, 100}, {640, 200}} {
		tab.View(false, window.width, 800)
		wide := eval[[]string](tab, fmt.Sprintf(`(() => {
			const root = document.documentElement;
			root.style.fontSize = '%d%%';
			const over = root.scrollWidth <= innerWidth ? [] : [...document.body.querySelectorAll('*')].filter(e =>
				e.scrollWidth > e.clientWidth + 1 || e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 90));
			root.style.fontSize = '';
			return over.slice(-3); // the innermost
		})()`, window.text))
		if len(wide) > 0 {
			t.Errorf("%s at %d px, text %d %%: scrolls sideways for %s", name, window.width, window.text, strings.Join(wide, "\n"))
		}
	}
}

// stop is where the focus is.
type stop struct {
	Name    string // what a screen reader would say, or the id of a field
	Visible bool   // something shows that it is there
	Covered bool   // something else lies over it, or it is outside the window
}

const focused = `(() => {
	const e = document.activeElement, style = getComputedStyle(e), box = e.getBoundingClientRect();
	const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
	return {
		name: e === document.body ? '' : e.id || [e.textContent.trim(), e.getAttribute('aria-controls')].join(' ').trim(),
		visible: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
		covered: top === null || !(e.contains(top) || top.contains(e)),
	};
})()`

// tabOrder presses the tab key from the top of the document until it has gone round.
func (tab *Tab) tabOrder(t *testing.T) (names []string) {
	t.Helper()
	// Where the focus was last, the tab key goes on: so it was on the body.
	eval[bool](tab, `(b => { b.tabIndex = -1; b.focus(); b.removeAttribute('tabindex'); return true; })(document.body)`)
	for range 30 {
		tab.Press(kb.Tab)
		s := eval[stop](tab, focused)
		if s.Name == "" || len(names) > 0 && s.Name == names[0] {
			return names
		}
		if !s.Visible || s.Covered {
			t.Errorf("focus on %q: got visible %v, covered %v", s.Name, s.Visible, s.Covered)
		}
		names = append(names, s.Name)
	}
	t.Errorf("the tab key never comes round: %q", names)
	return names
}
