package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
	"carillon/internal/domain/eventtest"
	"carillon/internal/infra/memlog"
	"carillon/internal/infra/metrics"
)

// harness is an engine with an observer and subscribers that accept everything.
type harness struct {
	testing.TB

	engine  *pubsub.Engine
	log     *memlog.Log
	pending sync.WaitGroup
	batch   []event.Event
	streams []*pubsub.Stream
}

func newHarness(t testing.TB, observer pubsub.Observer, batch int) *harness {
	t.Helper()
	h := &harness{TB: t, log: newLog(t)}
	var err error
	h.engine, err = pubsub.New(pubsub.Config{
		Window:    pubsub.WindowConfig{Events: 4096, Bytes: 1 << 30, Age: time.Hour},
		Heartbeat: time.Minute, Slow: pubsub.SlowClose,
	}, h.log, observer)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = h.engine.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	for range batch {
		h.batch = append(h.batch, eventtest.MustEvent("The quick brown fox jumps over the lazy dog", "stock/acme"))
	}
	return h
}

// countingSink accepts every item and marks it as received.
type countingSink struct{ pending *sync.WaitGroup }

func (l *countingSink) Send(items []*pubsub.Item) (int, error) {
	l.pending.Add(-len(items))
	return len(items), nil
}

func (*countingSink) Flush() error                   { return nil }
func (*countingSink) Heartbeat(event.Position) error { return nil }
func (*countingSink) Reset(pubsub.Reset) error       { return nil }
func (*countingSink) Close(pubsub.EndReason)         {}

func (h *harness) subscribe(n int, from pubsub.Start) {
	h.Helper()
	for range n {
		st, err := h.engine.Open(context.Background(), pubsub.Subscription{
			Patterns: eventtest.MustPatterns("stock/acme"),
			Grant:    access.Allow(event.Everything),
			Start:    from,
		})
		require.NoError(h, err)
		st.Attach(&countingSink{pending: &h.pending})
		h.streams = append(h.streams, st)
	}
}

// publish publishes a batch and waits until every stream has received it.
func (h *harness) publish() {
	h.pending.Add(len(h.streams) * len(h.batch))
	if _, err := h.engine.Publish(context.Background(), h.batch...); err != nil {
		h.Error(err)
	}
	h.pending.Wait()
}

// The counters match what the engine did, once it is idle.
func TestEngineIsCountedExactly(t *testing.T) {
	const streams, batch, rounds = 20, 10, 5
	m := metrics.New(metrics.Build{})
	h := newHarness(t, m, batch)
	require.NoError(t, m.Watch(metrics.Sources{
		Engine: h.engine, Log: h.log, Clock: &fakeSources{},
		Streams: func() []metrics.Transport {
			return []metrics.Transport{{Name: "test", Open: map[string]int64{"fake": int64(h.engine.Streams())}}}
		},
	}))
	h.subscribe(streams, pubsub.Start{})
	for range rounds {
		h.publish()
	}
	kept := h.log.Extent()
	h.pending.Add(rounds * batch)
	h.subscribe(1, pubsub.After(event.Position{Epoch: kept.Epoch}.String()))
	h.subscribe(1, pubsub.After("nonsense"))
	h.pending.Wait()
	for _, st := range h.streams {
		st.End(pubsub.EndGone)
	}
	for _, want := range []struct{ series, value string }{
		{`streams_open{path="fake",transport="test"}`, "0"},
		{"streams_opened_total", fmt.Sprint(streams + 2)},
		{`streams_ended_total{reason="gone"}`, fmt.Sprint(streams + 2)},
		{`streams_ended_total{reason="other"}`, "0"},
		{"events_published_total", fmt.Sprint(rounds * batch)},
		{`resets_total{reason="malformed"}`, "1"},
		{"window_events", fmt.Sprint(rounds * batch)},
		{"history_events", fmt.Sprint(rounds * batch)},
	} {
		assert.Eventually(t, func() bool { return value(t, scrape(t, m), want.series) == want.value }, 10*time.Second, time.Millisecond, want.series)
	}
	text := scrape(t, m)
	var live, replayed int
	_, err := fmt.Sscan(value(t, text, `deliveries_total{mode="live"}`), &live)
	require.NoError(t, err)
	_, err = fmt.Sscan(value(t, text, `deliveries_total{mode="replay"}`), &replayed)
	require.NoError(t, err)
	assert.Equal(t, (streams+1)*rounds*batch, live+replayed)
	assert.GreaterOrEqual(t, replayed, rounds*batch)
	assert.NotEqual(t, "0", value(t, text, "history_bytes"))
	assert.NotEqual(t, "0", value(t, text, "history_oldest_age_seconds"))
}

// failingSink is a sink whose connection fails with a known reason.
type failingSink struct{ countingSink }

func (*failingSink) Send([]*pubsub.Item) (int, error)               { return 0, errors.New("no acknowledgement") }
func (*failingSink) RefineReason(pubsub.EndReason) pubsub.EndReason { return pubsub.EndDead }

// A stream that ended is counted for the reason that its transport found, which is the one in the log.
func TestEndIsCountedForItsExactReason(t *testing.T) {
	m := newMetrics(t, &fakeSources{})
	h := newHarness(t, m, 1)
	st, err := h.engine.Open(t.Context(), pubsub.Subscription{
		Patterns: []event.Pattern{event.Everything}, Grant: access.Allow(event.Everything),
	})
	require.NoError(t, err)
	st.Attach(&failingSink{})
	require.Eventually(t, func() bool {
		h.publish()
		return value(t, scrape(t, m), `streams_ended_total{reason="dead"}`) == "1"
	}, 10*time.Second, time.Millisecond)
	assert.Equal(t, "0", value(t, scrape(t, m), `streams_ended_total{reason="failed"}`))
}

// BenchmarkLive measures the same work without an observer and with the metrics.
func BenchmarkLive(b *testing.B) {
	for _, c := range []struct{ streams, batch int }{{1, 1}, {100, 1}, {10_000, 1}, {100, 64}} {
		for _, o := range []struct {
			name     string
			observer pubsub.Observer
		}{{"unobserved", pubsubtest.NopObserver{}}, {"observed", metrics.New(metrics.Build{})}} {
			b.Run(fmt.Sprintf("streams=%d/batch=%d/%s", c.streams, c.batch, o.name), func(b *testing.B) {
				h := newHarness(b, o.observer, c.batch)
				h.subscribe(c.streams, pubsub.Start{})
				h.publish()
				b.ReportAllocs()
				for b.Loop() {
					h.publish()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*c.streams*c.batch), "ns/delivery")
			})
		}
	}
}

// BenchmarkObserver measures the calls alone.
func BenchmarkObserver(b *testing.B) {
	m := metrics.New(metrics.Build{})
	for name, call := range map[string]func(){
		"Delivered": func() { m.Delivered(100, 80*time.Microsecond) },
		"Published": func() { m.Published(1, 300) },
		"Ended":     func() { m.Ended(pubsub.EndGone) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				call()
			}
		})
	}
}
