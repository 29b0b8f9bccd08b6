package loadgen_test

import (
	"context"
	"crypto/x509"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/loadgen"
)

// startHTTP2 serves HTTPS, with HTTP/1.1 and HTTP/2.
func startHTTP2(web *httptest.Server) {
	web.EnableHTTP2 = true
	web.StartTLS()
}

// startH2C serves HTTP/1.1 and HTTP/2 without TLS.
func startH2C(web *httptest.Server) {
	web.Config.Protocols = new(http.Protocols)
	web.Config.Protocols.SetHTTP1(true)
	web.Config.Protocols.SetUnencryptedHTTP2(true)
	web.Start()
}

func (s *fakeServer) http2Config(t *testing.T) loadgen.Config {
	t.Helper()
	cfg := s.config(t)
	cfg.HTTP2 = true
	if s.web.TLS != nil {
		cfg.Roots = x509.NewCertPool()
		cfg.Roots.AddCert(s.web.Certificate())
	}
	return cfg
}

// A connection has StreamsPerConnection streams, and the report is as exact as over HTTP/1.1.
func TestHTTP2(t *testing.T) {
	for name, start := range map[string]func(*httptest.Server){"TLS": startHTTP2, "without TLS": startH2C} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			connections, requests := make(map[string]int), make(map[string]int)
			s := startFakeServer(t, func(web *httptest.Server) {
				handler := web.Config.Handler
				web.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					mu.Lock()
					requests[r.Method+" "+r.Proto]++
					if r.Method == http.MethodGet {
						connections[r.RemoteAddr]++
						assert.Equal(t, []string{"text/event-stream"}, r.Header["Accept"])
						assert.Equal(t, "Bearer sesame", r.Header.Get("Authorization"))
						assert.Empty(t, r.Header.Get("Accept-Encoding"), "stamps cannot be found in a compressed stream")
					}
					mu.Unlock()
					handler.ServeHTTP(w, r)
				})
				start(web)
			})
			cfg := s.http2Config(t)
			cfg.Streams, cfg.Stalled, cfg.Topics = 25, 3, 5
			cfg.SubscribeHeader = http.Header{"Authorization": {"Bearer sesame"}}
			got, err := loadgen.Run(t.Context(), cfg, nil)
			require.NoError(t, err)
			assert.Equal(t, 25, got.Streams)
			assert.Equal(t, 3, got.Stalled)
			assert.EqualValues(t, 30, got.Published)
			assert.EqualValues(t, 30*5-3*6, got.Wanted, "each event has five streams; three streams of six events are not read")
			assert.Equal(t, got.Wanted, got.Delivered)
			assert.Zero(t, got.Lost+got.Repeated+got.Closed+got.PublishErrors)
			assert.Positive(t, got.Latency.P50)
			mu.Lock()
			defer mu.Unlock()
			assert.Equal(t, map[string]int{"GET HTTP/2.0": 25, "POST HTTP/1.1": 30}, requests)
			assert.ElementsMatch(t, []int{10, 10, 5}, slices.Collect(maps.Values(connections)))
		})
	}
}

func TestHTTP2Refusals(t *testing.T) {
	t.Run("of a stream end the run", func(t *testing.T) {
		s := startFakeServer(t, startHTTP2)
		cfg := s.http2Config(t)
		cfg.SubscribePath = "/elsewhere"
		_, err := loadgen.Run(t.Context(), cfg, nil)
		assert.ErrorContains(t, err, "a subscription was refused: HTTP/2.0 404 Not Found")
	})
	t.Run("of the protocol end the run", func(t *testing.T) {
		s := startFakeServer(t, (*httptest.Server).StartTLS)
		_, err := loadgen.Run(t.Context(), s.http2Config(t), nil)
		assert.ErrorContains(t, err, "stream 1 of 10: connecting over HTTP/2: ")
	})
	t.Run("of the protocol without TLS end the run", func(t *testing.T) {
		s := newFakeServer(t)
		_, err := loadgen.Run(t.Context(), s.http2Config(t), nil)
		assert.ErrorContains(t, err, "a subscription failed; the server must speak HTTP/2")
	})
}

// A stream that the server ends is counted, and the others on its connection go on.
func TestHTTP2StreamsThatEnd(t *testing.T) {
	s := startFakeServer(t, startHTTP2)
	s.deliver = func(stream int, text string) []string {
		if stream == 0 {
			return []string{endStream}
		}
		return []string{text}
	}
	got, err := loadgen.Run(t.Context(), s.http2Config(t), nil)
	require.NoError(t, err)
	assert.EqualValues(t, 1, got.Closed)
	assert.EqualValues(t, 30, got.Lost)
	assert.EqualValues(t, 270, got.Delivered)
}

// A run over HTTP/2 whose context ends returns soon, even if its server hangs, and reports what it measured.
func TestHTTP2RunIsCutShort(t *testing.T) {
	s := startFakeServer(t, startHTTP2)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	hold := make(chan struct{})
	t.Cleanup(func() { close(hold) })
	s.respond = func(n int64, _ http.ResponseWriter) bool {
		if n > 10 {
			<-hold
		}
		return n <= 10
	}
	cfg := s.http2Config(t)
	cfg.Publishers, cfg.Duration = 1, time.Hour
	got, err := loadgen.Run(ctx, cfg, func(p loadgen.Progress) {
		if p.Delivered == 100 { // the first ten, to all streams
			cancel()
		}
	})
	require.NoError(t, err)
	assert.EqualValues(t, 10, got.Published)
	assert.EqualValues(t, 100, got.Delivered)
	assert.Zero(t, got.Closed)
	assert.Zero(t, got.PublishErrors)
}
