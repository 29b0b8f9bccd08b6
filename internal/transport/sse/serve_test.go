package sse_test

import (
	"bufio"
	"compress/gzip"
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
	"carillon/internal/transport/sse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen. It is no measure of anything.
const patience = 10 * time.Second

// way is how a stream gets from its shard to its client.
type way struct {
	name     string
	takeOver bool
	secure   bool
	http2    bool
	gzip     bool
}

// ways are all of them. Whatever a stream promises, it promises on each.
func ways() []way {
	return []way{
		{name: "taken over", takeOver: true},
		{name: "taken over, gzip", takeOver: true, gzip: true},
		{name: "HTTP/1.1"},
		{name: "HTTP/1.1, gzip", gzip: true},
		{name: "TLS", takeOver: true, secure: true},
		{name: "HTTP/2", takeOver: true, secure: true, http2: true},
	}
}

func everyWay(t *testing.T, test func(t *testing.T, w way)) {
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) { test(t, w) })
	}
}

// site is a server of streams on a socket. It serves what ?topic= asks for, after ?after=.
type site struct {
	*testing.T

	way       way
	web       *httptest.Server
	publisher *pubsub.Publisher
	ends      chan sse.Summary
	calls     atomic.Int64 // of done
	halt      func() // ends the engine alone
	stop      func()
}

func newSite(t *testing.T, w way, change ...func(*sse.Config, *pubsub.Config)) *site {
	t.Helper()
	stream := sse.Config{
		Retry: 2 * time.Second, RefusedRetry: 5 * time.Second, WriteTimeout: 2 * patience,
		MaxBatchBytes: 64 << 10, TakeOver: w.takeOver, Compression: w.gzip,
	}
	engine := pubsub.Config{
		Window:    pubsub.WindowConfig{Events: 1 << 16, Bytes: 1 << 30, Age: time.Hour},
		Heartbeat: time.Minute,
		Slow:      pubsub.SlowClose,
	}
	for _, c := range change {
		c(&stream, &engine)
	}
	log, err := memlog.New(memlog.Config{Events: 1 << 16, Bytes: 1 << 30, Age: time.Hour, Keys: 1, KeyWindow: time.Hour})
	require.NoError(t, err)
	publisher, err := pubsub.New(engine, log, pubsub.Unobserved{})
	require.NoError(t, err)
	streams, err := sse.New(stream)
	require.NoError(t, err)

	s := &site{T: t, way: w, publisher: publisher, ends: make(chan sse.Summary, 1<<16)}
	s.web = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		st, err := publisher.Open(r.Context(), subscriptionOf(r))
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		streams.Serve(w, r, st, func(did sse.Summary) {
			s.calls.Add(1)
			s.ends <- did
		})
	}))
	s.web.Listener = narrow{s.web.Listener}
	s.web.EnableHTTP2 = w.http2
	if w.secure {
		s.web.StartTLS()
	} else {
		s.web.Start()
	}
	var engines, pollers sync.WaitGroup
	stopEngine, stopPoller := begin(&engines, publisher.Run), begin(&pollers, streams.Run)
	s.halt = func() {
		stopEngine()
		engines.Wait()
	}
	s.stop = sync.OnceFunc(func() {
		s.halt()
		stopPoller() // the poller outlives the streams, as it must
		pollers.Wait()
		s.web.Client().CloseIdleConnections()
		s.web.Close()
	})
	t.Cleanup(s.stop)
	return s
}

// narrow makes connections whose kernel keeps little for readers that are slow.
type narrow struct{ net.Listener }

