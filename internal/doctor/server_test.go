package doctor_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/doctor"
)

func text(size int) string { return strings.Repeat("x", size) }

// static is a server that sends the same stream to everybody and ends it.
func static(stream string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, stream)
	}
}

func TestArrivalTimes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		h     handler
		check string
		level doctor.Level
		code  string
	}{
		{"a late head", handler{event: "data: x\n\n", every: 100 * time.Millisecond, before: 1300 * time.Millisecond}, "head", doctor.Fail, "head_late"},
		{"no head", handler{event: "data: x\n\n", before: time.Hour}, "head", doctor.Fail, "head_held_back"},
		{"bursts", handler{event: "data: x\n\n", many: 4, every: 700 * time.Millisecond}, "buffering", doctor.Warn, "bursts"},
		{"bursts of a clock", handler{event: ": carillon\ndata: x\n\n", many: 4, every: 700 * time.Millisecond}, "buffering", doctor.Fail, "bursts"},
		{"halves of frames", handler{event: "data: x\n\ndata:", every: 400 * time.Millisecond}, "buffering", doctor.Fail, "split_frames"},
		{"heartbeats without a blank line", handler{event: "data: x\n\nretry: 5\n:\n", every: 400 * time.Millisecond}, "buffering", doctor.OK, "unbuffered"},
		{"nothing", handler{}, "buffering", doctor.Info, "nothing_arrived"},
		{"nothing, compressed", handler{header: map[string]string{"Content-Encoding": "gzip"}}, "buffering", doctor.Fail, "body_held_back"},
		{"events one by one", handler{event: "data: x\n\n", every: 100 * time.Millisecond}, "buffering", doctor.OK, "unbuffered"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			report := examine(t, serve(t, c.h), func(cfg *doctor.Config) { cfg.Timeout, cfg.Watch = 3*time.Second, 2500*time.Millisecond })
			requireFinding(t, report, c.check, c.level, c.code)
		})
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, value string
		check       string
		level       doctor.Level
		code        string
	}{
		{"Cache-Control", uncached, "caching", doctor.OK, "not_cached"},
		{"Cache-Control", "public", "caching", doctor.Warn, "cacheable"},
		{"Age", "7", "caching", doctor.Fail, "cached"},
		{"X-Cache", "Hit from cloudfront", "caching", doctor.Fail, "cached"},
		{"Cf-Cache-Status", "DYNAMIC", "caching", doctor.Warn, "cacheable"},
		{"Content-Encoding", "br", "compression", doctor.Fail, "unexpected_encoding"},
		{"Via", "1.1 varnish", "path", doctor.Info, "path_seen"},
		{"Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), "clock", doctor.OK, "clocks_agree"}, // it is that of other responses
	} {
		t.Run(c.name+" "+c.value, func(t *testing.T) {
			t.Parallel()
			h := handler{event: "id: %d\ndata: x\n\n", every: 20 * time.Millisecond, header: map[string]string{c.name: c.value}}
			requireFinding(t, examine(t, serve(t, h)), c.check, c.level, c.code)
		})
	}
	t.Run("a cache before Carillon", func(t *testing.T) {
		t.Parallel()
		h := handler{event: ": carillon\nid: %d\ndata: x\n\n", every: 20 * time.Millisecond, header: map[string]string{"Cache-Control": "max-age=60"}}
		requireFinding(t, examine(t, serve(t, h)), "caching", doctor.Warn, "cache_control_changed")
	})
}

func TestClocksDiffer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ahead time.Duration
		level doctor.Level
		word  string
	}{{time.Hour, doctor.Warn, "ahead"}, {-15 * time.Second, doctor.Info, "behind"}} {
		stream := static("data: x\n\n")
		report := examine(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(c.ahead).UTC().Format(http.TimeFormat))
			stream(w, r)
		})))
		assert.Contains(t, requireFinding(t, report, "clock", c.level, "clocks_differ").Summary, c.word)
	}
}

func TestHTTPVersions(t *testing.T) {
	t.Parallel()
	for _, two := range []bool{true, false} {
		srv := httptest.NewUnstartedServer(handler{event: "id: %d\ndata: x\n\n", every: 20 * time.Millisecond})
		srv.EnableHTTP2 = two
		srv.StartTLS()
		t.Cleanup(srv.Close)
		roots := x509.NewCertPool()
		roots.AddCert(srv.Certificate())
		report := examine(t, srv.URL, func(c *doctor.Config) { c.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12} })
		if two {
			f := requireFinding(t, report, "http", doctor.OK, "http2")
			assert.NotEmpty(t, f.Values["max_streams"])
			continue
		}
		f := requireFinding(t, report, "http", doctor.Warn, "http1")
		assert.Equal(t, 6, f.Values["max_connections"])
		assert.Contains(t, f.Meaning, "ALPN")
	}
}

