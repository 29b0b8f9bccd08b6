package webui_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/transport/webui"
)

func ask(t *testing.T, method, target string, header ...string) *http.Response {
	t.Helper()
	page, err := webui.New()
	require.NoError(t, err)
	r := httptest.NewRequestWithContext(t.Context(), method, target, http.NoBody)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	page.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, answer *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(answer.Body)
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
		"/assets/clock.mjs": "text/javascript; charset=utf-8",
	} {
		answer := ask(t, http.MethodGet, target)
		assert.Equal(t, http.StatusOK, answer.StatusCode, target)
		assert.Equal(t, kind, answer.Header.Get("Content-Type"), target)
		assert.Equal(t, "no-cache", answer.Header.Get("Cache-Control"), target)
		assert.NotEmpty(t, body(t, answer), target)
	}
}

func TestAnythingElseIsNotFound(t *testing.T) {
	for _, target := range []string{
		"/index.html", "/assets", "/assets/", "/assets/index.html", "/assets/nothing.css", "/assets/../webui.go",
		"/assets/%2e%2e/webui.go", "//", "/assets/app.css/", "/favicon.ico",
	} {
		assert.Equal(t, http.StatusNotFound, ask(t, http.MethodGet, target).StatusCode, target)
	}
}

func TestOtherMethodsAreNotAllowed(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		answer := ask(t, method, "/")
		assert.Equal(t, http.StatusMethodNotAllowed, answer.StatusCode, method)
		assert.Equal(t, "GET, HEAD", answer.Header.Get("Allow"), method)
	}
}

func TestHeadAnswersWithoutBody(t *testing.T) {
	get, head := ask(t, http.MethodGet, "/"), ask(t, http.MethodHead, "/")
	assert.Equal(t, http.StatusOK, head.StatusCode)
	assert.Equal(t, get.Header, head.Header)
	assert.NotEmpty(t, head.Header.Get("Content-Length"))
	assert.Empty(t, body(t, head))
}

func TestRevalidation(t *testing.T) {
	etag := ask(t, http.MethodGet, "/").Header.Get("ETag")
	require.Regexp(t, `^"[0-9a-f]{24}"$`, etag)
	assert.NotEqual(t, etag, ask(t, http.MethodGet, "/assets/app.css").Header.Get("ETag"))

	for _, match := range []string{etag, "W/" + etag, `"other", ` + etag, "*"} {
		answer := ask(t, http.MethodGet, "/", "If-None-Match", match)
		assert.Equal(t, http.StatusNotModified, answer.StatusCode, match)
		assert.Equal(t, etag, answer.Header.Get("ETag"), match)
		assert.Empty(t, body(t, answer), match)
	}
	assert.Equal(t, http.StatusOK, ask(t, http.MethodGet, "/", "If-None-Match", `"other"`).StatusCode)
}

func TestSecurityHeadersGoWithEveryAnswer(t *testing.T) {
	const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	etag := ask(t, http.MethodGet, "/").Header.Get("ETag")
	for name, answer := range map[string]*http.Response{
		"page":         ask(t, http.MethodGet, "/"),
		"script":       ask(t, http.MethodGet, "/assets/main.mjs"),
		"not modified": ask(t, http.MethodGet, "/", "If-None-Match", etag),
		"not found":    ask(t, http.MethodGet, "/assets/nothing"),
		"not allowed":  ask(t, http.MethodPost, "/"),
	} {
		assert.Equal(t, policy, answer.Header.Get("Content-Security-Policy"), name)
		assert.Equal(t, "nosniff", answer.Header.Get("X-Content-Type-Options"), name)
		assert.Equal(t, "no-referrer", answer.Header.Get("Referrer-Policy"), name)
		assert.Equal(t, "same-origin", answer.Header.Get("Cross-Origin-Opener-Policy"), name)
	}
}

// Every file that another one links to or imports is served, and no file is unused.
func TestEveryReferenceIsServed(t *testing.T) {
	reference := regexp.MustCompile(`(?:src|href)="(assets/[^"]+)"|from "\./([^"]+)"`)
	seen := map[string]bool{}
	var follow func(target string)
	follow = func(target string) {
		if seen[target] {
			return
		}
		seen[target] = true
		answer := ask(t, http.MethodGet, target)
		require.Equal(t, http.StatusOK, answer.StatusCode, target)
		for _, found := range reference.FindAllStringSubmatch(body(t, answer), -1) {
			if found[1] != "" {
				follow("/" + found[1])
			} else {
				follow("/assets/" + found[2])
			}
		}
	}
	follow("/")
	for _, name := range assets(t) {
		if name != "index.html" {
			assert.True(t, seen["/assets/"+name], "%s is embedded, but nothing refers to it", name)
		}
	}
}
