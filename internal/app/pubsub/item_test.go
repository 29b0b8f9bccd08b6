package pubsub_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// encodingSink encodes the items it gets, like a transport.
type encodingSink struct {
	*fakeSink

	encoding *pubsub.Encoding[[]byte]
	bytes    [][]byte
}

func (s *encodingSink) Send(items []*pubsub.Item) (int, error) {
	for _, item := range items {
		s.bytes = append(s.bytes, s.encoding.Of(item))
	}
	return s.fakeSink.Send(items)
}

// counted returns an encoding that counts how often it encodes.
func counted(name string, times *atomic.Int32) *pubsub.Encoding[[]byte] {
	return pubsub.NewEncoding(func(e event.Entry) ([]byte, int) {
		times.Add(1)
		b := fmt.Appendf(nil, "%s:%s", name, e.Event.Data)
		return b, len(b)
	})
}

// An item is encoded once for each encoding in use, not once for each stream.
func TestEncodeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Shards = 1
		f := start(t, cfg, newLog(0))
		var times [2]atomic.Int32
		encodings := []*pubsub.Encoding[[]byte]{counted("first", &times[0]), counted("second", &times[1])}
		var sinks []*encodingSink
		for i := range 100 {
			sink := &encodingSink{fakeSink: newSink(), encoding: encodings[i%2]}
			sinks = append(sinks, sink)
			f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics}).Attach(sink)
		}
		synctest.Wait()
		f.trickle(10, "a")
		assert.EqualValues(t, 10, times[0].Load())
		assert.EqualValues(t, 10, times[1].Load())
		for i, sink := range sinks {
			assert.Equal(t, []string{"first:10", "second:10"}[i%2], string(sink.bytes[9]))
			assert.Same(t, &sinks[i%2].bytes[9][0], &sink.bytes[9][0])
		}
	})
}

// The window counts every encoding that its items keep, and drops items when they exceed its bound.
func TestWindowCountsEncodings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Shards, cfg.Window.Bytes = 1, 10_000
		f := start(t, cfg, newLog(0))
		encoding := func(bytes int) *pubsub.Encoding[int] {
			return pubsub.NewEncoding(func(event.Entry) (int, int) { return 1, bytes })
		}
		first, second := &itemSink{fakeSink: newSink()}, newSink()
		f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics}).Attach(first)
		f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics}).Attach(second)
		synctest.Wait()
		f.trickle(3, "a")
		plain := f.engine.Window()
		assert.Equal(t, 3, plain.Events)
		small, large := encoding(1000), encoding(9000)
		for _, item := range first.items {
			small.Of(item)
			small.Of(item)
		}
		assert.Equal(t, plain.Bytes+3000, f.engine.Window().Bytes)
		large.Of(first.items[1])
		assert.Equal(t, 1, f.engine.Window().Events, "the two oldest were dropped")
		assert.Equal(t, plain.Bytes/3+1000, f.engine.Window().Bytes)
		large.Of(first.items[0])
		assert.Equal(t, plain.Bytes/3+1000, f.engine.Window().Bytes, "an item outside the window does not count")
		large.Of(first.items[2])
		assert.Equal(t, 1, f.engine.Window().Events, "the newest stays")
		f.trickle(1, "a")
		assert.Equal(t, pubsub.WindowInfo{Events: 1, Bytes: plain.Bytes / 3}, f.engine.Window())
	})
}

// itemSink keeps the items it gets.
type itemSink struct {
	*fakeSink

	items []*pubsub.Item
}

func (s *itemSink) Send(items []*pubsub.Item) (int, error) {
	s.items = append(s.items, items...)
	return s.fakeSink.Send(items)
}

// Concurrent first callers may encode twice, but all of them get the same value of an encoding.
func TestEncodeConcurrently(t *testing.T) {
	for range 100 {
		var item pubsub.Item
		var callers sync.WaitGroup
		var times atomic.Int32
		encodings := []*pubsub.Encoding[[]byte]{counted("first", &times), counted("second", &times)}
		values := make([][]byte, 8)
		for i := range values {
			callers.Go(func() { values[i] = encodings[i%2].Of(&item) })
		}
		callers.Wait()
		for i, value := range values {
			assert.Same(t, &values[i%2][0], &value[0])
			assert.Equal(t, []string{"first:", "second:"}[i%2], string(value))
		}
	}
}

// Getting an encoding that was made before allocates nothing.
func TestEncodingIsFoundWithoutAllocation(t *testing.T) {
	var item pubsub.Item
	var times atomic.Int32
	first, second := counted("first", &times), counted("second", &times)
	first.Of(&item)
	second.Of(&item)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		first.Of(&item)
		second.Of(&item)
	}))
}
