package adminapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"carillon/internal/app/authority"
	"carillon/internal/app/pubsub"
	"carillon/internal/app/timefeed"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
	"carillon/internal/domain/eventtest"
	"carillon/internal/infra/memlog"
	"carillon/internal/infra/metrics"
	"carillon/internal/transport/adminapi"
	"carillon/internal/transport/delivery"
	"carillon/internal/transport/sse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// waitTimeout bounds every wait. It only ends tests that would hang.
const waitTimeout = 10 * time.Second

// testServer is a server of streams, with the admin interface.
type testServer struct {
	testing.TB

	publisher *pubsub.Engine
	public    *httptest.Server // streams what ?topic= asks for, under the name in ?name=
	secure    *httptest.Server // the same over HTTP/2
	admin     *httptest.Server
	logs      *observer.ObservedLogs
	token     string
}

// stoppedClock is a clock that has not ticked.
type stoppedClock struct{}

func (stoppedClock) Stats() timefeed.Stats { return timefeed.Stats{} }

// noRules verifies nothing and allows everything.
type noRules struct{ authority.Verifier }

func (noRules) Recheck(*access.Credential) (access.Grant, error) {
	return access.Allow(event.Everything), nil
}

func newTestServer(t testing.TB, token string) *testServer {
	t.Helper()
	log, err := memlog.New(memlog.Config{Events: 1000, Bytes: 1 << 20, Age: time.Hour, Keys: 10, KeyWindow: time.Hour})
	require.NoError(t, err)
	count := metrics.New(metrics.Build{Version: "1.2.3"})
	publisher, err := pubsub.New(pubsub.Config{
		Window:    pubsub.WindowConfig{Events: 1000, Bytes: 1 << 20, Age: time.Hour},
		Heartbeat: time.Minute, Slow: pubsub.SlowClose,
	}, log, count)
	require.NoError(t, err)
	streams, err := delivery.New(delivery.Config{
		Retry: time.Second, RefusedRetry: time.Second, WriteTimeout: waitTimeout, MaxBatchBytes: 64 << 10, TakeOver: true,
	})
	require.NoError(t, err)
	require.NoError(t, count.Watch(metrics.Sources{
		Engine: publisher, Log: log, Clock: stoppedClock{},
		Streams: func() []metrics.Transport {
			var all []metrics.Transport
			for _, stats := range streams.Stats() {
				all = append(all, metrics.Transport{Name: stats.Transport, Open: stats.Open, Bytes: stats.Bytes})
			}
			return all
		},
	}))
	core, logs := observer.New(zapcore.DebugLevel)
	api, err := adminapi.New(adminapi.Config{Addr: "127.0.0.1:0", Token: token}, adminapi.Deps{
		Engine: publisher, Authority: authority.New(noRules{}, publisher, nil), Metrics: count.Handler(), Logger: zap.New(core),
		Transports: func() map[string]int64 {
			stats := streams.Stats()[0]
			return map[string]int64{stats.Transport: stats.Open["taken_over"] + stats.Open["http1"] + stats.Open["http2"]}
		},
		About: adminapi.About{Version: "1.2.3", Commit: "abc", Node: "node-1", Started: time.Now()},
	})
	require.NoError(t, err)

	transport := streams.Transport("sse", sse.Codec{})
	serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sub := pubsub.Subscription{Name: r.FormValue("name"), Grant: access.Allow(event.Everything)}
		if subject := r.FormValue("subject"); subject != "" {
			sub.Credential = &access.Credential{Subject: subject}
		}
		for _, text := range r.Form["topic"] {
			pattern := eventtest.MustPattern(text)
			sub.Patterns = append(sub.Patterns, pattern)
		}
		stream, err := publisher.Open(r.Context(), sub)
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		transport.Serve(w, r, stream, nopObserver{})
	})
	s := &testServer{TB: t, publisher: publisher, logs: logs, token: token}
	s.public, s.admin = httptest.NewServer(serve), httptest.NewServer(api)
	s.secure = httptest.NewUnstartedServer(serve)
	s.secure.EnableHTTP2 = true
	s.secure.StartTLS()
	var engine, poller sync.WaitGroup
	stopEngine, stopPoller := start(&engine, publisher.Run), start(&poller, streams.Run)
	t.Cleanup(func() {
		stopEngine()
		engine.Wait()
		stopPoller()
		poller.Wait()
		for _, web := range []*httptest.Server{s.public, s.secure, s.admin} {
			web.Client().CloseIdleConnections()
			web.Close()
		}
	})
	return s
}

func start(running *sync.WaitGroup, run func(context.Context) error) context.CancelFunc {
	ctx, stop := context.WithCancel(context.Background())
	running.Go(func() { _ = run(ctx) })
	return stop
}

// stream is a stream as its client sees it.
type stream struct {
	server *testServer
	body   *bufio.Reader
	close  func()
}

// listen opens a stream and reads its opening.
func (s *testServer) listen(web *httptest.Server, query string) *stream {
	s.Helper()
	request, err := http.NewRequestWithContext(s.Context(), http.MethodGet, web.URL+"/?"+query, nil)
	require.NoError(s, err)
	response, err := web.Client().Do(request)
	require.NoError(s, err)
	require.Equal(s, http.StatusOK, response.StatusCode)
	st := &stream{server: s, body: bufio.NewReader(response.Body), close: sync.OnceFunc(func() { _ = response.Body.Close() })}
	s.Cleanup(st.close)
	st.until("\n")
	return st
}

// until reads up to a line.
func (st *stream) until(want string) {
	st.server.Helper()
	guard := time.AfterFunc(waitTimeout, st.close)
	defer guard.Stop()
	for line := ""; line != want; {
		var err error
		line, err = st.body.ReadString('\n')
		require.NoError(st.server, err, "waiting for %q", want)
	}
}

// rest reads to the end of the stream, which must be a clean one.
func (st *stream) rest() string {
	st.server.Helper()
	guard := time.AfterFunc(waitTimeout, st.close)
	defer guard.Stop()
	rest, err := io.ReadAll(st.body)
	require.NoError(st.server, err)
	return string(rest)
}

// reply is a response that was read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

// request sends a request to the admin interface, with the token; header holds names and values in turn.
func (s *testServer) request(method, path string, header ...string) reply {
	s.Helper()
	request, err := http.NewRequestWithContext(s.Context(), method, s.admin.URL+path, nil)
	require.NoError(s, err)
	if s.token != "" {
		request.Header.Set("Authorization", "Bearer "+s.token)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			request.Host = header[i+1]
		}
	}
	response, err := s.admin.Client().Do(request)
	require.NoError(s, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(s, err)
	return reply{response.StatusCode, response.Header, string(body)}
}

// refused checks that a response is a well-formed problem and returns its code.
func (s *testServer) refused(a reply) string {
	s.Helper()
	var p struct {
		Type, Title, Code string
		Status            int
	}
	require.Equal(s, "application/problem+json", a.header.Get("Content-Type"), a.body)
	require.NoError(s, json.Unmarshal([]byte(a.body), &p), a.body)
	require.Equal(s, a.status, p.Status)
	require.Equal(s, "about:blank", p.Type)
	require.NotEmpty(s, p.Title)
	return p.Code
}

// nopObserver observes nothing.
type nopObserver struct{}

func (nopObserver) Reset(pubsub.Reset)     {}
func (nopObserver) Ended(delivery.Summary) {}
