package httpapi_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"carillon/internal/app/pubsub"
	"carillon/internal/transport/httpapi"
)

func TestSecretsReachNoLog(t *testing.T) {
	const canary = "c4n4ry"
	s := serve(t, func(s *settings) {
		s.http.CORS = httpapi.CORS{Origins: []string{allowedOrigin}}
		s.auth.rights[canary] = s.auth.rights[tokenAll]
		s.auth.anonymous.Subscribe = grant("open/**")
		s.page = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Panic") != "" {
				panic("something broke")
			}
		})
	})
	s.skipDescriptionCheck()
	everywhere := []string{
		"Cookie", "carillon=" + canary, "User-Agent", canary, "Referer", "https://x/?" + canary, "Idempotency-Key", canary + "\u00ad",
		"Last-Event-ID", canary, "X-Request-Id", canary + " " + canary, "X-Forwarded-For", canary, "X-Custom", canary,
	}
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodOptions} {
		for _, path := range []string{
			"/events?topic=*/" + canary + "*", "/events?topic=secret/" + canary, "/events?topic=a&since=" + canary, "/events?topic=a&retry=" + canary,
			"/events?topic=a&last=" + canary, "/events?topic=a&type=" + url.QueryEscape("\n"+canary), "/events?" + canary + "=%", "/" + canary,
			"/events?topic=a&access_token=" + canary,
		} {
			for _, extra := range [][]string{
				nil,
				{"Authorization", "Bearer " + canary + "x"},
				{"Authorization", "Basic " + canary},
				{"Authorization", "Bearer " + canary, "Content-Type", batchType},
				{"Origin", "https://" + canary + ".example"},
				{"Accept", "text/event-stream;" + canary},
			} {
				s.checkNotRepeated(canary, method, path, append(extra, everywhere...)...)
			}
		}
	}
	s.checkNotRepeated(canary, http.MethodGet, "/?"+canary, append([]string{"X-Panic", canary}, everywhere...)...)
	st, _ := s.listen("topic=open/a&utm="+canary, "Last-Event-ID", canary)
	a := s.post("topic=open/a", canary, "Idempotency-Key", canary)
	require.Equal(t, http.StatusCreated, a.status)
	st.block()
	st.close()
	eventually(t, "the stream's last record", func() bool {
		return s.logs.FilterMessage("stream closed").Len() == s.logs.FilterMessage("stream opened").Len()
	})

	assert.Greater(t, s.logs.Len(), 200)
	assert.Equal(t, 1, s.logs.FilterMessage("panic").Len())
	for _, entry := range s.logs.All() {
		assert.NotContains(t, entry.Message+fmt.Sprint(entry.ContextMap())+entry.Stack, canary)
		for _, field := range entry.Context {
			if field.Key != "stack" {
				assert.LessOrEqual(t, len(field.String), 500, "%s of %s has no bound", field.Key, entry.Message)
			}
		}
	}
}

// checkNotRepeated sends a request and checks that its response does not repeat what is secret.
func (s *server) checkNotRepeated(canary, method, path string, header ...string) {
	s.Helper()
	response, err := s.client.Do(s.request(method, path, canary, header...))
	require.NoError(s, err)
	defer response.Body.Close()
	if response.Header.Get("Content-Type") == "text/event-stream" {
		return
	}
	body := make([]byte, 4096)
	n, _ := response.Body.Read(body)
	assert.NotContains(s, string(body[:n]), canary)
	assert.NotContains(s, fmt.Sprint(response.Header), canary)
}

func TestRequestIDs(t *testing.T) {
	s := serve(t)
	for given, kept := range map[string]bool{
		"":                      false,
		"a":                     true,
		"AZaz09._-":             true,
		strings.Repeat("x", 64): true,
		strings.Repeat("x", 65): false,
		"a b":                   false,
		"a/b":                   false,
		"é":                     false,
		"a\tb":                  false,
		"{}":                    false,
	} {
		a := s.do(http.MethodGet, "/healthz", "", "X-Request-Id", given)
		id := a.header.Get("X-Request-Id")
		if kept {
			assert.Equal(t, given, id)
		} else {
			assert.Regexp(t, `\A[a-z0-9]{20,64}\z`, id, given)
		}
		records := s.logs.FilterField(zapcore.Field{Key: "request_id", Type: zapcore.StringType, String: id})
		assert.Equal(t, 1, records.Len(), "records of %q", id)
	}
}

