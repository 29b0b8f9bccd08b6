package pubsub_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// encodingSink makes bytes of what it gets, as a transport does.
type encodingSink struct {
	*fakeSink

	form    pubsub.Form
	encoded *atomic.Int32
	bytes   [][]byte
}

func (s *encodingSink) Send(items []*pubsub.Item) (int, error) {
	for _, item := range items {
		s.bytes = append(s.bytes, item.Bytes(s.form, func(e event.Entry) []byte {
			s.encoded.Add(1)
			return fmt.Appendf(nil, "%d:%s", s.form, e.Event.Data)
		}))
	}
	return s.fakeSink.Send(items)
}

// An event becomes bytes once for each form, not once for each stream.
func TestEncodeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Shards = 1
		r := start(t, cfg, newLog(0))
		var encoded [2]atomic.Int32
		var sinks []*encodingSink
		for i := range 100 {
			form := []pubsub.Form{pubsub.FormChunk, pubsub.FormGzipChunk}[i%2]
			sink := &encodingSink{fakeSink: newSink(), form: form, encoded: &encoded[i%2]}
			sinks = append(sinks, sink)
			r.open(pubsub.Subscription{Patterns: patterns("a"), Grant: everyone}).Attach(sink)
		}
		synctest.Wait()
		r.trickle(10, "a")
		assert.EqualValues(t, 10, encoded[0].Load())
		assert.EqualValues(t, 10, encoded[1].Load())
		for i, sink := range sinks {
			assert.Equal(t, fmt.Sprintf("%d:%d", sink.form, 10), string(sink.bytes[9]))
			assert.Same(t, &sinks[i%2].bytes[9][0], &sink.bytes[9][0])
		}
	})
}

// What the window counts covers the bytes that streams are sent, however many lines they have.
func TestWindowCountsEncodedBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, config(), newLog(0))
		text := strings.Repeat("\n", 10_000)
		_, err := r.pub.Publish(t.Context(), about(text, "a"))
		require.NoError(t, err)
		synctest.Wait()
		assert.Greater(t, r.pub.Window().Bytes, int64(len(text)+len(text)*len("data: \n")))
	})
}

// First callers at the same time may both encode; they get one answer.
func TestEncodeConcurrently(t *testing.T) {
	for range 100 {
		var item pubsub.Item
		var callers sync.WaitGroup
		answers := make([][]byte, 4)
		for i := range answers {
			callers.Go(func() {
				answers[i] = item.Bytes(pubsub.FormChunk, func(event.Entry) []byte { return []byte("x") })
			})
		}
		callers.Wait()
		for _, answer := range answers {
			assert.Same(t, &answers[0][0], &answer[0])
		}
	}
}
