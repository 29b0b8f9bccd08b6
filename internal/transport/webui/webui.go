// Package webui serves the web page: one HTML file and its assets, embedded in the binary, and the client module that this page
// and others import.
//
// Guarantees:
//   - Only GET and HEAD of "/", "/client.mjs" and the files under "/assets/" are served; anything else is 404 (or 405 for
//     another method).
//   - Nothing on the page comes from another origin, and the Content-Security-Policy sent with every response lets the browser
//     load nothing else: no inline script or style, no frame, no form sent anywhere.
//   - Every file has a strong ETag made from its content, so a browser revalidates each time and shows a new version at once.
//   - Files are sent compressed to clients that accept gzip.
//
// A Page is immutable and safe for concurrent use.
package webui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"time"

	"carillon/clients/js"
	"carillon/internal/transport/accept"
)

//go:embed assets
var files embed.FS

// contentSecurityPolicy allows only what the page uses. Forms are handled by scripts and never submitted.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
	"img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// script is the content type of modules.
const script = "text/javascript; charset=utf-8"

// file is a file in both of its forms.
type file struct {
	contentType    string
	plain, gzipped form
}

type form struct {
	body []byte
	etag string
}

// Page is the http.Handler of the page and its assets.
type Page struct {
	byPath map[string]file
}

// Config is what the page says about its server.
type Config struct {
	Clock bool   // whether the server ticks
	Count bool   // whether anyone may see how many subscribe to the clock
	Node  string // name of the node
	Log   string // kind of its log, as in history.backend
}

// New reads the embedded files. It returns an error only if an embedded file cannot be used.
func New(cfg Config) (*Page, error) {
	p := &Page{byPath: map[string]file{}}
	err := fs.WalkDir(files, "assets", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		if name == "assets/index.html" {
			if body, err = render(body, cfg); err != nil {
				return err
			}
		}
		kind, err := contentType(name)
		if err != nil {
			return err
		}
		p.add(urlPath(name), kind, body)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	p.add("/client.mjs", script, js.Module)
	return p, nil
}

func (p *Page) add(urlPath, contentType string, body []byte) {
	p.byPath[urlPath] = file{contentType: contentType, plain: newForm(body), gzipped: newForm(compress(body))}
}

func newForm(body []byte) form {
	sum := sha256.Sum256(body)
	return form{body: body, etag: `"` + hex.EncodeToString(sum[:12]) + `"`}
}

// compress cannot fail: the level is valid, and a buffer takes everything.
func compress(body []byte) []byte {
	var compressed bytes.Buffer
	w, _ := gzip.NewWriterLevel(&compressed, gzip.BestCompression)
	_, _ = w.Write(body)
	_ = w.Close()
	return compressed.Bytes()
}

// ServeHTTP selects the file by the path of the request's URL, so it can be mounted at "/", "/client.mjs" and "/assets/" of any router.
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
	header.Add("Vary", "Accept-Encoding")
	sent := f.plain
	if accept.Encoding(r.Header.Values("Accept-Encoding"), "gzip") {
		sent = f.gzipped
		header.Set("Content-Encoding", "gzip")
	}
	header.Set("ETag", sent.etag)
	// The zero time leaves Last-Modified out: embedded files have no modification time.
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(sent.body))
}

// render fills the page in.
func render(page []byte, cfg Config) ([]byte, error) {
	t, err := template.New("page").Parse(string(page))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, cfg)
	return out.Bytes(), err
}

func urlPath(name string) string {
	if name == "assets/index.html" {
		return "/"
	}
	return "/" + name
}

// contentType does not use the mime package, whose results depend on the machine's tables.
func contentType(name string) (string, error) {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8", nil
	case ".css":
		return "text/css; charset=utf-8", nil
	case ".mjs":
		return script, nil
	case ".svg":
		return "image/svg+xml", nil
	default:
		return "", fmt.Errorf("%s: no content type for this kind of file", name)
	}
}
