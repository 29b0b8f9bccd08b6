package delivery_test

import (
	"bytes"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/transport/delivery"
)

// forEachHijacked runs a test with each kind of connection that leaves net/http and keeps a goroutine.
func forEachHijacked(t *testing.T, test func(t *testing.T, kind connKind)) {
	for _, kind := range []connKind{{name: "HTTP/1.1"}, {name: "HTTP/1.1, gzip", gzip: true}, {name: "TLS", takeOver: true, secure: true}} {
		t.Run(kind.name, func(t *testing.T) { test(t, kind) })
	}
}

func (s *testServer) open(transport, path string) int64 {
	for _, stats := range s.streams.Stats() {
		if stats.Transport == transport {
			return stats.Open[path]
		}
	}
	return 0
}

// It reads. One that writes is there only while there is something to write, and net/http has none.
func TestAnIdleStreamHoldsOneGoroutine(t *testing.T) {
	const many = 200
	forEachHijacked(t, func(t *testing.T, kind connKind) {
		s := newTestServer(t, kind)
		conns := make([]net.Conn, 0, many)
		for range many {
			conn, _ := s.dial(0)
			conns = append(conns, conn)
		}
		s.waitStreams(many)
		s.publish("a", "something to write")
		waitGoroutines(t, map[string]int{reading: many})
		assert.EqualValues(t, many, s.open("sse", "http1"))
		for _, conn := range conns {
			require.NoError(t, conn.Close())
		}
		for range many {
			assert.Equal(t, pubsub.EndGone, s.waitEnded().Reason)
		}
		waitGoroutines(t, map[string]int{})
		assert.Zero(t, s.open("sse", "http1"))
	})
}

// What a client sends after its request is neither kept nor answered, and does not keep the goaway from it.
func TestBytesAfterTheRequestAreIgnored(t *testing.T) {
	forEachHijacked(t, func(t *testing.T, kind connKind) {
		s := newTestServer(t, kind)
		conn, in := s.dial(0)
		_, err := conn.Write(bytes.Repeat([]byte("GET /?topic=a HTTP/1.1\r\nHost: x\r\n\r\n"), 100))
		require.NoError(t, err)
		s.waitStreams(1)
		s.publish("a", "still here")
		s.expectDrained(in, 1)
	})
}

// expectDrained drains the server and checks that a client gets its only stream to the end and nothing else.
func (s *testServer) expectDrained(in io.Reader, events int) {
	s.Helper()
	require.NoError(s, s.engine.Drain(s.Context(), 0))
	text, err := io.ReadAll(in)
	require.NoError(s, err)
	assert.True(s, strings.HasSuffix(string(text), "0\r\n\r\n"), "the body does not end as HTTP says")
	assert.NotContains(s, string(text), "HTTP/1.1", "a request on the stream was answered")
	did := s.waitEnded()
	assert.Equal(s, pubsub.EndDrain, did.Reason)
	assert.EqualValues(s, events, did.Events)
	assert.EqualValues(s, 1, s.calls.Load())
}

// sendTooMuch sends so much on a stream that the server stops reading.
func (s *testServer) sendTooMuch(conn net.Conn) {
	s.Helper()
	waitGoroutines(s.T, map[string]int{reading: 1})
	_, err := conn.Write(make([]byte, 100<<10)) // the server reads 64 KiB, and the kernel keeps the rest
	require.NoError(s, err)
	waitGoroutines(s.T, map[string]int{})
}

// A client that sends much costs nothing: the server reads no more of it, and the stream goes on.
func TestAClientThatSendsMuchIsNotRead(t *testing.T) {
	forEachHijacked(t, func(t *testing.T, kind connKind) {
		s := newTestServer(t, kind)
		conn, in := s.dial(0)
		s.sendTooMuch(conn)
		s.publish("a", "still here")
		s.expectDrained(in, 1)
		require.NoError(t, conn.Close())
		waitGoroutines(t, map[string]int{})
	})
}

