package delivery_test

import (
	"compress/gzip"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/transport/delivery"
	"carillon/internal/transport/sse"
)

// slow opens a stream whose kernel buffers little for a reader that does not read, and returns how many large events are
// more than it buffers.
func (s *testServer) slow() (*reader, int) {
	s.Helper()
	if s.kind.http2 {
		return s.listen("topic=a"), 200 // Go's client grants 4 MiB
	}
	return s.listenRaw(64 << 10), 60
}

// listenRaw opens a stream on a bare connection, which [testServer.dial] describes.
func (s *testServer) listenRaw(buffer int) *reader {
	s.Helper()
	conn, in := s.dial(buffer)
	body := chunked(in)
	if s.kind.gzip {
		inflated, err := gzip.NewReader(body)
		require.NoError(s, err)
		body = inflated
	}
	return s.read(body, sync.OnceFunc(func() { _ = conn.Close() }))
}

// waitLive reads until the stream is live: only then has it heartbeats. A stream that never was live is not slow, but
// catching up.
func (c *reader) waitLive(s *testServer) {
	s.Helper()
	opening := c.heartbeats.Load()
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = c.in.Next() })
	require.Eventually(s, func() bool { return c.heartbeats.Load() > opening+1 }, waitTimeout, time.Millisecond)
	s.publish("a", "read on")
	reading.Wait()
}

// incompressible is a text that deflate does not make much smaller.
var incompressible = sync.OnceValue(func() string {
	var b strings.Builder
	for i := uint32(1); b.Len() < 40_000; i = i*1664525 + 1013904223 {
		b.WriteByte('!' + byte(i>>24)%90)
	}
	return b.String()
})

