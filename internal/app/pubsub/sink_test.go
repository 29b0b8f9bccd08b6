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

// When any call of a sink fails, its stream ends, once, and the others continue.
func TestFailingSink(t *testing.T) {
	for name, trigger := range map[string]func(*fixture){
		"send":      func(f *fixture) { f.publish(1, "a") },
		"heartbeat": func(*fixture) { time.Sleep(20 * time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := start(t, config(), newLog(0))
				_, healthy := f.listen(next, "a")
				st, sink := f.listen(next, "a")
				synctest.Wait()
				sink.Fail()
				trigger(f)
				f.publish(1, "a")
				synctest.Wait()
				assert.Equal(t, []string{"close:failed"}, sink.Text())
				assert.Len(t, healthy.Text(), f.published)
				assert.Equal(t, 1, f.engine.Streams())
				st.End(pubsub.EndGone)
				st.Ready()
				f.publish(1, "a")
				time.Sleep(time.Minute)
				assert.Equal(t, []string{"close:failed"}, sink.Text())
				require.NoError(t, sink.Violation())
			})
		})
	}
}

func TestFailingReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Window.Events, cfg.Slow = 4, pubsub.SlowSkip
		f := start(t, cfg, newLog(0))
		st, sink := f.listenUpTo(0, next, "a")
		synctest.Wait()
		f.trickle(20, "a")
		sink.Fail()
		st.Ready()
		synctest.Wait()
		assert.Equal(t, []string{"close:failed"}, sink.Text())
	})
}

// Ready and End may be called before Attach.
func TestEndBeforeAttach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		st := f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics})
		st.Ready()
		st.End(pubsub.EndGone)
		st.End(pubsub.EndDead)
		synctest.Wait()
		sink := newSink()
		st.Attach(sink)
		synctest.Wait()
		f.publish(1, "a")
		synctest.Wait()
		assert.Equal(t, []string{"close:gone"}, sink.Text())
		assert.Zero(t, f.engine.Streams())
	})
}

func TestRunEndsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		late := f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics})
		_, live := f.listen(next, "a")
		_, parked := f.listenUpTo(0, next, "a")
		f.publish(1, "a")
		synctest.Wait()
		require.NoError(t, f.stop())
		assert.Equal(t, []string{"1", "close:drain"}, live.Text())
		assert.Equal(t, []string{"close:drain"}, parked.Text())

		sink := newSink()
		late.Attach(sink)
		assert.Equal(t, []string{"close:drain"}, sink.Text(), "no shard is running")
		late.Ready()
		late.End(pubsub.EndGone)
		assert.Equal(t, []string{"close:drain"}, sink.Text())
		assert.Zero(t, f.engine.Streams())
	})
}

// With calls of End, failures, Ready, publishing, draining and the end of Run, all at once, each sink is called by one
// goroutine at a time, and Close is called once, as the last call. It uses real goroutines, for the race detector.
func TestSinkContractUnderChurn(t *testing.T) {
	for range 20 {
		cfg := config()
		cfg.Window.Events = 8
		f := start(t, cfg, newLog(64))
		var streams []*pubsub.Stream
		for i := range 200 {
			streams = append(streams, f.open(pubsub.Subscription{
				Patterns: patterns("a"), Grant: allTopics, Start: pubsub.Last(i % 20),
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
				all.Go(func() { f.publish1("a") })
			}
			if i == 150 {
				all.Go(func() { _ = f.engine.Drain(t.Context(), time.Millisecond) })
			}
			if i == 180 {
				all.Go(func() { _ = f.stop() })
			}
		}
		all.Wait()
		require.NoError(t, f.stop())
		for _, sink := range sinks {
			require.NoError(t, sink.Violation())
			require.Len(t, sink.Only("close"), 1)
			calls := sink.Calls()
			require.Equal(t, "close", calls[len(calls)-1].what)
		}
		require.Zero(t, f.engine.Streams())
	}
}
