package delivery_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"carillon/internal/app/pubsub"
	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
	"carillon/internal/infra/memlog"
	"carillon/internal/transport/delivery"
	"carillon/internal/transport/sse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// waitTimeout bounds every wait. It only ends tests that would hang.
const waitTimeout = 30 * time.Second

// connKind is how a stream gets from its shard to its client.
type connKind struct {
	name     string
	takeOver bool
	secure   bool
	http2    bool
	gzip     bool
}

// connKinds returns all of them: the guarantees of a stream hold on each.
func connKinds() []connKind {
	return []connKind{
		{name: "taken over", takeOver: true},
		{name: "taken over, gzip", takeOver: true, gzip: true},
		{name: "HTTP/1.1"},
		{name: "HTTP/1.1, gzip", gzip: true},
		{name: "TLS", takeOver: true, secure: true},
		{name: "HTTP/2", takeOver: true, secure: true, http2: true},
	}
}

func forEachKind(t *testing.T, test func(t *testing.T, kind connKind)) {
	for _, kind := range connKinds() {
		t.Run(kind.name, func(t *testing.T) { test(t, kind) })
	}
}

// testServer is a server of streams on a socket. It serves what ?topic= asks for, after ?after=: as Server-Sent Events,
// and in the format of [lineCodec] under /lines.
type testServer struct {
	*testing.T

	kind       connKind
	web        *httptest.Server
	engine     *pubsub.Engine
	streams    *delivery.Server
	sse, lines *delivery.Transport
	ends       chan delivery.Summary
	calls      atomic.Int64 // of Ended
	resets     atomic.Int64
	stopEngine func() // ends the engine alone
	// stopStreams ends what writes the streams, which must have ended.
	stopStreams func()
	stop        func()
}

func newTestServer(t *testing.T, kind connKind, change ...func(*delivery.Config, *pubsub.Config)) *testServer {
	t.Helper()
	cfg := delivery.Config{
		Retry: 2 * time.Second, RefusedRetry: 5 * time.Second, WriteTimeout: 2 * waitTimeout,
		MaxBatchBytes: 64 << 10, TakeOver: kind.takeOver, Compression: kind.gzip,
	}
	engineCfg := pubsub.Config{
		Window:    pubsub.WindowConfig{Events: 1 << 16, Bytes: 1 << 30, Age: time.Hour},
		Heartbeat: time.Minute,
		Slow:      pubsub.SlowClose,
	}
	for _, c := range change {
		c(&cfg, &engineCfg)
	}
	log, err := memlog.New(memlog.Config{Events: 1 << 16, Bytes: 1 << 30, Age: time.Hour, Keys: 1, KeyWindow: time.Hour})
	require.NoError(t, err)
	engine, err := pubsub.New(engineCfg, log, pubsubtest.NopObserver{})
	require.NoError(t, err)
	streams, err := delivery.New(cfg)
	require.NoError(t, err)

	s := &testServer{
		T: t, kind: kind, engine: engine, streams: streams, ends: make(chan delivery.Summary, 1<<16),
		sse: streams.Transport("sse", sse.Codec{}), lines: streams.Transport("lines", lineCodec{}),
	}
	s.web = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		st, err := engine.Open(r.Context(), subscriptionOf(r))
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		if r.URL.Path == "/lines" {
			s.lines.Serve(w, r, st, s)
			return
		}
		s.sse.Serve(w, r, st, s)
	}))
	s.web.Listener = smallBuffers{s.web.Listener}
	s.web.EnableHTTP2 = kind.http2
	if kind.secure {
		s.web.StartTLS()
	} else {
		s.web.Start()
	}
	var engines, pollers sync.WaitGroup
	stopEngine, stopPoller := begin(&engines, engine.Run), begin(&pollers, streams.Run)
	s.stopEngine = func() {
		stopEngine()
		engines.Wait()
	}
	s.stopStreams = func() {
		stopPoller()
		pollers.Wait()
	}
	s.stop = sync.OnceFunc(func() {
		s.stopEngine()
		s.stopStreams() // the poller outlives the streams, as it must
		s.web.Client().CloseIdleConnections()
		s.web.Close()
	})
	t.Cleanup(s.stop)
	return s
}

// Reset and Ended make the test server the observer of all its streams.
func (s *testServer) Reset(pubsub.Reset) { s.resets.Add(1) }

func (s *testServer) Ended(did delivery.Summary) {
	s.calls.Add(1)
	s.ends <- did
}

// smallBuffers makes connections whose kernel keeps little for readers that are slow.
type smallBuffers struct{ net.Listener }

func (l smallBuffers) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		err = conn.(*net.TCPConn).SetWriteBuffer(64 << 10)
	}
	return conn, err
}

func begin(running *sync.WaitGroup, run func(context.Context) error) context.CancelFunc {
	ctx, stop := context.WithCancel(context.Background())
	running.Go(func() { _ = run(ctx) })
	return stop
}

func subscriptionOf(r *http.Request) pubsub.Subscription {
	pattern, err := event.ParsePattern(r.URL.Query().Get("topic"))
	if err != nil {
		panic(err)
	}
	sub := pubsub.Subscription{Patterns: []event.Pattern{pattern}, Grant: access.Allow(event.Everything)}
	if after := r.URL.Query().Get("after"); after != "" {
		sub.Start = pubsub.After(after)
	}
	return sub
}

// publish puts one event for each text into the log, in one call, and returns their ids.
func (s *testServer) publish(topic string, texts ...string) []string {
	s.Helper()
	events := make([]event.Event, 0, len(texts))
	for _, text := range texts {
		data, err := event.ParseData(text)
		require.NoError(s, err)
		events = append(events, event.Event{Topics: []event.Topic{event.MustTopic(topic)}, Data: data})
	}
	appended, err := s.engine.Publish(s.Context(), events...)
	require.NoError(s, err)
	ids := make([]string, 0, len(appended))
	for _, a := range appended {
		ids = append(ids, a.Position.String())
	}
	return ids
}

// waitEnded waits until a stream has ended.
func (s *testServer) waitEnded() delivery.Summary {
	s.Helper()
	select {
	case did := <-s.ends:
		return did
	case <-time.After(waitTimeout):
		require.Fail(s, "a stream has not ended")
		return delivery.Summary{}
	}
}

// waitStreams waits until that many streams are open. The engine counts one out after its sink was closed.
func (s *testServer) waitStreams(streams int) {
	s.Helper()
	require.Eventually(s, func() bool { return s.engine.Streams() == streams }, waitTimeout, time.Millisecond)
}

func numbered(n int, data string) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprint(i, " ", data)
	}
	return texts
}
