package sse_test

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
	"carillon/internal/transport/sse"
)

// slow opens a stream whose reader takes little by itself, and answers how many large events are more than it takes.
func (s *site) slow() (*reader, int) {
	s.Helper()
	if s.way.http2 {
		return s.listen("topic=a"), 200 // Go's client grants 4 MiB
	}
	conn, in := s.dial(64 << 10)
	body := chunked(in)
	if s.way.gzip {
		inflated, err := gzip.NewReader(body)
		require.NoError(s, err)
		body = inflated
	}
	return s.read(body, sync.OnceFunc(func() { _ = conn.Close() })), 60
}

// untilLive reads until the stream is at the head: only there does it beat. One that never was is no slow reader, but
// one with much to catch up on.
func (c *reader) untilLive(s *site) {
	s.Helper()
	opening := c.beats.Load()
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = c.in.Next() })
	require.Eventually(s, func() bool { return c.beats.Load() > opening+1 }, patience, time.Millisecond)
	s.publish("a", "read on")
	reading.Wait()
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
		slow, enough := s.slow()
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
			engine.Window.Bytes = 800_000 // more than a busy machine lets a shard fall behind
			engine.Heartbeat = 100 * time.Millisecond
		})
		slow, enough := s.slow()
		slow.untilLive(s)
		healthy := s.listen("topic=a")
		last := ""
		for range enough {
			last = s.publish("a", bulky())[0]
			require.Equal(t, bulky(), healthy.next().Data)
		}
		s.counts(1)
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

// With the other policy it is told at once, and goes on with the newest.
func TestAReaderThatIsTooSlowSkips(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		s := newSite(t, w, func(_ *sse.Config, engine *pubsub.Config) {
			engine.Window.Bytes = 800_000
			engine.Heartbeat = 100 * time.Millisecond
			engine.Slow = pubsub.SlowSkip
		})
		slow, enough := s.slow()
		slow.untilLive(s)
		healthy := s.listen("topic=a")
		for range enough {
			s.publish("a", bulky())
			require.Equal(t, bulky(), healthy.next().Data)
		}
		m := slow.next()
		for ; m.Type == "message"; m = slow.next() {
			require.Equal(t, bulky(), m.Data)
		}
		assert.Equal(t, "carillon.reset", m.Type)
		assert.Contains(t, m.Data, `"reason":"slow"`)
		assert.Positive(t, s.resets.Load())
		for m.Data == bulky() || m.Type == "carillon.reset" {
			if m.Type == "carillon.reset" { // it may have been too slow more than once, and have missed this too
				s.publish("a", "the head")
			}
			m = slow.next()
		}
		assert.Equal(t, "the head", m.Data)
	})
}

// A client that takes a large event slowly, but steadily, for longer than one write may take, gets all of it.
func TestAClientThatIsSlowButSteadyStays(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		if w.gzip {
			t.Skip("repetition deflates to next to nothing")
		}
		s := newSite(t, w, func(stream *sse.Config, _ *pubsub.Config) { stream.WriteTimeout = 700 * time.Millisecond })
		large := strings.Repeat(bulky(), 50) // 2 MB
		var client *reader
		if w.http2 {
			client = s.listen("topic=a")
		} else {
			conn, in := s.dial(64 << 10)
			client = s.read(chunked(in), sync.OnceFunc(func() { _ = conn.Close() }))
		}
		client.in = sse.NewDecoder(steady{client.body}, 1<<24, "")
		s.publish("a", large)
		assert.Equal(t, large, client.next().Data)
	})
}

// steady takes somewhat less than a megabyte a second.
type steady struct{ from io.Reader }

func (s steady) Read(b []byte) (int, error) {
	<-time.After(5 * time.Millisecond)
	return s.from.Read(b[:min(len(b), 4<<10)])
}

// A taken-over connection only costs a cursor, and the kernel ends it (TCP_USER_TIMEOUT). A handler would wait.
func TestAHandlerDoesNotWaitForAReaderThatTakesNothing(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		if w.takeOver && !w.secure {
			t.Skip("there is no handler")
		}
		s := newSite(t, w, func(stream *sse.Config, _ *pubsub.Config) { stream.WriteTimeout = 300 * time.Millisecond })
		slow, enough := s.slow()
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
