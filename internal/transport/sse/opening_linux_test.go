package sse_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"carillon/internal/app/pubsub"
	"carillon/internal/transport/sse"
)

// given is a response on a connection that a test has prepared.
type given struct {
	http.ResponseWriter

	conn net.Conn
}

func (g given) Hijack() (net.Conn, *bufio.ReadWriter, error) { return g.conn, nil, nil }

// serve has the site serve a stream on a connection.
func (s *site) serve(conn net.Conn) {
	s.Helper()
	r := httptest.NewRequestWithContext(s.Context(), http.MethodGet, "/?topic=a", nil)
	stream, err := s.publisher.Open(s.Context(), subscriptionOf(r))
	require.NoError(s, err)
	s.streams.Serve(given{httptest.NewRecorder(), conn}, r, stream, s)
}

// stuffed is both ends of a connection whose kernel takes nothing more from the server until the client reads.
func stuffed(t *testing.T) (server, client net.Conn, stuffing int) {
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
	require.Eventually(t, func() bool { // the kernel goes on making room for a while
		full++
		return control.Control(func(fd uintptr) {
			for n, err := 0, error(nil); err == nil; n, err = unix.Write(int(fd), []byte(strings.Repeat("x", 512))) {
				if n > 0 {
					full, stuffing = 0, stuffing+n
				}
			}
		}) == nil && full == 10
	}, patience, 10*time.Millisecond)
	return server, client, stuffing
}

// A head and an opening that find no room are sent when there is some, though nothing else happens to the stream.
func TestAnOpeningWaitsForRoom(t *testing.T) {
	s := newSite(t, way{takeOver: true})
	server, client, stuffing := stuffed(t)
	s.serve(server)
	s.counts(1)
	in := bufio.NewReader(client)
	_, err := io.CopyN(io.Discard, in, int64(stuffing))
	require.NoError(t, err)
	require.NoError(t, client.SetReadDeadline(time.Now().Add(patience)))
	response, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	line, err := bufio.NewReader(response.Body).ReadString('\n')
	require.NoError(t, err)
	assert.Contains(t, line, "retry: ")
}

// A place that a beat has to tell is told, though the beat came while the client took nothing.
func TestABookmarkIsNotLostWhileBytesWait(t *testing.T) {
	s := newSite(t, way{takeOver: true}, func(_ *sse.Config, engine *pubsub.Config) { engine.Heartbeat = 100 * time.Millisecond })
	server, client, stuffing := stuffed(t)
	s.serve(server)
	newest := s.publish("b", numbered(10, "not for this stream")...)[9]
	other := s.listen("topic=c")
	go func() { _, _ = other.in.Next() }()
	require.Eventually(t, func() bool { return other.beats.Load() > 4 }, patience, time.Millisecond) // and as many here
	in := bufio.NewReader(client)
	_, err := io.CopyN(io.Discard, in, int64(stuffing))
	require.NoError(t, err)
	require.NoError(t, client.SetReadDeadline(time.Now().Add(patience)))
	for line := ""; line != "id: "+newest+"\n"; {
		line, err = in.ReadString('\n')
		require.NoError(t, err)
	}
}

// Only the body counts, however little of the head was sent.
func TestBytesOfAHeadAreNotCounted(t *testing.T) {
	s := newSite(t, way{takeOver: true})
	server, client, _ := stuffed(t)
	s.serve(server)
	s.counts(1)
	require.NoError(t, client.Close())
	did := s.ended()
	assert.Contains(t, []pubsub.EndReason{pubsub.EndGone, pubsub.EndFailed}, did.Reason)
	assert.Zero(t, did.Bytes)
	assert.Zero(t, s.streams.Stats().Bytes)
}

// A connection that cannot be taken over after all is said to be the server's failure, not the client's leaving.
func TestAConnectionThatCannotBeTakenOverIsAFailure(t *testing.T) {
	s := newSite(t, way{takeOver: true})
	ours, theirs := net.Pipe() // has no descriptor
	defer theirs.Close()
	s.serve(ours)
	did := s.ended()
	assert.Equal(t, pubsub.EndFailed, did.Reason)
	assert.ErrorContains(t, did.Problem, "no descriptor")
}
