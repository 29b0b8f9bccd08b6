package pubsub_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
)

// Whatever a sink was asked when it failed, its stream ends, once, and the others go on.
func TestFailingSink(t *testing.T) {
	for name, provoke := range map[string]func(*rig){
		"send": func(r *rig) { r.publish(1, "a") },
		"beat": func(*rig) { time.Sleep(20 * time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, config(), newLog(0))
				_, healthy := r.listen(next, "a")
				st, sink := r.listen(next, "a")
				synctest.Wait()
				sink.Fail()
				provoke(r)
				r.publish(1, "a")
				synctest.Wait()
				assert.Equal(t, []string{"close:failed"}, sink.Said())
				assert.Len(t, healthy.Said(), r.said)
				assert.Equal(t, 1, r.pub.Streams())
				st.End(pubsub.EndGone)
				st.Ready()
				r.publish(1, "a")
				time.Sleep(time.Minute)
				assert.Equal(t, []string{"close:failed"}, sink.Said())
				require.NoError(t, sink.Complaint())
			})
		})
	}
}

func TestFailingReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Window.Events, cfg.Slow = 4, pubsub.SlowSkip
		r := start(t, cfg, newLog(0))
		st, sink := r.listenUpTo(0, next, "a")
		synctest.Wait()
		r.trickle(20, "a")
		sink.Fail()
		st.Ready()
		synctest.Wait()
		assert.Equal(t, []string{"close:failed"}, sink.Said())
	})
}

// An end and a readiness may overtake the opening.
func TestEndBeforeAttach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, config(), newLog(0))
		st := r.open(pubsub.Subscription{Patterns: patterns("a"), Grant: everyone})
		st.Ready()
		st.End(pubsub.EndGone)
		st.End(pubsub.EndDead)
		synctest.Wait()
		sink := newSink()
		st.Attach(sink)
		synctest.Wait()
		r.publish(1, "a")
		synctest.Wait()
		assert.Equal(t, []string{"close:gone"}, sink.Said())
		assert.Zero(t, r.pub.Streams())
	})
}

func TestRunEndsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, config(), newLog(0))
		late := r.open(pubsub.Subscription{Patterns: patterns("a"), Grant: everyone})
		_, live := r.listen(next, "a")
		_, parked := r.listenUpTo(0, next, "a")
		r.publish(1, "a")
		synctest.Wait()
		require.NoError(t, r.stop())
		assert.Equal(t, []string{"1", "close:drain"}, live.Said())
		assert.Equal(t, []string{"close:drain"}, parked.Said())

		sink := newSink()
		late.Attach(sink)
		assert.Equal(t, []string{"close:drain"}, sink.Said(), "nobody is there to own it")
		late.Ready()
		late.End(pubsub.EndGone)
		assert.Equal(t, []string{"close:drain"}, sink.Said())
		assert.Zero(t, r.pub.Streams())
	})
}

// Ends from outside, failures, readiness, publishing, draining and the end of Run, all at once: each sink is called by
// one goroutine at a time, and Close comes once and last. Real goroutines, for the race detector.
func TestSinkContractUnderChurn(t *testing.T) {
	for range 20 {
		cfg := config()
		cfg.Window.Events = 8
		r := start(t, cfg, newLog(64))
		var streams []*pubsub.Stream
		for i := range 200 {
			streams = append(streams, r.open(pubsub.Subscription{
				Patterns: patterns("a"), Grant: everyone, Start: pubsub.Last(i % 20),
			}))
		}
		var sinks []*fakeSink
		var all sync.WaitGroup
		for i, st := range streams {
			sink := newSink()
			sink.SetRoom(i%7 - 1)
			sinks = append(sinks, sink)
			all.Go(func() { st.Attach(sink) })
			all.Go(func() {
				for range 20 {
					sink.SetRoom(3)
					st.Ready()
				}
			})
			if i%2 == 0 {
				all.Go(sink.Fail)
			}
			if i%3 == 0 {
				all.Go(func() { st.End(pubsub.EndGone) })
				all.Go(func() { st.End(pubsub.EndDead) })
			}
			if i%50 == 0 {
				all.Go(func() { r.publish1("a") })
			}
			if i == 150 {
				all.Go(func() { _ = r.pub.Drain(t.Context(), time.Millisecond) })
			}
			if i == 180 {
				all.Go(func() { _ = r.stop() })
			}
		}
		all.Wait()
		require.NoError(t, r.stop())
		for _, sink := range sinks {
			require.NoError(t, sink.Complaint())
			require.Len(t, sink.Only("close"), 1)
			said := sink.Log()
			require.Equal(t, "close", said[len(said)-1].what)
		}
		require.Zero(t, r.pub.Streams())
	}
}
