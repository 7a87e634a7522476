// Package browser tests the pages in a real Chromium. It is a module of its own,
// so that nothing of a browser enters the module graph of the gateway.
//
// All browser calls stand in harness.go: tests say [Open], act through a [Tab],
// and end with [Tab.Clean] and [Tab.Axe]. [StartGate] runs the program itself.
package browser

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// patience bounds every single step in the browser.
const patience = 30 * time.Second

// world is the name of the isolated JavaScript world the harness lives in: it
// shares the page's document, but neither its variables nor its policy.
const world = "harness"

// report sends the policy violations of every document to the harness.
const report = `document.addEventListener('securitypolicyviolation', e => harnessViolation(
	'policy: ' + e.effectiveDirective + ' blocked ' + (e.blockedURI || 'inline') +
	' on ' + e.documentURI + ' ' + e.sample))`

// Required reports whether the environment forbids skipping what needs thing
// ("browser", "postgres"): CI=true forbids all of it, SALLYPORT_REQUIRE what it lists.
func Required(thing string) bool {
	return os.Getenv("CI") == "true" ||
		slices.Contains(strings.Split(os.Getenv("SALLYPORT_REQUIRE"), ","), thing)
}

// findChromium returns the browser to test with: $CHROMIUM, or the first one in PATH.
func findChromium() (string, error) {
	if name := os.Getenv("CHROMIUM"); name != "" {
		return exec.LookPath(name)
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no chromium, chromium-browser or google-chrome in PATH: install one or set CHROMIUM")
}

// chromium is the one browser of the test binary.
type chromium struct {
	ctx   context.Context
	agent string // its User-Agent, which an override of the language has to repeat
}

// running starts the browser at its first use; stopBrowser ends it.
var running = sync.OnceValues(startBrowser)

var stopBrowser = func() {}

func startBrowser() (*chromium, error) {
	path, err := findChromium()
	if err != nil {
		return nil, err
	}
	profile, err := os.MkdirTemp("", "sallyport-chromium-")
	if err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.UserDataDir(profile),
		chromedp.DisableGPU,
		chromedp.IgnoreCertErrors, // the gateway's own local authority signs
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("no-proxy-server", true),
		// Names below localhost are this machine, and no other name exists:
		// a page that needs the internet fails its test.
		chromedp.Flag("host-resolver-rules", "MAP *.localhost 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"),
	)
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses its sandbox to root
	}
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	stopBrowser = func() {
		_ = chromedp.Cancel(ctx) // waits until the browser has closed
		cancel()
		stopAllocator()
		_ = os.RemoveAll(profile)
	}
	version, err := chromedp.CallBrowser(ctx, cdpbrowser.GetVersion, cdp.Empty{})
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", path, err)
	}
	return &chromium{ctx: ctx, agent: version.UserAgent}, nil
}

// Options says how a visitor looks at the pages. The zero value is an English
// reader with light colours and scripts, on a window of 1280 × 800.
type Options struct {
	Lang          string            // BCP 47, sent as Accept-Language; "en" when empty
	Dark          bool              // prefers-color-scheme: dark
	Width, Height int               // CSS pixels, device scale 1
	NoScript      bool              // JavaScript switched off, as in a locked-down browser
	Headers       map[string]string // sent with every request, say X-Forwarded-For
}

// Tab is one page of a visitor of its own: no cookie is shared with another tab.
// Its methods end the test when the browser cannot do what they ask.
type Tab struct {
	t   testing.TB
	ctx context.Context

	noScript bool

	mu        sync.Mutex
	problems  []string
	documents map[string]bool // URLs of the documents loaded, see observe
	loading   *loading        // nil: none is awaited
}

// Open gives the test a new tab, closed when the test ends. Without Chromium the
// test is skipped, or fails where [Required] says so.
func Open(t testing.TB, o Options) *Tab {
	t.Helper()
	if _, err := findChromium(); err != nil {
		if Required("browser") {
			t.Fatalf("a browser is required: %v", err)
		}
		t.Skipf("skipped without a browser: %v", err)
	}
	b, err := running()
	if err != nil {
		t.Fatal(err)
	}
	tab := &Tab{t: t, noScript: o.NoScript, documents: make(map[string]bool)}
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(tab.observe))
	t.Cleanup(cancel)
	tab.ctx = ctx
	if err := chromedp.Do(ctx, setup(o, b.agent)); err != nil {
		t.Fatalf("opening a tab: %v", err)
	}
	return tab
}

