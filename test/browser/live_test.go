package browser

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// client sends requests to a gate as its proxy would, from whatever address.
func (g *Gate) client() *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // its own local authority signs
		ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, "127.0.0.1:"+g.port)
		},
	}}
}

// knock is a visitor who is kept out.
func (g *Gate) knock(c *http.Client, address, agent string) error {
	r, err := http.NewRequest(http.MethodGet, g.URL("acme", "/"), nil)
	if err != nil {
		return err
	}
	r.Header.Set("X-Forwarded-For", address)
	r.Header.Set("User-Agent", agent)
	answer, err := c.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden {
		return fmt.Errorf("%s got %s", address, answer.Status)
	}
	return nil
}

// awaitLive waits for a state of the live page.
func (v *visitor) awaitLive(state string) {
	v.t.Helper()
	v.await("the state "+state, fmt.Sprintf(`document.querySelector('.live').dataset.state === '%s'`, state))
}

// liveRow is a condition: the live page has a row of an address.
func liveRow(address string) string {
	return fmt.Sprintf(`[...document.querySelectorAll('#live-rows .address')].some(e => e.textContent === '%s')`, address)
}

// TestLive follows attempts as they happen, through every state.
func TestLive(t *testing.T) {
	for _, lang := range []string{"en", "zh-CN"} {
		t.Run(lang, func(t *testing.T) {
			gate := startSite(t)
			v := newcomer(t, gate, Options{Lang: lang}, "wu.min", "--role", "reviewer")
			c := gate.client()
			knock := func(address string) {
				t.Helper()
				if err := gate.knock(c, address, "<b>\u202eagent"); err != nil {
					t.Fatal(err)
				}
			}
			says := func(key string) {
				t.Helper()
				if got, want := v.Text(".state-word"), v.phrases.say(t, key); !strings.HasPrefix(got, want) {
					t.Errorf("the page says %q, want %q", got, want)
				}
			}
			knock("198.51.100.1")
			v.until("review/live", `#live-rows li`)
			v.awaitLive("live")
			says("live.live")
			knock("198.51.100.2")
			v.await("a new row", liveRow("198.51.100.2"))
			v.look(t, lang+"-live")

			v.Click(".pause")
			v.awaitLive("paused")
			knock("198.51.100.3")
			v.await("what waits", `!document.querySelector('.arrived').hidden`)
			says("live.paused")
			if eval[bool](v.Tab, liveRow("198.51.100.3")) {
				t.Error("a row comes while the page is paused")
			}
			v.look(t, lang+"-live-paused")
			v.Click(".arrived button")
			v.await("what waited", liveRow("198.51.100.3"))
			v.Click(".pause")
			v.awaitLive("live")

			// Whoever reads a row is not disturbed.
			eval[bool](v.Tab, `document.querySelector('#live-rows').focus(), true`)
			knock("198.51.100.4")
			v.await("what waits", `!document.querySelector('.arrived').hidden`)
			eval[bool](v.Tab, `document.activeElement.blur(), true`)
			v.await("what waited", liveRow("198.51.100.4"))

			if got := eval[string](v.Tab, `document.querySelector('#live-rows li a').pathname`); !strings.HasPrefix(got, "/_sallyport/review/SP-") {
				t.Errorf("a row leads to %s", got)
			}
			if status := v.Submit("#live-rows li a"); status != 200 || !v.phrases.fits(t, "attempt.title", v.Text("h1")) {
				t.Errorf("a row led to %d, %q", status, v.Text("h1"))
			}

			v.console("review/live?address=192.0.2.0/24")
			v.awaitLive("live")
			knock("198.51.100.5")
			knock("192.0.2.5")
			v.await("the filtered row", liveRow("192.0.2.5"))
			if eval[bool](v.Tab, liveRow("198.51.100.5")) {
				t.Error("a row that the filter leaves out")
			}
			v.look(t, lang+"-live-filtered")
			v.console("review/live?reason=weather")
			v.look(t, lang+"-live-wrong")

			v.console("review/live")
			v.awaitLive("live")
			v.Clean()
			gate.Command(t, "admin", "sign-out", "acme", "wu.min")
			v.awaitLive("ended")
			says("live.ended")
			v.look(t, lang+"-live-ended")
		})
	}
}

// TestLiveWithoutScripts: the newest, whenever the page is loaded.
func TestLiveWithoutScripts(t *testing.T) {
	gate := startSite(t)
	v := newcomer(t, gate, Options{Lang: "en", NoScript: true}, "wu.min", "--role", "reviewer")
	c := gate.client()
	if err := gate.knock(c, "198.51.100.1", "x"); err != nil {
		t.Fatal(err)
	}
	v.until("review/live", "#live-rows li")
	for _, hidden := range []string{".pause", ".arrived", ".gap"} {
		if eval[bool](v.Tab, fmt.Sprintf(`document.querySelector('%s').checkVisibility()`, hidden)) {
			t.Errorf("%s is shown, and does nothing", hidden)
		}
	}
	if got, want := v.Text(".state-word"), v.phrases.say(t, "live.still"); got != want {
		t.Errorf("the page says %q, want %q", got, want)
	}
	v.look(t, "en-live-no-script")
	v.Goto(gate.URL("acme", eval[string](v.Tab, `document.querySelector('noscript a:last-child').getAttribute('href')`)))
	if got := v.Text(".state-word"); !strings.Contains(v.URL(), "refresh=10") || got != v.phrases.say(t, "live.refreshing") {
		t.Errorf("led to %s, which says %q", v.URL(), got)
	}
}

