package adminapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/domain/event"
	"carillon/internal/transport/adminapi"
)

// closedByOperator is the last frame that a client is sent.
const closedByOperator = "event: carillon.goaway\ndata: {\"reason\":\"closed\""

func TestCloseOneStream(t *testing.T) {
	for name, web := range map[string]func(*testServer) *httptest.Server{
		"taken over": func(s *testServer) *httptest.Server { return s.public },
		"HTTP/2":     func(s *testServer) *httptest.Server { return s.secure },
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestServer(t, "")
			one, other := s.listen(web(s), "topic=a&name=one"), s.listen(web(s), "topic=a&name=other")
			eventually(t, "both are open", func() bool { return s.publisher.Streams() == 2 })
			a := s.request(http.MethodPost, "/streams/one/close")
			require.Equal(t, http.StatusOK, a.status)
			assert.JSONEq(t, `{"closed":1}`, a.body)
			assert.Contains(t, one.rest(), closedByOperator)
			eventually(t, "one is left", func() bool { return s.publisher.Streams() == 1 })
			assert.Equal(t, "not_found", s.refused(s.request(http.MethodPost, "/streams/one/close")), "it has ended")

			s.publish("still here")
			other.until("data: still here\n")
		})
	}
}

func TestCloseByTopic(t *testing.T) {
	for topic, closes := range map[string][]string{
		"orders/42":  {"orders/42"},
		"orders/*":   {"orders/42", "orders/*"},
		"orders/**":  {"orders/42", "orders/*", "orders/**"},
		"**":         {"orders/42", "orders/*", "orders/**", "**", "clock"},
		"orders":     {},
		"clock":      {"clock"},
		"invoices/*": {},
	} {
		t.Run(topic, func(t *testing.T) {
			s := newTestServer(t, "")
			streams := map[string]*stream{}
			for _, pattern := range []string{"orders/42", "orders/*", "orders/**", "**", "clock"} {
				streams[pattern] = s.listen(s.public, "topic=nobody&topic="+url.QueryEscape(pattern))
			}
			eventually(t, "all are open", func() bool { return s.publisher.Streams() == len(streams) })
			a := s.request(http.MethodPost, "/topics/close?topic="+url.QueryEscape(topic))
			require.Equal(t, http.StatusOK, a.status, a.body)
			assert.JSONEq(t, fmt.Sprintf(`{"closed":%d}`, len(closes)), a.body)
			for _, pattern := range closes {
				assert.Contains(t, streams[pattern].rest(), closedByOperator, pattern)
			}
			eventually(t, "the others are left", func() bool { return s.publisher.Streams() == len(streams)-len(closes) })
		})
	}
}

func TestCloseByTopicRefuses(t *testing.T) {
	s := newTestServer(t, "")
	for _, query := range []string{"", "?topic=", "?topic=a&topic=b", "?topic=a**", "?topic=%00", "?topic=%zz"} {
		a := s.request(http.MethodPost, "/topics/close"+query)
		assert.Equal(t, http.StatusBadRequest, a.status, query)
		assert.Equal(t, "invalid_topic", s.refused(a), query)
	}
}

func TestCloseBySubject(t *testing.T) {
	s := newTestServer(t, "")
	ada, second := s.listen(s.public, "topic=a&subject=ada"), s.listen(s.secure, "topic=a&subject=ada")
	ben, anonymous := s.listen(s.public, "topic=a&subject=ben"), s.listen(s.public, "topic=a")
	eventually(t, "all are open", func() bool { return s.publisher.Streams() == 4 })
	for range 2 {
		a := s.request(http.MethodPost, "/streams/close?subject=nobody&deny_for=1m")
		assert.JSONEq(t, `{"closed":0}`, a.body)
	}
	a := s.request(http.MethodPost, "/streams/close?subject=ada")
	require.Equal(t, http.StatusOK, a.status, a.body)
	assert.JSONEq(t, `{"closed":2}`, a.body)
	assert.Contains(t, ada.rest(), closedByOperator)
	assert.Contains(t, second.rest(), closedByOperator)

	assert.JSONEq(t, `{"closed":1}`, s.request(http.MethodPost, "/streams/close?subject=ben&deny_for=5s").body)
	assert.Contains(t, ben.rest(), closedByOperator)
	again := s.listen(s.public, "topic=a&subject=ben") // a request that was authenticated before
	assert.Contains(t, again.rest(), closedByOperator)
	s.publish("still here")
	anonymous.until("data: still here\n")
}

