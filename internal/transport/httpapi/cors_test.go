package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/transport/httpapi"
)

const allowedOrigin = "https://app.example.com"

func TestPagesOfAllowedOrigins(t *testing.T) {
	everyPath(t, func(t *testing.T, path func(*settings)) {
		s := serve(t, path, func(s *settings) {
			s.http.CORS = httpapi.CORS{Origins: []string{"https://other.example", allowedOrigin}, Credentials: true}
		})
		a := s.do(http.MethodOptions, "/events?topic=a", "", "Origin", allowedOrigin,
			"Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "last-event-id,authorization")
		require.Equal(t, http.StatusNoContent, a.status)
		assert.Equal(t, allowedOrigin, a.header.Get("Access-Control-Allow-Origin"))
		assert.Equal(t, "true", a.header.Get("Access-Control-Allow-Credentials"))
		assert.Equal(t, "GET,POST", a.header.Get("Access-Control-Allow-Methods"))
		for _, name := range []string{"Authorization", "Content-Type", "Idempotency-Key", "Last-Event-Id"} {
			assert.Contains(t, strings.Split(a.header.Get("Access-Control-Allow-Headers"), ","), name)
		}
		assert.Contains(t, a.header.Values("Vary"), "Origin")

		st, first := s.listen("topic=a", "Origin", allowedOrigin, "Cookie", "carillon="+tokenAll)
		assert.Regexp(t, opening, first)
		assert.Equal(t, allowedOrigin, st.header.Get("Access-Control-Allow-Origin"))
		assert.Equal(t, "true", st.header.Get("Access-Control-Allow-Credentials"))
		assert.Equal(t, "Origin", st.header.Get("Vary"))

		a = s.post("topic=a", "x", "Origin", allowedOrigin)
		assert.Equal(t, http.StatusCreated, a.status)
		assert.Equal(t, allowedOrigin, a.header.Get("Access-Control-Allow-Origin"))
		// A page must be able to read why it was refused.
		a = s.do(http.MethodPost, "/events?topic=a", "x", "Origin", allowedOrigin)
		assert.Equal(t, http.StatusUnauthorized, a.status)
		assert.Equal(t, allowedOrigin, a.header.Get("Access-Control-Allow-Origin"))
	})
}

func TestPagesOfOtherOrigins(t *testing.T) {
	s := serve(t, func(s *settings) { s.http.CORS.Origins = []string{allowedOrigin} })
	for _, origin := range []string{
		"https://app.example.com.evil.example", "http://app.example.com", "https://app.example.com:444", "https://evil.example", "null",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions} {
			a := s.do(method, "/events?topic=a", "", "Origin", origin, "Authorization", "Bearer "+tokenAll)
			assert.Equal(t, http.StatusForbidden, a.status)
			assert.Equal(t, "origin_refused", refused(t, a).Code)
			assert.Empty(t, a.header.Values("Access-Control-Allow-Origin"))
		}
	}
	st, _ := s.listen("topic=a", "Origin", s.url)
	assert.Empty(t, st.header.Values("Access-Control-Allow-Origin"))
	assert.Equal(t, http.StatusCreated, s.post("topic=a", "x", "Origin", s.url).status)
}

func TestPagesOfAnyOrigin(t *testing.T) {
	s := serve(t, func(s *settings) { s.http.CORS.Origins = []string{"*"} })
	st, _ := s.listen("topic=a", "Origin", "https://anybody.example")
	assert.Equal(t, "*", st.header.Get("Access-Control-Allow-Origin"))
	assert.Empty(t, st.header.Values("Access-Control-Allow-Credentials"))
	// Cookies are not sent to all origins.
	a := s.do(http.MethodGet, "/events?topic=a", "", "Origin", "https://anybody.example", "Cookie", "carillon="+tokenAll)
	assert.Equal(t, "origin_refused", refused(t, a).Code)
}

func TestNoOtherOriginsUnlessConfigured(t *testing.T) {
	s := serve(t)
	st, _ := s.listen("topic=a", "Origin", allowedOrigin)
	assert.Empty(t, st.header.Values("Access-Control-Allow-Origin"))
	a := s.do(http.MethodOptions, "/events", "", "Origin", allowedOrigin, "Access-Control-Request-Method", "POST")
	assert.Equal(t, http.StatusMethodNotAllowed, a.status)
	assert.Empty(t, a.header.Values("Access-Control-Allow-Origin"))
}
