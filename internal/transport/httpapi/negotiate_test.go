package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/domain/access"
	"carillon/internal/transport/jsonevent"
)

const (
	eventStream = "text/event-stream"
	lines       = "application/x-ndjson"
)

func TestAcceptChoosesTheTransport(t *testing.T) {
	everyPath(t, func(t *testing.T, path func(*settings)) {
		s := serve(t, path)
		for accepted, want := range map[string]string{
			"": eventStream, "*/*": eventStream, "text/event-stream": eventStream, lines: lines, "text/html, */*;q=0.8": eventStream,
			"application/x-ndjson;q=0.5, text/event-stream;q=0.4": lines,
		} {
			st := s.open("/events?topic=a", "Accept", accepted)
			assert.Equal(t, want, st.header.Get("Content-Type"), accepted)
			assert.Equal(t, "Accept", st.header.Get("Vary"))
			st.close()
		}
	})
}

func TestNothingAcceptableIs406(t *testing.T) {
	s := serve(t)
	for _, accepted := range []string{"text/html", "text/event-stream;q=0", "image/*", "*/*;q=0"} {
		p := refused(t, s.do(http.MethodGet, "/events?topic=a", "", "Accept", accepted))
		assert.Equal(t, http.StatusNotAcceptable, p.Status)
		assert.Equal(t, "not_acceptable", p.Code)
		assert.Contains(t, p.Detail, "available are text/event-stream, application/x-ndjson")
	}
}

func TestFormatMustBeKnown(t *testing.T) {
	s := serve(t)
	for _, query := range []string{"format=xml", "format=json&format=json", "format=JSON"} {
		assert.Equal(t, "invalid_format", refused(t, s.do(http.MethodGet, "/events?topic=a&"+query, "")).Code)
	}
	assert.Equal(t, "invalid_query", refused(t, s.do(http.MethodGet, "/events?topic=a&formt=json", "")).Code)
	for _, accepted := range []string{eventStream, lines} {
		s.open("/events?topic=a&format=json", "Accept", accepted).close()
	}
}

// line decodes the next line of a stream as a JSON event.
func (st *stream) event() jsonevent.Event {
	st.t.Helper()
	line := strings.TrimPrefix(st.line(), "data: ")
	e, err := jsonevent.Decode([]byte(line))
	require.NoError(st.t, err, line)
	return e
}

func TestJSONInEventStreams(t *testing.T) {
	everyPath(t, func(t *testing.T, path func(*settings)) {
		s := serve(t, path)
		st, first := s.listen("topic=a&format=json")
		assert.Regexp(t, opening, first)
		id := idOf(t, s.post("topic=a&type=paid", "x\ny"))
		assert.Equal(t, "id: "+id+"\n", st.line())
		e := st.event()
		assert.Equal(t, "\n", st.line())
		assert.NotZero(t, e.Time)
		assert.Equal(t, jsonevent.Event{ID: id, Topics: []string{"a"}, Type: "paid", Time: e.Time, Data: "x\ny"}, e)
		require.NoError(t, s.engine.Drain(t.Context(), 0))
		assert.Regexp(t, `\Aretry: (\d+)\ndata: {"topics":\[\],"type":"carillon.goaway","time":"[^"]+","data":"{\\"reason\\":\\"drain\\"}","retry":\d+}\n\n\z`, st.rest())
	})
}

func TestLines(t *testing.T) {
	everyPath(t, func(t *testing.T, path func(*settings)) {
		s := serve(t, path)
		st := s.open("/events?topic=a", "Accept", lines)
		first := st.event()
		assert.Equal(t, "carillon.bookmark", first.Type)
		assert.NotEmpty(t, first.ID)
		assert.GreaterOrEqual(t, first.Retry, int64(2000))
		for i := range 50 {
			id := idOf(t, s.post("topic=a", fmt.Sprint(i)))
			e := st.event()
			assert.Equal(t, jsonevent.Event{ID: id, Topics: []string{"a"}, Type: "message", Time: e.Time, Data: fmt.Sprint(i)}, e)
		}
	})
}

// Only EventSource needs the gentle refusal.
func TestLinesAreRefusedWithAStatus(t *testing.T) {
	s := serve(t, func(s *settings) { s.limits.MaxStreams = 1 })
	s.open("/events?topic=a", "Accept", lines)
	p := refused(t, s.do(http.MethodGet, "/events?topic=a", "", "Accept", lines))
	assert.Equal(t, "stream_limit", p.Code)
	assert.Contains(t, s.do(http.MethodGet, "/events?topic=a&format=json", "", "Accept", eventStream).body, `"type":"carillon.goaway"`)
}

// A subscriber sees only those topics of an event that it asked for and may see, on every representation, also when
// others see more of the same event.
func TestTopicsAreThoseThatTheSubscriberMaySee(t *testing.T) {
	everyPath(t, func(t *testing.T, path func(*settings)) {
		for _, gzip := range []bool{false, true} {
			s := serve(t, path, func(s *settings) {
				s.stream.Compression = gzip
				s.auth.rights["some"] = access.Rights{Subscribe: grant("a/**", "b/**")}
			})
			s.skipDescriptionCheck()
			published := []string{"a/1", "b/1", "c/1", "b/2", "c/2"}
			type client struct {
				*stream

				sees string
			}
			var clients []client
			for _, accepted := range []string{eventStream, lines} {
				for query, sees := range map[string]string{
					"topic=**": "a/1 b/1 c/1 b/2 c/2", "topic=b/*": "b/1 b/2", "topic=c/1&topic=a/*": "a/1 c/1", "topic=a/1": "a/1",
				} {
					st := s.open("/events?format=json&"+query, "Accept", accepted)
					clients = append(clients, client{st, sees})
				}
				st := s.open("/events?format=json&topic=**", "Accept", accepted, "Authorization", "Bearer some")
				clients = append(clients, client{st, "a/1 b/1 b/2"})
			}
			for count := 1; count <= len(published); count++ {
				data := fmt.Sprint(count, " topics")
				require.Equal(t, http.StatusCreated, s.post("topic="+strings.Join(published[:count], "&topic="), data).status)
				for _, c := range clients {
					var want []string
					for _, topic := range published[:count] {
						if strings.Contains(c.sees, topic) {
							want = append(want, topic)
						}
					}
					if want == nil {
						continue
					}
					e := c.until(data)
					assert.Equal(t, want, e.Topics)
				}
			}
		}
	})
}

// until reads up to the event with certain data.
func (st *stream) until(data string) jsonevent.Event {
	st.t.Helper()
	for {
		line := strings.TrimPrefix(st.line(), "data: ")
		var e jsonevent.Event
		if json.Unmarshal([]byte(line), &e) == nil && e.Data == data {
			return e
		}
	}
}