// That it has left is noticed by writes.
func TestAClientThatSentMuchAndLeavesIsGone(t *testing.T) {
	forEachHijacked(t, func(t *testing.T, kind connKind) {
		s := newTestServer(t, kind, func(_ *delivery.Config, engine *pubsub.Config) { engine.Heartbeat = 100 * time.Millisecond })
		conn, _ := s.dial(0)
		s.sendTooMuch(conn)
		require.NoError(t, conn.Close())
		assert.Equal(t, pubsub.EndGone, s.waitEnded().Reason)
		waitGoroutines(t, map[string]int{})
		assert.EqualValues(t, 1, s.calls.Load())
	})
}

// The bytes of a stream are those of its body as it was sent: the head is not counted, the chunks' framing is.
func TestHijackedStreamsCountTheirBytes(t *testing.T) {
	forEachHijacked(t, func(t *testing.T, kind connKind) {
		s := newTestServer(t, kind)
		_, in := s.dial(0) // reads the head
		s.waitStreams(1)
		s.publish("a", numbered(100, "x")...)
		require.NoError(t, s.engine.Drain(t.Context(), 0))
		body, err := io.ReadAll(in)
		require.NoError(t, err)
		did := s.waitEnded()
		assert.EqualValues(t, len(body), did.Bytes)
		assert.EqualValues(t, 100, did.Events)
		assert.EqualValues(t, len(body), s.streams.Stats()[0].Bytes)
	})
}

// A client that sends the end of its own side has left, as it has for net/http.
func TestAClientThatEndsItsSideIsGone(t *testing.T) {
	forEachHijacked(t, func(t *testing.T, kind connKind) {
		s := newTestServer(t, kind, func(stream *delivery.Config, _ *pubsub.Config) { stream.WriteTimeout = time.Second })
		conn, _ := s.dial(0)
		s.waitStreams(1)
		require.NoError(t, conn.(interface{ CloseWrite() error }).CloseWrite())
		assert.Equal(t, pubsub.EndGone, s.waitEnded().Reason)
		_, _ = io.Copy(io.Discard, conn) // how the connection ends is not specified; it must end
		s.waitStreams(0)
	})
}

// failing is a connection whose reads fail once the test is ready.
type failing struct {
	net.Conn

	ready <-chan struct{}
	err   error
}

func (c failing) Read([]byte) (int, error) {
	<-c.ready
	return 0, c.err
}

// A connection that the system gave up because the client acknowledged nothing is dead, as on a connection that was
// taken over.
func TestTheReasonOfAFailedRead(t *testing.T) {
	for err, want := range map[error]pubsub.EndReason{
		io.EOF: pubsub.EndGone, syscall.ECONNRESET: pubsub.EndGone, syscall.ETIMEDOUT: pubsub.EndDead,
	} {
		s := newTestServer(t, connKind{})
		ours, theirs := net.Pipe()
		defer theirs.Close()
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
		ready := make(chan struct{})
		s.serve(failing{Conn: ours, ready: ready, err: &net.OpError{Op: "read", Err: err}})
		s.waitStreams(1)
		close(ready)
		assert.Equal(t, want, s.waitEnded().Reason)
		waitGoroutines(t, map[string]int{})
	}
}

// HTTP/1.0 has no chunks; such a stream ends with its connection.
func TestHTTP10StaysInItsHandler(t *testing.T) {
	s := newTestServer(t, connKind{takeOver: true})
	conn, err := net.Dial("tcp", s.web.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET /?topic=a HTTP/1.0\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	s.waitStreams(1)
	waitGoroutines(t, map[string]int{"net/http.(*conn).serve": 1, "net/http.(*connReader).backgroundRead": 1})
	s.publish("a", "to the handler")
	require.NoError(t, s.engine.Drain(t.Context(), 0))
	text, err := io.ReadAll(conn)
	require.NoError(t, err)
	assert.NotContains(t, string(text), "chunked")
	assert.Contains(t, string(text), "data: to the handler\n\n")
	assert.Contains(t, string(text), `{"reason":"drain"}`)
}
