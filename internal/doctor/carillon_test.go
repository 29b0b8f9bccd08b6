package doctor_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"carillon/internal/doctor"
)

const app = "https://app.example.com"

func origin(c *doctor.Config)       { c.Origin = app }
func shortTimeout(c *doctor.Config) { c.Timeout = time.Second }

func TestAServerThatIsFine(t *testing.T) {
	t.Parallel()
	addr := startCarillon(t, "HTTP_CORS_ORIGINS="+app, "HTTP_CORS_CREDENTIALS=true", "STREAM_HEARTBEAT=200ms", "HTTP_COOKIE=auth")
	told := 0
	report := examine(t, addr, origin, func(c *doctor.Config) {
		c.IdleTimeout, c.Token, c.Cookie = 1500*time.Millisecond, secret, "auth="+secret
		c.Progress = func(check string, elapsed, of time.Duration) {
			told++
			assert.Equal(t, "idle", check)
			assert.Positive(t, elapsed)
			assert.Equal(t, c.IdleTimeout, of)
		}
	})
	assert.Equal(t, doctor.ServerCarillon, report.Server)
	assert.Equal(t, map[string]doctor.Level{
		"head_at_once": doctor.OK, "unbuffered": doctor.OK, "not_compressed": doctor.OK, "not_cached": doctor.OK, "no_proxy_seen": doctor.OK,
		"http1":   doctor.Info, // on this machine only
		"resumes": doctor.OK, "origin_allowed": doctor.OK, "preflight_allowed": doctor.OK, "no_cookies": doctor.OK, "credentials_allowed": doctor.OK,
		"cookie_arrives": doctor.OK, "refusals_arrive": doctor.OK, "clocks_agree": doctor.OK, "not_cut": doctor.OK,
	}, codes(report))
	assert.Equal(t, doctor.Info, report.Level)
	assert.Positive(t, told)
}

func TestBufferingOfNginx(t *testing.T) {
	t.Parallel()
	addr := startCarillon(t, "CLOCK_INTERVAL=1s")
	t.Run("on, but Carillon asks for none", func(t *testing.T) {
		t.Parallel()
		report := examine(t, startNginx(t, "proxy_buffering on;", addr))
		requireFinding(t, report, "head", doctor.OK, "head_at_once")
		requireFinding(t, report, "resume", doctor.OK, "resumes")
		f := requireFinding(t, report, "path", doctor.Info, "path_seen")
		assert.Contains(t, f.Summary, "nginx")
	})
	t.Run("on, whatever Carillon asks for", func(t *testing.T) {
		t.Parallel()
		report := examine(t, startNginx(t, "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;", addr), shortTimeout)
		f := requireFinding(t, report, "head", doctor.Fail, "head_held_back")
		assert.Contains(t, f.Config[0].Lines, "proxy_buffering off;")
		assert.Equal(t, doctor.ServerCarillon, report.Server, "its refusals tell")
		requireFinding(t, report, "refusals", doctor.OK, "refusals_arrive")
		requireFinding(t, report, "idle", doctor.Info, "idle_not_checked")
	})
}

func TestBufferingOfNginxBeforeAnyServer(t *testing.T) {
	t.Parallel()
	addr := serve(t, handler{event: "id: %d\ndata: " + text(300) + "\n\n", every: 60 * time.Millisecond, header: map[string]string{"Cache-Control": uncached}})
	t.Run("on", func(t *testing.T) {
		t.Parallel()
		report := examine(t, startNginx(t, "proxy_buffering on;", addr), func(c *doctor.Config) { c.Watch = 4 * time.Second })
		assert.Equal(t, doctor.ServerUnknown, report.Server)
		requireFinding(t, report, "buffering", doctor.Fail, "split_frames")
	})
	t.Run("off", func(t *testing.T) {
		t.Parallel()
		report := examine(t, startNginx(t, "proxy_buffering off;", addr))
		requireFinding(t, report, "head", doctor.OK, "head_at_once")
		requireFinding(t, report, "buffering", doctor.OK, "unbuffered")
	})
}

func TestCompression(t *testing.T) {
	t.Parallel()
	t.Run("by nginx", func(t *testing.T) {
		t.Parallel()
		report := examine(t, startNginx(t, "proxy_buffering off; gzip on; gzip_proxied any; gzip_min_length 0; gzip_types text/event-stream;", startCarillon(t)))
		requireFinding(t, report, "compression", doctor.Warn, "compressed_on_the_way")
		requireFinding(t, report, "buffering", doctor.OK, "unbuffered")
		requireFinding(t, report, "resume", doctor.OK, "resumes")
	})
	t.Run("by Carillon", func(t *testing.T) {
		t.Parallel()
		report := examine(t, startCarillon(t, "STREAM_COMPRESSION=true"))
		requireFinding(t, report, "compression", doctor.Info, "compressed_by_server")
		requireFinding(t, report, "buffering", doctor.OK, "unbuffered")
	})
}

