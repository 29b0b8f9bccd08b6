package pubsub_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"carillon/internal/app/pubsub"
)

// A shard that fell behind the window reads the log once for all of its streams, which stay live.
func TestBacklogIsReadOnceForAllStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Window.Events, cfg.Shards = 4, 1
		f := start(t, cfg, newLog(0))
		f.log.Set(func(l *fakeLog) { l.slow = 5 * time.Second })
		var streams []*pubsub.Stream
		var sinks []*fakeSink
		for range 100 {
			st, sink := f.listen(next, "a")
			streams, sinks = append(streams, st), append(sinks, sink)
		}
		synctest.Wait()
		f.publish(1000, "a") // in one batch: more than the window holds
		synctest.Wait()
		for _, st := range streams {
			assert.Equal(t, "live", st.State())
		}
		f.publish(10, "a")
		_, later := f.listen(next, "a")
		time.Sleep(time.Minute)
		for _, sink := range sinks {
			assert.Equal(t, numbers(1, 1010), sink.Text())
		}
		assert.Empty(t, later.Text())
		assert.LessOrEqual(t, f.log.Reads(), 2)
		f.publish(1, "a")
		synctest.Wait()
		assert.Equal(t, []string{"1011"}, later.Text())
	})
}

// Streams are reset when the log trimmed entries before a shard that fell behind could read them.
func TestTrimmedBacklogResetsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Window.Events, cfg.Shards = 4, 1
		f := start(t, cfg, newLog(10))
		f.log.Set(func(l *fakeLog) { l.slow = 5 * time.Second })
		var sinks []*fakeSink
		for range 10 {
			_, sink := f.listen(next, "a")
			sinks = append(sinks, sink)
		}
		_, parked := f.listenUpTo(0, next, "a")
		synctest.Wait()
		sinks[3].Fail()
		f.publish(1000, "a")
		_, ahead := f.listen(pubsub.After("e1-995"), "a")
		time.Sleep(time.Minute)
		for i, sink := range sinks {
			if i == 3 {
				assert.Equal(t, []string{"close:failed"}, sink.Text())
				continue
			}
			assert.Equal(t, append([]string{"reset:expired@990"}, numbers(991, 1000)...), sink.Text())
			assert.Equal(t, "e1-0", sink.Only("reset")[0].reset.Requested)
		}
		assert.Equal(t, numbers(996, 1000), ahead.Text(), "it missed nothing")
		assert.Equal(t, []string{"reset:expired@990"}, parked.Text())
	})
}

// Streams lose nothing when their shard falls behind, whatever the policy for slow streams: their clients are not slow.
func TestBacklogLosesNothing(t *testing.T) {
	for _, policy := range []pubsub.SlowPolicy{pubsub.SlowClose, pubsub.SlowSkip} {
		t.Run(string(policy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := config()
				cfg.Window.Events, cfg.Shards, cfg.Slow = 4, 1, policy
				f := start(t, cfg, newLog(0))
				var sinks []*fakeSink
				for range 10 {
					_, sink := f.listen(next, "a")
					sinks = append(sinks, sink)
				}
				synctest.Wait()
				for range 3 {
					f.publish(1000, "a")
					f.publish(5, "b")
				}
				time.Sleep(time.Minute)
				f.publish(1, "a")
				synctest.Wait()
				want := append(append(append(numbers(1, 1000), numbers(1006, 2005)...), numbers(2011, 3010)...), "3016")
				for _, sink := range sinks {
					assert.Equal(t, want, sink.Text())
				}
			})
		})
	}
}

// A shard that read its backlog from the log may be ahead of the window while the log is not followed. A stream that was
// parked meanwhile gets what the window does not have yet from the log.
func TestParkedStreamOfAShardAheadOfTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Window.Events, cfg.Shards = 4, 1
		f := start(t, cfg, newLog(0))
		f.log.Set(func(l *fakeLog) { l.slow = 100 * time.Millisecond })
		st, sink := f.listenUpTo(13, next, "a")
		synctest.Wait()
		f.publish(1, "a")  // the engine delivers it where it receives it, and the next ones by the shard
		f.publish(10, "a") // the shard reads them from the log
		synctest.Wait()
		f.log.Fail(pubsub.ErrUnavailable)
		synctest.Wait()
		f.log.Recover()
		f.publish(5, "a") // not followed yet, but read together with the others
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		assert.Equal(t, numbers(1, 13), sink.Text())
		sink.SetRoom(-1)
		st.Ready()
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		assert.Equal(t, numbers(1, 16), sink.Text())
		time.Sleep(2 * time.Second)
		f.publish(1, "a")
		synctest.Wait()
		assert.Equal(t, numbers(1, 17), sink.Text())
	})
}
