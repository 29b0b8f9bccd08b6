package httpapi_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/domain/access"
)

const ndjson = "application/x-ndjson"

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
	again := s.post("topic=a", "two", "Idempotency-Key", "k 1")
	assert.Equal(t, http.StatusCreated, again.status)
	assert.Equal(t, first.body, again.body)
	other := s.do(http.MethodPost, "/events?topic=orders/1", "three", "Idempotency-Key", "k 1", "Authorization", "Bearer "+tokenOrders)
	assert.NotEqual(t, first.body, other.body, "another publisher's keys are its own")
	assert.Equal(t, "id: "+idOf(t, first)+"\ndata: one\n\n", st.block())
	assert.Equal(t, "id: "+idOf(t, other)+"\ndata: three\n\n", st.block())

	batch := s.post("", "{\"topic\":\"a\",\"data\":\"four\",\"key\":\"k 1\"}\n{\"topic\":\"a\",\"data\":\"five\",\"key\":\"k2\"}\n{\"topic\":\"a\",\"data\":\"six\",\"key\":\"k2\"}", "Content-Type", ndjson)
	ids := idsOf(t, batch)
	require.Len(t, ids, 3)
	assert.Equal(t, idOf(t, first), ids[0])
	assert.Equal(t, ids[1], ids[2])
	assert.Equal(t, "id: "+ids[1]+"\ndata: five\n\n", st.block())
}

func idsOf(t *testing.T, a answer) []string {
	require.Equal(t, http.StatusOK, a.status, a.body)
	var got struct {
		IDs []string `json:"ids"`
	}
	require.NoError(t, json.Unmarshal([]byte(a.body), &got))
	return got.IDs
}

func TestPublishABatch(t *testing.T) {
	s := serve(t)
	st, _ := s.listen("topic=**")
	a := s.post("", strings.Join([]string{
		`{"topic":"a","data":"text","type":"t","retry":5}`,
		``,
		`  {"topic":["a","b/c"],"data":{ "n": [1, 2.50, null], "s": " x " }}  `,
		`{"topic":"a"}` + "\r",
		`{"topic":"a","data":null}`,
		`{"topic":"a","data":" \u0041\n\ud83d\ude00\\ud800 "}`,
		`{"topic":"a","data":7,"type":"","key":"","retry":null}`,
	}, "\n"), "Content-Type", ndjson+"; charset=utf-8")
	ids := idsOf(t, a)
	assert.Equal(t, `{"ids":["`+strings.Join(ids, `","`)+"\"]}\n", a.body)
	want := []string{
		"event: t\nretry: 5\ndata: text\n\n",
		"data: {\"n\":[1,2.50,null],\"s\":\" x \"}\n\n",
		"data: \n\n",
		"data: null\n\n",
		"data:  A\ndata: 😀\\ud800 \n\n",
		"data: 7\n\n",
	}
	require.Len(t, ids, len(want))
	for i := range want {
		assert.Equal(t, "id: "+ids[i]+"\n"+want[i], st.block())
	}
}