func TestIdleTimeouts(t *testing.T) {
	t.Parallel()
	idle := func(c *doctor.Config) { c.IdleTimeout = 3 * time.Second }
	for _, c := range []struct {
		name, heartbeat, code string
		level                 doctor.Level
	}{
		{"heartbeats too seldom", "1h", "idle_cut", doctor.Fail},
		{"heartbeats in time", "400ms", "not_cut", doctor.OK},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			report := examine(t, startHAProxy(t, 1500*time.Millisecond, startCarillon(t, "STREAM_HEARTBEAT="+c.heartbeat)), idle)
			f := requireFinding(t, report, "idle", c.level, c.code)
			assert.Equal(t, c.level == doctor.Fail, f.Values["cut"])
			assert.Positive(t, f.Values["longest_silence_ms"])
			if c.level == doctor.Fail {
				assert.GreaterOrEqual(t, f.Values["silence_before_cut_ms"], int64(1000))
				assert.NotEmpty(t, f.Config)
			}
		})
	}
	t.Run("of any server", func(t *testing.T) {
		t.Parallel()
		addr := serve(t, handler{event: "data: one\n\n", silence: true})
		requireFinding(t, examine(t, startHAProxy(t, 1500*time.Millisecond, addr), idle), "idle", doctor.Fail, "idle_cut")
		requireFinding(t, examine(t, addr, func(c *doctor.Config) { c.IdleTimeout = time.Second }), "idle", doctor.Info, "no_heartbeat")
	})
	t.Run("a server that ends its streams", func(t *testing.T) {
		t.Parallel()
		addr := serve(t, static("data: one\n\n"))
		requireFinding(t, examine(t, addr, idle), "idle", doctor.Warn, "ended")
	})
	t.Run("Carillon ends a stream and says why", func(t *testing.T) {
		t.Parallel()
		addr := serve(t, static("retry: 1\n: carillon\nid: a-1\n\nevent: carillon.goaway\ndata: {\"reason\":\"drain\"}\n\n"))
		report := examine(t, addr, idle)
		requireFinding(t, report, "idle", doctor.Info, "ended_by_server")
		requireFinding(t, report, "head", doctor.Fail, "turned_away")
	})
}

func TestResume(t *testing.T) {
	t.Parallel()
	t.Run("the header is lost", func(t *testing.T) {
		t.Parallel()
		report := examine(t, startNginx(t, `proxy_set_header Last-Event-ID "";`, startCarillon(t)))
		requireFinding(t, report, "resume", doctor.Fail, "last_event_id_lost")
	})
	t.Run("nodes with logs of their own", func(t *testing.T) {
		t.Parallel()
		report := examine(t, startNginx(t, "", startCarillon(t), startCarillon(t)))
		requireFinding(t, report, "resume", doctor.Warn, "other_node")
	})
	t.Run("any server", func(t *testing.T) {
		t.Parallel()
		requireFinding(t, examine(t, serve(t, handler{event: "data: x\n\n", every: 100 * time.Millisecond})), "resume", doctor.Warn, "no_ids")
		requireFinding(t, examine(t, serve(t, handler{event: "id: %d\ndata: x\n\n", every: 100 * time.Millisecond})), "resume", doctor.Warn, "resume_repeats")
	})
}

func TestCORS(t *testing.T) {
	t.Parallel()
	closed, open := startCarillon(t), startCarillon(t, "HTTP_CORS_ORIGINS="+app)
	requireFinding(t, examine(t, closed, origin), "cors", doctor.Fail, "origin_refused")
	report := examine(t, open, origin)
	requireFinding(t, report, "cors", doctor.OK, "origin_allowed")
	requireFinding(t, report, "cookies", doctor.Info, "credentials_not_allowed")
	requireFinding(t, examine(t, startNginx(t, "add_header Access-Control-Allow-Origin "+app+" always;", open), origin), "cors", doctor.Fail, "origin_twice")
	report = examine(t, startNginx(t, "if ($request_method = OPTIONS) { return 405; }", open), origin)
	requireFinding(t, report, "cors", doctor.OK, "origin_allowed")
	requireFinding(t, report, "cors", doctor.Warn, "preflight_refused")
	requireFinding(t, examine(t, closed, func(c *doctor.Config) { c.Origin = "http://" + closed }), "cors", doctor.OK, "same_origin")
}

func TestCookies(t *testing.T) {
	t.Parallel()
	addr := startCarillon(t, "HTTP_COOKIE=auth")
	with := func(c *doctor.Config) { c.Cookie = "auth=" + secret }
	requireFinding(t, examine(t, startNginx(t, `proxy_set_header Cookie "";`, addr), with), "cookies", doctor.Warn, "cookie_ignored")
	report := examine(t, startNginx(t, `add_header Set-Cookie "node=1; Path=/";`, addr), with)
	requireFinding(t, report, "cookies", doctor.OK, "cookie_arrives")
	assert.Contains(t, requireFinding(t, report, "cookies", doctor.Info, "sets_cookies").Summary, "node")
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	addr := startCarillon(t)
	requireFinding(t, examine(t, startNginx(t, "proxy_intercept_errors on; error_page 401 404 =403 /oops;", addr)), "refusals", doctor.Fail, "refusal_replaced")
	requireFinding(t, examine(t, startNginx(t, `proxy_set_header Authorization "";`, addr)), "refusals", doctor.Fail, "authorization_lost")

	f := requireFinding(t, examine(t, addr, func(c *doctor.Config) { c.Token = "wrong" }), "head", doctor.Fail, "refused")
	assert.Equal(t, "token_invalid", f.Values["problem"])
}