func TestASlowReaderGoesOnExactlyWhereItWas(t *testing.T) {
	forEachKind(t, func(t *testing.T, kind connKind) {
		s := newTestServer(t, kind)
		slow, enough := s.slow()
		healthy := s.listen("topic=a")
		texts := numbered(enough, incompressible())
		var ids []string
		for i := range texts {
			ids = append(ids, s.publish("a", texts[i])...)
			require.Equal(t, texts[i], healthy.next().Data, "a slow reader delayed another")
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

func TestAReaderThatIsTooSlowGetsGoaway(t *testing.T) {
	forEachKind(t, func(t *testing.T, kind connKind) {
		s := newTestServer(t, kind, func(_ *delivery.Config, engine *pubsub.Config) {
			engine.Shards = 1             // what the healthy reader received, the shard has offered to the slow one
			engine.Window.Bytes = 800_000 // more than a busy machine lets a shard fall behind
			engine.Heartbeat = 100 * time.Millisecond
		})
		slow, enough := s.slow()
		slow.waitLive(s)
		healthy := s.listen("topic=a")
		last := ""
		for range enough {
			last = s.publish("a", incompressible())[0]
			require.Equal(t, incompressible(), healthy.next().Data)
		}
		s.waitStreams(1)
		// What it was sent arrives complete, and then the goaway.
		var m sse.Message
		for m = slow.next(); m.Type == "message"; m = slow.next() {
			require.Equal(t, incompressible(), m.Data)
		}
		assert.Equal(t, "carillon.goaway", m.Type)
		assert.JSONEq(t, `{"reason":"slow"}`, m.Data)
		assert.NotEqual(t, last, m.ID, "it was not slow")
		_, err := slow.in.Next()
		assert.ErrorIs(t, err, io.EOF)
		assert.Equal(t, pubsub.EndSlow, s.waitEnded().Reason)
		// And it resumes from there.
		back := s.listen("topic=a&after=" + m.ID)
		assert.Equal(t, incompressible(), back.next().Data)
	})
}

// With the policy "skip" it gets a reset at once, and goes on with the newest event.
func TestAReaderThatIsTooSlowSkips(t *testing.T) {
	forEachKind(t, func(t *testing.T, kind connKind) {
		s := newTestServer(t, kind, func(_ *delivery.Config, engine *pubsub.Config) {
			engine.Shards = 1 // what the healthy reader received, the shard has offered to the slow one
			engine.Window.Bytes = 800_000
			engine.Heartbeat = 100 * time.Millisecond
			engine.Slow = pubsub.SlowSkip
		})
		slow, enough := s.slow()
		slow.waitLive(s)
		healthy := s.listen("topic=a")
		for range enough {
			s.publish("a", incompressible())
			require.Equal(t, incompressible(), healthy.next().Data)
		}
		m := slow.next()
		for ; m.Type == "message"; m = slow.next() {
			require.Equal(t, incompressible(), m.Data)
		}
		assert.Equal(t, "carillon.reset", m.Type)
		assert.Contains(t, m.Data, `"reason":"slow"`)
		assert.Positive(t, s.resets.Load())
		for m.Data == incompressible() || m.Type == "carillon.reset" {
			if m.Type == "carillon.reset" { // it may have been too slow more than once, and have missed this too
				s.publish("a", "the head")
			}
			m = slow.next()
		}
		assert.Equal(t, "the head", m.Data)
	})
}

// The timeout is that of a write, not of the time between two of them.
func TestQuietStreamOutlivesTheWriteTimeout(t *testing.T) {
	forEachKind(t, func(t *testing.T, kind connKind) {
		s := newTestServer(t, kind, func(stream *delivery.Config, engine *pubsub.Config) {
			stream.WriteTimeout, engine.Heartbeat = 300*time.Millisecond, 700*time.Millisecond
		})
		quiet := s.listen("topic=a")
		quiet.waitLive(s)
		s.publish("a", "after a while")
		assert.Equal(t, "after a while", quiet.next().Data)
	})
}

// A client that reads a large event slowly but steadily, for longer than the timeout of one write, gets all of it.
func TestAClientThatIsSlowButSteadyStays(t *testing.T) {
	forEachKind(t, func(t *testing.T, kind connKind) {
		if kind.gzip {
			t.Skip("repetition deflates to next to nothing")
		}
		s := newTestServer(t, kind, func(stream *delivery.Config, _ *pubsub.Config) { stream.WriteTimeout = 1500 * time.Millisecond })
		large := strings.Repeat(incompressible(), 50) // 2 MB
		var client *reader
		if kind.http2 {
			client = s.listen("topic=a")
		} else {
			conn, in := s.dial(64 << 10)
			client = s.read(chunked(in), sync.OnceFunc(func() { _ = conn.Close() }))
		}
		client.in = sse.NewDecoder(&slowReader{from: client.body, due: time.Now()}, 1<<24, "")
		s.publish("a", large)
		assert.Equal(t, large, client.next().Data)
	})
}

// slowReader reads somewhat less than a megabyte a second, also on a machine that wakes it late.
type slowReader struct {
	from io.Reader
	due  time.Time
}

func (s *slowReader) Read(b []byte) (int, error) {
	s.due = s.due.Add(5 * time.Millisecond)
	<-time.After(time.Until(s.due))
	return s.from.Read(b[:min(len(b), 4<<10)])
}

// A taken-over connection costs only a cursor, and the kernel ends it (TCP_USER_TIMEOUT). A handler would block.
func TestAHandlerDoesNotWaitForAReaderThatTakesNothing(t *testing.T) {
	forEachKind(t, func(t *testing.T, kind connKind) {
		if kind.takeOver && !kind.secure {
			t.Skip("there is no handler")
		}
		s := newTestServer(t, kind, func(stream *delivery.Config, _ *pubsub.Config) { stream.WriteTimeout = 300 * time.Millisecond })
		slow, enough := s.slow()
		for range enough {
			s.publish("a", incompressible())
		}
		assert.Equal(t, pubsub.EndDead, s.waitEnded().Reason)
		for {
			if _, err := slow.in.Next(); err != nil {
				assert.NotErrorIs(t, err, io.EOF, "a truncated stream looks complete")
				return
			}
		}
	})
}