// TestLiveConnection: a gate that goes away and comes back, and a network that is
// not allowed any more.
func TestLiveConnection(t *testing.T) {
	gate := startSite(t)
	cut := gate.relayed(t)
	v := newcomer(t, gate, Options{Lang: "en", Headers: from("203.0.113.77")}, "wu.min", "--role", "reviewer")
	v.console("review/live")
	v.awaitLive("live")
	cut(true)
	v.awaitLive("lost")
	if got, want := v.Text(".state-word"), v.phrases.say(t, "live.lost"); !strings.HasPrefix(got, want) {
		t.Errorf("the page says %q, want %q", got, want)
	}
	cut(false)
	if err := gate.knock(gate.client(), "198.51.100.9", "x"); err != nil {
		t.Fatal(err)
	}
	v.awaitLive("live")
	v.await("what happened meanwhile", liveRow("198.51.100.9"))
	gate.Command(t, "network", "add", "acme", "203.0.113.0/26", "--label", "Half of the office")
	gate.Command(t, "network", "remove", "acme", "203.0.113.0/24", "--accept", "few_admins")
	v.awaitLive("outside")
	if got, want := v.Text(".state-word"), v.phrases.say(t, "live.outside"); got != want {
		t.Errorf("the page says %q, want %q", got, want)
	}
}

// relayed puts a relay before the gate, which cuts every connection and lets no
// new one through while it is told so.
func (g *Gate) relayed(t *testing.T) (cut func(bool)) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	behind := "127.0.0.1:" + g.port
	_, g.port, _ = net.SplitHostPort(l.Addr().String())
	var mu sync.Mutex
	open, closed := map[net.Conn]bool{}, false
	keep := func(conns ...net.Conn) bool {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range conns {
			open[c] = true
		}
		return !closed
	}
	cut = func(off bool) {
		mu.Lock()
		defer mu.Unlock()
		if closed = off; off {
			for c := range open {
				c.Close()
			}
			clear(open)
		}
	}
	t.Cleanup(func() { l.Close(); cut(true) })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			d, err := net.Dial("tcp", behind)
			if err != nil {
				c.Close()
				continue
			}
			if !keep(c, d) {
				c.Close()
				d.Close()
				continue
			}
			go func() { _, _ = io.Copy(c, d); c.Close() }()
			go func() { _, _ = io.Copy(d, c); d.Close() }()
		}
	}()
	return cut
}

// TestLiveFlood: a thousand refusals a second hurt neither the browser nor the
// gate.
func TestLiveFlood(t *testing.T) {
	gate := startSite(t)
	v := newcomer(t, gate, Options{Lang: "en"}, "wu.min", "--role", "reviewer")
	v.console("review/live")
	v.awaitLive("live")
	eval[bool](v.Tab, `window.long = [], new PerformanceObserver(l => window.long.push(...l.getEntries().map(e => e.duration))).observe({type: 'longtask'}), true`)
	// It sees one that there is: of the page, since what is evaluated here counts for none.
	eval[bool](v.Tab, `setTimeout(() => { for (const end = performance.now() + 120; performance.now() < end;); }, 0), true`)
	v.await("a long task to be seen", `window.long.length > 0`)
	eval[bool](v.Tab, `window.long.length = 0, true`)
	const rate, length = 1000, 4
	began, sent := time.Now(), gate.flood(t, rate, length)
	t.Logf("%d refusals in %s", sent, time.Since(began).Round(time.Millisecond))
	v.await("the flood in one line", `document.querySelector('#live-rows .flood a')?.textContent.startsWith('×') ?? false`)
	time.Sleep(2 * time.Second)
	got := eval[struct {
		Rows, Floods int
		Long         []float64
		Gap, Flood   string
		State        string
	}](v.Tab, `({rows: document.querySelectorAll('#live-rows li').length, floods: document.querySelectorAll('#live-rows .flood').length,
		long: window.long, gap: document.querySelector('.gap').textContent, flood: document.querySelector('.flood').textContent.trim(),
		state: document.querySelector('.live').dataset.state})`)
	longest := 0.0
	for _, d := range got.Long {
		longest = max(longest, d)
	}
	t.Logf("%d rows, %d of them floods (%s); %d long tasks, the longest %.0f ms; %s", got.Rows, got.Floods, got.Flood, len(got.Long), longest, strings.TrimSpace(got.Gap))
	if got.Rows > 500 || got.Floods == 0 || got.Floods > 30 || longest > 200 || got.State != "live" {
		t.Errorf("got %+v", got)
	}
	v.look(t, "en-live-flood")
	if status := v.Goto(gate.URL("acme", "/_sallyport/requests")); status != 200 {
		t.Errorf("after the flood, a page is answered with %d", status)
	}
}

// flood sends refusals at a rate for some seconds, each from an address of its
// own, and returns how many there were.
func (g *Gate) flood(t *testing.T, rate, seconds int) int {
	t.Helper()
	c := g.client()
	numbers := make(chan int)
	var wg sync.WaitGroup
	var failed sync.Once
	for range 32 {
		wg.Go(func() {
			for n := range numbers {
				if err := g.knock(c, fmt.Sprintf("198.51.%d.%d", n/200%256, n%200+1), "flood"); err != nil {
					failed.Do(func() { t.Error(err) })
				}
			}
		})
	}
	began, sent := time.Now(), 0
	for end := began.Add(time.Duration(seconds) * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		for due := int(time.Since(began).Seconds() * float64(rate)); sent < due; sent++ {
			numbers <- sent
		}
	}
	close(numbers)
	wg.Wait()
	return sent
}
