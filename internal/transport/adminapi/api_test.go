package adminapi_test

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/transport/adminapi"
)

var everyRoute = []string{
	"GET /metrics", "GET /status", "POST /streams/x/close", "POST /topics/close?topic=a",
	"GET /debug/pprof/", "GET /debug/pprof/cmdline", "GET /debug/pprof/heap", "GET /debug/pprof/profile?seconds=1",
	"GET /debug/pprof/trace?seconds=1", "GET /debug/pprof/symbol", "POST /debug/pprof/symbol", "GET /", "GET /nowhere",
}

func TestEveryRouteNeedsTheToken(t *testing.T) {
	s := newTestServer(t, "the-admin-token")
	for _, route := range everyRoute {
		method, path, _ := strings.Cut(route, " ")
		for _, header := range []string{"", "Bearer", "Bearer ", "Bearer the-admin-toke", "Bearer the-admin-token2", "Basic the-admin-token", "the-admin-token"} {
			a := s.request(method, path, "Authorization", header)
			assert.Equal(t, http.StatusUnauthorized, a.status, "%s with %q", route, header)
			assert.Equal(t, "unauthorized", s.refused(a))
			assert.Equal(t, "Bearer", a.header.Get("WWW-Authenticate"))
			assert.NotContains(t, a.body, "the-admin-token")
		}
	}
	assert.Equal(t, http.StatusOK, s.request(http.MethodGet, "/status").status)
	assert.Equal(t, http.StatusOK, s.request(http.MethodGet, "/status", "Authorization", "bearer the-admin-token", "Host", "admin.example").status)
	for _, record := range s.logs.All() {
		assert.NotContains(t, fmt.Sprint(record.Message, record.ContextMap()), "the-admin-token")
	}
}

// Without a token a browser on the same machine is dangerous: it makes the requests of foreign pages.
func TestForeignPagesAreRefused(t *testing.T) {
	s := newTestServer(t, "")
	for _, host := range []string{"evil.example", "evil.example:8079", "10.0.0.1:8079", "127.0.0.1.evil.example"} {
		assert.Equal(t, "host_refused", s.refused(s.request(http.MethodGet, "/status", "Host", host)), host)
	}
	for _, host := range []string{"localhost", "localhost:8079", "127.0.0.1", "127.1.2.3:8079", "[::1]", "[::1]:8079"} {
		assert.Equal(t, http.StatusOK, s.request(http.MethodGet, "/status", "Host", host).status, host)
	}
	const end = "/topics/close?topic=a"
	assert.Equal(t, "origin_refused", s.refused(s.request(http.MethodPost, end, "Origin", "https://evil.example")))
	assert.Equal(t, "origin_refused", s.refused(s.request(http.MethodPost, end, "Sec-Fetch-Site", "cross-site")))
	assert.Equal(t, http.StatusOK, s.request(http.MethodPost, end).status)
}

// A page's image or form sends a GET, so every method is checked; with a token too.
func TestRequestsForPagesOfOtherOriginsAreRefused(t *testing.T) {
	for _, token := range []string{"", "the-admin-token"} {
		s := newTestServer(t, token)
		for _, path := range []string{"/status", "/metrics", "/debug/pprof/heap?gc=1", "/debug/pprof/profile?seconds=1"} {
			for _, header := range [][]string{
				{"Sec-Fetch-Site", "cross-site"},
				{"Sec-Fetch-Site", "same-site"},
				{"Sec-Fetch-Site", "cross-site", "Origin", s.admin.URL},
				{"Origin", "https://evil.example"},
				{"Origin", "http://localhost:1"},
				{"Origin", "null"},
				{"Origin", ""},
			} {
				a := s.request(http.MethodGet, path, header...)
				if assert.Equal(t, http.StatusForbidden, a.status, "%s with %q", path, header) {
					assert.Equal(t, "origin_refused", s.refused(a))
				}
			}
		}
		for _, header := range [][]string{
			nil, // curl and Prometheus
			{"Sec-Fetch-Site", "none"},
			{"Sec-Fetch-Site", "same-origin"},
			{"Origin", s.admin.URL},
			{"Sec-Fetch-Site", "same-origin", "Origin", s.admin.URL},
		} {
			assert.Equal(t, http.StatusOK, s.request(http.MethodGet, "/status", header...).status, "%q", header)
		}
	}
}

