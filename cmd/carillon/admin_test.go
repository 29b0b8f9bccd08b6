package main

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ask asks the admin listener.
func (p *program) ask(t *testing.T, path, token string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.started["admin_addr"].(string)+path, nil)
	require.NoError(t, err)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(body)
}

func TestAdminListener(t *testing.T) {
	p := launch(t)
	p.clock(t)
	status, metrics := p.ask(t, "/metrics", "")
	require.Equal(t, http.StatusOK, status)
	for _, want := range []string{
		"carillon_streams_opened_total 1\n", "carillon_streams_open{transport=", "carillon_draining 0\n", "carillon_build_info{",
		"carillon_clock_tick_lateness_seconds_count ", "carillon_history_oldest_age_seconds ", "process_open_fds ", "go_goroutines ",
	} {
		assert.Contains(t, metrics, want)
	}
	assert.NotContains(t, metrics, "carillon_events_published_total 0\n")
	assert.NotContains(t, metrics, "carillon_stream_written_bytes_total 0\n")
	_, state := p.ask(t, "/status", "")
	assert.Contains(t, state, `"topics":[{"topic":"clock","streams":1}]`)
	for _, path := range []string{"/metrics", "/status", "/debug/pprof/", "/debug/pprof/cmdline", "/streams/x/close", "/topics/close"} {
		assert.Equal(t, http.StatusNotFound, p.get(t, path).StatusCode, "%s is not public", path)
	}
	p.signal(t)
	assert.Equal(t, 0, p.wait())
}

// The stop can be watched: the admin listener answers until the streams are gone.
func TestAdminListenerWhileDraining(t *testing.T) {
	p := launch(t, "CARILLON_STREAM_SHARDS=1", "CARILLON_DRAIN_WINDOW=1h", "CARILLON_DRAIN_TIMEOUT=2h")
	streams := []*http.Response{p.clock(t), p.clock(t)}
	p.signal(t)
	p.await(t, "stream closed")
	_, metrics := p.ask(t, "/metrics", "")
	assert.Contains(t, metrics, "carillon_draining 1\n")
	assert.Contains(t, metrics, `carillon_streams_ended_total{reason="drain"} 1`+"\n")
	_, state := p.ask(t, "/status", "")
	assert.Contains(t, state, `"draining":true`)
	for _, stream := range streams {
		require.NoError(t, stream.Body.Close())
	}
	assert.Equal(t, 0, p.wait())
}

// Neither what the operator set nor what clients sent is shown to those who look after the server.
func TestSecretsAreNotShownToOperators(t *testing.T) {
	const canary, admin, publish = "canary-4711-token", "admin-canary-0123456789", "publish-canary-0123456789"
	p := launch(t, "CARILLON_ADMIN_TOKEN="+admin, "CARILLON_AUTH_PUBLISH_TOKEN="+publish, "CARILLON_HTTP_COOKIE=session", "CARILLON_LOG_LEVEL=debug")
	for _, send := range []func(*http.Request){
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
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.addr+"/events", nil)
		require.NoError(t, err)
		send(request)
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		answer, err := client.Do(request)
		require.NoError(t, err)
		t.Cleanup(func() { answer.Body.Close() })
	}
	for _, path := range []string{"/metrics", "/status", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1"} {
		status, _ := p.ask(t, path, "")
		assert.Equal(t, http.StatusUnauthorized, status, path)
		status, body := p.ask(t, path, admin)
		assert.Equal(t, http.StatusOK, status, path)
		for _, secret := range []string{canary, admin, publish} {
			assert.NotContains(t, body, secret, path)
		}
	}
	_, metrics := p.ask(t, "/metrics", admin)
	assert.Contains(t, metrics, `carillon_auth_failures_total{reason="token_invalid"} 2`+"\n")
	assert.Contains(t, metrics, `carillon_resets_total{reason="malformed"} 1`+"\n")
	p.signal(t)
	assert.Equal(t, 0, p.wait())
}

func TestAdminListenerCanBeTurnedOff(t *testing.T) {
	p := launch(t, "CARILLON_ADMIN_ADDR=")
	assert.Empty(t, p.started["admin_addr"])
	p.signal(t)
	assert.Equal(t, 0, p.wait())
}

func TestAdminListenerOnAPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	addr := taken.Addr().String()
	t.Setenv("CARILLON_HTTP_ADDR", "127.0.0.1:0")
	t.Setenv("CARILLON_ADMIN_ADDR", addr)
	code, stdout, stderr := carillon()
	assert.Equal(t, exitFailure, code)
	assert.Empty(t, stdout)
	assert.Equal(t, "carillon: admin.addr: cannot listen on \""+addr+"\": address already in use\n", stderr)
}

func TestAdminListenerIsForThisMachineWithoutAToken(t *testing.T) {
	_, err := load("", []string{"CARILLON_ADMIN_ADDR=:9090"})
	require.EqualError(t, err, `admin.addr: must be a loopback address such as 127.0.0.1:9090 unless admin.token is set (got ":9090") (set in CARILLON_ADMIN_ADDR)`)
	_, err = load("", []string{"CARILLON_ADMIN_ADDR=:9090", "CARILLON_ADMIN_TOKEN=secret"})
	require.NoError(t, err)
}
