module github.com/sallyport-gate/sallyport/test/browser

go 1.26.0

// chromedp from v0.20 on drives Chromium through a pipe: no debugging port is open to
// other users of the machine, and it needs no module but the two below.
require (
	github.com/chromedp/cdproto v0.159.0
	github.com/chromedp/chromedp v0.23.0
)

require github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
