package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"carillon/internal/app/pubsub"
	"carillon/internal/transport/jsonevent"
)

const polls = "application/json"

// answer is the response to a long poll.
type answer struct {
	Events []jsonevent.Event `json:"events"`
	Next   string            `json:"next"`
}

// poll polls once.
func (s *server) poll(query string) answer {
	s.Helper()
	r := s.do(http.MethodGet, "/events?"+query, "", "Accept", polls)
	require.Equal(s, http.StatusOK, r.status, r.body)
	require.Equal(s, polls, r.header.Get("Content-Type"))
	require.Equal(s, "no-store", r.header.Get("Cache-Control"))
	var a answer
	require.NoError(s, json.Unmarshal([]byte(r.body), &a), r.body)
	require.NotEmpty(s, a.Next)
	require.NotNil(s, a.Events)
	return a
}

func datas(events []jsonevent.Event) (all []string) {
	for _, e := range events {
		all = append(all, e.Data)
	}
	return all
}

func TestPollAnswersAtOnceWhenThereAreEvents(t *testing.T) {
	everyPath(t, func(t *testing.T, path func(*settings)) {
		s := serve(t, path)
		start := s.poll("topic=a&wait=0s")
		assert.Empty(t, start.Events)
		first, second := idOf(t, s.post("topic=a&type=t", "1")), idOf(t, s.post("topic=a", "2"))
		a := s.poll("topic=a&wait=60s&last_event_id=" + start.Next)
		require.Len(t, a.Events, 2)
		assert.Equal(t, jsonevent.Event{ID: first, Topics: []string{"a"}, Type: "t", Time: a.Events[0].Time, Data: "1"}, a.Events[0])
		assert.Equal(t, second, a.Next)
		assert.Equal(t, []string{"2"}, datas(s.poll("topic=a&last=1").Events))
		assert.Equal(t, []string{"1", "2"}, datas(s.poll("topic=a&since=1h").Events))
		assert.Equal(t, answer{Events: []jsonevent.Event{}, Next: second}, s.poll("topic=a&wait=10ms&last_event_id="+second))
	})
}

func TestPollWaitsForAnEvent(t *testing.T) {
	everyPath(t, func(t *testing.T, path func(*settings)) {
		s := serve(t, path)
		var polling sync.WaitGroup
		polling.Go(func() { assert.Equal(t, []string{"x"}, datas(s.poll("topic=a&wait=30s").Events)) })
		eventually(t, "a poll", func() bool { return s.engine.Streams() == 1 })
		s.post("topic=b", "other")
		s.post("topic=a", "x")
		polling.Wait()
		eventually(t, "no stream is left", func() bool { return s.engine.Streams() == 0 })
	})
}

// The position moves on while nothing matches, so that it does not fall out of the history.
func TestPollMovesOnWhileNothingMatches(t *testing.T) {
	s := serve(t, func(s *settings) { s.history, s.engine.Window.Events = 10, 5 })
	next := s.poll("topic=a&wait=0").Next
	for i := range 30 {
		newest := idOf(t, s.post("topic=b", fmt.Sprint(i)))
		a := s.poll("topic=a&wait=0s&last_event_id=" + next)
		assert.Empty(t, a.Events)
		assert.Equal(t, newest, a.Next)
		next = a.Next
	}
}

func TestPollIsBounded(t *testing.T) {
	s := serve(t, func(s *settings) { s.limits.BatchEvents = 5000 })
	start := s.poll("topic=a&wait=0").Next
	var batch strings.Builder
	for i := range 2500 {
		fmt.Fprintf(&batch, `{"topic":"a","data":"%d"}`+"\n", i)
	}
	require.Equal(t, http.StatusOK, s.post("", batch.String(), "Content-Type", batchType).status)
	var got []string
	for _, size := range []int{1000, 1000, 500} {
		a := s.poll("topic=a&wait=0&last_event_id=" + start)
		require.Len(t, a.Events, size)
		got, start = append(got, datas(a.Events)...), a.Next
	}
	for i, data := range got {
		require.Equal(t, fmt.Sprint(i), data)
	}
	for range 3 {
		require.Equal(t, http.StatusCreated, s.post("topic=a", strings.Repeat("x", 600<<10)).status)
	}
	for range 3 {
		a := s.poll("topic=a&wait=0&last_event_id=" + start)
		require.Len(t, a.Events, 1)
		start = a.Next
	}
	assert.Empty(t, s.poll("topic=a&wait=0&last_event_id="+start).Events)
}

