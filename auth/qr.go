package auth

import (
	"fmt"
	"html"
	"strings"

	"github.com/boombuler/barcode/qr"
)

// quiet is the white margin that scanners need, in modules (ISO/IEC 18004).
const quiet = 4

// QRSVG draws a URI as a QR code. The SVG scales to the space it is given, is
// black on white also where the page is dark, since not every scanner reads it
// the other way round, and has neither style nor script, so it passes a strict
// content security policy. label is what people hear who do not see it.
func QRSVG(uri, label string) (string, error) {
	code, err := qr.Encode(uri, qr.M, qr.Auto)
	if err != nil {
		return "", fmt.Errorf("drawing a QR code: %w", err)
	}
	size := code.Bounds().Dx()
	black := func(x, y int) bool {
		if x >= size {
			return false
		}
		r, _, _, _ := code.At(x, y).RGBA()
		return r == 0
	}
	var path strings.Builder
	for y := range size {
		for x := 0; x < size; x++ {
			from := x
			for black(x, y) {
				x++
			}
			if x > from { // one bar for a run of modules
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", from+quiet, y+quiet, x-from, x-from)
			}
		}
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[1]d" role="img" shape-rendering="crispEdges">`+
		`<title>%[2]s</title><path fill="#fff" d="M0 0h%[1]dv%[1]dh-%[1]dz"/><path fill="#000" d="%[3]s"/></svg>`,
		size+2*quiet, html.EscapeString(label), path.String()), nil
}
