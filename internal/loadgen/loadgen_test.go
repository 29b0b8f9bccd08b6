package loadgen_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"carillon/internal/loadgen"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
	s := &fakeServer{streams: make(map[string][]chan string)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /streams/{topic}", s.stream)
	mux.HandleFunc("POST /publish/{topic}", s.publish)
	s.web = httptest.NewServer(mux)
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

// The report matches exactly what the server did.
func TestReportIsExact(t *testing.T) {
	for name, test := range map[string]struct {
		change  func(*loadgen.Config)
		deliver func(stream int, text string) []string
		report  loadgen.Report
	}{
		"all well":        {report: loadgen.Report{Published: 30, Wanted: 300, Delivered: 300}},
		"topics":          {change: func(c *loadgen.Config) { c.Topics = 5 }, report: loadgen.Report{Published: 30, Wanted: 60, Delivered: 60}},
		"stalled streams": {change: func(c *loadgen.Config) { c.Stalled = 4 }, report: loadgen.Report{Stalled: 4, Published: 30, Wanted: 180, Delivered: 180}},
		"several events at once": {
			change: func(c *loadgen.Config) { c.Body = "{stamp} {stamp} {stamp}" },
			report: loadgen.Report{Published: 30, Wanted: 900, Delivered: 900},
		},
		"a repeat makes up for no loss": {
			deliver: func(stream int, text string) []string {
				switch stream {
				case 0:
					return nil
				case 1:
					return []string{text, text}
				}
				return []string{text}
			},
			report: loadgen.Report{Published: 30, Wanted: 300, Delivered: 300, Lost: 30, Repeated: 30},
		},
		"nothing to publish": {change: func(c *loadgen.Config) { c.Duration = 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFakeServer(t)
			s.deliver = test.deliver
			cfg := s.config(t)
			if test.change != nil {
				test.change(&cfg)
			}
			got, err := loadgen.Run(t.Context(), cfg, nil)
			require.NoError(t, err)
			assert.Equal(t, 10, got.Streams)
			assert.Zero(t, got.Closed)
			assert.Equal(t, test.report, loadgen.Report{
				Stalled: got.Stalled, Published: got.Published, PublishErrors: got.PublishErrors,
				Wanted: got.Wanted, Delivered: got.Delivered, Lost: got.Lost, Repeated: got.Repeated,
			})
			if got.Published > 0 {
				assert.Positive(t, got.Latency.P50)
				assert.GreaterOrEqual(t, got.Latency.Max, got.Latency.P99)
			}
		})
	}
}

// The latency of an event counts from when it was due, also when the server delays its publisher.
func TestLatencyCountsFromWhenAnEventWasDue(t *testing.T) {
	s := newFakeServer(t)
	s.respond = func(n int64, _ http.ResponseWriter) bool {
		if n == 1 {
			<-time.After(200 * time.Millisecond)
		}
		return true
	}
	cfg := s.config(t)
	cfg.Publishers = 1
	got, err := loadgen.Run(t.Context(), cfg, nil)
	require.NoError(t, err)
	assert.Greater(t, got.Latency.P50, 50.0, "half of the events were due while the first was held up")
	assert.Greater(t, got.PublishLatency.P50, 50.0, "and so were their responses")
}

// Without streams a run only publishes, and its report is complete.
func TestPublishOnly(t *testing.T) {
	s := newFakeServer(t)
	cfg := s.config(t)
	cfg.Streams, cfg.Topics, cfg.PID = 0, 3, os.Getpid()
	got, err := loadgen.Run(t.Context(), cfg, nil)
	require.NoError(t, err)
	assert.EqualValues(t, 30, s.received.Load())
	assert.EqualValues(t, 30, got.Published)
	assert.Zero(t, got.Wanted)
	assert.Zero(t, got.Delivered)
	assert.Zero(t, got.Lost)
	assert.Zero(t, got.Latency)
	assert.Positive(t, got.PublishLatency.P50)
	assert.GreaterOrEqual(t, got.PublishLatency.Max, got.PublishLatency.P99)
	_, err = json.Marshal(got)
	require.NoError(t, err, "a division by no streams has no form in JSON")
	var table bytes.Buffer
	require.NoError(t, got.Write(&table))
	assert.Regexp(t, `(?s)^published +30 \(\d+/s\), 0 failed\n.*publish, ms +p50 `, table.String())
	assert.NotContains(t, table.String(), "streams")
	assert.NotContains(t, table.String(), "delivered")
}

// A request has the placeholders of its path and body replaced, and the length of its body.
func TestPublishedRequests(t *testing.T) {
	type request struct{ path, host, contentType, body string }
	var mu sync.Mutex
	var got []request
	stamp := regexp.MustCompile(`@\d{19}@`)
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, request{r.URL.String(), r.Host, r.Header.Get("Content-Type"), stamp.ReplaceAllString(string(text), "TIME")})
	}))
	t.Cleanup(web.Close)
	u, err := url.Parse(web.URL)
	require.NoError(t, err)
	_, err = loadgen.Run(t.Context(), loadgen.Config{
		URL: u, Topics: 11, Rate: 100, Publishers: 1, Size: 3, Duration: 110 * time.Millisecond, SubscribePath: "/",
		PublishPath: "/p/{n}?q={n}&stamp={stamp}", PublishMethod: http.MethodPut, PublishHeader: http.Header{"Content-Type": {"text/{n}"}},
		Body: "{n}{stamp} {pad}-{stamp}{other}{n}",
	}, nil)
	require.NoError(t, err)
	require.Len(t, got, 11)
	assert.Equal(t, request{"/p/9?q=9&stamp={stamp}", u.Host, "text/{n}", "9TIME xxx-TIME{other}9"}, got[9])
	assert.Equal(t, request{"/p/10?q=10&stamp={stamp}", u.Host, "text/{n}", "10TIME xxx-TIME{other}10"}, got[10])
}