// Whatever is published meanwhile, polling with the position of the answer before gives each event once and in order.
func TestPollingMissesAndRepeatsNothing(t *testing.T) {
	const events = 2000
	s := serve(t, func(s *settings) { s.engine.Window.Events = 64 })
	next := s.poll("topic=a/*&wait=0").Next
	var publishing sync.WaitGroup
	defer publishing.Wait()
	publishing.Go(func() {
		for i := range events {
			s.post("topic="+url.QueryEscape([]string{"a/1", "b", "a/2"}[i%3]), fmt.Sprint(i))
		}
	})
	var want []string
	for i := range events {
		if i%3 != 1 {
			want = append(want, fmt.Sprint(i))
		}
	}
	var got []string
	for len(got) < len(want) {
		a := s.poll("topic=a/*&wait=5s&last_event_id=" + next)
		got, next = append(got, datas(a.Events)...), a.Next
		require.Equal(t, want[:len(got)], got)
	}
}

func TestPollIsToldWhatIsMissing(t *testing.T) {
	s := serve(t, func(s *settings) { s.history = 5 })
	var first string
	for i := range 20 {
		id := idOf(t, s.post("topic=a", fmt.Sprint(i)))
		if i == 0 {
			first = id
		}
	}
	a := s.poll("topic=a&wait=30s&last_event_id=" + first)
	require.NotEmpty(t, a.Events)
	assert.Equal(t, "carillon.reset", a.Events[0].Type)
	assert.Contains(t, a.Events[0].Data, `"reason":"expired"`)
	assert.Equal(t, []string{"15", "16", "17", "18", "19"}, datas(a.Events[1:]))
	a = s.poll("topic=a&wait=30s&last_event_id=nonsense")
	assert.Contains(t, a.Events[0].Data, `"reason":"malformed"`)
	assert.Equal(t, a.Next, a.Events[0].ID)
}

func TestPollWaitMustBeValid(t *testing.T) {
	s := serve(t)
	for _, wait := range []string{"x", "-1s", "61s", "5", "1h", "0&wait=0"} {
		assert.Equal(t, "invalid_wait", refused(t, s.do(http.MethodGet, "/events?topic=a&wait="+wait, "", "Accept", polls)).Code, wait)
	}
	s.open("/events?topic=a&wait=x", "Accept", eventStream).close() // which does not wait
}

func TestPollEndsWithTheServer(t *testing.T) {
	s := serve(t)
	var polling sync.WaitGroup
	polling.Go(func() {
		a := s.poll("topic=a&wait=30s")
		require.Len(t, a.Events, 1)
		assert.Equal(t, "carillon.goaway", a.Events[0].Type)
		assert.Equal(t, `{"reason":"drain"}`, a.Events[0].Data)
		assert.GreaterOrEqual(t, a.Events[0].Retry, int64(2000))
	})
	eventually(t, "a poll", func() bool { return s.engine.Streams() == 1 })
	require.NoError(t, s.engine.Drain(t.Context(), 0))
	polling.Wait()
	assert.Equal(t, "draining", refused(t, s.do(http.MethodGet, "/events?topic=a", "", "Accept", polls)).Code)
}

func TestPollWhoseClientLeavesEnds(t *testing.T) {
	everyPath(t, func(t *testing.T, path func(*settings)) {
		s := serve(t, path, func(s *settings) { s.limits.MaxStreams = 1 })
		client := http.Client{Transport: s.client.Transport.(describedTransport).next, Timeout: 200 * time.Millisecond}
		_, err := client.Do(s.request(http.MethodGet, "/events?topic=a", "", "Accept", polls))
		require.Error(t, err)
		eventually(t, "its place is free", func() bool {
			return s.do(http.MethodGet, "/events?topic=a&wait=0", "", "Accept", polls).status == http.StatusOK
		})
		eventually(t, "the reason", func() bool {
			return s.logs.FilterMessage("stream closed").FilterField(zap.String("reason", string(pubsub.EndGone))).Len() == 1
		})
	})
}

// A poll is a request, and is logged as one.
func TestPollIsLoggedAsARequest(t *testing.T) {
	s := serve(t)
	s.poll("topic=a&wait=0")
	eventually(t, "a record", func() bool { return s.logs.FilterMessage("request").Len() == 1 })
	opened := s.logs.FilterMessage("stream opened").All()
	require.Len(t, opened, 1)
	assert.Equal(t, zap.DebugLevel, opened[0].Level)
	assert.Equal(t, "poll", opened[0].ContextMap()["transport"])
}

func TestPollOverHTTP10(t *testing.T) {
	s := serve(t)
	s.post("topic=a", "x")
	response := s.raw("GET /events?topic=a&last=1 HTTP/1.0\r\nAccept: application/json\r\n\r\n")
	assert.Contains(t, response, "HTTP/1.0 200 OK\r\n")
	assert.Contains(t, response, "Content-Length: ")
	assert.Contains(t, response, `"data":"x"}],"next":"`)
}
