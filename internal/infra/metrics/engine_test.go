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
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
	"carillon/internal/domain/eventtest"
	"carillon/internal/infra/memlog"
	"carillon/internal/infra/metrics"
)

// hall is an engine that is observed, with an audience that takes everything.
type hall struct {
	testing.TB

	pub   *pubsub.Engine
	log   *memlog.Log
	met   sync.WaitGroup
	batch []event.Event
	seats []*pubsub.Stream
}

func newHall(t testing.TB, seen pubsub.Observer, batch int) *hall {
	t.Helper()
	h := &hall{TB: t, log: newLog(t)}
	var err error
	h.pub, err = pubsub.New(pubsub.Config{
		Window:    pubsub.WindowConfig{Events: 4096, Bytes: 1 << 30, Age: time.Hour},
		Heartbeat: time.Minute, Slow: pubsub.SlowClose,
	}, h.log, seen)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = h.pub.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	for range batch {
		h.batch = append(h.batch, eventtest.MustEvent("The quick brown fox jumps over the lazy dog", "stock/acme"))
	}
	return h
}

// listener takes what comes and ticks it off.
type listener struct{ met *sync.WaitGroup }

func (l *listener) Send(items []*pubsub.Item) (int, error) {
	l.met.Add(-len(items))
	return len(items), nil
}

func (*listener) Beat(event.Position) error { return nil }
func (*listener) Reset(pubsub.Reset) error  { return nil }
func (*listener) Close(pubsub.EndReason)    {}

func (h *hall) seat(n int, from pubsub.Start) {
	h.Helper()
	for range n {
		st, err := h.pub.Open(context.Background(), pubsub.Subscription{
			Patterns: eventtest.MustPatterns("stock/acme"),
			Grant:    access.Allow(event.Everything),
			Start:    from,
		})
		require.NoError(h, err)
		st.Attach(&listener{met: &h.met})
		h.seats = append(h.seats, st)
	}
}

// play publishes a batch and waits until every seat has it.
func (h *hall) play() {
	h.met.Add(len(h.seats) * len(h.batch))
	if _, err := h.pub.Publish(context.Background(), h.batch...); err != nil {
		h.Error(err)
	}
	h.met.Wait()
}

// What the engine did is what the counters say, once it is at rest.
func TestEngineIsCountedExactly(t *testing.T) {
	const seats, batch, rounds = 20, 10, 5
	m := metrics.New(metrics.Build{})
	h := newHall(t, m, batch)
	require.NoError(t, m.Watch(metrics.Sources{
		Engine: h.pub, Log: h.log, Clock: &quiet{},
		Streams: func() (map[string]int64, int64) { return map[string]int64{"test": int64(h.pub.Streams())}, 0 },
	}))
	h.seat(seats, pubsub.Start{})
	for range rounds {
		h.play()
	}
	kept := h.log.Extent()
	h.met.Add(rounds * batch)
	h.seat(1, pubsub.After(event.Position{Epoch: kept.Epoch}.String()))
	h.seat(1, pubsub.After("nonsense"))
	h.met.Wait()
	for _, st := range h.seats {
		st.End(pubsub.EndGone)
	}
	for _, want := range []struct{ series, value string }{
		{`streams_open{transport="test"}`, "0"},
		{"streams_opened_total", fmt.Sprint(seats + 2)},
		{`streams_ended_total{reason="gone"}`, fmt.Sprint(seats + 2)},
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
	assert.Equal(t, (seats+1)*rounds*batch, live+replayed)
	assert.GreaterOrEqual(t, replayed, rounds*batch)
	assert.NotEqual(t, "0", value(t, text, "history_bytes"))
	assert.NotEqual(t, "0", value(t, text, "history_oldest_age_seconds"))
}

// broken is a sink whose connection fails, and which knows why.
type broken struct{ listener }

func (*broken) Send([]*pubsub.Item) (int, error)          { return 0, errors.New("no acknowledgement") }
func (*broken) Explain(pubsub.EndReason) pubsub.EndReason { return pubsub.EndDead }

// A stream that ended is counted for the reason that its transport found, which is the one in the log.
func TestEndIsCountedForItsExactReason(t *testing.T) {
	m := newMetrics(t, &quiet{})
	h := newHall(t, m, 1)
	st, err := h.pub.Open(t.Context(), pubsub.Subscription{
		Patterns: []event.Pattern{event.Everything}, Grant: access.Allow(event.Everything),
	})
	require.NoError(t, err)
	st.Attach(&broken{})
	require.Eventually(t, func() bool {
		h.play()
		return value(t, scrape(t, m), `streams_ended_total{reason="dead"}`) == "1"
	}, 10*time.Second, time.Millisecond)
	assert.Equal(t, "0", value(t, scrape(t, m), `streams_ended_total{reason="failed"}`))
}

// What counting costs: the same work, observed by nobody and by Prometheus.
func BenchmarkLive(b *testing.B) {
	for _, c := range []struct{ streams, batch int }{{1, 1}, {100, 1}, {10_000, 1}, {100, 64}} {
		for _, o := range []struct {
			name string
			seen pubsub.Observer
		}{{"unobserved", pubsub.Unobserved{}}, {"observed", metrics.New(metrics.Build{})}} {
			b.Run(fmt.Sprintf("streams=%d/batch=%d/%s", c.streams, c.batch, o.name), func(b *testing.B) {
				h := newHall(b, o.seen, c.batch)
				h.seat(c.streams, pubsub.Start{})
				h.play()
				b.ReportAllocs()
				for b.Loop() {
					h.play()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*c.streams*c.batch), "ns/delivery")
			})
		}
	}
}

// The calls by themselves.
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
