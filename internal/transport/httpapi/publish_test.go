package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/domain/access"
)

const batchType = "application/x-ndjson"

func TestPublishOneEvent(t *testing.T) {
	s := serve(t)
	st, _ := s.listen("topic=**")
	for _, c := range []struct {
		name, query, body string
		header            []string
		want              string
	}{
		{"text", "topic=a", "hello", nil, "data: hello\n\n"},
		{"as curl -d sends it", "topic=a", "a=1&b=%20", []string{"Content-Type", "application/x-www-form-urlencoded"}, "data: a=1&b=%20\n\n"},
		{"JSON stays as it is", "topic=a", `{ "a": 1 }`, []string{"Content-Type", "application/json"}, "data: { \"a\": 1 }\n\n"},
		{"a nonsensical type", "topic=a", "x", []string{"Content-Type", ";;"}, "data: x\n\n"},
		{"nothing", "topic=a", "", nil, "data: \n\n"},
		{"a parameter that is not ours", "topic=a&utm=1", "x", nil, "data: x\n\n"},
		{"a topic twice", "topic=a&topic=a", "x", nil, "data: x\n\n"},
		{"a URL as topic", "topic=https://example.com/books/1", "x", nil, "data: x\n\n"},
		{"type and retry", "topic=a&type=paid&retry=0", "x", nil, "event: paid\ndata: x\n\n"},
		{"empty type and retry", "topic=a&type=&retry=", "x", nil, "data: x\n\n"},
		{"a cookie", "topic=a", "x", []string{"Cookie", "carillon=" + tokenAll, "Sec-Fetch-Site", "same-origin"}, "data: x\n\n"},
	} {
		a := s.post(c.query, c.body, c.header...)
		require.Equal(t, http.StatusCreated, a.status, "%s: %s", c.name, a.body)
		id := idOf(t, a)
		assert.Equal(t, "{\"id\":\""+id+"\"}\n", a.body)
		assert.Equal(t, "application/json", a.header.Get("Content-Type"))
		assert.Equal(t, "id: "+id+"\n"+c.want, st.block(), c.name)
	}
}

func TestSeveralTopicsAreOneEvent(t *testing.T) {
	s := serve(t)
	a := s.post("topic=x/1&topic=y&topic=x/1", "both")
	id := idOf(t, a)
	for _, query := range []string{"topic=x/*", "topic=y", "topic=y&topic=x/1", "topic=**"} {
		st, _ := s.listen(query + "&last=9")
		assert.Equal(t, "id: "+id+"\ndata: both\n\n", st.block())
	}
}