// setup is everything a tab is told before its first page.
func setup(o Options, agent string) chromedp.Action[chromedp.Void] {
	if o.Lang == "" {
		o.Lang = "en"
	}
	if o.Width == 0 {
		o.Width = 1280
	}
	if o.Height == 0 {
		o.Height = 800
	}
	headers := network.Headers{}
	for name, value := range o.Headers {
		headers[name] = value
	}
	return chromedp.Steps(
		send(emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: agent, AcceptLanguage: o.Lang}),
		window(o.Dark, o.Width, o.Height),
		send(network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: headers}),
		send(runtime.AddBinding, runtime.AddBindingParams{Name: "harnessViolation", ExecutionContextName: world}),
		send(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: report, WorldName: world}),
		scripts(!o.NoScript),
	)
}

// window sets the colours that the visitor prefers and the size of the window.
func window(dark bool, width, height int) chromedp.Action[chromedp.Void] {
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	return chromedp.Steps(
		send(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme},
			{Name: "prefers-reduced-motion", Value: "reduce"},
		}}),
		chromedp.EmulateViewport(int64(width), int64(height)),
	)
}

// scripts switches JavaScript on or off for documents from now on.
func scripts(on bool) chromedp.Action[chromedp.Void] {
	return send(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
}

// send makes a step of one protocol command whose answer is of no interest.
func send[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	})
}

