package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestRefusedSubscriptions(t *testing.T) {
	s := serve(t, func(s *settings) { s.auth.anonymous.Subscribe = grant("open/**") })
	for _, c := range []struct {
		query  string
		header []string
		status int
		code   string
		field  string
	}{
		{"topic=", nil, 400, "invalid_topic", "topic"},
		{"topic=a**", nil, 400, "invalid_topic", "topic"},
		{"topic=**/a", nil, 400, "invalid_topic", "topic"},
		{"topic=open/a&topic=%00", nil, 400, "invalid_topic", "topic"},
		{"topic=" + strings.Repeat("a", 256), nil, 400, "invalid_topic", "topic"},
		{strings.Repeat("topic=a&", 17), nil, 400, "invalid_topic", "topic"},
		{"topic=a;b", nil, 400, "invalid_query", "query"},
		{"topic=%zz", nil, 400, "invalid_query", "query"},
		{"topic=open/a&last=-1", nil, 400, "invalid_last", "last"},
		{"topic=open/a&last=ten", nil, 400, "invalid_last", "last"},
		{"topic=open/a&last=1&last=2", nil, 400, "invalid_last", "last"},
		{"topic=open/a&last=99999999999999999999", nil, 400, "invalid_last", "last"},
		{"topic=open/a&since=yesterday", nil, 400, "invalid_since", "since"},
		{"topic=open/a&since=-5m", nil, 400, "invalid_since", "since"},
		{"topic=open/a&since=5m&since=5m", nil, 400, "invalid_since", "since"},
		{"topic=open/a&last_event_id=a-1&last_event_id=a-2", nil, 400, "invalid_last_event_id", "last_event_id"},

		{"topic=secret", nil, 401, "unauthorized", ""},
		{"", nil, 401, "unauthorized", ""},
		{"topic=open/a&topic=secret", nil, 401, "unauthorized", ""},
		{"topic=open/a", []string{"Authorization", "Bearer nonsense"}, 401, "token_invalid", ""},
		{"topic=open/a", []string{"Authorization", "Bearer " + tokenExpired}, 401, "token_expired", ""},
		{"topic=open/a", []string{"Authorization", "Bearer"}, 401, "token_invalid", ""},
		{"topic=open/a", []string{"Authorization", "Basic dTpw"}, 401, "token_invalid", ""},
		{"topic=open/a", []string{"Cookie", "carillon=nonsense"}, 401, "token_invalid", ""},
		{"topic=open/a", []string{"Authorization", "Bearer " + tokenOrders}, 403, "forbidden", ""},
		{"topic=**", []string{"Authorization", "Bearer nobody"}, 401, "token_invalid", ""},
		{"topic=orders/1", []string{"Cookie", "carillon=" + tokenOrders, "Origin", "https://evil.example"}, 403, "origin_refused", ""},
		{"topic=orders/1", []string{"Cookie", "carillon=" + tokenOrders, "Origin", "null"}, 403, "origin_refused", ""},
		{"topic=orders/1", []string{"Cookie", "carillon=" + tokenOrders, "Sec-Fetch-Site", "cross-site"}, 403, "origin_refused", ""},
	} {
		a := s.do(http.MethodGet, "/events?"+c.query, "", append(c.header, "Accept", "text/event-stream")...)
		if assert.Equal(t, c.status, a.status, "%s %v: %s", c.query, c.header, a.body) {
			p := refused(t, a)
			assert.Equal(t, c.code, p.Code, c.query)
			assert.Equal(t, c.field, p.Field, c.query)
			assert.Equal(t, c.status == http.StatusUnauthorized, a.header.Get("WWW-Authenticate") == "Bearer", c.query)
		}
	}
	assert.Zero(t, s.engine.Streams())
	assert.Empty(t, s.logs.FilterMessage("stream opened").All())
}

// Signing keys may be available again soon, so a browser must reconnect.
func TestKeysThatAreAwayDoNotEndABrowsersStream(t *testing.T) {
	s := serve(t)
	authorization := []string{"Authorization", "Bearer " + tokenNoKeys}
	a := s.do(http.MethodGet, "/events?topic=a", "", append(authorization, "Accept", "text/event-stream")...)
	assert.Equal(t, http.StatusOK, a.status)
	assert.Regexp(t, `\Aretry: \d+\nevent: carillon.goaway\ndata: \{"reason":"keys_unavailable"\}\n\n\z`, a.body)
	for _, a := range []reply{
		s.do(http.MethodGet, "/events?topic=a", "", authorization...),
		s.do(http.MethodPost, "/events?topic=a", "data", authorization...),
	} {
		assert.Equal(t, http.StatusServiceUnavailable, a.status)
		assert.Equal(t, "keys_unavailable", refused(t, a).Code)
		assert.Equal(t, "7", a.header.Get("Retry-After"))
	}
}

func TestAllowedSubscriptions(t *testing.T) {
	s := serve(t, func(s *settings) { s.auth.anonymous.Subscribe = grant("open/**") })
	for _, c := range []struct {
		query  string
		header []string
	}{
		{"topic=open/a", nil},
		{"topic=**", nil}, // of which it gets what it may see
		{"topic=orders/1", []string{"Authorization", "Bearer " + tokenOrders}},
		{"topic=orders/1", []string{"Authorization", "bearer " + tokenOrders}},
		{"topic=orders/1", []string{"Cookie", "carillon=" + tokenOrders}},
		{"topic=orders/1", []string{"Cookie", "carillon=" + tokenOrders, "Origin", s.url}},
		{"topic=orders/1", []string{"Cookie", "carillon=" + tokenOrders, "Sec-Fetch-Site", "same-origin"}},
		{"topic=orders/1", []string{"Cookie", "carillon=nonsense", "Authorization", "Bearer " + tokenOrders}},
		{"topic=open/a", []string{"Cookie", "other=1"}},
	} {
		st, first := s.listen(c.query, c.header...)
		assert.Regexp(t, opening, first)
		st.close()
	}
}

func TestAStreamShowsOnlyWhatItsGrantCovers(t *testing.T) {
	s := serve(t, func(s *settings) { s.auth.anonymous.Subscribe = grant("open/**") })
	st, _ := s.listen("topic=**")
	s.publish("secret", "no")
	a := s.post("topic=secret&topic=open/1", "both")
	assert.Equal(t, "id: "+idOf(t, a)+"\ndata: both\n\n", st.block())
	narrow, _ := s.listen("topic=orders/*&topic=other", "Authorization", "Bearer "+tokenAll)
	s.post("topic=open/1&topic=secret", "neither was asked for")
	id := s.publish("other", "asked for")
	assert.Equal(t, "id: "+id+"\ndata: asked for\n\n", narrow.block())
}

func TestATokenThatExpiresEndsItsStream(t *testing.T) {
	everyPath(t, func(t *testing.T, path func(*settings)) {
		s := serve(t, path, func(s *settings) {
			s.engine.Heartbeat = 200 * time.Millisecond
			rights := s.auth.rights[tokenOrders]
			rights.Expires = time.Now().Add(300 * time.Millisecond)
			s.auth.rights[tokenOrders] = rights
		})
		st, _ := s.listen("topic=orders/1", "Authorization", "Bearer "+tokenOrders)
		assert.Regexp(t, `retry: \d+\nevent: carillon.goaway\ndata: {"reason":"expired"}\n\n\z`, st.rest())
	})
}
