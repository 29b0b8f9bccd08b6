package loadgen_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/loadgen"
)

// Without streams a run only publishes, and its report is complete.
func TestPublishOnly(t *testing.T) {
	s := newFakeServer(t)
	cfg := s.config(t)
	cfg.Streams, cfg.Topics, cfg.PID = 0, 3, os.Getpid()
	got, err := loadgen.Run(t.Context(), cfg, nil)
	require.NoError(t, err)
	assert.EqualValues(t, 30, s.received.Load())
	assert.EqualValues(t, 30, got.Published)
	assert.Zero(t, got.Wanted)
	assert.Zero(t, got.Delivered)
	assert.Zero(t, got.Lost)
	assert.Zero(t, got.Latency)
	assert.Positive(t, got.PublishLatency.P50)
	assert.GreaterOrEqual(t, got.PublishLatency.Max, got.PublishLatency.P99)
	_, err = json.Marshal(got)
	require.NoError(t, err, "a division by no streams has no form in JSON")
	var table bytes.Buffer
	require.NoError(t, got.Write(&table))
	assert.Regexp(t, `(?s)^published +30 \(\d+/s\), 0 failed\n.*publish, ms +p50 `, table.String())
	assert.NotContains(t, table.String(), "streams")
	assert.NotContains(t, table.String(), "delivered")
}

// A request has the placeholders of its path and body replaced, and the length of its body.
func TestPublishedRequests(t *testing.T) {
	type request struct{ path, host, contentType, body string }
	var mu sync.Mutex
	var got []request
	stamp := regexp.MustCompile(`@\d{19}@`)
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, request{r.URL.String(), r.Host, r.Header.Get("Content-Type"), stamp.ReplaceAllString(string(text), "TIME")})
	}))
	t.Cleanup(web.Close)
	u, err := url.Parse(web.URL)
	require.NoError(t, err)
	_, err = loadgen.Run(t.Context(), loadgen.Config{
		URL: u, Topics: 11, Rate: 100, Publishers: 1, Size: 3, Duration: 110 * time.Millisecond, SubscribePath: "/",
		PublishPath: "/p/{n}?q={n}&stamp={stamp}", PublishMethod: http.MethodPut, PublishHeader: http.Header{"Content-Type": {"text/{n}"}},
		Body: "{n}{stamp} {pad}-{stamp}{other}{n}",
	}, nil)
	require.NoError(t, err)
	require.Len(t, got, 11)
	assert.Equal(t, request{"/p/9?q=9&stamp={stamp}", u.Host, "text/{n}", "9TIME xxx-TIME{other}9"}, got[9])
	assert.Equal(t, request{"/p/10?q=10&stamp={stamp}", u.Host, "text/{n}", "10TIME xxx-TIME{other}10"}, got[10])
}

func TestRefusals(t *testing.T) {
	t.Run("of the first publish end the run", func(t *testing.T) {
		s := newFakeServer(t)
		s.respond = func(_ int64, w http.ResponseWriter) bool {
			http.Error(w, "no token", http.StatusUnauthorized)
			return false
		}
		cfg := s.config(t)
		cfg.Duration = time.Hour
		_, err := loadgen.Run(t.Context(), cfg, nil)
		assert.ErrorContains(t, err, "a publish was refused with status 401: no token")
	})
	t.Run("of later ones are counted", func(t *testing.T) {
		s := newFakeServer(t)
		s.respond = func(n int64, w http.ResponseWriter) bool {
			if n%3 == 0 {
				http.Error(w, "busy", http.StatusServiceUnavailable)
			}
			return n%3 != 0
		}
		got, err := loadgen.Run(t.Context(), s.config(t), nil)
		require.NoError(t, err)
		assert.EqualValues(t, 20, got.Published)
		assert.EqualValues(t, 10, got.PublishErrors)
		assert.EqualValues(t, 200, got.Delivered)
		assert.Zero(t, got.Lost)
	})
	t.Run("of a stream end the run", func(t *testing.T) {
		s := newFakeServer(t)
		cfg := s.config(t)
		cfg.SubscribePath = "/elsewhere"
		_, err := loadgen.Run(t.Context(), cfg, nil)
		assert.ErrorContains(t, err, "a subscription was refused: HTTP/1.1 404")
	})
	t.Run("by nobody, without streams", func(t *testing.T) {
		s := newFakeServer(t)
		cfg := s.config(t)
		cfg.Streams, cfg.Duration = 0, time.Hour
		s.web.Close()
		_, err := loadgen.Run(t.Context(), cfg, nil)
		assert.ErrorContains(t, err, "a publish failed: connecting: ")
	})
	t.Run("by nobody", func(t *testing.T) {
		s := newFakeServer(t)
		cfg := s.config(t)
		s.web.Close()
		_, err := loadgen.Run(t.Context(), cfg, nil)
		assert.ErrorContains(t, err, "stream 1 of 10")
	})
}