func (l narrow) Accept() (net.Conn, error) {
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

// publish puts one event for each text into the log, in one call, and answers their ids.
func (s *site) publish(topic string, texts ...string) []string {
	s.Helper()
	events := make([]event.Event, 0, len(texts))
	for _, text := range texts {
		data, err := event.ParseData(text)
		require.NoError(s, err)
		events = append(events, event.Event{Topics: []event.Topic{event.MustTopic(topic)}, Data: data})
	}
	positions, err := s.publisher.Publish(s.Context(), events...)
	require.NoError(s, err)
	ids := make([]string, 0, len(positions))
	for _, p := range positions {
		ids = append(ids, p.String())
	}
	return ids
}

// reader is a client of a stream.
type reader struct {
	t     testing.TB
	body  io.Reader
	in    *sse.Decoder
	close func()
	beats atomic.Int64
}

func (s *site) listen(query string) *reader {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), http.MethodGet, s.web.URL+"/?"+query, nil)
	require.NoError(s, err)
	if !s.way.gzip {
		r.Header.Set("Accept-Encoding", "identity") // Go's client asks for gzip, and undoes it, by itself
	}
	response, err := s.web.Client().Do(r)
	require.NoError(s, err)
	require.Equal(s, http.StatusOK, response.StatusCode)
	assert.Equal(s, s.way.http2, response.ProtoMajor == 2)
	assert.Equal(s, s.way.gzip, response.Uncompressed)
	return s.read(response.Body, sync.OnceFunc(func() { _ = response.Body.Close() }))
}

func (s *site) read(body io.Reader, closing func()) *reader {
	s.Cleanup(closing)
	c := &reader{t: s, body: body, close: closing, in: sse.NewDecoder(body, 1<<24, "")}
	c.in.Comment = func(string) { c.beats.Add(1) }
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

// finish checks that a farewell and a clean end come next.
func (c *reader) finish(reason pubsub.EndReason) {
	c.t.Helper()
	m := c.next()
	assert.Equal(c.t, "carillon.goaway", m.Type)
	assert.JSONEq(c.t, fmt.Sprintf(`{"reason":%q}`, reason), m.Data)
	assert.GreaterOrEqual(c.t, m.Retry, 2*time.Second)
	assert.Less(c.t, m.Retry, 4*time.Second)
	_, err := c.in.Next()
	assert.ErrorIs(c.t, err, io.EOF, "the body does not end as HTTP says")
}

// ended waits for the word that a stream is over.
func (s *site) ended() sse.Summary {
	s.Helper()
	select {
	case did := <-s.ends:
		return did
	case <-time.After(patience):
		require.Fail(s, "a stream has not ended")
		return sse.Summary{}
	}
}

func numbered(n int, data string) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprint(i, " ", data)
	}
	return texts
}

func TestEventsComeInOrder(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		s := newSite(t, w)
		one, two := s.listen("topic=a"), s.listen("topic=**")
		for round := range 20 {
			texts := numbered(1+round*10, strings.Repeat("x", round*20))
			ids := s.publish("a", texts...) // few at first, then many that go out together
			for _, client := range []*reader{one, two} {
				for i, text := range texts {
					m := client.next()
					require.Equal(t, sse.Message{ID: ids[i], Type: "message", Data: text}, m)
				}
			}
		}
	})
}

func TestAClientIsToldWhereItStandsAndWhatItMissed(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		s := newSite(t, w)
		ids := s.publish("a", "1", "2", "3")
		assert.Equal(t, "3", s.listen("topic=a&after="+ids[1]).next().Data)
		lost := s.listen("topic=a&after=nonsense")
		m := lost.next()
		assert.Equal(t, "carillon.reset", m.Type)
		assert.Equal(t, ids[2], m.ID)
		s.publish("a", "4")
		assert.Equal(t, "4", lost.next().Data)
		retry, told := lost.in.Retry()
		assert.True(t, told)
		assert.GreaterOrEqual(t, retry, 2*time.Second)
	})
}