func TestRefusals(t *testing.T) {
	t.Run("of the first publish end the run", func(t *testing.T) {
		s := newFakeServer(t)
		s.respond = func(_ int64, w http.ResponseWriter) bool {
			http.Error(w, "no token", http.StatusUnauthorized)
			return false
		}
		cfg := s.config(t)
		cfg.Duration = time.Hour
		_, err := loadgen.Run(t.Context(), cfg, nil)
		assert.ErrorContains(t, err, "a publish was refused with status 401: no token")
	})
	t.Run("of later ones are counted", func(t *testing.T) {
		s := newFakeServer(t)
		s.respond = func(n int64, w http.ResponseWriter) bool {
			if n%3 == 0 {
				http.Error(w, "busy", http.StatusServiceUnavailable)
			}
			return n%3 != 0
		}
		got, err := loadgen.Run(t.Context(), s.config(t), nil)
		require.NoError(t, err)
		assert.EqualValues(t, 20, got.Published)
		assert.EqualValues(t, 10, got.PublishErrors)
		assert.EqualValues(t, 200, got.Delivered)
		assert.Zero(t, got.Lost)
	})
	t.Run("of a stream end the run", func(t *testing.T) {
		s := newFakeServer(t)
		cfg := s.config(t)
		cfg.SubscribePath = "/elsewhere"
		_, err := loadgen.Run(t.Context(), cfg, nil)
		assert.ErrorContains(t, err, "a subscription was refused: HTTP/1.1 404")
	})
	t.Run("by nobody", func(t *testing.T) {
		s := newFakeServer(t)
		cfg := s.config(t)
		s.web.Close()
		_, err := loadgen.Run(t.Context(), cfg, nil)
		assert.ErrorContains(t, err, "stream 1 of 10")
	})
}

// A run whose context ends returns soon, even if its server hangs, and reports what it measured.
func TestRunIsCutShort(t *testing.T) {
	s := newFakeServer(t)
	hold := make(chan struct{})
	s.respond = func(n int64, _ http.ResponseWriter) bool {
		if n > 10 {
			<-hold
		}
		return true
	}
	t.Cleanup(func() { close(hold) })
	cfg := s.config(t)
	cfg.Duration = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told := make(chan loadgen.Progress, 100)
	time.AfterFunc(2500*time.Millisecond, cancel)
	got, err := loadgen.Run(ctx, cfg, func(p loadgen.Progress) { told <- p })
	require.NoError(t, err)
	assert.EqualValues(t, 10, got.Published)
	assert.EqualValues(t, 100, got.Delivered)
	assert.Zero(t, got.PublishErrors)
	assert.EqualValues(t, 10, (<-told).Opened)
}

// The report contains the usage of a server on this machine.
func TestUsageOfTheServer(t *testing.T) {
	s := newFakeServer(t)
	cfg := s.config(t)
	cfg.PID, cfg.Idle = os.Getpid(), 100*time.Millisecond
	s.respond = func(int64, http.ResponseWriter) bool { // uses more processor time than the unit in which it is counted
		_ = sha256.Sum256(make([]byte, 4<<20))
		return true
	}
	got, err := loadgen.Run(t.Context(), cfg, nil)
	require.NoError(t, err)
	if runtime.GOOS == "linux" {
		assert.Positive(t, got.Loader.RSS)
		assert.Positive(t, got.PublishCPUMicros)
		assert.Positive(t, got.PublishSwitches)
	}
	var table bytes.Buffer
	require.NoError(t, got.Write(&table))
	assert.Regexp(t, regexp.MustCompile(`delivered +300 of 300 \(\d+/s\), 0 lost, 0 repeated`), table.String())
}

func TestValidateNamesTheFlag(t *testing.T) {
	s := newFakeServer(t)
	type config = loadgen.Config
	for name, test := range map[string]struct {
		message string
		change  func(*config)
	}{
		"url":                 {"url", func(c *config) { c.URL = &url.URL{Scheme: "ftp", Host: "x"} }},
		"streams":             {"streams: must not be negative (got -1)", func(c *config) { c.Streams = -1 }},
		"nothing to do":       {"duration: must be above 0 without streams", func(c *config) { c.Streams, c.Duration = 0, 0 }},
		"stalled, no streams": {"stalled: must be 0 without streams (got 1)", func(c *config) { c.Streams, c.Stalled = 0, 1 }},
		"topics, no streams":  {"topics: must be above 0 (got 0)", func(c *config) { c.Streams, c.Topics = 0, 0 }},
		"stalled":             {"stalled", func(c *config) { c.Stalled = 10 }},
		"topics":              {"topics", func(c *config) { c.Topics = 11 }},
		"publishers":          {"publishers", func(c *config) { c.Publishers = 0 }},
		"rate":                {"rate", func(c *config) { c.Rate = -1 }},
		"paths":               {"paths", func(c *config) { c.PublishPath = "publish" }},
		"body":                {"body", func(c *config) { c.Body = "no time" }},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := s.config(t)
			test.change(&cfg)
			_, err := loadgen.Run(t.Context(), cfg, nil)
			assert.ErrorContains(t, err, test.message, fmt.Sprint(cfg))
		})
	}
}
