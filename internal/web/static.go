package web

import (
	"crypto/sha256"
	"crypto/sha512"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"path"
	"strings"
)

//go:embed static
var staticFiles embed.FS

// Media types of the files.
const (
	cssMedia = "text/css; charset=utf-8"
	jsMedia  = "text/javascript; charset=utf-8"
)

// asset is a file that pages are made of. Its URL has the hash of its content,
// so it can be kept for good.
type asset struct {
	URL       string
	Integrity string // for the integrity attribute (W3C Subresource Integrity)
	media     string
	content   []byte
}

// assets are all of them by name.
var assets = func() map[string]*asset {
	out := map[string]*asset{}
	for name, media := range map[string]string{
		"app.css":              cssMedia,
		"console.css":          cssMedia,
		"security.css":         cssMedia,
		"ui.js":                jsMedia,
		"console.js":           jsMedia,
		"keys.js":              jsMedia,
		"live.js":              jsMedia,
		"vendor/htmx.min.js":   jsMedia,
		"vendor/hx-csp.min.js": jsMedia,
		"mark.svg":             "image/svg+xml",
	} {
		content, err := staticFiles.ReadFile("static/" + name)
		if err != nil {
			panic(err) // a test loads every one
		}
		name = path.Base(name)
		hash, digest := sha256.Sum256(content), sha512.Sum384(content)
		out[name] = &asset{
			URL:       staticPrefix + hex.EncodeToString(hash[:8]) + "/" + name,
			Integrity: "sha384-" + base64.StdEncoding.EncodeToString(digest[:]),
			media:     media, content: content,
		}
	}
	return out
}()

func assetNamed(name string) *asset { return assets[name] }

// static serves the files, to anybody. A path with another hash is one of
// another version, whose content is not known here.
func (h *Handler) static(w http.ResponseWriter, r *http.Request, v Visit) {
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	a := assets[name]
	if a == nil || a.URL != r.URL.Path {
		h.fail(w, r, v, notFound.problem("there is no such file"))
		return
	}
	header := w.Header()
	header.Set("Content-Type", a.media)
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	header.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("X-Content-Type-Options", "nosniff")
	write(w, r, http.StatusOK, a.content)
}
