package webui_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/transport/webui"
)

func request(t *testing.T, method, target string, header ...string) *http.Response {
	t.Helper()
	page, err := webui.New(webui.Config{Clock: true, Count: true, Node: "node <1>", Log: "memory"})
	require.NoError(t, err)
	r := httptest.NewRequestWithContext(t.Context(), method, target, http.NoBody)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	page.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, response *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(text)
}

func TestServesEachKindOfFile(t *testing.T) {
	for target, kind := range map[string]string{
		"/":                 "text/html; charset=utf-8",
		"/assets/app.css":   "text/css; charset=utf-8",
		"/assets/main.mjs":  "text/javascript; charset=utf-8",
		"/assets/bell.svg":  "image/svg+xml",
		"/?lang=en":         "text/html; charset=utf-8",
		"/client.mjs":       "text/javascript; charset=utf-8",
		"/assets/clock.mjs": "text/javascript; charset=utf-8",
	} {
		response := request(t, http.MethodGet, target)
		assert.Equal(t, http.StatusOK, response.StatusCode, target)
		assert.Equal(t, kind, response.Header.Get("Content-Type"), target)
		assert.Equal(t, "no-cache", response.Header.Get("Cache-Control"), target)
		assert.NotEmpty(t, body(t, response), target)
	}
}

func TestSaysWhetherTheServerTicks(t *testing.T) {
	assert.Contains(t, body(t, request(t, http.MethodGet, "/")), `<body data-clock="on" data-count="on">`)
	page, err := webui.New(webui.Config{})
	require.NoError(t, err)
	w := httptest.NewRecorder()
	page.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody))
	assert.Contains(t, w.Body.String(), `<body data-clock="off" data-count="off">`)
	assert.NotEqual(t, request(t, http.MethodGet, "/").Header.Get("ETag"), w.Result().Header.Get("ETag"))
}

func TestAnythingElseIsNotFound(t *testing.T) {
	for _, target := range []string{
		"/index.html", "/assets", "/assets/", "/assets/index.html", "/assets/nothing.css", "/assets/../webui.go",
		"/assets/%2e%2e/webui.go", "//", "/assets/app.css/", "/favicon.ico",
	} {
		assert.Equal(t, http.StatusNotFound, request(t, http.MethodGet, target).StatusCode, target)
	}
}

func TestOtherMethodsAreNotAllowed(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		response := request(t, method, "/")
		assert.Equal(t, http.StatusMethodNotAllowed, response.StatusCode, method)
		assert.Equal(t, "GET, HEAD", response.Header.Get("Allow"), method)
	}
}

func TestHeadHasNoBody(t *testing.T) {
	get, head := request(t, http.MethodGet, "/"), request(t, http.MethodHead, "/")
	assert.Equal(t, http.StatusOK, head.StatusCode)
	assert.Equal(t, get.Header, head.Header)
	assert.NotEmpty(t, head.Header.Get("Content-Length"))
	assert.Empty(t, body(t, head))
}

func TestRevalidation(t *testing.T) {
	etag := request(t, http.MethodGet, "/").Header.Get("ETag")
	require.Regexp(t, `^"[0-9a-f]{24}"$`, etag)
	assert.NotEqual(t, etag, request(t, http.MethodGet, "/assets/app.css").Header.Get("ETag"))

	for _, match := range []string{etag, "W/" + etag, `"other", ` + etag, "*"} {
		response := request(t, http.MethodGet, "/", "If-None-Match", match)
		assert.Equal(t, http.StatusNotModified, response.StatusCode, match)
		assert.Equal(t, etag, response.Header.Get("ETag"), match)
		assert.Empty(t, body(t, response), match)
	}
	assert.Equal(t, http.StatusOK, request(t, http.MethodGet, "/", "If-None-Match", `"other"`).StatusCode)
}

func TestFilesAreSentCompressedToThoseWhoAcceptIt(t *testing.T) {
	for _, target := range []string{"/", "/client.mjs", "/assets/app.css"} {
		plain := request(t, http.MethodGet, target)
		compressed := request(t, http.MethodGet, target, "Accept-Encoding", "br, gzip")
		assert.Equal(t, "gzip", compressed.Header.Get("Content-Encoding"), target)
		assert.Empty(t, plain.Header.Get("Content-Encoding"), target)
		assert.NotEqual(t, plain.Header.Get("ETag"), compressed.Header.Get("ETag"), target)
		for _, response := range []*http.Response{plain, compressed} {
			assert.Equal(t, "Accept-Encoding", response.Header.Get("Vary"), target)
		}
		text := body(t, compressed)
		reader, err := gzip.NewReader(strings.NewReader(text))
		require.NoError(t, err)
		decompressed, err := io.ReadAll(reader)
		require.NoError(t, err)
		assert.Equal(t, body(t, plain), string(decompressed), target)
		assert.Equal(t, http.StatusNotModified, request(t, http.MethodGet, target, "Accept-Encoding", "gzip", "If-None-Match", compressed.Header.Get("ETag")).StatusCode)
		if target == "/client.mjs" {
			assert.LessOrEqual(t, len(text), 4<<10)
		}
	}
}

func TestEveryResponseHasSecurityHeaders(t *testing.T) {
	const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	etag := request(t, http.MethodGet, "/").Header.Get("ETag")
	for name, response := range map[string]*http.Response{
		"page":         request(t, http.MethodGet, "/"),
		"script":       request(t, http.MethodGet, "/assets/main.mjs"),
		"not modified": request(t, http.MethodGet, "/", "If-None-Match", etag),
		"not found":    request(t, http.MethodGet, "/assets/nothing"),
		"not allowed":  request(t, http.MethodPost, "/"),
	} {
		assert.Equal(t, policy, response.Header.Get("Content-Security-Policy"), name)
		assert.Equal(t, "nosniff", response.Header.Get("X-Content-Type-Options"), name)
		assert.Equal(t, "no-referrer", response.Header.Get("Referrer-Policy"), name)
		assert.Equal(t, "same-origin", response.Header.Get("Cross-Origin-Opener-Policy"), name)
	}
}

// Every file that another one links to or imports is served, and no file is unused.
func TestEveryReferenceIsServed(t *testing.T) {
	reference := regexp.MustCompile(`(?:src|href)="(assets/[^"]+)"|from "\.(\.?/[^"]+)"`)
	seen := map[string]bool{}
	var follow func(target string)
	follow = func(target string) {
		if seen[target] {
			return
		}
		seen[target] = true
		response := request(t, http.MethodGet, target)
		require.Equal(t, http.StatusOK, response.StatusCode, target)
		for _, found := range reference.FindAllStringSubmatch(body(t, response), -1) {
			if found[1] != "" {
				follow("/" + found[1])
			} else {
				follow(path.Join("/assets", "."+found[2]))
			}
		}
	}
	follow("/")
	assert.True(t, seen["/client.mjs"], "the page uses the client that it offers")
	for _, name := range assets(t) {
		if name != "index.html" {
			assert.True(t, seen["/assets/"+name], "%s is embedded, but nothing refers to it", name)
		}
	}
}

func TestPageNamesNodeAndLog(t *testing.T) {
	page := body(t, request(t, http.MethodGet, "/"))
	assert.Contains(t, page, `from node <span id="served-by">node &lt;1&gt;</span>, whose log is <span id="served-log">memory</span>`)
}
