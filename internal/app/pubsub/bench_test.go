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
	"carillon/internal/domain/event"
	"carillon/internal/infra/memlog"
)

// countingSink takes everything and says when it has as much as was hoped for.
type countingSink struct {
	got  atomic.Int64
	goal *atomic.Int64
	met  *sync.WaitGroup
}

func (s *countingSink) Send(items []*pubsub.Item) (int, error) {
	n := int64(len(items))
	if got := s.got.Add(n); got >= s.goal.Load() && got-n < s.goal.Load() {
		s.met.Done()
	}
	return len(items), nil
}

func (*countingSink) Flush() error              { return nil }
func (*countingSink) Beat(event.Position) error { return nil }
func (*countingSink) Reset(pubsub.Reset) error  { return nil }
func (*countingSink) Close(pubsub.EndReason)    {}

// hall is an engine over the log in memory, with an audience.
type hall struct {
	tb    testing.TB
	pub   *pubsub.Engine
	goal  atomic.Int64
	met   sync.WaitGroup
	seats int
	batch []event.Event
}

func newHall(tb testing.TB, batch int) *hall {
	tb.Helper()
	log, err := memlog.New(memlog.Config{
		Events: 20_000, Bytes: 1 << 30, Age: time.Hour, Keys: 1, KeyWindow: time.Minute,
	})
	require.NoError(tb, err)
	cfg := config()
	cfg.Window.Bytes, cfg.Shards = 1<<30, 0
	h := &hall{tb: tb}
	h.pub, err = pubsub.New(cfg, log, pubsub.Unobserved{})
	require.NoError(tb, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = h.pub.Run(ctx) })
	tb.Cleanup(func() { cancel(); running.Wait() })
	for range batch {
		h.batch = append(h.batch, about("The quick brown fox jumps over the lazy dog", "stock/acme"))
	}
	return h
}

// seat attaches streams to a topic; those of the stage's own topic are counted.
func (h *hall) seat(n int, from pubsub.Start, topic func(int) string) {
	h.tb.Helper()
	for i := range n {
		st, err := h.pub.Open(context.Background(), pubsub.Subscription{Patterns: patterns(topic(i)), Grant: everyone, Start: from})
		require.NoError(h.tb, err)
		st.Attach(&countingSink{goal: &h.goal, met: &h.met})
	}
}

// settle waits until all that was seated is at the head, and clears up after it: what is measured from here on is no
// part of the seating.
func (h *hall) settle(streams int) {
	h.tb.Helper()
	require.Eventually(h.tb, func() bool {
		now, err := h.pub.Inspect(context.Background(), 0)
		return err == nil && now.Streams["live"] == streams
	}, time.Minute, 10*time.Millisecond)
	runtime.GC()
}

func stage(int) string { return "stock/acme" }

// play publishes a batch and waits until every seat has it.
func (h *hall) play() {
	h.met.Add(h.seats)
	h.goal.Add(int64(len(h.batch)))
	if _, err := h.pub.Publish(context.Background(), h.batch...); err != nil {
		h.tb.Error(err)
	}
	h.met.Wait()
}

// The cost of bringing one event to one of many streams of its topic.
func BenchmarkFanout(b *testing.B) {
	for _, streams := range []int{1, 100, 10_000} {
		for _, batch := range []int{1, 64} {
			b.Run(fmt.Sprintf("streams=%d/batch=%d", streams, batch), func(b *testing.B) {
				h := newHall(b, batch)
				h.seats = streams
				h.seat(streams, next, stage)
				h.play()
				b.ReportAllocs()
				for b.Loop() {
					h.play()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*streams*batch), "ns/delivery")
			})
		}
	}
}

// A publish costs the same however many other topics are subscribed to.
func BenchmarkPublishOtherTopics(b *testing.B) {
	for _, others := range []int{10, 100_000} {
		for kind, topic := range map[string]func(int) string{
			"topic":   func(i int) string { return fmt.Sprintf("stock/%d", i) },
			"pattern": func(i int) string { return fmt.Sprintf("stock/%d/*", i) },
		} {
			b.Run(fmt.Sprintf("%ss=%d", kind, others), func(b *testing.B) {
				h := newHall(b, 1)
				h.seat(others, next, topic)
				h.seats = 1
				h.seat(1, next, stage)
				h.settle(others + 1)
				b.ReportAllocs()
				for b.Loop() {
					h.play()
				}
			})
		}
	}
}

// Replaying ten thousand events to clients who all come at once.
func BenchmarkReplay(b *testing.B) {
	const history = 10_000
	for _, streams := range []int{1, 100} {
		b.Run(fmt.Sprintf("streams=%d", streams), func(b *testing.B) {
			h := newHall(b, history)
			kept, err := h.pub.Publish(context.Background(), h.batch...)
			require.NoError(b, err)
			begin := event.Position{Epoch: kept[0].Epoch}
			h.goal.Store(history)
			b.ReportAllocs()
			for b.Loop() {
				h.met.Add(streams)
				h.seat(streams, pubsub.After(begin.String()), stage)
				h.met.Wait()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*streams*history), "ns/delivery")
		})
	}
}

// What an event costs to publish is paid once; bringing it to one stream more allocates nothing.
func TestDeliveryDoesNotAllocate(t *testing.T) {
	const rounds, batch = 50, 20
	perRound := func(streams int) uint64 {
		h := newHall(t, batch)
		h.seats = streams
		h.seat(streams, next, stage)
		for range 20 {
			h.play() // until buffers have grown as far as they will
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range rounds {
			h.play()
		}
		runtime.ReadMemStats(&after)
		return after.Mallocs - before.Mallocs
	}
	few, many := perRound(1), perRound(2000)
	deliveries := float64(rounds * batch * 1999)
	assert.Less(t, (float64(many)-float64(few))/deliveries, 0.001, "allocations for a delivery (%d with 1 stream, %d with 2000)", few, many)
}
