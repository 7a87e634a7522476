package geo

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/text/language"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

const (
	cityFile = "testdata/GeoLite2-City-Test.mmdb"
	asnFile  = "testdata/GeoLite2-ASN-Test.mmdb"
)

func TestPlace(t *testing.T) {
	files, err := Open([]string{cityFile, asnFile})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, prefix string
		want         gate.Place
	}{
		{"country alone", "2.125.160.217/32", gate.Place{Country: "GB"}},
		{"network alone", "1.128.0.7/32", gate.Place{ASN: 1221, Network: "Telstra Pty Ltd"}},
		{"both", "89.160.20.113/32", gate.Place{Country: "SE", ASN: 29518, Network: "Bredband2 AB"}},
		{"network without a name", "12.81.97.1/32", gate.Place{ASN: 7018}},
		{"IPv6", "2001:250::1/128", gate.Place{Country: "CN"}},
		{"a whole range in one place", "175.16.199.0/24", gate.Place{Country: "CN"}},
		{"a range that reaches further", "175.16.198.0/23", gate.Place{}},
		{"everybody", "0.0.0.0/0", gate.Place{}},
		{"documentation", "203.0.113.7/32", gate.Place{}},
		{"loopback", "::1/128", gate.Place{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := files.Place(netip.MustParsePrefix(tt.prefix)); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// The first file that knows a country, or a network, is asked.
func TestOrder(t *testing.T) {
	once, err := Open([]string{asnFile})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := once.Place(netip.MustParsePrefix("2.125.160.217/32")), (gate.Place{}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	state := once.Files()
	if len(state) != 1 || state[0].Type != "GeoLite2-ASN" || state[0].Built.Year() < 2020 || state[0].Loaded.IsZero() || state[0].Trouble != "" {
		t.Errorf("got %+v", state)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	whole := readFile(t, asnFile)
	broken := bytes.Clone(whole)
	for i := range len(broken) / 3 { // the tree, whose end is data
		broken[i] = 0xff
	}
	for name, data := range map[string][]byte{"empty": nil, "half": whole[:len(whole)/2], "broken": broken, "text": []byte("no database")} {
		writeFile(t, filepath.Join(dir, name), data)
	}
	for _, tt := range []struct{ path, want string }{
		{filepath.Join(dir, "missing"), "put the file there"},
		{dir, "name the .mmdb file itself"},
		{filepath.Join(dir, "empty"), "is no whole file in MaxMind's format"},
		{filepath.Join(dir, "half"), "is no whole file in MaxMind's format"},
		{filepath.Join(dir, "text"), "is no whole file in MaxMind's format"},
		{filepath.Join(dir, "broken"), "is damaged"},
	} {
		t.Run(filepath.Base(tt.path), func(t *testing.T) {
			_, err := Open([]string{cityFile, tt.path})
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.path) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestWatch replaces a file in every way that people do.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "places.mmdb")
		city, asn := readFile(t, cityFile), readFile(t, asnFile)
		writeFile(t, path, city)
		files, err := Open([]string{path})
		if err != nil {
			t.Fatal(err)
		}
		var reports []string
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go files.Watch(ctx, func(_ string, err error) {
			if err == nil {
				reports = append(reports, "in order")
				return
			}
			reports = append(reports, err.Error())
		})
		check := func(step, wantType, wantTrouble string) {
			t.Helper()
			time.Sleep(2*lookEvery + time.Millisecond)
			synctest.Wait()
			got := files.Files()[0]
			if got.Type != wantType || !strings.Contains(got.Trouble, wantTrouble) || (got.Trouble == "") != (wantTrouble == "") {
				t.Errorf("%s: got %s %q, want %s %q", step, got.Type, got.Trouble, wantType, wantTrouble)
			}
		}
		check("at first", "GeoLite2-City", "")
		rename(t, asn, path)
		check("replaced", "GeoLite2-ASN", "")
		rename(t, city[:len(city)/2], path)
		check("cut off", "GeoLite2-ASN", "is no whole file")
		if got := files.Place(netip.MustParsePrefix("1.128.0.7/32")).ASN; got != 1221 {
			t.Errorf("while it is broken: got AS%d, want the old data", got)
		}
		rename(t, []byte("something else"), path)
		check("still broken", "GeoLite2-ASN", "is no whole file")
		must(t, os.Remove(path))
		check("gone", "GeoLite2-ASN", "put the file there")
		rename(t, city, path)
		check("back", "GeoLite2-City", "")
		must(t, os.Rename(path, path+".away"))
		check("away", "GeoLite2-City", "put the file there")
		must(t, os.Rename(path+".away", path))
		check("the very same again", "GeoLite2-City", "")
		if want := 5; len(reports) != want || reports[want-1] != "in order" {
			t.Errorf("got %q, want %d reports", reports, want)
		}
	})
}

// A file that is written in place is not read before it is whole.
func TestWrittenInPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "places.mmdb")
		city, asn := readFile(t, cityFile), readFile(t, asnFile)
		writeFile(t, path, city)
		files, err := Open([]string{path})
		if err != nil {
			t.Fatal(err)
		}
		go files.Watch(t.Context(), func(path string, err error) { t.Errorf("%s: %v", path, err) })
		out, err := os.Create(path)
		must(t, err)
		for part := range bytes.SplitSeq(asn, []byte{'\n'}) {
			_, err := out.Write(part)
			must(t, err)
			time.Sleep(lookEvery / 2)
		}
		must(t, out.Close())
		writeFile(t, path, asn)
		time.Sleep(2*lookEvery + time.Millisecond)
		synctest.Wait()
		if got := files.Files()[0].Type; got != "GeoLite2-ASN" {
			t.Errorf("got %s, want the new file", got)
		}
	})
}

func TestName(t *testing.T) {
	for _, tt := range []struct{ code, english, chinese string }{
		{"SG", "Singapore", "新加坡"},
		{"CN", "China", "中国"},
		{"TW", "Taiwan", "中国台湾"},
		{"HK", "Hong Kong SAR China", "中国香港特别行政区"},
		{"MO", "Macau SAR China", "中国澳门特别行政区"},
		{"no code", "no code", "no code"},
		{"", "", ""},
	} {
		for lang, want := range map[string]string{"en": tt.english, "zh-CN": tt.chinese, "zh-Hans": tt.chinese, "de": tt.english} {
			if got := Name(tt.code, language.MustParse(lang)); got != want {
				t.Errorf("%s in %s: got %q, want %q", tt.code, lang, got, want)
			}
		}
	}
}

func BenchmarkPlace(b *testing.B) {
	files, err := Open([]string{cityFile, asnFile})
	if err != nil {
		b.Fatal(err)
	}
	p := netip.MustParsePrefix("89.160.20.113/32")
	b.ReportAllocs()
	for b.Loop() {
		files.Place(p)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	return data
}

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	must(t, os.WriteFile(path, data, 0o600))
}

// rename replaces a file the way that is right.
func rename(t *testing.T, data []byte, path string) {
	t.Helper()
	writeFile(t, path+".new", data)
	must(t, os.Rename(path+".new", path))
}