func TestSilenceIsBroken(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		s := newSite(t, w, func(_ *sse.Config, engine *pubsub.Config) { engine.Heartbeat = 100 * time.Millisecond })
		client := s.listen("topic=a")
		elsewhere := s.publish("b", "not for this stream")
		go func() { _, _ = client.in.Next() }()
		require.Eventually(t, func() bool { return client.beats.Load() >= 4 }, patience, time.Millisecond)
		// A beat moves the place to resume from past what was not for this stream.
		s.publish("a", "over")
		resumed := s.listen("topic=**&after=" + elsewhere[0])
		assert.Equal(t, "over", resumed.next().Data)
	})
}

func TestDrainingSaysFarewell(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		s := newSite(t, w)
		var clients []*reader
		for range 10 {
			clients = append(clients, s.listen("topic=a"))
		}
		s.publish("a", "1", "2")
		for _, client := range clients {
			assert.Equal(t, "1", client.next().Data)
			assert.Equal(t, "2", client.next().Data)
		}
		require.NoError(t, s.publisher.Drain(t.Context(), 50*time.Millisecond))
		for _, client := range clients {
			client.finish(pubsub.EndDrain)
			did := s.ended()
			assert.Equal(t, pubsub.EndDrain, did.Reason)
			assert.EqualValues(t, 2, did.Events)
			assert.Greater(t, did.Bytes, int64(50))
		}
	})
}

func TestStoppingEndsStreams(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		s := newSite(t, w)
		client := s.listen("topic=a")
		s.halt()
		client.finish(pubsub.EndDrain)
		assert.Equal(t, pubsub.EndDrain, s.ended().Reason)
	})
}

func TestClientsThatLeaveAreNoticed(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		s := newSite(t, w)
		stays := s.listen("topic=a")
		for range 5 {
			s.listen("topic=a").close() // nothing is written that could fail
			did := s.ended()
			assert.Equal(t, pubsub.EndGone, did.Reason)
			assert.Zero(t, did.Events)
		}
		assert.Equal(t, 1, s.publisher.Streams())
		s.publish("a", "still here")
		assert.Equal(t, "still here", stays.next().Data)
	})
}

func TestClientsThatAreCutOffAreNoticed(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		if w.http2 {
			t.Skip("a raw HTTP/2 client is more than this test is worth; leaving is tested above")
		}
		s := newSite(t, w)
		conn, _ := s.dial("topic=a", 0)
		stop := make(chan struct{})
		var publishing sync.WaitGroup
		publishing.Go(func() { // so that writes meet the reset
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = s.publisher.Publish(context.Background(), event.Event{Topics: []event.Topic{event.MustTopic("a")}})
				}
			}
		})
		if tcp, ok := conn.(*net.TCPConn); ok {
			require.NoError(t, tcp.SetLinger(0)) // a reset, not a farewell
		}
		require.NoError(t, conn.Close())
		did := s.ended()
		close(stop)
		publishing.Wait()
		assert.Contains(t, []pubsub.EndReason{pubsub.EndGone, pubsub.EndFailed}, did.Reason)
	})
}

