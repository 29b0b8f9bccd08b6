// Package webui serves the page: one HTML file and its assets, embedded in the binary.
//
// Promises:
//   - Only GET and HEAD of "/" and of the files under "/assets/" are answered; anything else is 404 (or 405 for another method).
//   - Nothing on the page comes from another origin, and the Content-Security-Policy sent with every answer lets the browser
//     load nothing else: no inline script or style, no frame, no form sent anywhere.
//   - Every file has a strong ETag made from its content, so a browser asks each time and a new binary is seen at once.
//
// A Page is built once, never changes, and is safe for concurrent use.
package webui

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"time"
)

//go:embed assets
var files embed.FS

// contentSecurityPolicy allows what the page is made of and nothing else. Forms are handled by script, never submitted.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
	"img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

type file struct {
	body        []byte
	contentType string
	etag        string
}

// Page is the http.Handler of the page and its assets.
type Page struct {
	byPath map[string]file
}

// New reads the embedded files. It fails only if a file was embedded whose kind the page does not know.
func New() (*Page, error) {
	p := &Page{byPath: map[string]file{}}
	err := fs.WalkDir(files, "assets", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		kind, err := contentType(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		p.byPath[urlPath(name)] = file{body: body, contentType: kind, etag: `"` + hex.EncodeToString(sum[:12]) + `"`}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	return p, nil
}

// ServeHTTP answers by the path of the request's URL, so it can be mounted at "/" and "/assets/" of any router.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", contentSecurityPolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")

	f, ok := p.byPath[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	header.Set("Content-Type", f.contentType)
	header.Set("Cache-Control", "no-cache")
	header.Set("ETag", f.etag)
	// The zero time leaves Last-Modified out: embedded files have no date worth telling.
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
}

func urlPath(name string) string {
	if name == "assets/index.html" {
		return "/"
	}
	return "/" + name
}

// contentType does not ask the mime package, whose answers depend on the machine's tables.
func contentType(name string) (string, error) {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8", nil
	case ".css":
		return "text/css; charset=utf-8", nil
	case ".mjs":
		return "text/javascript; charset=utf-8", nil
	case ".svg":
		return "image/svg+xml", nil
	default:
		return "", fmt.Errorf("%s: no content type for this kind of file", name)
	}
}