func TestRefusedPublishes(t *testing.T) {
	s := serve(t, func(s *settings) { s.limits.EventBytes, s.limits.BatchBytes = 1000, 5000 })
	st, _ := s.listen("topic=**")
	long := strings.Repeat("a", 256)
	for _, c := range []struct {
		query, body string
		header      []string
		status      int
		code, field string
	}{
		{"", "x", nil, 400, "invalid_topic", "topic"},
		{"topic=", "x", nil, 400, "invalid_topic", "topic"},
		{"topic=a/*", "x", nil, 400, "invalid_topic", "topic"},
		{"topic=a&topic=" + long, "x", nil, 400, "invalid_topic", "topic"},
		{strings.Repeat("topic=a&", 9), "x", nil, 400, "invalid_topic", "topic"},
		{"topic=a&type=carillon.reset", "x", nil, 400, "invalid_type", "type"},
		{"topic=a&type=+x", "x", nil, 400, "invalid_type", "type"},
		{"topic=a&type=" + long, "x", nil, 400, "invalid_type", "type"},
		{"topic=a&type=a&type=b", "x", nil, 400, "invalid_type", "type"},
		{"topic=a&retry=-1", "x", nil, 400, "invalid_retry", "retry"},
		{"topic=a&retry=1.5", "x", nil, 400, "invalid_retry", "retry"},
		{"topic=a&retry=86400001", "x", nil, 400, "invalid_retry", "retry"},
		{"topic=a&retry=99999999999999", "x", nil, 400, "invalid_retry", "retry"},
		{"topic=a&retry=1&retry=1", "x", nil, 400, "invalid_retry", "retry"},
		{"topic=a", "x", []string{"Idempotency-Key", long}, 400, "invalid_key", "key"},
		{"topic=a", "x", []string{"Idempotency-Key", "a", "Idempotency-Key", "b"}, 400, "invalid_key", "key"},
		{"topic=a", "\xff", nil, 400, "invalid_data", "data"},
		{"topic=a&x=%", "x", nil, 400, "invalid_query", "query"},
		{"topic=a", strings.Repeat("x", 1001), nil, 413, "too_large", ""},
		{"topic=a", "x", []string{"Authorization", "Bearer wrong"}, 401, "token_invalid", ""},
		{"topic=a", "x", []string{"Authorization", "Bearer " + tokenExpired}, 401, "token_expired", ""},
		{"topic=a", "x", []string{"Authorization", "Bearer " + tokenOrders}, 403, "forbidden", ""},
		{"topic=orders/1&topic=a", "x", []string{"Authorization", "Bearer " + tokenOrders}, 403, "forbidden", ""},
		{"topic=a", "x", []string{"Authorization", "Bearer " + tokenNoKeys}, 503, "keys_unavailable", ""},
		{"topic=a", "x", []string{"Authorization", "Token " + tokenAll}, 401, "token_invalid", ""},
		{"topic=a", "x", []string{"Authorization", "", "X-Nothing", ""}, 401, "unauthorized", ""},
		{"topic=a", "x", []string{"Cookie", "carillon=" + tokenAll}, 403, "origin_refused", ""}, // nothing says whose page
		{"topic=a", "x", []string{"Cookie", "carillon=" + tokenAll, "Origin", "https://evil.example"}, 403, "origin_refused", ""},
		{"topic=a", "x", []string{"Cookie", "carillon=" + tokenAll, "Sec-Fetch-Site", "same-site"}, 403, "origin_refused", ""},
	} {
		header := c.header
		if !strings.Contains(strings.Join(header, " "), "Authorization") && !strings.Contains(strings.Join(header, " "), "Cookie") {
			header = append(header, "Authorization", "Bearer "+tokenAll)
		}
		a := s.do(http.MethodPost, "/events?"+c.query, c.body, header...)
		if assert.Equal(t, c.status, a.status, "%s %v: %s", c.query, c.header, a.body) {
			p := refused(t, a)
			assert.Equal(t, c.code, p.Code, "%s %v", c.query, c.header)
			assert.Equal(t, c.field, p.Field, "%s %v", c.query, c.header)
			assert.Zero(t, p.Line)
		}
	}
	// None of them was published, and a body of exactly the limit is.
	id := idOf(t, s.post("topic=a", strings.Repeat("x", 1000)))
	assert.Contains(t, st.block(), "id: "+id+"\n")
}

func TestARepeatedKeyPublishesNothing(t *testing.T) {
	s := serve(t)
	st, _ := s.listen("topic=**")
	first := s.post("topic=a", "one", "Idempotency-Key", "k 1")
	assert.Empty(t, first.header.Get("Idempotency-Replayed"))
	again := s.post("topic=a", "one", "Idempotency-Key", "k 1")
	assert.Equal(t, http.StatusCreated, again.status)
	assert.Equal(t, first.body, again.body)
	assert.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
	other := s.do(http.MethodPost, "/events?topic=orders/1", "three", "Idempotency-Key", "k 1", "Authorization", "Bearer "+tokenOrders)
	assert.NotEqual(t, first.body, other.body, "another publisher's keys are its own")
	assert.Equal(t, "id: "+idOf(t, first)+"\ndata: one\n\n", st.block())
	assert.Equal(t, "id: "+idOf(t, other)+"\ndata: three\n\n", st.block())

	batch := s.post("", "{\"topic\":\"a\",\"data\":\"one\",\"key\":\"k 1\"}\n{\"topic\":\"a\",\"data\":\"five\",\"key\":\"k2\"}\n{\"topic\":\"a\",\"data\":\"five\",\"key\":\"k2\"}", "Content-Type", batchType)
	assert.Empty(t, batch.header.Get("Idempotency-Replayed"), "one of its events is new")
	ids := idsOf(t, batch)
	require.Len(t, ids, 3)
	assert.Equal(t, idOf(t, first), ids[0])
	assert.Equal(t, ids[1], ids[2])
	assert.Equal(t, "id: "+ids[1]+"\ndata: five\n\n", st.block())
	batch = s.post("", "{\"topic\":\"a\",\"data\":\"five\",\"key\":\"k2\"}\n", "Content-Type", batchType)
	assert.Equal(t, ids[1:2], idsOf(t, batch))
	assert.Equal(t, "true", batch.header.Get("Idempotency-Replayed"))
}

