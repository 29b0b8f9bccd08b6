package httpapi_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"carillon/internal/transport/jsonevent"
)

// follower is a subscription over some transport, as a client sees it.
type follower interface {
	// next waits for the next event, control events included. Bookmarks only move the position.
	next() jsonevent.Event
	// position returns where to resume.
	position() string
	// ends waits until the server has ended the stream as the transport does it.
	ends()
	close()
}

// transport is one of the ways to subscribe. All of them keep the same promises.
type transport struct {
	name string
	// open subscribes. It returns the code of the problem, or the reason of the goaway, if it is refused.
	open func(s *server, query string, header ...string) (f follower, refused string)
}

func transports() []transport {
	return []transport{
		{"event stream", func(s *server, query string, header ...string) (follower, string) {
			return s.follow(eventStream, "format=json&"+query, header...)
		}},
		{"lines", func(s *server, query string, header ...string) (follower, string) {
			return s.follow(lines, query, header...)
		}},
		{"polls", func(s *server, query string, header ...string) (follower, string) {
			return s.followPolls(query, header...)
		}},
		{"socket", func(s *server, query string, header ...string) (follower, string) {
			return s.followSocket(query, header...)
		}},
	}
}

// everyTransport runs a test with each transport, on each path that it has.
func everyTransport(t *testing.T, test func(t *testing.T, how transport, path func(*settings))) {
	for _, how := range transports() {
		t.Run(how.name, func(t *testing.T) {
			everyPath(t, func(t *testing.T, path func(*settings)) { test(t, how, path) })
		})
	}
}

// must is [transport.open] for a subscription that is not refused.
func (how transport) must(s *server, query string, header ...string) follower {
	s.Helper()
	f, refused := how.open(s, query, header...)
	require.Empty(s, refused)
	return f
}

// seen follows the position.
type seen struct{ at string }

func (p *seen) position() string { return p.at }

// take notes an event and reports whether it is more than a bookmark.
func (p *seen) take(e jsonevent.Event) bool {
	if e.ID != "" {
		p.at = e.ID
	}
	return e.Type != "carillon.bookmark"
}

// streamed reads an event stream or lines.
type streamed struct {
	seen
	*stream
}

func (s *server) follow(accepted, query string, header ...string) (follower, string) {
	s.Helper()
	response, err := s.client.Do(s.request(http.MethodGet, "/events?"+query, "", append(header, "Accept", accepted)...))
	require.NoError(s, err)
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		return nil, problemIn(s, response)
	}
	st := newStream(s, response)
	first := st.line()
	if accepted == lines {
		f := &streamed{stream: st}
		if e := decode(s, first); f.take(e) {
			return &pushed{f, []jsonevent.Event{e}}, ""
		}
		return f, ""
	}
	second := st.line()
	if data, found := strings.CutPrefix(second, "data: "); found { // a refusal
		e := decode(s, data)
		return nil, reasonIn(s, e)
	}
	return &streamed{stream: st}, ""
}

func (f *streamed) next() jsonevent.Event {
	f.t.Helper()
	for {
		line := strings.TrimSuffix(f.line(), "\n")
		if id, found := strings.CutPrefix(line, "id: "); found {
			f.at = id
		}
		line = strings.TrimPrefix(line, "data: ")
		if !strings.HasPrefix(line, "{") {
			continue
		}
		if e := decode(f.t, line); f.take(e) {
			return e
		}
	}
}

func (f *streamed) ends() {
	f.t.Helper()
	require.Empty(f.t, strings.TrimSpace(f.rest()))
}

func (f *streamed) close() { f.stream.close() }

// pushed is a follower with events that were read already.
type pushed struct {
	*streamed

	events []jsonevent.Event
}

func (f *pushed) next() jsonevent.Event {
	if len(f.events) == 0 {
		return f.streamed.next()
	}
	e := f.events[0]
	f.events = f.events[1:]
	return e
}

// polled polls.
type polled struct {
	seen

	s      *server
	query  string
	header []string
	events []jsonevent.Event
	after  string
	gone   bool // a goaway was received
}

func (s *server) followPolls(query string, header ...string) (follower, string) {
	s.Helper()
	f := &polled{s: s, query: query, header: header}
	return f, f.poll("0s")
}

// poll polls once and returns the code of a refusal.
func (f *polled) poll(wait string) string {
	f.s.Helper()
	query := f.query
	if f.after != "" {
		kept := []string{"last_event_id=" + f.after}
		for part := range strings.SplitSeq(f.query, "&") {
			if strings.HasPrefix(part, "topic=") {
				kept = append(kept, part)
			}
		}
		query = strings.Join(kept, "&")
	}
	r := f.s.do(http.MethodGet, "/events?wait="+wait+"&"+query, "", append(f.header, "Accept", polls)...)
	if r.status != http.StatusOK {
		return refused(f.s, r).Code
	}
	var a answer
	require.NoError(f.s, json.Unmarshal([]byte(r.body), &a))
	f.events, f.after = a.Events, a.Next
	if len(f.events) == 0 {
		f.at = f.after
	}
	return ""
}

func (f *polled) next() jsonevent.Event {
	f.s.Helper()
	for len(f.events) == 0 {
		require.Empty(f.s, f.poll("20s"))
	}
	e := f.events[0]
	f.events = f.events[1:]
	f.take(e)
	f.gone = f.gone || e.Type == "carillon.goaway"
	return e
}

func (f *polled) ends() {
	f.s.Helper()
	require.Empty(f.s, f.events)
	require.True(f.s, f.gone)
}

func (f *polled) close() {}

// socketed reads a WebSocket connection.
type socketed struct {
	seen
	*socket
}

func (s *server) followSocket(query string, header ...string) (follower, string) {
	s.Helper()
	c, response, err := s.upgrade(query, header...)
	if err != nil {
		require.NotNil(s, response)
		return nil, problemIn(s, response)
	}
	return &socketed{socket: c}, ""
}

func (f *socketed) next() jsonevent.Event {
	f.t.Helper()
	for {
		h := f.hear()
		require.Nil(f.t, h.Problem)
		if f.take(h.Event) {
			return h.Event
		}
	}
}

func (f *socketed) ends() {
	f.t.Helper()
	_, _, err := f.Read(f.ctx)
	var end websocket.CloseError
	require.ErrorAs(f.t, err, &end)
}

func (f *socketed) close() { _ = f.CloseNow() }

func decode(t testing.TB, text string) jsonevent.Event {
	t.Helper()
	e, err := jsonevent.Decode([]byte(text))
	require.NoError(t, err, text)
	return e
}

// reasonIn returns the reason in a goaway.
func reasonIn(t testing.TB, e jsonevent.Event) string {
	t.Helper()
	require.Equal(t, "carillon.goaway", e.Type)
	var data struct{ Reason string }
	require.NoError(t, json.Unmarshal([]byte(e.Data), &data))
	return data.Reason
}

// problemIn returns the code of a problem.
func problemIn(t testing.TB, response *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	var p refusal
	require.NoError(t, json.Unmarshal(text, &p), string(text))
	return p.Code
}