func TestCloseBySubjectRefuses(t *testing.T) {
	s := newTestServer(t, "")
	for query, code := range map[string]string{
		"": "invalid_subject", "?subject=": "invalid_subject", "?subject=a&subject=b": "invalid_subject",
		"?subject=a&deny_for=": "invalid_deny_for", "?subject=a&deny_for=1": "invalid_deny_for", "?subject=a&deny_for=-1s": "invalid_deny_for",
		"?subject=a&deny_for=25h": "invalid_deny_for", "?subject=a&deny_for=1s&deny_for=2s": "invalid_deny_for",
	} {
		a := s.request(http.MethodPost, "/streams/close"+query)
		assert.Equal(t, http.StatusBadRequest, a.status, query)
		assert.Equal(t, code, s.refused(a), query)
	}
}

func TestStatus(t *testing.T) {
	s := newTestServer(t, "")
	s.publish("first")
	s.listen(s.public, "topic=a&topic=b&name=one")
	s.listen(s.public, "topic=a&name=two")
	s.listen(s.secure, "topic=a&name=three")
	var got struct {
		Version, Commit, Go, Node, Started string
		UptimeSeconds                      float64 `json:"uptime_seconds"`
		Draining                           bool
		Streams                            struct {
			Total       int
			ByState     map[string]int `json:"by_state"`
			ByTransport map[string]int `json:"by_transport"`
		}
		Topics []struct {
			Topic   string
			Streams int
		}
		Window struct{ Events, Bytes int }
		Latest struct{ Topics, Bytes int }
		Log    struct {
			Epoch                  string
			Oldest, Newest, Events int
		}
		Slowest []any
	}
	eventually(t, "all are live", func() bool {
		a := s.request(http.MethodGet, "/status")
		require.Equal(t, http.StatusOK, a.status)
		require.Equal(t, "application/json", a.header.Get("Content-Type"))
		require.NoError(t, json.Unmarshal([]byte(a.body), &got), a.body)
		return got.Streams.ByState["live"] == 3
	})
	assert.Equal(t, "1.2.3", got.Version)
	assert.Equal(t, "abc", got.Commit)
	assert.Equal(t, "node-1", got.Node)
	assert.NotEmpty(t, got.Started)
	assert.Positive(t, got.UptimeSeconds)
	assert.Equal(t, 3, got.Streams.Total)
	assert.Equal(t, map[string]int{"live": 3, "lagging": 0, "parked": 0}, got.Streams.ByState)
	assert.Equal(t, map[string]int{"sse": 3}, got.Streams.ByTransport)
	require.Len(t, got.Topics, 2)
	assert.Equal(t, "a", got.Topics[0].Topic)
	assert.Equal(t, 3, got.Topics[0].Streams)
	assert.Equal(t, 1, got.Window.Events)
	assert.Positive(t, got.Window.Bytes)
	assert.Equal(t, 1, got.Latest.Topics)
	assert.Positive(t, got.Latest.Bytes)
	assert.Equal(t, 1, got.Log.Events)
	assert.NotEmpty(t, got.Log.Epoch)
	assert.Empty(t, got.Slowest)
	assert.False(t, got.Draining)
}

