package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A cookie counts only from pages of the server's own origin, which is a scheme, a host and a port.
func TestCookieNeedsTheSchemeOfTheOrigin(t *testing.T) {
	trusted := func(s *settings) { s.http.TrustedProxies = []string{"127.0.0.0/8"} }
	secure := func(s *settings) { s.secure = true }
	for name, c := range map[string]struct {
		change           func(*settings)
		host, forwarded  string
		origins, refused []string
	}{
		"TLS": {
			change: secure, host: "push.example.com",
			origins: []string{"https://push.example.com", "https://push.example.com:443"},
			refused: []string{"http://push.example.com", "https://push.example.com:8443", "https://evil.example"},
		},
		"TLS on another port": {
			change: secure, host: "push.example.com:8443",
			origins: []string{"https://push.example.com:8443"},
			refused: []string{"https://push.example.com", "http://push.example.com:8443"},
		},
		"behind a trusted proxy that ends TLS": {
			change: trusted, host: "push.example.com", forwarded: "https",
			origins: []string{"https://push.example.com"},
			refused: []string{"http://push.example.com", "https://push.example.com:80"},
		},
		"behind a trusted proxy without TLS": {
			change: trusted, host: "push.example.com", forwarded: "http",
			origins: []string{"http://push.example.com", "http://push.example.com:80"},
			refused: []string{"https://push.example.com"},
		},
		"behind a trusted proxy that does not say": {
			change: trusted, host: "push.example.com", forwarded: "ftp",
			origins: []string{"https://push.example.com", "http://push.example.com"},
			refused: []string{"https://evil.example"},
		},
		"an address that is not a trusted proxy's": {
			change: func(s *settings) { s.http.TrustedProxies = []string{"10.0.0.0/8", "192.0.2.1"} }, host: "push.example.com", forwarded: "https",
			origins: []string{"https://push.example.com", "http://push.example.com"}, // the scheme is not known
			refused: []string{"https://evil.example"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.change)
			publish := func(origin string) int {
				r := s.request(http.MethodPost, "/events?topic=orders/1", "x", "Cookie", "carillon="+tokenOrders, "Origin", origin)
				r.Host = c.host
				if c.forwarded != "" {
					r.Header.Set("X-Forwarded-Proto", c.forwarded)
				}
				return s.send(r).status
			}
			for _, origin := range c.origins {
				assert.Equal(t, http.StatusCreated, publish(origin), origin)
			}
			for _, origin := range c.refused {
				assert.Equal(t, http.StatusForbidden, publish(origin), origin)
			}
		})
	}
}
