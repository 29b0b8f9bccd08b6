package httpapi_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// opening matches the start of every stream: the reconnection time, a comment, and the position.
var opening = regexp.MustCompile(`\Aretry: (\d+)\n: carillon\nid: [A-Za-z0-9]+-\d+\n\n\z`)

// resumedOpening matches the start of a stream whose client knows the position or gets it with the reset that follows.
var resumedOpening = regexp.MustCompile(`\Aretry: (\d+)\n: carillon\n\z`)

// everyPath runs a test over a connection that is taken over and over those that are not.
func everyPath(t *testing.T, test func(t *testing.T, path func(*settings))) {
	for name, path := range map[string]func(*settings){
		"taken over": func(s *settings) { s.stream.TakeOver = true },
		"handler":    func(s *settings) { s.stream.TakeOver = false },
		"HTTP/2":     func(s *settings) { s.secure = true },
	} {
		t.Run(name, func(t *testing.T) { test(t, path) })
	}
}

func TestHeadOfAStream(t *testing.T) {
	everyPath(t, func(t *testing.T, path func(*settings)) {
		s := serve(t, path)
		st, first := s.listen("topic=a", "X-Request-Id", "me-1")
		assert.Regexp(t, opening, first)
		for name, want := range map[string]string{
			"Content-Type":           "text/event-stream",
			"Cache-Control":          "no-cache, no-store, no-transform",
			"X-Accel-Buffering":      "no",
			"X-Content-Type-Options": "nosniff",
			"X-Request-Id":           "me-1",
		} {
			assert.Equal(t, []string{want}, st.header.Values(name), name)
		}
		assert.NotEmpty(t, st.header.Get("Date"))
		if st.proto == "HTTP/2.0" {
			assert.NotContains(t, st.header, "Connection")
		} else {
			assert.Equal(t, "keep-alive", st.header.Get("Connection"))
		}
	})
}

func TestBothPathsSendTheSameHead(t *testing.T) {
	heads := make(map[bool]string)
	for _, takeOver := range []bool{true, false} {
		s := serve(t, func(s *settings) { s.stream.TakeOver = takeOver })
		conn := s.dial()
		_, err := io.WriteString(conn, "GET /events?topic=a HTTP/1.1\r\nHost: x\r\nX-Request-Id: 1\r\n\r\n")
		require.NoError(t, err)
		var head strings.Builder
		for in := bufio.NewReader(conn); ; {
			line, err := in.ReadString('\n')
			require.NoError(t, err)
			if line == "\r\n" {
				break
			}
			if !strings.HasPrefix(line, "Date: ") {
				head.WriteString(line)
			}
		}
		heads[takeOver] = head.String()
	}
	assert.Equal(t, "HTTP/1.1 200 OK\r\n"+
		"Cache-Control: no-cache, no-store, no-transform\r\n"+
		"Connection: keep-alive\r\n"+
		"Content-Type: text/event-stream\r\n"+
		"Vary: Accept\r\n"+
		"X-Accel-Buffering: no\r\n"+
		"X-Content-Type-Options: nosniff\r\n"+
		"X-Request-Id: 1\r\n"+
		"Transfer-Encoding: chunked\r\n", heads[true])
	assert.Equal(t, heads[false], heads[true])
}

func TestRetryIsJittered(t *testing.T) {
	s := serve(t)
	seen := make(map[string]bool)
	for range 8 {
		st, first := s.listen("topic=a")
		ms := opening.FindStringSubmatch(first)[1]
		seen[ms] = true
		var n int
		_, err := fmt.Sscan(ms, &n)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, n, 2000)
		assert.Less(t, n, 4000)
		st.close()
	}
	assert.Greater(t, len(seen), 1, "every client was sent the same time")
}

