package httpapi_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestALimitTurnsAwayKindly(t *testing.T) {
	everyPath(t, func(t *testing.T, path func(*settings)) {
		for name, c := range map[string]struct {
			limit  func(*settings)
			status int
		}{
			"in total":   {func(s *settings) { s.limits.MaxStreams = 2 }, http.StatusServiceUnavailable},
			"per client": {func(s *settings) { s.limits.MaxStreamsPerIP = 2 }, http.StatusTooManyRequests},
		} {
			t.Run(name, func(t *testing.T) {
				s := serve(t, path, c.limit)
				one, _ := s.listen("topic=a")
				two, _ := s.listen("topic=a")

				a := s.do(http.MethodGet, "/events?topic=a", "", "Accept", "text/event-stream")
				assert.Equal(t, http.StatusOK, a.status)
				assert.Equal(t, "text/event-stream", a.header.Get("Content-Type"))
				assert.Equal(t, "no-cache, no-store, no-transform", a.header.Get("Cache-Control"))
				assert.Regexp(t, `\Aretry: [5-9]\d\d\d\nevent: carillon.goaway\ndata: {"reason":"limit"}\n\n\z`, a.body)

				for _, accept := range []string{"*/*", "application/x-ndjson", ""} {
					a = s.do(http.MethodGet, "/events?topic=a", "", "Accept", accept)
					assert.Equal(t, c.status, a.status)
					assert.Equal(t, "stream_limit", refused(t, a).Code)
				}
				eventually(t, "both are attached", func() bool { return s.engine.Streams() == 2 })

				one.close()
				eventually(t, "room for one more", func() bool {
					return s.do(http.MethodGet, "/events?topic=a&wait=0s", "", "Accept", polls).status == http.StatusOK
				})
				eventually(t, "the poll has ended", func() bool { return s.engine.Streams() == 1 })
				three, _ := s.listen("topic=a")
				two.close()
				three.close()
			})
		}
	})
}

func TestLimitsAreExactAfterChurn(t *testing.T) {
	const room = 8
	everyPath(t, func(t *testing.T, path func(*settings)) {
		s := serve(t, path, func(s *settings) { s.limits.MaxStreams, s.limits.MaxStreamsPerIP = room, room })
		for range 10 {
			var open []*stream
			for range room {
				st, _ := s.listen("topic=a")
				open = append(open, st)
			}
			assert.Equal(t, http.StatusServiceUnavailable, s.do(http.MethodGet, "/events", "").status)
			for _, st := range open {
				st.close()
			}
			eventually(t, "all streams have ended", func() bool { return s.engine.Streams() == 0 })
			eventually(t, "all were counted out", func() bool {
				return s.logs.FilterMessage("stream closed").Len() == s.logs.FilterMessage("stream opened").Len()
			})
		}
	})
}

func TestAClientIsAnAddress(t *testing.T) {
	s := serve(t, func(s *settings) {
		s.limits.MaxStreamsPerIP = 1
		s.http.TrustedProxies = []string{"127.0.0.1"}
	})
	for _, ip := range []string{"192.0.2.1", "192.0.2.2", "2001:db8:0:1::1", "2001:db8:0:2::1"} {
		s.listen("topic=a", "X-Forwarded-For", ip)
	}
	for _, ip := range []string{"192.0.2.1", "2001:db8:0:1:ffff::2", "10.1.1.1, 192.0.2.2"} {
		a := s.do(http.MethodGet, "/events?topic=a", "", "X-Forwarded-For", ip)
		assert.Equal(t, http.StatusTooManyRequests, a.status, ip)
	}
	// X-Forwarded-For is trusted only from configured proxies.
	s = serve(t, func(s *settings) { s.limits.MaxStreamsPerIP = 1 })
	s.listen("topic=a", "X-Forwarded-For", "192.0.2.1")
	a := s.do(http.MethodGet, "/events?topic=a", "", "X-Forwarded-For", "192.0.2.2", "X-Real-IP", "192.0.2.3")
	assert.Equal(t, http.StatusTooManyRequests, a.status)
}

func TestDrainingTurnsAwayKindly(t *testing.T) {
	everyPath(t, func(t *testing.T, path func(*settings)) {
		s := serve(t, path)
		assert.Equal(t, "ready\n", s.do(http.MethodGet, "/readyz", "").body)
		st, _ := s.listen("topic=a")
		require.NoError(t, s.engine.Drain(t.Context(), 0))
		assert.Regexp(t, `\Aretry: [23]\d\d\d\nevent: carillon.goaway\ndata: {"reason":"drain"}\n\n\z`, st.rest())

		a := s.do(http.MethodGet, "/readyz", "")
		assert.Equal(t, http.StatusServiceUnavailable, a.status)
		assert.Equal(t, "draining", refused(t, a).Code)
		a = s.do(http.MethodGet, "/events", "", "Accept", "text/event-stream")
		assert.Equal(t, http.StatusOK, a.status)
		assert.Regexp(t, `\Aretry: [23]\d\d\d\nevent: carillon.goaway\ndata: {"reason":"drain"}\n\n\z`, a.body)
		a = s.do(http.MethodGet, "/events", "")
		assert.Equal(t, http.StatusServiceUnavailable, a.status)
		assert.Equal(t, "1", a.header.Get("Retry-After"))
		assert.Equal(t, "draining", refused(t, a).Code)
		assert.Equal(t, "ok\n", s.do(http.MethodGet, "/healthz", "").body)
	})
}

// A client that is refused during a drain is told to come back after it, not after stream.refused_retry, and the events of
// publishers are refused, because the log in memory would lose them.
func TestRefusalsTellTheRestOfTheDrain(t *testing.T) {
	s := serve(t, func(s *settings) { s.engine.Shards = 1 }) // which ends its second stream half an hour after the first
	s.listen("topic=a")
	st, _ := s.listen("topic=a")
	ctx, cancel := context.WithCancel(t.Context())
	drained := make(chan error, 1)
	go func() { drained <- s.engine.Drain(ctx, time.Hour) }()
	st.rest() // the newest stream ends at once

	a := s.do(http.MethodGet, "/events", "", "Accept", "text/event-stream")
	retry, rest, found := strings.Cut(strings.TrimPrefix(a.body, "retry: "), "\n")
	require.True(t, found, a.body)
	assert.Equal(t, "event: carillon.goaway\ndata: {\"reason\":\"drain\"}\n\n", rest)
	ms, err := strconv.Atoi(retry)
	require.NoError(t, err)
	assert.InDelta(t, 3600_000, ms, 60_000)

	a = s.post("topic=a", "hello")
	assert.Equal(t, http.StatusServiceUnavailable, a.status)
	seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
	require.NoError(t, err)
	assert.InDelta(t, 3600, seconds, 60)
	assert.Equal(t, "draining", refused(t, a).Code)
	raw := s.raw("POST /events?topic=a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + tokenAll + "\r\nContent-Length: 5\r\n\r\nhello")
	assert.Contains(t, raw, "\r\nConnection: close\r\n", "and the connection ends, since raw has returned")
	cancel()
	require.ErrorIs(t, <-drained, context.Canceled)
}
