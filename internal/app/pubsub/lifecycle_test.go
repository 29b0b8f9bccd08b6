package pubsub_test

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
)

// Streams need no goroutine and no timer of their own.
func TestStreamsNeedNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		synctest.Wait()
		before := runtime.NumGoroutine()
		var sinks []*fakeSink
		for range 10_000 {
			_, sink := f.listen(next, "a")
			sinks = append(sinks, sink)
		}
		f.publish(1, "a")
		time.Sleep(2 * interval)
		assert.LessOrEqual(t, runtime.NumGoroutine(), before)
		for _, sink := range sinks {
			require.NotEmpty(t, sink.Only("heartbeat"))
		}
	})
}

// Streams are judged when the rules change, and afterwards when they open: a stream may be on its way at that moment.
func TestEnforce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		_, stays := f.listen(next, "a")
		_, ends := f.listen(next, "b")
		_, parked := f.listenUpTo(0, next, "b")
		onItsWay := f.open(pubsub.Subscription{Patterns: patterns("b"), Grant: allTopics, Start: next})
		f.publish(1, "a", "b")
		synctest.Wait()
		judge := func(sub pubsub.Subscription) pubsub.EndReason {
			if sub.Patterns[0] == patterns("b")[0] {
				return pubsub.EndRights
			}
			return ""
		}
		n, err := f.engine.Enforce(t.Context(), judge)
		require.NoError(t, err)
		assert.Equal(t, 2, n)
		late := newSink()
		onItsWay.Attach(late)
		_, allowed := f.listen(next, "a")
		f.publish(1, "a", "b")
		synctest.Wait()
		assert.Equal(t, []string{"1", "2"}, stays.Text())
		assert.Equal(t, []string{"1", "close:rights_changed"}, ends.Text())
		assert.Equal(t, []string{"close:rights_changed"}, parked.Text())
		assert.Equal(t, []string{"close:rights_changed"}, late.Text())
		assert.Equal(t, []string{"2"}, allowed.Text())

		n, err = f.engine.Enforce(t.Context(), func(pubsub.Subscription) pubsub.EndReason { return "" })
		require.NoError(t, err)
		assert.Zero(t, n)
		_, again := f.listen(next, "b")
		f.publish(1, "b")
		synctest.Wait()
		assert.Equal(t, []string{"3"}, again.Text(), "the last rules count")
	})
}

// A stream ends when the right to subscribe expires: not later, and at most a quarter of a second earlier, however rare
// heartbeats are.
func TestExpiry(t *testing.T) {
	for _, heartbeat := range []time.Duration{interval, 10 * time.Minute} {
		t.Run(heartbeat.String(), func(t *testing.T) { testExpiry(t, heartbeat) })
	}
}

func testExpiry(t *testing.T, heartbeat time.Duration) {
	t.Helper()
	const step = 250 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Heartbeat = heartbeat
		f := start(t, cfg, newLog(0))
		type listener struct {
			ends time.Time
			sink *fakeSink
		}
		var all []listener
		for i := range 300 {
			life := time.Duration(i+1) * 777 * time.Millisecond
			if i%10 == 0 {
				life = time.Duration(i+1) * step
			}
			ends := time.Now().Add(life)
			sink := newSink()
			if i%3 == 0 {
				sink.SetRoom(0) // a parked stream ends too
			}
			f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics, Expires: ends}).Attach(sink)
			all = append(all, listener{ends, sink})
		}
		expired := newSink()
		f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics, Expires: time.Now().Add(-time.Second)}).Attach(expired)
		synctest.Wait()
		f.publish(1, "a")
		synctest.Wait()
		assert.Equal(t, []string{"close:expired"}, expired.Text(), "it expired before it was opened")
		for range 250 {
			time.Sleep(time.Second)
			f.publish(1, "a")
		}
		for _, l := range all {
			closes := l.sink.Only("close")
			require.Len(t, closes, 1)
			require.Equal(t, pubsub.EndExpired, closes[0].why)
			early := l.ends.Sub(closes[0].when)
			require.True(t, 0 < early && early <= step, "ended %s before its time", early)
		}
		assert.Zero(t, f.engine.Streams())
	})
}

// The memory of a stream that ended is freed at once, not when its heartbeat would have been due.
func TestEndedStreamsAreFreed(t *testing.T) {
	cfg := config()
	cfg.Heartbeat = 10 * time.Minute
	f := start(t, cfg, newLog(0))
	var ended []weak.Pointer[pubsub.Stream]
	for range 100 {
		st, sink := f.listen(next, "a")
		ended = append(ended, weak.Make(st))
		st.End(pubsub.EndGone)
		require.Eventually(t, func() bool { return len(sink.Only("close")) == 1 }, time.Minute, time.Millisecond)
	}
	require.Eventually(t, func() bool {
		runtime.GC()
		kept := 0
		for _, p := range ended {
			if p.Value() != nil {
				kept++
			}
		}
		return kept <= 2 // the inbox of each shard may still refer to its last one
	}, time.Minute, 10*time.Millisecond)
}
