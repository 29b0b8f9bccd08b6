package delivery_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
	"carillon/internal/infra/memlog"
	"carillon/internal/transport/delivery"
	"carillon/internal/transport/sse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen. It is no measure of anything.
const patience = 30 * time.Second

// connKind is how a stream gets from its shard to its client.
type connKind struct {
	name     string
	takeOver bool
	secure   bool
	http2    bool
	gzip     bool
}

// connKinds returns all of them: what a stream promises holds on each.
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

// testServer is a server of streams on a socket. It serves what ?topic= asks for, after ?after=: as Server-Sent Events, and
// in the format of [lineCodec] under /lines.
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
	stop       func()
}

func newTestServer(t *testing.T, kind connKind, change ...func(*delivery.Config, *pubsub.Config)) *testServer {
	t.Helper()
	cfg := delivery.Config{
		Retry: 2 * time.Second, RefusedRetry: 5 * time.Second, WriteTimeout: 2 * patience,
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
	engine, err := pubsub.New(engineCfg, log, pubsub.Unobserved{})
	require.NoError(t, err)
	streams, err := delivery.New(cfg)
	require.NoError(t, err)

	s := &testServer{
		T: t, kind: kind, engine: engine, streams: streams, ends: make(chan delivery.Summary, 1<<16),
		sse: streams.Transport(sse.Codec{}), lines: streams.Transport(lineCodec{}),
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
	s.stop = sync.OnceFunc(func() {
		s.stopEngine()
		stopPoller() // the poller outlives the streams, as it must
		pollers.Wait()
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
	positions, err := s.engine.Publish(s.Context(), events...)
	require.NoError(s, err)
	ids := make([]string, 0, len(positions))
	for _, p := range positions {
		ids = append(ids, p.String())
	}
	return ids
}

// reader is a client of a stream.
type reader struct {
	t          testing.TB
	body       io.Reader
	in         *sse.Decoder
	close      func()
	heartbeats atomic.Int64
}

// listen opens a stream of Server-Sent Events.
func (s *testServer) listen(query string) *reader {
	s.Helper()
	body := s.get("/?" + query).Body
	return s.read(body, sync.OnceFunc(func() { _ = body.Close() }))
}

// get opens a stream.
func (s *testServer) get(target string) *http.Response {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), http.MethodGet, s.web.URL+target, nil)
	require.NoError(s, err)
	if !s.kind.gzip {
		r.Header.Set("Accept-Encoding", "identity") // Go's client asks for gzip, and undoes it, by itself
	}
	response, err := s.web.Client().Do(r)
	require.NoError(s, err)
	require.Equal(s, http.StatusOK, response.StatusCode)
	assert.Equal(s, s.kind.http2, response.ProtoMajor == 2)
	assert.Equal(s, s.kind.gzip, response.Uncompressed)
	return response
}

func (s *testServer) read(body io.Reader, closing func()) *reader {
	s.Cleanup(closing)
	c := &reader{t: s, body: body, close: closing, in: sse.NewDecoder(body, 1<<24, "")}
	c.in.Comment = func(string) { c.heartbeats.Add(1) }
	return c
}

// next waits for the next event.
func (c *reader) next() sse.Message {
	c.t.Helper()
	guard := time.AfterFunc(patience, c.close)
	defer guard.Stop()
	m, err := c.in.Next()
	require.NoError(c.t, err)
	return m
}

// expectGoaway checks that a goaway and a clean end come next.
func (c *reader) expectGoaway(reason pubsub.EndReason) {
	c.t.Helper()
	m := c.next()
	assert.Equal(c.t, "carillon.goaway", m.Type)
	assert.JSONEq(c.t, fmt.Sprintf(`{"reason":%q}`, reason), m.Data)
	assert.GreaterOrEqual(c.t, m.Retry, 2*time.Second)
	assert.Less(c.t, m.Retry, 4*time.Second)
	_, err := c.in.Next()
	assert.ErrorIs(c.t, err, io.EOF, "the body does not end as HTTP says")
}

// waitEnded waits until a stream has ended.
func (s *testServer) waitEnded() delivery.Summary {
	s.Helper()
	select {
	case did := <-s.ends:
		return did
	case <-time.After(patience):
		require.Fail(s, "a stream has not ended")
		return delivery.Summary{}
	}
}

// waitStreams waits until that many streams are open. The engine counts one out after its sink was closed.
func (s *testServer) waitStreams(streams int) {
	s.Helper()
	require.Eventually(s, func() bool { return s.engine.Streams() == streams }, patience, time.Millisecond)
}

func numbered(n int, data string) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprint(i, " ", data)
	}
	return texts
}

// dial opens a stream on a bare connection whose kernel takes little, and reads its head.
func (s *testServer) dial(buffer int) (net.Conn, *bufio.Reader) {
	s.Helper()
	raw, err := net.Dial("tcp", s.web.Listener.Addr().String())
	require.NoError(s, err)
	s.Cleanup(func() { _ = raw.Close() })
	if buffer > 0 {
		require.NoError(s, raw.(*net.TCPConn).SetReadBuffer(buffer))
	}
	conn := raw
	if s.kind.secure {
		conn = tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	}
	accepted := "identity"
	if s.kind.gzip {
		accepted = "gzip"
	}
	_, err = fmt.Fprintf(conn, "GET /?topic=a HTTP/1.1\r\nHost: x\r\nAccept-Encoding: %s\r\n\r\n", accepted)
	require.NoError(s, err)
	in := bufio.NewReader(conn)
	for line := ""; line != "\r\n"; {
		line, err = in.ReadString('\n')
		require.NoError(s, err)
	}
	return conn, in
}

// chunked reads the body of a response whose head was read.
func chunked(in *bufio.Reader) io.Reader {
	response, err := http.ReadResponse(bufio.NewReader(io.MultiReader(strings.NewReader("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), in)), nil)
	if err != nil {
		panic(err)
	}
	return response.Body
}
