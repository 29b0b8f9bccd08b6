package loadgen_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carillon/internal/loadgen"
)

// endStream ends a stream in place of a text.
const endStream = "end"

// fakeServer is a small server of streams that a test can make fail. It sends what is published to a topic to its streams.
type fakeServer struct {
	web      *httptest.Server
	mu       sync.Mutex
	streams  map[string][]chan string
	deliver  func(stream int, text string) []string // returns what a stream receives; nil: the text
	respond  func(n int64, w http.ResponseWriter) bool
	received atomic.Int64
}

func newFakeServer(t *testing.T) *fakeServer {
	t.Helper()
	return startFakeServer(t, (*httptest.Server).Start)
}

func startFakeServer(t *testing.T, start func(*httptest.Server)) *fakeServer {
	t.Helper()
	s := &fakeServer{streams: make(map[string][]chan string)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /streams/{topic}", s.stream)
	mux.HandleFunc("POST /publish/{topic}", s.publish)
	s.web = httptest.NewUnstartedServer(mux)
	start(s.web)
	t.Cleanup(func() { s.web.CloseClientConnections(); s.web.Close() })
	return s
}

func (s *fakeServer) stream(w http.ResponseWriter, r *http.Request) {
	texts := make(chan string, 10_000)
	s.mu.Lock()
	s.streams[r.PathValue("topic")] = append(s.streams[r.PathValue("topic")], texts)
	s.mu.Unlock()
	rc := http.NewResponseController(w)
	_, _ = io.WriteString(w, ": welcome\n\n")
	for rc.Flush() == nil {
		select {
		case text := <-texts:
			if text == endStream {
				return
			}
			// In two pieces, as a network may.
			_, _ = io.WriteString(w, "data: "+text[:len(text)/2])
			_ = rc.Flush()
			_, _ = io.WriteString(w, text[len(text)/2:]+"\n\n")
		case <-r.Context().Done():
			return
		}
	}
}

func (s *fakeServer) publish(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	if n := s.received.Add(1); s.respond != nil && !s.respond(n, w) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, texts := range s.streams[r.PathValue("topic")] {
		copies := []string{string(text)}
		if s.deliver != nil {
			copies = s.deliver(i, string(text))
		}
		for _, c := range copies {
			texts <- c
		}
	}
}

func (s *fakeServer) config(t *testing.T) loadgen.Config {
	t.Helper()
	u, err := url.Parse(s.web.URL)
	require.NoError(t, err)
	return loadgen.Config{
		URL: u, Streams: 10, Topics: 1, Rate: 100, Publishers: 2, Size: 100, Duration: 300 * time.Millisecond,
		SubscribePath: "/streams/{n}", PublishPath: "/publish/{n}", PublishMethod: http.MethodPost, Body: `{"t":"{stamp}","pad":"{pad}"}`,
	}
}
