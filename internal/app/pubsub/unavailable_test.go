package pubsub_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/app/pubsub/pubsubtest"
)

// Streams stay open while the log is unavailable, get heartbeats, and continue without a gap when it is available
// again.
func TestLogAwayAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Window.Events = 4
		log := newLog(0)
		f := start(t, cfg, log)
		_, live := f.listen(next, "a")
		f.publish(600, "a")
		time.Sleep(time.Minute) // until no page of history is cached

		log.Fail(pubsub.ErrUnavailable)
		_, err := f.engine.Publish(t.Context(), newEvent("x", "a"))
		require.ErrorIs(t, err, pubsub.ErrUnavailable)
		leaving, left := f.listen(pubsub.After("e1-0"), "a")
		_, replaying := f.listen(pubsub.After("e1-0"), "a")
		time.Sleep(time.Minute)
		assert.Empty(t, replaying.Text())
		assert.GreaterOrEqual(t, len(replaying.Only("heartbeat")), 3, "a client that waits for the log gets heartbeats")
		leaving.End(pubsub.EndGone)
		synctest.Wait()
		assert.Equal(t, []string{"close:gone"}, left.Text())

		log.Recover()
		f.publish(3, "a") // before the engine follows the log again
		time.Sleep(2 * time.Second)
		f.publish(3, "a")
		synctest.Wait()
		assert.Equal(t, numbers(1, 606), live.Text())
		assert.Equal(t, numbers(1, 606), replaying.Text())
		require.NoError(t, f.stop())
		assert.Equal(t, pubsub.EndDrain, live.Why())
	})
}

// A log that fails for another reason ends the engine, which would no longer get any events.
func TestLogBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog(0)
		engine, err := pubsub.New(config(), log, pubsubtest.NopObserver{})
		require.NoError(t, err)
		st, err := engine.Open(t.Context(), pubsub.Subscription{Patterns: patterns("a")})
		require.NoError(t, err)
		sink := newSink()
		st.Attach(sink)
		failure := errors.New("disk failure")
		log.Fail(failure)
		require.ErrorIs(t, engine.Run(t.Context()), failure)
		assert.Equal(t, []string{"close:drain"}, sink.Text())
	})
}

// Stopping does not wait for a log that hangs, and streams that wait for it end for the same reason as all others.
func TestStopWhileReading(t *testing.T) {
	for name, fault := range map[string]func(*fakeLog){
		"slow":        func(l *fakeLog) { l.slow = time.Hour },
		"unavailable": func(l *fakeLog) { close(l.failed); l.failed, l.followErr = nil, pubsub.ErrUnavailable },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := newLog(0)
				require.NoError(t, func() error {
					f := start(t, config(), log)
					f.publish(10, "a")
					return f.stop()
				}())
				f := start(t, config(), log)
				log.Set(fault)
				var sinks []*fakeSink
				for range 10 {
					_, sink := f.listen(pubsub.After("e1-0"), "a")
					sinks = append(sinks, sink)
				}
				time.Sleep(15 * time.Second)
				stopped := time.Now()
				require.NoError(t, f.stop())
				assert.Zero(t, time.Since(stopped))
				for _, sink := range sinks {
					assert.Equal(t, []string{"close:drain"}, sink.Text())
				}
			})
		})
	}
}

// A client that takes a little at a time is served from a page that was read once, and does not read the log again and
// again. A page of large events is short.
func TestPagesAreReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog(0)
		first := start(t, config(), log)
		large := strings.Repeat("x", 300<<10) // three of them fill a page
		for range 12 {
			_, err := first.engine.Publish(t.Context(), newEvent(large, "a"))
			require.NoError(t, err)
		}
		first.publish(100, "a")
		require.NoError(t, first.stop())
		f := start(t, config(), log)
		log.Set(func(l *fakeLog) { l.reads = 0 })
		st, sink := f.listenUpTo(0, pubsub.After("e1-0"), "a")
		for range 112 {
			synctest.Wait()
			sink.SetRoom(1)
			st.Ready()
		}
		synctest.Wait()
		assert.Len(t, sink.Text(), 112)
		assert.LessOrEqual(t, log.Reads(), 6)
		assert.Less(t, sink.largest, 110, "a page of 3 MB was offered at once")
	})
}

// Replays share pages: a hundred clients do not read the log a hundred times.
func TestReplaysShareReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog(0)
		first := start(t, config(), log)
		first.publish(2560, "a")
		require.NoError(t, first.stop())
		cfg := config()
		cfg.Shards = 1
		f := start(t, cfg, log)
		log.Set(func(l *fakeLog) { l.slow = 10 * time.Millisecond; l.reads = 0 })
		var sinks []*fakeSink
		for range 100 {
			_, sink := f.listen(pubsub.After("e1-0"), "a")
			sinks = append(sinks, sink)
		}
		time.Sleep(time.Minute)
		for _, sink := range sinks {
			assert.Len(t, sink.Text(), 2560)
		}
		assert.LessOrEqual(t, log.Reads(), 12, "ten pages hold it all")
	})
}