func TestRoutes(t *testing.T) {
	s := newTestServer(t, "")
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=1", "/debug/pprof/symbol"} {
		a := s.request(http.MethodGet, path)
		assert.Equal(t, http.StatusOK, a.status, path)
		assert.NotEmpty(t, a.body, path)
	}
	for _, path := range []string{"/", "/nowhere", "/events", "/healthz", "/streams/x"} {
		assert.Equal(t, "not_found", s.refused(s.request(http.MethodGet, path)), path)
	}
	for route, allow := range map[string]string{
		"POST /metrics": "GET", "DELETE /status": "GET", "GET /streams/x/close": "POST", "GET /topics/close": "POST",
	} {
		method, path, _ := strings.Cut(route, " ")
		a := s.request(method, path)
		assert.Equal(t, "method_not_allowed", s.refused(a), route)
		assert.Equal(t, allow, a.header.Get("Allow"), route)
	}
}

func TestConfig(t *testing.T) {
	long := strings.Repeat("x", 4097)
	for _, c := range []struct {
		addr, token, want string
	}{
		{"127.0.0.1:8079", "", ""},
		{"127.8.9.1:0", "", ""},
		{"[::1]:8079", "", ""},
		{"[::ffff:127.0.0.1]:8079", "", ""},
		{"localhost:8079", "", ""},
		{"", "", ""},
		{"", "secret", ""},
		{":8079", "secret", ""},
		{"0.0.0.0:8079", "secret", ""},
		{"metrics.example:8079", "secret", ""},
		{":8079", "", `admin.addr: must be a loopback address such as 127.0.0.1:8079 unless admin.token is set (got ":8079")`},
		{"0.0.0.0:8079", "", `admin.addr: must be a loopback address such as 127.0.0.1:8079 unless admin.token is set (got "0.0.0.0:8079")`},
		{"[::]:8079", "", `admin.addr: must be a loopback address such as 127.0.0.1:8079 unless admin.token is set (got "[::]:8079")`},
		{"10.0.0.1:8079", "", `admin.addr: must be a loopback address such as 127.0.0.1:8079 unless admin.token is set (got "10.0.0.1:8079")`},
		{"localhost.evil.example:8079", "", `admin.addr: must be a loopback address such as 127.0.0.1:8079 unless admin.token is set (got "localhost.evil.example:8079")`},
		{"127.0.0.1", "", `admin.addr: must be host:port, or empty for no admin listener (got "127.0.0.1")`},
		{"127.0.0.1:http", "", `admin.addr: must be host:port, or empty for no admin listener (got "127.0.0.1:http")`},
		{"127.0.0.1:1", long, "admin.token: must have at most 4096 bytes (got 4097)"},
		{"127.0.0.1:1", "two words", "admin.token: must be printable ASCII without spaces"},
		{"127.0.0.1:1", "é", "admin.token: must be printable ASCII without spaces"},
	} {
		t.Run(cmp.Or(c.want, c.addr, "no listener"), func(t *testing.T) {
			cfg := adminapi.Config{Addr: c.addr, Token: c.token}
			_, err := adminapi.New(cfg, adminapi.Deps{Metrics: http.NotFoundHandler()})
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, c.want)
		})
	}
}

// eventually waits until ok reports true.
func eventually(t require.TestingT, what string, ok func() bool) {
	require.Eventually(t, ok, waitTimeout, 5*time.Millisecond, what)
}
