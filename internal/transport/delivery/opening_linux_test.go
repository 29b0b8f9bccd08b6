package delivery_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"carillon/internal/app/pubsub"
	"carillon/internal/transport/delivery"
)

// fullConnection returns both ends of a connection whose kernel takes nothing more from the server until the client
// reads, and how many bytes are in between.
func fullConnection(t *testing.T) (server, client net.Conn, pending int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	server, err = l.Accept()
	require.NoError(t, err)
	control, err := server.(syscall.Conn).SyscallConn()
	require.NoError(t, err)
	full := 0
	require.Eventually(t, func() bool { // the kernel enlarges its buffers for a while
		full++
		return control.Control(func(fd uintptr) {
			for n, err := 0, error(nil); err == nil; n, err = unix.Write(int(fd), []byte(strings.Repeat("x", 512))) {
				if n > 0 {
					full, pending = 0, pending+n
				}
			}
		}) == nil && full == 10
	}, waitTimeout, 10*time.Millisecond)
	return server, client, pending
}

// A head and an opening that the socket does not take are sent when it does, though nothing else happens to the stream.
func TestAnOpeningWaitsForRoom(t *testing.T) {
	s := newTestServer(t, connKind{takeOver: true})
	server, client, pending := fullConnection(t)
	s.serve(server)
	s.waitStreams(1)
	in := bufio.NewReader(client)
	_, err := io.CopyN(io.Discard, in, int64(pending))
	require.NoError(t, err)
	require.NoError(t, client.SetReadDeadline(time.Now().Add(waitTimeout)))
	response, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	line, err := bufio.NewReader(response.Body).ReadString('\n')
	require.NoError(t, err)
	assert.Contains(t, line, "retry: ")
}

// The position of a heartbeat is sent, though the heartbeat came while the socket took nothing.
func TestABookmarkIsNotLostWhileBytesWait(t *testing.T) {
	s := newTestServer(t, connKind{takeOver: true}, func(_ *delivery.Config, engine *pubsub.Config) { engine.Heartbeat = 100 * time.Millisecond })
	server, client, pending := fullConnection(t)
	s.serve(server)
	newest := s.publish("b", numbered(10, "not for this stream")...)[9]
	other := s.listen("topic=c")
	go func() { _, _ = other.in.Next() }()
	require.Eventually(t, func() bool { return other.heartbeats.Load() > 4 }, waitTimeout, time.Millisecond) // and as many here
	in := bufio.NewReader(client)
	_, err := io.CopyN(io.Discard, in, int64(pending))
	require.NoError(t, err)
	require.NoError(t, client.SetReadDeadline(time.Now().Add(waitTimeout)))
	for line := ""; line != "id: "+newest+"\n"; {
		line, err = in.ReadString('\n')
		require.NoError(t, err)
	}
}

// Only bytes of the body count, however little of the head was sent.
func TestBytesOfAHeadAreNotCounted(t *testing.T) {
	s := newTestServer(t, connKind{takeOver: true})
	server, client, _ := fullConnection(t)
	s.serve(server)
	s.waitStreams(1)
	require.NoError(t, client.Close())
	did := s.waitEnded()
	assert.Contains(t, []pubsub.EndReason{pubsub.EndGone, pubsub.EndFailed}, did.Reason)
	assert.Zero(t, did.Bytes)
	assert.Zero(t, s.streams.Stats()[0].Bytes)
}

// A connection that turns out not to have a descriptor is reported as failed, not as left by its client.
func TestAConnectionThatCannotBeTakenOverIsAFailure(t *testing.T) {
	s := newTestServer(t, connKind{takeOver: true})
	ours, theirs := net.Pipe() // has no descriptor
	defer theirs.Close()
	s.serve(ours)
	did := s.waitEnded()
	assert.Equal(t, pubsub.EndFailed, did.Reason)
	assert.ErrorContains(t, did.Problem, "no descriptor")
}