func TestFrames(t *testing.T) {
	everyPath(t, func(t *testing.T, path func(*settings)) {
		s := serve(t, path)
		st, _ := s.listen("topic=a")
		for _, c := range []struct{ query, data, want string }{
			{"topic=a", "hello", "data: hello\n\n"},
			{"topic=a", "", "data: \n\n"},
			{"topic=a", " two\n\nlines\r\nor\rmore\n", "data:  two\ndata: \ndata: lines\ndata: or\ndata: more\ndata: \n\n"},
			{"topic=a&type=paid", "x", "event: paid\ndata: x\n\n"},
			{"topic=a&type=message", "x", "data: x\n\n"},
			{"topic=a&retry=1500", "x", "retry: 1500\ndata: x\n\n"},
			{"topic=a&topic=b&type=%C3%A9", "data: id: 7", "event: é\ndata: data: id: 7\n\n"},
		} {
			a := s.post(c.query, c.data)
			require.Equal(t, http.StatusCreated, a.status, a.body)
			assert.Equal(t, "id: "+idOf(t, a)+"\n"+c.want, st.block())
		}
	})
}

func TestChunksAreValid(t *testing.T) {
	for _, takeOver := range []bool{true, false} {
		s := serve(t, func(s *settings) { s.stream.TakeOver = takeOver })
		conn := s.dial()
		_, err := io.WriteString(conn, "GET /events?topic=a HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
		in := bufio.NewReader(conn)
		for line := ""; line != "\r\n"; {
			line, err = in.ReadString('\n')
			require.NoError(t, err)
		}
		st := &stream{t: t, body: bufio.NewReader(httputil.NewChunkedReader(in)), close: func() { _ = conn.Close() }}
		assert.Regexp(t, opening, st.block())
		for i := range 300 {
			data := strings.Repeat("x", i*7)
			id := s.publish("a", data)
			if i%3 == 0 { // some come alone, some together
				continue
			}
			for want := "id: " + id + "\ndata: " + data + "\n\n"; st.block() != want; {
			}
		}
		require.NoError(t, s.engine.Drain(t.Context(), 0))
		assert.Regexp(t, `\Aretry: \d+\nevent: carillon.goaway\ndata: {"reason":"drain"}\n\n\z`, st.rest(), "and a clean last chunk")
		end := make([]byte, 2)
		_, err = io.ReadFull(in, end)
		require.NoError(t, err)
		assert.Equal(t, "\r\n", string(end), "after the last chunk's size")
		if takeOver {
			_, err = in.ReadByte()
			assert.ErrorIs(t, err, io.EOF)
		}
	}
}

func TestHTTP10GetsABodyThatEndsWithTheConnection(t *testing.T) {
	s := serve(t)
	conn := s.dial()
	_, err := io.WriteString(conn, "GET /events?topic=a HTTP/1.0\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	eventually(t, "a stream", func() bool { return s.engine.Streams() == 1 })
	id := s.publish("a", "hello")
	require.NoError(t, s.engine.Drain(t.Context(), 0))
	all, err := io.ReadAll(conn)
	require.NoError(t, err)
	head, body, found := strings.Cut(string(all), "\r\n\r\n")
	require.True(t, found)
	assert.NotContains(t, head, "Transfer-Encoding")
	assert.NotContains(t, head, "keep-alive")
	assert.Regexp(t, `\Aretry: \d+\n: carillon\nid: [^\n]+\n\nid: `+id+`\ndata: hello\n\nretry: \d+\nevent: carillon.goaway\ndata: {"reason":"drain"}\n\n\z`, body)
}

func TestWhatASubscriptionSelects(t *testing.T) {
	s := serve(t)
	clock, _ := s.listen("")
	several, _ := s.listen("topic=orders/42&topic=orders/*&topic=news/**&topic=orders/42")
	events := map[string]string{}
	for _, topic := range []string{"clock", "orders/42", "orders/7", "orders/7/x", "news/a/b", "news", "end/1"} {
		events[topic] = "id: " + s.publish(topic, topic) + "\ndata: " + topic + "\n\n"
	}
	assert.Equal(t, events["clock"], clock.block())
	for _, topic := range []string{"orders/42", "orders/7", "news/a/b"} {
		assert.Equal(t, events[topic], several.block())
	}
	a := s.post("topic=clock&topic=orders/42&topic=news/1", "once")
	require.Equal(t, http.StatusCreated, a.status)
	once := "id: " + idOf(t, a) + "\ndata: once\n\n"
	assert.Equal(t, once, several.block())
	assert.Equal(t, once, clock.block())
}

func TestWhereAStreamStarts(t *testing.T) {
	s := serve(t)
	var ids []string
	for i := range 10 {
		ids = append(ids, s.publish("a", fmt.Sprint(i)))
	}
	s.publish("other", "x")
	before := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	for _, c := range []struct {
		query string
		id    string
		first int // index of the first event; 10 is only what comes next
	}{
		{"", ids[6], 7},
		{"&last_event_id=" + ids[4], "", 5},
		{"&last=3", "", 7},
		{"&last=1000", "", 0},
		{"&since=1h", "", 0},
		{"&since=" + before, "", 0},
		// The header has precedence over the query, and what the client saw over what is fixed in the URL.
		{"&last_event_id=" + ids[4] + "&last=9&since=1h", ids[6], 7},
		{"&last_event_id=" + ids[4] + "&last=9&since=1h", "", 5},
		{"&last=2&since=1h", "", 8},

		{"", "", 10},
		{"&last=0", "", 10},
		{"&since=0s", "", 10},
		{"&since=2100-01-01T00:00:00Z", "", 10},
	} {
		st, first := s.listen("topic=a"+c.query, "Last-Event-ID", c.id)
		if c.id != "" || strings.Contains(c.query, "last_event_id") {
			assert.Regexp(t, resumedOpening, first, c.query)
		} else {
			assert.Regexp(t, opening, first, c.query)
		}
		var want string
		if c.first < len(ids) {
			want = fmt.Sprintf("id: %s\ndata: %d\n\n", ids[c.first], c.first)
		} else {
			want = fmt.Sprintf("id: %s\ndata: new\n\n", s.publish("a", "new"))
		}
		assert.Equal(t, want, st.block(), "%s, Last-Event-ID %q", c.query, c.id)
		st.close()
	}
}

func TestAResumeThatCannotBeCompleteSaysSo(t *testing.T) {
	s := serve(t, func(s *settings) { s.history = 3 })
	var ids []string
	for i := range 6 {
		ids = append(ids, s.publish("a", fmt.Sprint(i)))
	}
	epoch, _, _ := strings.Cut(ids[0], "-")
	for _, c := range []struct{ asked, reason, requested, at, next string }{
		{ids[0], "expired", ids[0], ids[2], ids[3]},
		{"zz-3", "epoch", "zz-3", ids[2], ids[3]},
		{"garbage", "malformed", "", ids[5], ""},
		{"\xff\xfe", "malformed", "", ids[5], ""},
		{strings.Repeat("9", 5000), "malformed", "", ids[5], ""},
		{epoch + "-99", "future", epoch + "-99", ids[5], ""},
	} {
		st, first := s.listen("topic=a", "Last-Event-ID", c.asked)
		assert.Regexp(t, resumedOpening, first)
		assert.Equal(t, fmt.Sprintf("id: %s\nevent: carillon.reset\ndata: {\"reason\":%q,\"requested\":%q,\"oldest\":%q,\"newest\":%q}\n\n",
			c.at, c.reason, c.requested, ids[3], ids[5]), st.block())
		if c.next != "" {
			assert.Equal(t, "id: "+c.next+"\ndata: 3\n\n", st.block())
		}
		st.close()
	}
}

func TestOtherRoutes(t *testing.T) {
	s := serve(t)
	for _, c := range []struct {
		method, path string
		status       int
		code, allow  string
	}{
		{http.MethodGet, "/nothing", 404, "not_found", ""},
		{http.MethodGet, "/events/", 404, "not_found", ""},
		{http.MethodPost, "/", 405, "method_not_allowed", "GET, HEAD"},
		{http.MethodDelete, "/events", 405, "method_not_allowed", "GET, POST"},
		{http.MethodPut, "/healthz", 405, "method_not_allowed", "GET, HEAD"},
	} {
		a := s.do(c.method, c.path, "")
		assert.Equal(t, c.status, a.status, c.path)
		assert.Equal(t, c.code, refused(t, a).Code, c.path)
		assert.Equal(t, c.allow, a.header.Get("Allow"), c.path)
	}
	assert.Equal(t, "the page", s.do(http.MethodGet, "/", "").body)
	assert.Equal(t, "the page", s.do(http.MethodGet, "/assets/css/page.css", "").body)
	for _, path := range []string{"/", "/healthz", "/readyz", "/openapi.yaml"} {
		a := s.do(http.MethodHead, path, "")
		assert.Equal(t, http.StatusOK, a.status, path)
		assert.Empty(t, a.body, path)
	}
}