func TestAStreamHasTwoRecords(t *testing.T) {
	everyPath(t, func(t *testing.T, path func(*settings)) {
		s := serve(t, path)
		st, first := s.listen("topic=a&topic=b", "X-Request-Id", "me")
		s.publish("a", "hello")
		frame := st.block()
		s.logs.TakeAll()
		st.close()
		eventually(t, "the last record", func() bool { return s.logs.Len() > 0 })

		st, _ = s.listen("topic=a&topic=b", "X-Request-Id", "you")
		require.NoError(t, s.engine.Drain(t.Context(), 0))
		st.rest()
		eventually(t, "the last record", func() bool { return s.logs.FilterMessage("stream closed").Len() == 2 })
		assert.Equal(t, 3, s.logs.Len(), "a stream has other records")

		opened := s.logs.FilterMessage("stream opened").All()[0].ContextMap()
		assert.Equal(t, "you", opened["request_id"])
		assert.Equal(t, "127.0.0.1", opened["peer"])
		assert.EqualValues(t, 2, opened["topics"])
		assert.Equal(t, st.proto, opened["proto"])
		closed := s.logs.FilterMessage("stream closed").All()
		gone, drained := closed[0].ContextMap(), closed[1].ContextMap()
		assert.Equal(t, opened["conn"], drained["conn"])
		assert.NotEqual(t, gone["conn"], drained["conn"])
		assert.Equal(t, "127.0.0.1", gone["peer"])
		assert.Equal(t, "gone", gone["reason"])
		assert.Equal(t, "drain", drained["reason"])
		assert.EqualValues(t, 1, gone["events"])
		assert.Zero(t, drained["events"])
		assert.IsType(t, time.Duration(0), gone["duration"])
		// What the body has, and at most a chunk's head and end around each of its two pieces.
		assert.GreaterOrEqual(t, gone["bytes"], int64(len(first+frame)))
		assert.LessOrEqual(t, gone["bytes"], int64(len(first+frame)+2*8))
	})
}

func TestAResetIsInTheLog(t *testing.T) {
	s := serve(t, func(set *settings) {
		set.engine.Slow, set.engine.Heartbeat = pubsub.SlowSkip, 100*time.Millisecond
		set.engine.Window.Bytes = 3 << 20
	})
	lost, _ := s.listen("topic=b", "Last-Event-ID", "nonsense")
	defer lost.close()
	conn := s.dial()
	require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(64<<10))
	_, err := io.WriteString(conn, "GET /events?topic=a HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	eventually(t, "two streams", func() bool { return s.engine.Streams() == 2 })
	healthy, _ := s.listen("topic=a")
	eventually(t, "all are at the head, where alone one can be slow", func() bool {
		now, err := s.engine.Inspect(t.Context(), 0)
		return err == nil && now.Streams["live"] == 3
	})
	for range 25 {
		s.publish("a", strings.Repeat("x", 1<<20))
		for !strings.Contains(healthy.block(), "data: x") { // beats come between
		}
	}
	go func() { _, _ = io.Copy(io.Discard, conn) }() // now it reads
	eventually(t, "a record of the reset", func() bool { return s.logs.FilterMessage("stream reset").Len() > 0 })

	opened := s.logs.FilterMessage("stream opened").All()
	assert.Equal(t, "malformed", opened[0].ContextMap()["reset"])
	assert.NotContains(t, opened[1].ContextMap(), "reset")
	record := s.logs.FilterMessage("stream reset").All()[0].ContextMap()
	assert.Equal(t, "slow", record["reason"])
	assert.Equal(t, opened[1].ContextMap()["conn"], record["conn"])
	assert.NotEmpty(t, record["from"])
	assert.NotEmpty(t, record["to"])
}

func TestAPanicIsAProblem(t *testing.T) {
	s := serve(t, func(s *settings) {
		s.page = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Query().Get("how") {
			case "late":
				_, _ = w.Write([]byte("half an answ"))
				panic("late")
			case "abort":
				panic(http.ErrAbortHandler)
			}
			panic("early")
		})
	})
	got := s.raw("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	assert.Contains(t, got, "HTTP/1.1 500 ")
	assert.Contains(t, got, `"code":"internal"`)
	assert.NotContains(t, got, "early")
	for _, how := range []string{"late", "abort"} {
		got := s.raw("GET /?how=" + how + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		assert.NotContains(t, got, "0\r\n\r\n", "half a response looks complete")
	}
	assert.Equal(t, 2, s.logs.FilterMessage("panic").Len(), "an abort is none")
	for _, entry := range s.logs.FilterMessage("panic").All() {
		assert.Equal(t, zapcore.ErrorLevel, entry.Level)
		assert.Contains(t, entry.ContextMap()["stack"], "logs_test.go")
	}
}

// Load balancers ask several times a second, and what keeps a node from being ready is logged where it happens.
func TestAProbeThatIsRefusedIsLoggedAtDebug(t *testing.T) {
	s := serve(t)
	require.NoError(t, s.engine.Drain(t.Context(), 0))
	require.Equal(t, http.StatusServiceUnavailable, s.do(http.MethodGet, "/readyz", "").status)
	require.Equal(t, http.StatusServiceUnavailable, s.post("topic=a", "x").status)
	levels := map[any]zapcore.Level{}
	for _, record := range s.logs.FilterMessage("request refused").All() {
		levels[record.ContextMap()["route"]] = record.Level
	}
	assert.Equal(t, map[any]zapcore.Level{"/readyz": zapcore.DebugLevel, "/events": zapcore.WarnLevel}, levels)
}