func TestResponsesThatAreNotStreams(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		code   string
		change string
	}{
		{http.StatusOK, "not_a_stream", "path"},
		{http.StatusNoContent, "not_a_stream", "path"},
		{http.StatusUnauthorized, "refused", "CARILLON_TOKEN"},
		{http.StatusFound, "redirected", "https://login.example.com/in."},
		{http.StatusBadGateway, "server_error", "logs"},
	} {
		report := examine(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://login.example.com/in?secret=1")
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(c.status)
		})))
		f := requireFinding(t, report, "head", doctor.Fail, c.code)
		assert.Contains(t, f.Change+".", c.change)
		assert.NotContains(t, f.Change, "secret")
		requireFinding(t, report, "resume", doctor.Info, "resume_not_checked")
	}
}

func TestUnreachableServer(t *testing.T) {
	t.Parallel()
	_, err := doctor.Run(t.Context(), doctor.Config{URL: "http://u:password@127.0.0.1:1/?key=secret", Timeout: time.Second, Watch: time.Second, Token: "token-of-mine"})
	require.ErrorContains(t, err, "cannot reach")
	assert.NotContains(t, err.Error(), "password")
	assert.NotContains(t, err.Error(), "token-of-mine")
}

func TestValidate(t *testing.T) {
	t.Parallel()
	good := doctor.Config{URL: "http://localhost", Timeout: 1, Watch: 1}
	require.NoError(t, good.Validate())
	for word, change := range map[string]func(*doctor.Config){
		"URL":          func(c *doctor.Config) { c.URL = "localhost:8080" },
		"origin":       func(c *doctor.Config) { c.Origin = "app.example.com" },
		"cookie":       func(c *doctor.Config) { c.Cookie = "name" },
		"token":        func(c *doctor.Config) { c.Token = "secret\n" },
		"timeout":      func(c *doctor.Config) { c.Timeout = 0 },
		"watch":        func(c *doctor.Config) { c.Watch = 0 },
		"idle-timeout": func(c *doctor.Config) { c.IdleTimeout = -1 },
	} {
		cfg := good
		change(&cfg)
		err := cfg.Validate()
		require.ErrorContains(t, err, word)
		assert.NotContains(t, err.Error(), "secret")
	}
}

// A request that is dropped although the first one got a response is a finding of its own.
func TestRequestsThatAreDropped(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		header, check, code string
		level               doctor.Level
	}{
		{"Last-Event-ID", "resume", "resume_failed", doctor.Fail},
		{"Origin", "cors", "cors_failed", doctor.Fail},
		{"Access-Control-Request-Method", "cors", "preflight_failed", doctor.Warn},
	} {
		h := handler{event: "id: %d\ndata: x\n\n", every: 20 * time.Millisecond, header: map[string]string{"Access-Control-Allow-Origin": "*"}}
		addr := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get(c.header) != "" {
				panic(http.ErrAbortHandler)
			}
			h.ServeHTTP(w, r)
		}))
		requireFinding(t, examine(t, addr, origin), c.check, c.level, c.code)
	}
}

func TestResumeIsRefused(t *testing.T) {
	t.Parallel()
	h := handler{event: "id: %d\ndata: x\n\n", every: 20 * time.Millisecond}
	addr := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Last-Event-ID") != "" {
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		h.ServeHTTP(w, r)
	}))
	requireFinding(t, examine(t, addr), "resume", doctor.Fail, "resume_refused")
}

func TestCredentialsOfAnyOrigin(t *testing.T) {
	t.Parallel()
	header := map[string]string{"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "true"}
	report := examine(t, serve(t, handler{event: "data: x\n\n", every: 20 * time.Millisecond, header: header}), origin)
	requireFinding(t, report, "cookies", doctor.Fail, "credentials_with_any_origin")

	header = map[string]string{"Access-Control-Allow-Origin": "https://other.example.com"}
	report = examine(t, serve(t, handler{event: "data: x\n\n", every: 20 * time.Millisecond, header: header}), origin)
	requireFinding(t, report, "cors", doctor.Fail, "other_origin")
}
