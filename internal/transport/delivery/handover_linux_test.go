package delivery_test

import (
	"bytes"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
)

// descriptors counts the process's sockets. The runtime opens and closes other descriptors by itself.
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

// waitUntilAtMost waits until a number is at most want plus slack.
func waitUntilAtMost(t *testing.T, what string, want, slack int, count func() int) {
	t.Helper()
	ok := assert.Eventually(t, func() bool { return count() <= want+slack }, waitTimeout, 10*time.Millisecond)
	require.True(t, ok, "%s: %d, and %d at first", what, count(), want)
}

func TestAStreamHoldsNoGoroutineAndItsDescriptorIsGivenBack(t *testing.T) {
	const many = 1000
	s := newTestServer(t, connKind{takeOver: true})
	s.dialOnce() // what the first stream allocates is allocated now
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

// A client that still reads when the server stops has a limited time to read to the end; then its connection is closed.
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
