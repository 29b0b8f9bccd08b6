package delivery_test

import (
	"bytes"
	"io"
	"net"
	"os"
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

// waitDescriptors waits until no more than a number of sockets are open.
func waitDescriptors(t *testing.T, want int) {
	t.Helper()
	ok := assert.Eventually(t, func() bool { return descriptors(t) <= want }, waitTimeout, 10*time.Millisecond)
	require.True(t, ok, "descriptors: %d, and %d at first", descriptors(t), want)
}

func TestAStreamHoldsNoGoroutineAndItsDescriptorIsGivenBack(t *testing.T) {
	const many = 1000
	s := newTestServer(t, connKind{takeOver: true})
	s.dialOnce() // what the first stream allocates is allocated now
	files := descriptors(t)
	for range 2 {
		conns := make([]net.Conn, 0, many)
		for range many {
			conn, _ := s.dial(0)
			conns = append(conns, conn)
		}
		s.waitStreams(many)
		waitGoroutines(t, map[string]int{})
		assert.Equal(t, files+2*many, descriptors(t), "one for the stream and one for the test's client")
		for _, conn := range conns {
			require.NoError(t, conn.Close())
		}
		for range many {
			assert.Equal(t, pubsub.EndGone, s.waitEnded().Reason)
		}
		waitGoroutines(t, map[string]int{})
		waitDescriptors(t, files)
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
	waitDescriptors(t, files)
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