// observe collects what a page must not do. It runs on the goroutine that reads
// the tab's messages, before the answer to any later command.
func (tab *Tab) observe(event any) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	if tab.loading != nil && tab.loading.observe(event) {
		tab.loading = nil
	}
	switch e := event.(type) {
	case *runtime.EventBindingCalled:
		tab.problems = append(tab.problems, e.Payload)
	case *runtime.EventExceptionThrown:
		tab.problems = append(tab.problems, "exception: "+exceptionText(e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" {
			tab.problems = append(tab.problems, "console.error: "+argsText(e.Args))
		}
	case *network.EventResponseReceived:
		if e.Type == network.ResourceTypeDocument {
			tab.documents[e.Response.URL] = true
		}
	case *cdplog.EventEntryAdded:
		// Chromium logs the status of a refused document as an error; the
		// status is what such a test asks for, and Goto returns it.
		refused := e.Entry.Source == "network" && tab.documents[e.Entry.URL]
		if e.Entry.Level == "error" && !refused {
			tab.problems = append(tab.problems, fmt.Sprintf("%s: %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	}
}

func exceptionText(d *runtime.ExceptionDetails) string {
	if d.Exception != nil && d.Exception.Description != "" {
		return d.Exception.Description
	}
	return d.Text
}

func argsText(args []*runtime.RemoteObject) string {
	var words []string
	for _, a := range args {
		if a.Description != "" {
			words = append(words, a.Description)
		} else {
			words = append(words, string(a.Value))
		}
	}
	return strings.Join(words, " ")
}

// step runs one action of the tab in bounded time.
func step[T any](tab *Tab, what string, action chromedp.Action[T]) T {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		tab.t.Fatalf("%s: %v", what, err)
	}
	return value
}

// load runs an action that leads to another document, waits until that has
// loaded, and returns its HTTP status, after redirects.
func (tab *Tab) load(what string, action chromedp.Action[chromedp.Void]) int {
	tab.t.Helper()
	loaded := make(chan int, 1)
	tab.mu.Lock()
	tab.loading = &loading{done: loaded}
	tab.mu.Unlock()
	began := time.Now()
	step(tab, what, action)
	select {
	case status := <-loaded:
		return status
	case <-time.After(time.Until(began.Add(patience))):
		tab.t.Fatalf("%s led to no document within %v", what, patience)
		return 0
	}
}

// loading is an awaited document: it has come when a document was answered for and
// the tab has loaded after that. Neither a page that was still loading nor one that
// another took the place of on its way is mistaken for it. (No page has frames.)
type loading struct {
	status int
	done   chan<- int
}

func (l *loading) observe(event any) (done bool) {
	switch e := event.(type) {
	case *network.EventResponseReceived:
		if e.Type == network.ResourceTypeDocument {
			l.status = int(e.Response.Status)
		}
	case *page.EventLoadEventFired:
		if l.status != 0 {
			l.done <- l.status
			return true
		}
	}
	return false
}

// Goto opens url and returns the HTTP status, after redirects.
func (tab *Tab) Goto(url string) int {
	tab.t.Helper()
	return tab.load("opening "+url, chromedp.Navigate(url))
}

// Fill replaces the value of the field that the CSS selector names by typing.
func (tab *Tab) Fill(selector, value string) {
	tab.t.Helper()
	step(tab, "filling "+selector, chromedp.Steps(
		chromedp.Clear(chromedp.CSS(selector)),
		chromedp.SendKeys(chromedp.CSS(selector), value),
	))
}

// Click clicks where no new document follows. For links and buttons that lead
// to one there is [Tab.Submit].
func (tab *Tab) Click(selector string) {
	tab.t.Helper()
	step(tab, "clicking "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// Submit clicks a button or link and waits for the document it leads to; it
// returns the HTTP status, after redirects.
func (tab *Tab) Submit(selector string) int {
	tab.t.Helper()
	return tab.load("submitting "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// Press types keys into whatever has the focus; package kb names special ones.
func (tab *Tab) Press(keys string) {
	tab.t.Helper()
	step(tab, "pressing keys", chromedp.KeyEvent(keys))
}

// Enter presses the Enter key and waits for the document it leads to; it returns
// the HTTP status, after redirects.
func (tab *Tab) Enter() int {
	tab.t.Helper()
	return tab.load("pressing Enter", chromedp.KeyEvent(kb.Enter))
}

// View shows the document as it stands in other colours or another window: it is
// not loaded again, so that the answer to a form can be looked at from all sides.
func (tab *Tab) View(dark bool, width, height int) {
	tab.t.Helper()
	step(tab, "changing the window", window(dark, width, height))
}

// Text returns the visible text of the element.
func (tab *Tab) Text(selector string) string {
	tab.t.Helper()
	return step(tab, "reading "+selector, chromedp.Text(chromedp.CSS(selector)))
}

// HTML returns the document as it stands now.
func (tab *Tab) HTML() string {
	tab.t.Helper()
	return step(tab, "reading the document", chromedp.OuterHTML(chromedp.CSS("html")))
}

// URL returns the address of the document.
func (tab *Tab) URL() string {
	tab.t.Helper()
	return step(tab, "reading the address", chromedp.Location())
}

// Eval returns the value of a JavaScript expression as JSON; a promise is awaited.
func (tab *Tab) Eval(expression string) string {
	tab.t.Helper()
	return string(step(tab, "evaluating", chromedp.Evaluate[[]byte](expression, chromedp.EvalAwaitPromise)))
}

// Screenshot writes the whole page to shots/NAME.png, for people to look at.
func (tab *Tab) Screenshot(name string) {
	tab.t.Helper()
	png := step(tab, "taking a screenshot", chromedp.FullScreenshot(100))
	if err := os.MkdirAll("shots", 0o755); err != nil {
		tab.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("shots", name+".png"), png, 0o644); err != nil {
		tab.t.Fatal(err)
	}
}

// Problems returns what the pages of this tab have done wrong so far: violations
// of their content security policy, exceptions, and errors on the console.
func (tab *Tab) Problems() []string {
	tab.t.Helper()
	// A violation is reported by a task of its own: let it come to its turn.
	tab.isolated(`new Promise(done => setTimeout(done, 50))`)
	tab.mu.Lock()
	defer tab.mu.Unlock()
	return slices.Clone(tab.problems)
}

// Clean fails the test for every one of the tab's [Tab.Problems].
func (tab *Tab) Clean() {
	tab.t.Helper()
	for _, problem := range tab.Problems() {
		tab.t.Error(problem)
	}
}

// isolated evaluates an expression in the harness's world of the document. Where
// the visitor has scripts switched off they are on for that moment, since no
// promise comes true without; the document was parsed before and stays as it is.
func (tab *Tab) isolated(expression string) []byte {
	tab.t.Helper()
	if tab.noScript {
		step(tab, "switching scripts on", scripts(true))
		defer step(tab, "switching scripts off", scripts(false))
	}
	return step(tab, "evaluating", func(ctx context.Context, t *chromedp.Target) ([]byte, error) {
		tree, err := cdp.Call(ctx, t, page.GetFrameTree, cdp.Empty{})
		if err != nil {
			return nil, err
		}
		made, err := cdp.Call(ctx, t, page.CreateIsolatedWorld,
			page.CreateIsolatedWorldParams{FrameID: tree.FrameTree.Frame.ID, WorldName: world})
		if err != nil {
			return nil, err
		}
		within := func(p *runtime.EvaluateParams) { p.ContextID = made.ExecutionContextID }
		return chromedp.Evaluate[[]byte](expression, within, chromedp.EvalAwaitPromise)(ctx, t)
	})
}
