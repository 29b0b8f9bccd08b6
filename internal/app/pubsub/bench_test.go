package pubsub_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/domain/event"
	"carillon/internal/infra/memlog"
)

// countingSink takes everything and signals when it has as many items as expected.
type countingSink struct {
	got      atomic.Int64
	expected *atomic.Int64
	complete *sync.WaitGroup
}

func (s *countingSink) Send(items []*pubsub.Item) (int, error) {
	n := int64(len(items))
	if got := s.got.Add(n); got >= s.expected.Load() && got-n < s.expected.Load() {
		s.complete.Done()
	}
	return len(items), nil
}

func (*countingSink) Flush() error                   { return nil }
func (*countingSink) Heartbeat(event.Position) error { return nil }
func (*countingSink) Reset(pubsub.Reset) error       { return nil }
func (*countingSink) Close(pubsub.EndReason)         {}

// benchEngine is an engine over the log in memory, with streams that count what they get.
type benchEngine struct {
	tb       testing.TB
	engine   *pubsub.Engine
	expected atomic.Int64   // how many items each stream of the topic has when it is complete
	complete sync.WaitGroup // counts the streams that are not
	streams  int            // of the topic
	batch    []event.Event
}

func newBenchEngine(tb testing.TB, batch int) *benchEngine {
	tb.Helper()
	log, err := memlog.New(memlog.Config{
		Events: 20_000, Bytes: 1 << 30, Age: time.Hour, Keys: 1, KeyWindow: time.Minute,
	})
	require.NoError(tb, err)
	cfg := config()
	cfg.Window.Bytes, cfg.Shards = 1<<30, 0
	e := &benchEngine{tb: tb}
	e.engine, err = pubsub.New(cfg, log, pubsubtest.NopObserver{})
	require.NoError(tb, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = e.engine.Run(ctx) })
	tb.Cleanup(func() { cancel(); running.Wait() })
	for range batch {
		e.batch = append(e.batch, newEvent("The quick brown fox jumps over the lazy dog", "stock/acme"))
	}
	return e
}

// attach attaches streams to topics.
func (e *benchEngine) attach(n int, from pubsub.Start, topic func(int) string) {
	e.tb.Helper()
	for i := range n {
		st, err := e.engine.Open(context.Background(), pubsub.Subscription{Patterns: patterns(topic(i)), Grant: allTopics, Start: from})
		require.NoError(e.tb, err)
		st.Attach(&countingSink{expected: &e.expected, complete: &e.complete})
	}
}

// waitLive waits until all streams are live and collects garbage, so that what follows is measured without the cost of
// attaching streams.
func (e *benchEngine) waitLive(streams int) {
	e.tb.Helper()
	require.Eventually(e.tb, func() bool {
		now, err := e.engine.Inspect(context.Background(), 0)
		return err == nil && now.Streams["live"] == streams
	}, time.Minute, 10*time.Millisecond)
	runtime.GC()
}

func acmeTopic(int) string { return "stock/acme" }

// deliver publishes the batch and waits until every stream of the topic has it.
func (e *benchEngine) deliver() {
	e.complete.Add(e.streams)
	e.expected.Add(int64(len(e.batch)))
	if _, err := e.engine.Publish(context.Background(), e.batch...); err != nil {
		e.tb.Error(err)
	}
	e.complete.Wait()
}

// BenchmarkFanout measures the cost of delivering one event to one of many streams of its topic.
func BenchmarkFanout(b *testing.B) {
	for _, streams := range []int{1, 100, 10_000} {
		for _, batch := range []int{1, 64} {
			b.Run(fmt.Sprintf("streams=%d/batch=%d", streams, batch), func(b *testing.B) {
				e := newBenchEngine(b, batch)
				e.streams = streams
				e.attach(streams, next, acmeTopic)
				e.deliver()
				b.ReportAllocs()
				for b.Loop() {
					e.deliver()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*streams*batch), "ns/delivery")
			})
		}
	}
}

// BenchmarkPublishOtherTopics shows that a publish costs the same however many other topics are subscribed to.
func BenchmarkPublishOtherTopics(b *testing.B) {
	for _, others := range []int{10, 100_000} {
		for kind, topic := range map[string]func(int) string{
			"topic":   func(i int) string { return fmt.Sprintf("stock/%d", i) },
			"pattern": func(i int) string { return fmt.Sprintf("stock/%d/*", i) },
		} {
			b.Run(fmt.Sprintf("%ss=%d", kind, others), func(b *testing.B) {
				e := newBenchEngine(b, 1)
				e.attach(others, next, topic)
				e.streams = 1
				e.attach(1, next, acmeTopic)
				e.waitLive(others + 1)
				b.ReportAllocs()
				for b.Loop() {
					e.deliver()
				}
			})
		}
	}
}

// BenchmarkReplay measures the replay of ten thousand events to clients that all connect at once.
func BenchmarkReplay(b *testing.B) {
	const history = 10_000
	for _, streams := range []int{1, 100} {
		b.Run(fmt.Sprintf("streams=%d", streams), func(b *testing.B) {
			e := newBenchEngine(b, history)
			kept, err := e.engine.Publish(context.Background(), e.batch...)
			require.NoError(b, err)
			begin := event.Position{Epoch: kept[0].Position.Epoch}
			e.expected.Store(history)
			b.ReportAllocs()
			for b.Loop() {
				e.complete.Add(streams)
				e.attach(streams, pubsub.After(begin.String()), acmeTopic)
				e.complete.Wait()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*streams*history), "ns/delivery")
		})
	}
}

// Publishing an event may allocate; delivering it to one more stream does not.
func TestDeliveryDoesNotAllocate(t *testing.T) {
	const rounds, batch = 50, 20
	perRound := func(streams int) uint64 {
		e := newBenchEngine(t, batch)
		e.streams = streams
		e.attach(streams, next, acmeTopic)
		for range 20 {
			e.deliver() // until buffers no longer grow
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range rounds {
			e.deliver()
		}
		runtime.ReadMemStats(&after)
		return after.Mallocs - before.Mallocs
	}
	few, many := perRound(1), perRound(2000)
	deliveries := float64(rounds * batch * 1999)
	assert.Less(t, (float64(many)-float64(few))/deliveries, 0.001, "allocations for a delivery (%d with 1 stream, %d with 2000)", few, many)
}