// dial opens a stream on a bare connection whose kernel takes little, and reads its head.
func (s *site) dial(query string, buffer int) (net.Conn, *bufio.Reader) {
	s.Helper()
	raw, err := net.Dial("tcp", s.web.Listener.Addr().String())
	require.NoError(s, err)
	s.Cleanup(func() { _ = raw.Close() })
	if buffer > 0 {
		require.NoError(s, raw.(*net.TCPConn).SetReadBuffer(buffer))
	}
	conn := raw
	if s.way.secure {
		conn = tls.Client(raw, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // the test's own server
	}
	accepted := "identity"
	if s.way.gzip {
		accepted = "gzip"
	}
	_, err = fmt.Fprintf(conn, "GET /?%s HTTP/1.1\r\nHost: x\r\nAccept-Encoding: %s\r\n\r\n", query, accepted)
	require.NoError(s, err)
	in := bufio.NewReader(conn)
	for line := ""; line != "\r\n"; {
		line, err = in.ReadString('\n')
		require.NoError(s, err)
	}
	return conn, in
}

// slow opens a stream whose reader takes little by itself, and answers how many large events are more than it takes.
func (s *site) slow(query string) (*reader, int) {
	s.Helper()
	if s.way.http2 {
		return s.listen(query), 200 // Go's client grants 4 MiB
	}
	conn, in := s.dial(query, 64<<10)
	body := chunked(in)
	if s.way.gzip {
		inflated, err := gzip.NewReader(body)
		require.NoError(s, err)
		body = inflated
	}
	return s.read(body, sync.OnceFunc(func() { _ = conn.Close() })), 60
}

// chunked reads the body of a response whose head was read.
func chunked(in *bufio.Reader) io.Reader {
	response, err := http.ReadResponse(bufio.NewReader(io.MultiReader(strings.NewReader("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), in)), nil)
	if err != nil {
		panic(err)
	}
	return response.Body
}

// bulky is a text that deflating does not make small.
var bulky = sync.OnceValue(func() string {
	var b strings.Builder
	for i := uint32(1); b.Len() < 40_000; i = i*1664525 + 1013904223 {
		b.WriteByte('!' + byte(i>>24)%90)
	}
	return b.String()
})

func TestASlowReaderGoesOnExactlyWhereItWas(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		s := newSite(t, w)
		slow, enough := s.slow("topic=a")
		healthy := s.listen("topic=a")
		texts := numbered(enough, bulky())
		var ids []string
		for i := range texts {
			ids = append(ids, s.publish("a", texts[i])...)
			require.Equal(t, texts[i], healthy.next().Data, "a slow reader held another up")
		}
		for i := range texts {
			m := slow.next()
			require.Equal(t, ids[i], m.ID)
			require.Equal(t, texts[i], m.Data)
		}
		s.publish("a", "the head again")
		assert.Equal(t, "the head again", slow.next().Data)
	})
}

func TestAReaderThatIsTooSlowIsTold(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		s := newSite(t, w, func(_ *sse.Config, engine *pubsub.Config) {
			engine.Window.Bytes = 200_000
			engine.Heartbeat = 100 * time.Millisecond
		})
		slow, enough := s.slow("topic=a")
		healthy := s.listen("topic=a")
		last := ""
		for range enough {
			last = s.publish("a", bulky())[0]
			require.Equal(t, bulky(), healthy.next().Data)
		}
		require.Eventually(t, func() bool { return s.publisher.Streams() == 1 }, patience, time.Millisecond, "it is not ended")
		// What it was sent comes whole, and then the farewell.
		var m sse.Message
		for m = slow.next(); m.Type == "message"; m = slow.next() {
			require.Equal(t, bulky(), m.Data)
		}
		assert.Equal(t, "carillon.goaway", m.Type)
		assert.JSONEq(t, `{"reason":"slow"}`, m.Data)
		assert.NotEqual(t, last, m.ID, "it was not slow at all")
		_, err := slow.in.Next()
		assert.ErrorIs(t, err, io.EOF)
		assert.Equal(t, pubsub.EndSlow, s.ended().Reason)
		// And it resumes from there.
		back := s.listen("topic=a&after=" + m.ID)
		assert.Equal(t, bulky(), back.next().Data)
	})
}

// A taken-over connection only costs a cursor, and the kernel ends it (TCP_USER_TIMEOUT). A handler would wait.
func TestAHandlerDoesNotWaitForAReaderThatTakesNothing(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		if w.takeOver && !w.secure {
			t.Skip("there is no handler")
		}
		s := newSite(t, w, func(stream *sse.Config, _ *pubsub.Config) { stream.WriteTimeout = 300 * time.Millisecond })
		slow, enough := s.slow("topic=a")
		for range enough {
			s.publish("a", bulky())
		}
		assert.Equal(t, pubsub.EndDead, s.ended().Reason)
		for {
			if _, err := slow.in.Next(); err != nil {
				assert.NotErrorIs(t, err, io.EOF, "half a stream looks whole")
				return
			}
		}
	})
}
