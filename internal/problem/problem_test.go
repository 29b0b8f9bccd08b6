package problem_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/problem"
)

func TestReadReturnsWhatWriteSent(t *testing.T) {
	d := problem.New(http.StatusTooManyRequests, "rate_limited", "Too many events")
	d.Detail, d.Field, d.Line, d.RetryAfter = "too many", "topic", 3, 1500*time.Millisecond
	w := httptest.NewRecorder()
	d.Write(w)
	resp := w.Result()
	assert.Equal(t, problem.MediaType, resp.Header.Get("Content-Type"))
	assert.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
	assert.Equal(t, "nosniff", resp.Header.Get("X-Content-Type-Options"))
	got, err := problem.Read(resp)
	require.NoError(t, err)
	d.RetryAfter = 2 * time.Second // rounded up, so that no client comes back too early
	assert.Equal(t, d, got)
}

func TestWriteNamesTheScheme(t *testing.T) {
	w := httptest.NewRecorder()
	problem.New(http.StatusUnauthorized, "unauthorized", "Authentication required").Write(w)
	assert.Equal(t, "Bearer", w.Header().Get("WWW-Authenticate"))
}

func TestReadKeepsTheStatusOfOtherResponses(t *testing.T) {
	for name, c := range map[string]struct{ mediaType, body string }{
		"other media type": {"text/html", "<html>"},
		"no media type":    {"", ""},
		"half a document":  {problem.MediaType, `{"code":"x"`},
		"wrong type":       {problem.MediaType, `{"code":"x","line":"one"}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := problem.Read(&http.Response{
				StatusCode: http.StatusBadGateway,
				Header:     http.Header{"Content-Type": {c.mediaType}, "Retry-After": {"7"}},
				Body:       io.NopCloser(strings.NewReader(c.body)),
			})
			require.Error(t, err)
			assert.Equal(t, problem.Document{Status: http.StatusBadGateway, RetryAfter: 7 * time.Second}, got)
		})
	}
}