func TestAKeyOfAnotherEventIsRefused(t *testing.T) {
	s := serve(t)
	st, _ := s.listen("topic=**")
	first := s.post("topic=a&type=t&retry=5", "one", "Idempotency-Key", "k")
	assert.Equal(t, "id: "+idOf(t, first)+"\nevent: t\nretry: 5\ndata: one\n\n", st.block())
	for query, body := range map[string]string{
		"topic=a&type=t&retry=5&x=": "two", "topic=b&type=t&retry=5": "one", "topic=a&topic=b&type=t&retry=5": "one", "topic=a&retry=5": "one", "topic=a&type=t": "one",
	} {
		again := s.post(query, body, "Idempotency-Key", "k")
		assert.Equal(t, http.StatusUnprocessableEntity, again.status, query)
		assert.Equal(t, "key_reused", refused(t, again).Code, query)
		assert.Equal(t, "key", refused(t, again).Field, query)
		assert.Empty(t, again.header.Get("Idempotency-Replayed"))
	}
	batch := s.post("", "{\"topic\":\"a\",\"data\":\"x\",\"key\":\"l\"}\n\n{\"topic\":\"a\",\"data\":\"two\",\"key\":\"k\"}\n{\"topic\":\"a\",\"data\":\"y\"}\n", "Content-Type", batchType)
	assert.Equal(t, http.StatusUnprocessableEntity, batch.status)
	assert.Equal(t, "key_reused", refused(t, batch).Code)
	assert.Equal(t, 3, refused(t, batch).Line, "blank lines count")
	next := s.post("topic=a", "z", "Idempotency-Key", "l") // the key of the batch was not kept
	assert.Equal(t, "id: "+idOf(t, next)+"\ndata: z\n\n", st.block(), "nothing of the batch was published")
}

func TestPublishRate(t *testing.T) {
	s := serve(t, func(s *settings) {
		s.limits.BatchEvents, s.limits.PublishRate, s.limits.PublishBurst = 5, 0.001, 5
	})
	batch := strings.Repeat("{\"topic\":\"orders/1\"}\n", 4)
	require.Equal(t, http.StatusOK, s.post("", batch, "Content-Type", batchType).status)
	for _, a := range []reply{s.post("", batch, "Content-Type", batchType)} {
		assert.Equal(t, http.StatusTooManyRequests, a.status)
		assert.Equal(t, "rate_limited", refused(t, a).Code)
		var seconds int
		_, err := fmt.Sscan(a.header.Get("Retry-After"), &seconds)
		require.NoError(t, err)
		assert.Greater(t, seconds, 2900, "three events at one in a thousand seconds")
		assert.LessOrEqual(t, seconds, 3000)
	}
	// A refused publish does not count towards the rate, nor do those with other tokens.
	assert.Equal(t, http.StatusCreated, s.post("topic=a", "x").status)
	assert.Equal(t, http.StatusTooManyRequests, s.post("topic=a", "x").status)
	a := s.do(http.MethodPost, "/events?topic=orders/1", "x", "Authorization", "Bearer "+tokenOrders)
	assert.Equal(t, http.StatusCreated, a.status)
	// Invalid requests do not count towards the rate.
	s = serve(t, func(s *settings) {
		s.limits.BatchEvents, s.limits.PublishRate, s.limits.PublishBurst = 1, 0.001, 1
	})
	assert.Equal(t, http.StatusBadRequest, s.post("topic=*", "x").status)
	assert.Equal(t, http.StatusCreated, s.post("topic=a", "x").status)
}

func TestAnonymousRightsDoNotPublish(t *testing.T) {
	s := serve(t, func(s *settings) { s.auth.anonymous = access.Rights{Subscribe: grant("**"), Publish: grant("**")} })
	a := s.do(http.MethodPost, "/events?topic=a", "x")
	assert.Equal(t, http.StatusUnauthorized, a.status)
	assert.Equal(t, "Bearer", a.header.Get("WWW-Authenticate"))
}