func TestABatchIsAllOrNothing(t *testing.T) {
	s := serve(t, func(s *settings) {
		s.limits.EventBytes, s.limits.BatchBytes, s.limits.BatchEvents = 1000, 5000, 5
	})
	st, _ := s.listen("topic=**")
	const good = `{"topic":"orders/1","data":"good"}` + "\n"
	for _, c := range []struct {
		body, query string
		header      []string
		status      int
		code, field string
		line        int
	}{
		{good + `{"data":"x"}`, "", nil, 400, "invalid_topic", "topic", 2},
		{good + "\n\n" + `{"topic":"*"}`, "", nil, 400, "invalid_topic", "topic", 4},
		{good + `{"topic":7}`, "", nil, 400, "invalid_topic", "topic", 2},
		{good + `{"topic":["a",null]}`, "", nil, 400, "invalid_topic", "topic", 2},
		{good + `{"topic":[]}`, "", nil, 400, "invalid_topic", "topic", 2},
		{good + `{"topic":["a","b","c","d","e","f","g","h","i"]}`, "", nil, 400, "invalid_topic", "topic", 2},
		{good + `{"topic":"a","type":"carillon.x"}`, "", nil, 400, "invalid_type", "type", 2},
		{good + `{"topic":"a","type":"a\nb"}`, "", nil, 400, "invalid_type", "type", 2},
		{good + `{"topic":"a","retry":-1}`, "", nil, 400, "invalid_retry", "retry", 2},
		{good + `{"topic":"a","retry":1.5}`, "", nil, 400, "invalid_retry", "retry", 2},
		{good + `{"topic":"a","retry":"soon"}`, "", nil, 400, "invalid_body", "body", 2},
		{good + `{"topic":"a","key":"a\u0000b"}`, "", nil, 400, "invalid_key", "key", 2},
		{good + `{"topic":"a","data":"\ud800"}`, "", nil, 400, "invalid_body", "body", 2},
		{good + `{"topic":"a","data":"\udc00\ud800"}`, "", nil, 400, "invalid_body", "body", 2},
		{good + "{\"topic\":\"a\",\"data\":\"\xff\"}", "", nil, 400, "invalid_body", "body", 2},
		{good + `{"topic":"a","colour":"red"}`, "", nil, 400, "invalid_body", "body", 2},
		{good + `{"topic":"a"} {"topic":"b"}`, "", nil, 400, "invalid_body", "body", 2},
		{good + `{"topic":"a"`, "", nil, 400, "invalid_body", "body", 2},
		{good + `["a"]`, "", nil, 400, "invalid_body", "body", 2},
		{good + `null`, "", nil, 400, "invalid_topic", "topic", 2},
		{good + `hello`, "", nil, 400, "invalid_body", "body", 2},
		{"\ufeff" + good, "", nil, 400, "invalid_body", "body", 1},
		{"", "", nil, 400, "invalid_body", "body", 0},
		{"\n \n", "", nil, 400, "invalid_body", "body", 0},
		{good, "topic=a", nil, 400, "invalid_topic", "topic", 0},
		{good, "type=a", nil, 400, "invalid_type", "type", 0},
		{good, "retry=1", nil, 400, "invalid_retry", "retry", 0},
		{good, "", []string{"Idempotency-Key", "k"}, 400, "invalid_key", "key", 0},
		{good + `{"topic":"a","data":"` + strings.Repeat("x", 1001) + `"}`, "", nil, 413, "too_large", "", 2},
		{strings.Repeat(good, 6), "", nil, 413, "too_large", "", 0},
		{good + strings.Repeat(" ", 5000), "", nil, 413, "too_large", "", 0},
		{good + "\n" + `{"topic":"b"}`, "", []string{"Authorization", "Bearer " + tokenOrders}, 403, "forbidden", "", 3},
		{"\n" + `{"topic":"b"}`, "", []string{"Authorization", "Bearer " + tokenOrders}, 403, "forbidden", "", 2},
	} {
		header := append([]string{"Content-Type", ndjson}, c.header...)
		if len(c.header) == 0 || c.header[0] != "Authorization" {
			header = append(header, "Authorization", "Bearer "+tokenAll)
		}
		a := s.do(http.MethodPost, "/events?"+c.query, c.body, header...)
		if assert.Equal(t, c.status, a.status, "%.60s: %s", c.body, a.body) {
			p := refused(t, a)
			assert.Equal(t, c.code, p.Code, c.body)
			assert.Equal(t, c.field, p.Field, c.body)
			assert.Equal(t, c.line, p.Line, "line of %.80s", c.body)
		}
	}
	id := s.publish("a", "the first to be published")
	assert.Equal(t, "id: "+id+"\ndata: the first to be published\n\n", st.block())
}

func TestPublishRate(t *testing.T) {
	s := serve(t, func(s *settings) {
		s.limits.BatchEvents, s.limits.PublishRate, s.limits.PublishBurst = 5, 0.001, 5
	})
	batch := strings.Repeat("{\"topic\":\"orders/1\"}\n", 4)
	require.Equal(t, http.StatusOK, s.post("", batch, "Content-Type", ndjson).status)
	for _, a := range []answer{s.post("", batch, "Content-Type", ndjson)} {
		assert.Equal(t, http.StatusTooManyRequests, a.status)
		assert.Equal(t, "rate_limited", refused(t, a).Code)
		var seconds int
		_, err := fmt.Sscan(a.header.Get("Retry-After"), &seconds)
		require.NoError(t, err)
		assert.Greater(t, seconds, 2900, "three events at one in a thousand seconds")
		assert.LessOrEqual(t, seconds, 3000)
	}
	// What was refused was not spent; nor are other tokens' allowances.
	assert.Equal(t, http.StatusCreated, s.post("topic=a", "x").status)
	assert.Equal(t, http.StatusTooManyRequests, s.post("topic=a", "x").status)
	a := s.do(http.MethodPost, "/events?topic=orders/1", "x", "Authorization", "Bearer "+tokenOrders)
	assert.Equal(t, http.StatusCreated, a.status)
	// Bad requests cost nothing.
	s = serve(t, func(s *settings) {
		s.limits.BatchEvents, s.limits.PublishRate, s.limits.PublishBurst = 1, 0.001, 1
	})
	assert.Equal(t, http.StatusBadRequest, s.post("topic=*", "x").status)
	assert.Equal(t, http.StatusCreated, s.post("topic=a", "x").status)
}

