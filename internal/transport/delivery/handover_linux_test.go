package delivery_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/transport/delivery"
)

// descriptors counts the process's sockets. Other descriptors come and go with the runtime's own doings.
func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	count := 0
	for _, entry := range list {
		if target, _ := os.Readlink("/proc/self/fd/" + entry.Name()); strings.HasPrefix(target, "socket:") {
			count++
		}
	}
	return count
}

// waitUntilAtMost waits until a number is back where it was.
func waitUntilAtMost(t *testing.T, what string, want, slack int, count func() int) {
	t.Helper()
	ok := assert.Eventually(t, func() bool { return count() <= want+slack }, patience, 10*time.Millisecond)
	require.True(t, ok, "%s: %d, and %d at first", what, count(), want)
}

func TestAStreamHoldsNoGoroutineAndItsDescriptorIsGivenBack(t *testing.T) {
	const many = 1000
	s := newTestServer(t, connKind{takeOver: true})
	s.dialOnce() // whatever comes with a first stream is there now
	goroutines, files := runtime.NumGoroutine(), descriptors(t)
	for range 2 {
		conns := make([]net.Conn, 0, many)
		for range many {
			conn, _ := s.dial(0)
			conns = append(conns, conn)
		}
		s.waitStreams(many)
		waitUntilAtMost(t, "goroutines", goroutines, 19, runtime.NumGoroutine)
		assert.Equal(t, files+2*many, descriptors(t), "one for the stream and one for the test's client")
		for _, conn := range conns {
			require.NoError(t, conn.Close())
		}
		for range many {
			assert.Equal(t, pubsub.EndGone, s.waitEnded().Reason)
		}
		waitUntilAtMost(t, "goroutines", goroutines, 19, runtime.NumGoroutine)
		waitUntilAtMost(t, "descriptors", files, 0, func() int { return descriptors(t) })
	}
}

func (s *testServer) dialOnce() {
	s.Helper()
	conn, _ := s.dial(0)
	require.NoError(s, conn.Close())
	s.waitEnded()
}

// The kernel reuses descriptors at once, so a write that came too late would reach another connection. Here the process
// has many others, whose clients check every byte.
func TestNoWriteReachesAForeignConnection(t *testing.T) {
	const clients, rounds = 8, 250
	for _, slow := range []bool{false, true} {
		s := newTestServer(t, connKind{takeOver: true}, func(_ *delivery.Config, engine *pubsub.Config) {
			if slow { // streams are also ended from inside
				engine.Window.Bytes = 100_000
				engine.Heartbeat = 100 * time.Millisecond
			}
		})
		s.dialOnce()
		files := descriptors(t)
		stop := make(chan struct{})
		var background, churn sync.WaitGroup
		background.Go(func() { s.publishUntil(stop) })
		echoes := startEcho(t, stop, &background)
		for range clients {
			churn.Go(func() {
				for round := range rounds {
					s.openAndLeave(round)
				}
			})
		}
		churn.Wait()
		for range clients * rounds {
			s.waitEnded()
		}
		close(stop)
		background.Wait()
		echoes.close()
		s.waitStreams(0)
		waitUntilAtMost(t, "descriptors", files, 0, func() int { return descriptors(t) })
		assert.Positive(t, echoes.done.Load())
		assert.Zero(t, echoes.wrong.Load(), "bytes of a stream reached another connection")
		// One more has been ended by dialOnce.
		assert.EqualValues(t, clients*rounds+1, s.calls.Load(), "the end of a stream was reported twice, or not at all")
		s.stop()
		assert.EqualValues(t, clients*rounds+1, s.calls.Load())
	}
}

// publishUntil publishes until it is stopped.
func (s *testServer) publishUntil(stop <-chan struct{}) {
	text := incompressible()[:8000]
	for {
		select {
		case <-stop:
			return
		default:
			s.publish("a", text, "small")
		}
	}
}

// openAndLeave opens a stream, reads a little or nothing, and leaves in one of several ways.
func (s *testServer) openAndLeave(round int) {
	conn, err := net.Dial("tcp", s.web.Listener.Addr().String())
	if !assert.NoError(s, err) {
		return
	}
	defer conn.Close()
	_, err = io.WriteString(conn, "GET /?topic=a HTTP/1.1\r\nHost: x\r\n\r\n")
	assert.NoError(s, err)
	head := make([]byte, 1)
	_, err = io.ReadFull(conn, head) // it is a stream from here on
	assert.NoError(s, err)
	switch round % 4 {
	case 0:
		_ = conn.(*net.TCPConn).SetLinger(0)
	case 1:
		_, _ = io.CopyN(io.Discard, conn, 30_000)
	case 2:
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
	}
}

// echo is a server that sends back what it receives, with clients that open and close connections all the time.
type echo struct {
	listener    net.Listener
	served      sync.WaitGroup
	done, wrong atomic.Int64
}

func startEcho(t *testing.T, stop <-chan struct{}, running *sync.WaitGroup) *echo {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &echo{listener: listener}
	s.served.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.served.Go(func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			})
		}
	})
	for n := range 4 {
		running.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					s.exchange(fmt.Appendf(nil, "client %d, message %d", n, i))
				}
			}
		})
	}
	return s
}

// exchange sends a message and expects exactly the same back.
func (s *echo) exchange(message []byte) {
	conn, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		s.wrong.Add(1)
		return
	}
	defer conn.Close()
	_, _ = conn.Write(message)
	_ = conn.(*net.TCPConn).CloseWrite()
	back, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(back, message) {
		s.wrong.Add(1)
	}
	s.done.Add(1)
}

func (s *echo) close() {
	_ = s.listener.Close()
	s.served.Wait()
}

// A client that still reads when the server stops has a moment to read to the end; then its connection is closed.
func TestClosingConnectionsEndWithTheServer(t *testing.T) {
	s := newTestServer(t, connKind{takeOver: true})
	files := descriptors(t)
	asleep, _ := s.dial(64 << 10)
	slow, in := s.dial(64 << 10)
	for range 60 {
		s.publish("a", incompressible())
	}
	require.NoError(t, s.engine.Drain(t.Context(), 0))
	for range 2 {
		assert.Equal(t, pubsub.EndDrain, s.waitEnded().Reason)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		text, err := io.ReadAll(chunked(in))
		assert.NoError(t, err, "the body does not end as HTTP says")
		assert.Contains(t, string(text), `{"reason":"drain"}`)
	})
	s.stop()
	reading.Wait()
	require.NoError(t, asleep.Close())
	require.NoError(t, slow.Close())
	waitUntilAtMost(t, "descriptors", files, 0, func() int { return descriptors(t) })
	assert.EqualValues(t, 2, s.calls.Load())
}

// Bytes that a client sends and nobody reads do not make the kernel drop the goaway.
func TestAClientThatSendsBytesReceivesTheGoaway(t *testing.T) {
	s := newTestServer(t, connKind{takeOver: true})
	conn, in := s.dial(0)
	_, err := conn.Write(bytes.Repeat([]byte("hello?"), 1000))
	require.NoError(t, err)
	require.NoError(t, s.engine.Drain(t.Context(), 0))
	text, err := io.ReadAll(in)
	require.NoError(t, err)
	assert.True(t, strings.HasSuffix(string(text), "0\r\n\r\n"))
}