// A client that stopped reading is listed with how far behind it is, and can be closed by its name.
func TestStatusNamesTheSlowest(t *testing.T) {
	s := newTestServer(t, "")
	s.listen(s.public, "topic=a&name=stuck")
	var slow string
	data := strings.Repeat("x", 256<<10)
	eventually(t, "it is parked", func() bool {
		s.publish(data)
		a := s.request(http.MethodGet, "/status")
		slow = regexp.MustCompile(`"slowest":\[.*\]`).FindString(a.body)
		return strings.Contains(slow, `"state":"parked"`)
	})
	assert.Contains(t, slow, `{"id":"stuck"`)
	assert.Contains(t, slow, `"behind_events":`)
	assert.Contains(t, slow, `"parked_seconds":`)
	assert.JSONEq(t, `{"closed":1}`, s.request(http.MethodPost, "/streams/stuck/close").body)
}

// After many streams were opened and ended in every way, all gauges are back to zero.
func TestGaugesSettleAfterChurn(t *testing.T) {
	const rounds, clients = 3, 40
	s := newTestServer(t, "")
	for round := range rounds {
		var coming sync.WaitGroup
		for i := range clients {
			coming.Go(func() {
				web := []*httptest.Server{s.public, s.secure}[i%2]
				st := s.listen(web, fmt.Sprintf("topic=a&topic=churn/%d&name=%d-%d", round, round, i))
				if i%3 == 0 {
					st.close()
				}
			})
		}
		coming.Wait()
		s.publish("hello")
		eventually(t, "all are opened", func() bool { // a client gets the head of its response a moment before
			return strings.Contains(s.request(http.MethodGet, "/metrics").body, fmt.Sprintf("carillon_streams_opened_total %d\n", (round+1)*clients))
		})
		a := s.request(http.MethodPost, fmt.Sprintf("/topics/close?topic=churn/%d", round))
		require.Equal(t, http.StatusOK, a.status)
	}
	var text string
	gone := func() bool {
		text = s.request(http.MethodGet, "/metrics").body
		return strings.Contains(text, fmt.Sprintf("carillon_streams_opened_total %d\n", rounds*clients)) && s.publisher.Streams() == 0
	}
	if !assert.Eventually(t, gone, waitTimeout, 5*time.Millisecond) {
		t.Log(text)
	}
	for _, path := range []string{"taken_over", "http1", "http2"} {
		series := fmt.Sprintf("carillon_streams_open{path=%q,transport=\"sse\"} 0\n", path)
		eventually(t, series, func() bool { return strings.Contains(s.request(http.MethodGet, "/metrics").body, series) })
	}
	ended := 0
	for _, line := range regexp.MustCompile(`carillon_streams_ended_total\{.*\} (\d+)`).FindAllStringSubmatch(text, -1) {
		var n int
		_, err := fmt.Sscan(line[1], &n)
		require.NoError(t, err)
		ended += n
	}
	assert.Equal(t, rounds*clients, ended, "each that was opened ended for a reason")
	a := s.request(http.MethodGet, "/status")
	assert.Contains(t, a.body, `"streams":{"total":0,"by_state":{"lagging":0,"live":0,"parked":0},"by_transport":{"sse":0}},"topics":[]`)
}

// While the engine hangs, requests get a 503 and do not hang.
func TestHangingEngine(t *testing.T) {
	api, err := adminapi.New(adminapi.Config{Addr: "127.0.0.1:0"}, adminapi.Deps{
		Engine: hangingEngine{}, Metrics: http.NotFoundHandler(), Logger: nopLog(),
	})
	require.NoError(t, err)
	for route, want := range map[string]int{"GET /status": 503, "POST /streams/x/close": 503, "POST /topics/close?topic=a": 503} {
		method, path, _ := strings.Cut(route, " ")
		request := httptest.NewRequestWithContext(t.Context(), method, "http://localhost"+path, nil)
		w := httptest.NewRecorder()
		api.ServeHTTP(w, request)
		assert.Equal(t, want, w.Code, route)
	}
}

// publish puts an event on the topic a.
func (s *testServer) publish(data string) {
	s.Helper()
	parsed, err := event.ParseData(data)
	require.NoError(s, err)
	_, err = s.publisher.Publish(context.Background(), event.Event{Topics: []event.Topic{event.MustTopic("a")}, Data: parsed})
	require.NoError(s, err)
}
