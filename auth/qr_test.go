package auth

import (
	"encoding/xml"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/boombuler/barcode/qr"
)

// TestQRSVG draws the paths into a grid and compares it with the code.
func TestQRSVG(t *testing.T) {
	uri := TOTPURI("Acme", "li.na", rfcSecret)
	svg, err := QRSVG(uri, "Scan me")
	if err != nil {
		t.Fatal(err)
	}
	code, err := qr.Encode(uri, qr.M, qr.Auto)
	if err != nil {
		t.Fatal(err)
	}
	side := code.Bounds().Dx() + 8
	if want := fmt.Sprintf(`viewBox="0 0 %d %d"`, side, side); !strings.Contains(svg, want) {
		t.Errorf("%s has no %s", svg, want)
	}
	black := make(map[[2]int]bool)
	for _, bar := range regexp.MustCompile(`M\d+ \d+h\d+v1h-\d+z`).FindAllString(svg, -1) {
		var x, y, length, back int
		if _, err := fmt.Sscanf(bar, "M%d %dh%dv1h-%dz", &x, &y, &length, &back); err != nil || length != back || length < 1 {
			t.Fatalf("%s: %v", bar, err)
		}
		for i := range length {
			black[[2]int{x + i, y}] = true
		}
	}
	for y := range side {
		for x := range side {
			want := false
			if x >= 4 && y >= 4 && x < side-4 && y < side-4 {
				r, _, _, _ := code.At(x-4, y-4).RGBA()
				want = r == 0
			}
			if got := black[[2]int{x, y}]; got != want {
				t.Fatalf("module %d,%d is black: %v, want %v", x, y, got, want)
			}
		}
	}
}

// TestQRSVGIsSafe: it is well-formed, named, and has nothing that a content
// security policy would have to allow, whatever the label.
func TestQRSVGIsSafe(t *testing.T) {
	label := `</title><script>alert(1)</script>"'&`
	svg, err := QRSVG("otpauth://totp/x", label)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		XMLName xml.Name
		Role    string `xml:"role,attr"`
		ViewBox string `xml:"viewBox,attr"`
		Style   string `xml:"style,attr"`
		Title   string `xml:"title"`
		Inner   []struct {
			XMLName xml.Name
		} `xml:",any"`
	}
	if err := xml.Unmarshal([]byte(svg), &got); err != nil {
		t.Fatal(err)
	}
	if got.XMLName.Local != "svg" || got.Role != "img" || got.ViewBox == "" || got.Style != "" || got.Title != label {
		t.Errorf("got %+v", got)
	}
	for _, e := range got.Inner {
		if e.XMLName.Local != "path" {
			t.Errorf("has a <%s>", e.XMLName.Local)
		}
	}
}

func TestQRSVGTooLong(t *testing.T) {
	if _, err := QRSVG(strings.Repeat("x", 5000), ""); err == nil {
		t.Error("got no error")
	}
}
