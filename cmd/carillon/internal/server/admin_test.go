package server_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/cmd/carillon/internal/servertest"
)

// adminGet requests a path from the admin listener.
func adminGet(t *testing.T, s *servertest.Server, path, token string) (status int, body string) {
	t.Helper()
	response := servertest.GetWithToken(t, s.AdminURL(path), token)
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(content)
}

func TestAdminListener(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Settings: []string{"CLOCK_INTERVAL=20ms"}})
	servertest.OpenClock(t, s.URL(""))
	status, metrics := adminGet(t, s, "/metrics", "")
	require.Equal(t, http.StatusOK, status)
	for _, want := range []string{
		"carillon_streams_opened_total 1\n", "carillon_streams_open{path=", "carillon_draining 0\n", "carillon_build_info{",
		"carillon_clock_tick_lateness_seconds_count ", "carillon_history_oldest_age_seconds ", "process_open_fds ", "go_goroutines ",
		"carillon_log_records_dropped_total 0\n",
	} {
		assert.Contains(t, metrics, want)
	}
	assert.NotContains(t, metrics, "carillon_events_published_total 0\n")
	assert.NotContains(t, metrics, "carillon_stream_written_bytes_total{transport=\"sse\"} 0\n")
	_, state := adminGet(t, s, "/status", "")
	assert.Contains(t, state, `"topics":[{"topic":"clock","streams":1}]`)
	for _, path := range []string{"/metrics", "/status", "/debug/pprof/", "/debug/pprof/cmdline", "/streams/x/close", "/topics/close"} {
		assert.Equal(t, http.StatusNotFound, servertest.Get(t, s.URL(path)).StatusCode, "%s is not public", path)
	}
}

// The admin listener stays until the streams have ended, so that the stop can be observed.
func TestAdminListenerWhileDraining(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Settings: []string{
		"CLOCK_INTERVAL=20ms", "STREAM_SHARDS=1", "DRAIN_RATE=0", "DRAIN_WINDOW=1h", "DRAIN_TIMEOUT=2h",
	}})
	streams := []*http.Response{servertest.OpenClock(t, s.URL("")), servertest.OpenClock(t, s.URL(""))}
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop() }()
	s.AwaitMessage(t, "stream closed")
	_, metrics := adminGet(t, s, "/metrics", "")
	assert.Contains(t, metrics, "carillon_draining 1\n")
	assert.Contains(t, metrics, `carillon_streams_ended_total{reason="drain"} 1`+"\n")
	_, state := adminGet(t, s, "/status", "")
	assert.Contains(t, state, `"draining":true`)
	for _, stream := range streams {
		require.NoError(t, stream.Body.Close())
	}
	require.NoError(t, <-stopped)
}

// Neither secrets of the configuration nor what clients sent is shown on the admin listener.
func TestSecretsAreNotShownToOperators(t *testing.T) {
	const canary, admin, publish = "canary-4711-token", "admin-canary-0123456789", "publish-canary-0123456789"
	s := servertest.Start(t, servertest.Options{Settings: []string{
		"ADMIN_TOKEN=" + admin, "AUTH_PUBLISH_TOKEN=" + publish, "HTTP_COOKIE=session", "LOG_LEVEL=debug",
	}})
	for _, prepare := range []func(*http.Request){
		func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+canary) },
		func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "session", Value: canary}) },
		func(r *http.Request) { r.URL.RawQuery = "topic=a&access_token=" + canary },
		func(r *http.Request) { r.Header.Set("Last-Event-ID", canary) },
		func(r *http.Request) {
			r.Method = http.MethodPost
			r.URL.RawQuery = "topic=a"
			r.Header.Set("Authorization", "Bearer "+publish)
			r.Body = io.NopCloser(strings.NewReader(canary))
		},
		func(r *http.Request) { r.URL.Path = "/" + canary },
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL("/events"), nil)
		require.NoError(t, err)
		prepare(request)
		servertest.Do(t, request)
	}
	for _, path := range []string{"/metrics", "/status", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1"} {
		status, _ := adminGet(t, s, path, "")
		assert.Equal(t, http.StatusUnauthorized, status, path)
		status, body := adminGet(t, s, path, admin)
		assert.Equal(t, http.StatusOK, status, path)
		for _, secret := range []string{canary, admin, publish} {
			assert.NotContains(t, body, secret, path)
		}
	}
	_, metrics := adminGet(t, s, "/metrics", admin)
	assert.Contains(t, metrics, `carillon_auth_failures_total{reason="token_invalid"} 2`+"\n")
	assert.Contains(t, metrics, `carillon_resets_total{reason="malformed"} 1`+"\n")
}

func TestAdminListenerCanBeTurnedOff(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Settings: []string{"ADMIN_ADDR="}})
	assert.Empty(t, s.AdminAddr())
}