// Whatever a request asks for, a body that does not come must not hold a connection for ever.
func TestASlowBodyIsNotWaitedFor(t *testing.T) {
	s := serve(t, func(s *settings) { s.http.ReadTimeout = 200 * time.Millisecond })
	for _, c := range []struct {
		name, request, status string
	}{
		{"published", "POST /events?topic=a HTTP/1.1\r\nAuthorization: Bearer " + tokenAll + "\r\n", "408"},
		{"batch", "POST /events HTTP/1.1\r\nContent-Type: " + ndjson + "\r\nAuthorization: Bearer " + tokenAll + "\r\n", "408"},
		{"without a token", "POST /events?topic=a HTTP/1.1\r\n", "401"},
		{"without a topic", "POST /events HTTP/1.1\r\nAuthorization: Bearer " + tokenAll + "\r\n", "400"},
		{"no such route", "POST /nothing HTTP/1.1\r\n", "404"},
		{"no such method", "PUT /events HTTP/1.1\r\n", "405"},
		{"the page", "GET / HTTP/1.1\r\n", "200"},
	} {
		for _, framing := range []string{"Content-Length: 100\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"} {
			got := s.raw(c.request + "Host: x\r\n" + framing)
			assert.Equal(t, "HTTP/1.1 "+c.status, got[:min(len(got), 12)], "%s: %q", c.name, framing)
		}
	}
}

func TestAConnectionServesAgainAfterABody(t *testing.T) {
	s := serve(t, func(s *settings) { s.http.ReadTimeout = 150 * time.Millisecond })
	conn := s.dial()
	publish := "POST /events?topic=a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + tokenAll + "\r\nContent-Length: 1\r\n\r\nx"
	for range 2 {
		_, err := io.WriteString(conn, publish)
		require.NoError(t, err)
		buf := make([]byte, 1000)
		n, err := conn.Read(buf)
		require.NoError(t, err)
		assert.Contains(t, string(buf[:n]), "HTTP/1.1 201 Created\r\n")
		<-time.After(300 * time.Millisecond) // a body's deadline is not the connection's
	}
}

func TestABodyIsReadNoFurtherThanItsLimit(t *testing.T) {
	s := serve(t, func(s *settings) { s.limits.EventBytes, s.limits.BatchBytes = 100, 100 })
	body := &counting{left: 5 << 20}
	r := httptest.NewRequest(http.MethodPost, "/events?topic=a", body)
	r.Header.Set("Authorization", "Bearer "+tokenAll)
	w := httptest.NewRecorder()
	s.api.ServeHTTP(w, r)
	assert.Equal(t, http.StatusRequestEntityTooLarge, w.Code)
	assert.Less(t, body.read, 10_000)
	assert.Equal(t, http.StatusRequestEntityTooLarge, s.post("topic=a", strings.Repeat("x", 5<<20)).status)
}

type counting struct{ left, read int }

func (c *counting) Read(b []byte) (int, error) {
	n := min(len(b), c.left)
	c.left -= n
	c.read += n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func TestAnonymousRightsDoNotPublish(t *testing.T) {
	s := serve(t, func(s *settings) { s.auth.anonymous = access.Rights{Subscribe: grant("**"), Publish: grant("**")} })
	a := s.do(http.MethodPost, "/events?topic=a", "x")
	assert.Equal(t, http.StatusUnauthorized, a.status)
	assert.Equal(t, "Bearer", a.header.Get("WWW-Authenticate"))
}
