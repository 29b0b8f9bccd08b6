package delivery_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
	"carillon/internal/transport/delivery"
	"carillon/internal/transport/sse"
)

// lineCodec is a format that has nothing in common with Server-Sent Events: a line for everything, an empty one for a
// heartbeat. Its clients are refused with a status.
type lineCodec struct{}

const unencodable = "what lineCodec cannot encode"

func (lineCodec) SetHeader(h http.Header) { h.Set("Content-Type", "text/x-lines") }

func (lineCodec) AppendOpening(b []byte, o pubsub.Opening, retry time.Duration) []byte {
	b = fmt.Appendf(b, "opening at %s, retry of seconds: %t\n", o.At, retry >= time.Second)
	if o.Reset != nil {
		b = lineCodec{}.AppendReset(b, *o.Reset)
	}
	return b
}

func (lineCodec) AppendEvent(b []byte, e event.Entry) ([]byte, error) {
	if e.Event.Data.String() == unencodable {
		return b, errors.New(unencodable)
	}
	return fmt.Appendf(b, "event %s %q\n", e.Position, e.Event.Data.String()), nil
}

func (lineCodec) AppendHeartbeat(b []byte, _ event.Position) []byte { return append(b, '\n') }

func (lineCodec) AppendReset(b []byte, r pubsub.Reset) []byte {
	return fmt.Appendf(b, "reset %s\n", r.Reason)
}

func (lineCodec) AppendGoaway(b []byte, reason string, _ time.Duration) []byte {
	return fmt.Appendf(b, "goaway %s\n", reason)
}

// lineReader is a client of a stream of lines.
type lineReader struct {
	t    testing.TB
	in   *bufio.Reader
	body io.Closer
}

func (s *testServer) readLines(query string) *lineReader {
	s.Helper()
	response := s.get("/lines?" + query)
	s.Cleanup(func() { _ = response.Body.Close() })
	assert.Equal(s, "text/x-lines", response.Header.Get("Content-Type"))
	assert.Equal(s, "no-cache, no-store, no-transform", response.Header.Get("Cache-Control"))
	return &lineReader{t: s, in: bufio.NewReader(response.Body), body: response.Body}
}

func (r *lineReader) next() string {
	r.t.Helper()
	guard := time.AfterFunc(waitTimeout, func() { _ = r.body.Close() })
	defer guard.Stop()
	line, err := r.in.ReadString('\n')
	require.NoError(r.t, err)
	return line
}

// A second format needs only a codec: it is delivered on every path, compressed or not, next to streams of
// another format that want the same events.
func TestAnyFormatIsDeliveredOnEveryPath(t *testing.T) {
	forEachKind(t, func(t *testing.T, kind connKind) {
		s := newTestServer(t, kind)
		first := s.publish("a", "before")[0]
		one, two, other := s.readLines("topic=a"), s.readLines("topic=**&after=nonsense"), s.listen("topic=a")
		opening := fmt.Sprintf("opening at %s, retry of seconds: true\n", first)
		assert.Equal(t, opening, one.next())
		assert.Equal(t, opening, two.next())
		assert.Equal(t, "reset malformed\n", two.next())
		for round := range 5 {
			texts := numbered(1+round*20, "line\nbreak")
			ids := s.publish("a", texts...)
			for i, text := range texts {
				want := "event " + ids[i] + " " + strconv.Quote(text) + "\n"
				require.Equal(t, want, one.next())
				require.Equal(t, want, two.next())
				require.Equal(t, sse.Message{ID: ids[i], Type: "message", Data: text}, other.next())
			}
		}
		require.NoError(t, s.engine.Drain(t.Context(), 0))
		for _, client := range []*lineReader{one, two} {
			assert.Equal(t, "goaway drain\n", client.next())
			_, err := client.in.ReadByte()
			assert.ErrorIs(t, err, io.EOF, "the body does not end as HTTP says")
		}
		other.expectGoaway()
	})
}

func TestTheFormatsHeartbeatIsSent(t *testing.T) {
	forEachKind(t, func(t *testing.T, kind connKind) {
		s := newTestServer(t, kind, func(_ *delivery.Config, engine *pubsub.Config) { engine.Heartbeat = 100 * time.Millisecond })
		client := s.readLines("topic=a")
		assert.Contains(t, client.next(), "opening")
		assert.Equal(t, "\n", client.next())
		assert.Equal(t, "\n", client.next())
	})
}

// A stream that cannot be sent one of its events must not continue without it.
func TestAnEventThatCannotBeEncodedEndsItsStreams(t *testing.T) {
	forEachKind(t, func(t *testing.T, kind connKind) {
		s := newTestServer(t, kind)
		client, elsewhere, other := s.readLines("topic=a"), s.readLines("topic=b"), s.listen("topic=a")
		assert.Contains(t, client.next(), "opening")
		assert.Contains(t, elsewhere.next(), "opening")
		s.publish("a", unencodable)
		assert.Equal(t, pubsub.EndFailed, s.waitEnded().Reason)
		assert.Equal(t, unencodable, other.next().Data, "another format can encode it")
		s.publish("b", "still open")
		assert.Contains(t, elsewhere.next(), "still open")
		s.waitStreams(2)
	})
}

func TestOnlyAFormatWithARefusalRefuses(t *testing.T) {
	streams, err := delivery.New(delivery.Config{
		Retry: time.Second, RefusedRetry: 5 * time.Second, WriteTimeout: time.Second, MaxBatchBytes: 1024,
	})
	require.NoError(t, err)
	assert.False(t, streams.Transport("lines", lineCodec{}).CanRefuse())
	transport := streams.Transport("sse", sse.Codec{})
	require.True(t, transport.CanRefuse())
	w := httptest.NewRecorder()
	transport.Refuse(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), "limit")
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Equal(t, "close", w.Header().Get("Connection"))
	assert.Equal(t, "text/event-stream", w.Header().Get("Content-Type"))
	assert.Regexp(t, `\Aretry: [5-9]\d{3}\nevent: carillon.goaway\ndata: {"reason":"limit"}\n\n\z`, w.Body.String())
}
