package delivery_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
)

// stuck opens a stream whose client takes the head and nothing more, with no kernel in between that would.
func (s *testServer) stuck() *bufio.Reader {
	s.Helper()
	server, client := net.Pipe()
	s.Cleanup(func() { _ = client.Close() })
	if s.kind.secure {
		server, client = tls.Server(server, s.web.TLS), tls.Client(client, &tls.Config{InsecureSkipVerify: true})
	}
	go s.serve(server)
	in := bufio.NewReader(client)
	for line := ""; line != "\r\n"; {
		var err error
		line, err = in.ReadString('\n')
		require.NoError(s, err)
	}
	return in
}

// When the server stops, a client that reads gets the rest and the goaway; one that takes nothing is cut off after a
// while, and cannot mistake what it has for all.
func TestStoppingWaitsForTheGoroutinesOfStreams(t *testing.T) {
	forEachHijacked(t, func(t *testing.T, kind connKind) {
		kind.takeOver = false // a pipe cannot be
		s := newTestServer(t, kind)
		stuck, healthy := s.stuck(), s.listenRaw(0)
		s.waitStreams(2)
		texts := numbered(60, incompressible())
		s.publish("a", texts...)
		for _, text := range texts {
			require.Equal(t, text, healthy.next().Data)
		}
		require.NoError(t, s.engine.Drain(t.Context(), 0))
		s.stop()
		waitGoroutines(t, map[string]int{})
		healthy.expectGoaway()
		_, err := io.ReadAll(chunked(stuck))
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "a truncated stream looks complete")
		for range 2 {
			assert.Equal(t, pubsub.EndDrain, s.waitEnded().Reason)
		}
		assert.EqualValues(t, 2, s.calls.Load())
	})
}

// A stream that begins after the server has stopped is refused and its connection closed.
func TestAStreamThatBeginsAfterTheStopIsClosed(t *testing.T) {
	forEachHijacked(t, func(t *testing.T, kind connKind) {
		s := newTestServer(t, kind)
		s.stopStreams()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.web.URL+"/?topic=a", nil)
		require.NoError(t, err)
		_, err = s.web.Client().Do(r)
		require.ErrorIs(t, err, io.EOF)
		did := s.waitEnded()
		assert.Equal(t, pubsub.EndFailed, did.Reason)
		assert.ErrorIs(t, did.Problem, pubsub.ErrDraining)
	})
}

// panicking is a codec with a defect.
type panicking struct{ lineCodec }

func (panicking) AppendOpening([]byte, pubsub.Opening, time.Duration) []byte { panic("defect") }

// A connection whose stream could not begin because of a panic is closed, and does not delay the stop.
func TestAPanicBeforeAStreamBeginsClosesItsConnection(t *testing.T) {
	s := newTestServer(t, connKind{})
	s.sse = s.streams.Transport("panicking", panicking{})
	ours, theirs := net.Pipe()
	assert.Panics(t, func() { s.serve(ours) })
	_, err := theirs.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	s.stopStreams()
}
