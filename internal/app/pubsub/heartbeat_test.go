package pubsub_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
)

const (
	beat      = 15 * time.Second
	beatEarly = beat - beat/10
	beatLate  = beat + beat/10
)

// A silent stream is beaten after its interval, give or take a tenth, and not together with all that came with it.
func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		sinks := make([]*fakeSink, 1000)
		opened := time.Now()
		for i := range sinks {
			_, sinks[i] = f.listen(next, "a")
		}
		time.Sleep(10 * beat)
		together := make(map[time.Time]int)
		total := 0
		for _, sink := range sinks {
			last := opened
			beats := sink.Only("heartbeat")
			require.Len(t, sink.Calls(), len(beats))
			for _, b := range beats {
				silence := b.when.Sub(last)
				require.True(t, beatEarly <= silence && silence <= beatLate, "a silence of %s", silence)
				require.True(t, b.at.IsZero(), "there is no position to tell")
				last = b.when
			}
			total += len(beats)
			together[beats[2].when]++
		}
		assert.InDelta(t, 10_000, total, 600)
		assert.Greater(t, len(together), 10)
		for when, n := range together {
			assert.Less(t, n, len(sinks)/5, "third beats %s after the opening", when.Sub(opened))
		}
	})
}

// Traffic to a stream is its heartbeat; traffic to others is not.
func TestTrafficPutsHeartbeatsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		_, busy := f.listen(next, "a")
		_, quiet := f.listen(next, "b")
		synctest.Wait()
		for range 60 {
			f.publish(1, "a")
			time.Sleep(5 * time.Second)
		}
		assert.Empty(t, busy.Only("heartbeat"))
		assert.InDelta(t, 20, len(quiet.Only("heartbeat")), 3)

		last := time.Now().Add(-5 * time.Second)
		time.Sleep(2 * beat)
		silence := busy.Only("heartbeat")[0].when.Sub(last)
		assert.True(t, beatEarly <= silence && silence <= beatLate, "a silence of %s", silence)
	})
}

// A beat carries how far the stream has come once what the client knows has grown old, so that a client of a quiet topic
// can resume; but not before.
func TestBeatCarriesTheNewestPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		f.publish(3, "other")
		synctest.Wait()
		_, sink := f.listen(next, "a")
		time.Sleep(beatLate) // one beat
		f.publish(2, "other")
		time.Sleep(beatLate) // the log has moved on a little
		f.publish(18, "other")
		time.Sleep(beatLate) // by more than half of what it keeps
		time.Sleep(beatLate) // and not at all
		f.publish(1, "a")
		time.Sleep(beatLate + time.Second)
		f.publish(1, "a")
		f.publish(4, "other")
		time.Sleep(beatLate + time.Second)
		var seen []string
		last := ""
		for _, x := range sink.Calls() {
			text := x.what + " " + fmt.Sprint(x.at.Offset)
			if text != last {
				seen = append(seen, text)
			}
			last = text
		}
		assert.Equal(t, []string{"heartbeat 0", "heartbeat 23", "heartbeat 0", "item 24", "heartbeat 0", "item 25", "heartbeat 0"}, seen)
	})
}

func TestNoBeatToAParkedSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		st, sink := f.listenUpTo(0, next, "a")
		synctest.Wait()
		f.publish(1, "a")
		time.Sleep(10 * beat)
		assert.Empty(t, sink.Calls())
		sink.SetRoom(-1)
		st.Ready()
		time.Sleep(beatLate)
		assert.Len(t, sink.Only("heartbeat"), 1)
	})
}

// Ten thousand streams cost no goroutine, and no timer, each.
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
		time.Sleep(2 * beat)
		assert.LessOrEqual(t, runtime.NumGoroutine(), before)
		for _, sink := range sinks {
			require.NotEmpty(t, sink.Only("heartbeat"))
		}
	})
}

// A right that ends takes its stream with it: not after its end, and a quarter of a second before at the most, however
// rare beats are.
func TestExpiry(t *testing.T) {
	for _, interval := range []time.Duration{beat, 10 * time.Minute} {
		t.Run(interval.String(), func(t *testing.T) { testExpiry(t, interval) })
	}
}

func testExpiry(t *testing.T, interval time.Duration) {
	const step = 250 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Heartbeat = interval
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
				sink.SetRoom(0) // parked, it ends all the same
			}
			f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: everyone, Expires: ends}).Attach(sink)
			all = append(all, listener{ends, sink})
		}
		gone := newSink()
		f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: everyone, Expires: time.Now().Add(-time.Second)}).Attach(gone)
		synctest.Wait()
		f.publish(1, "a")
		synctest.Wait()
		assert.Equal(t, []string{"close:expired"}, gone.Text(), "it never was open")
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

// A stream that ended is let go at once, not when its beat would have been due.
func TestEndedStreamsAreLetGo(t *testing.T) {
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
		return kept <= 2 // each shard's inbox may still hold the last
	}, time.Minute, 10*time.Millisecond)
}

// Streams end evenly over the window, new ones are refused, and Drain returns when all are gone.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Shards = 4
		f := start(t, cfg, newLog(0))
		var sinks []*fakeSink
		for range 1000 {
			_, sink := f.listen(next, "a")
			sinks = append(sinks, sink)
		}
		late := f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: everyone})
		_, hurt := f.listen(next, "a")
		synctest.Wait()

		began := time.Now()
		drained := make(chan error, 2)
		for range 2 { // asked twice, as by a signal and a supervisor
			go func() { drained <- f.engine.Drain(t.Context(), 10*time.Second) }()
		}
		time.Sleep(time.Second)
		_, err := f.engine.Open(t.Context(), pubsub.Subscription{Patterns: patterns("a")})
		require.ErrorIs(t, err, pubsub.ErrDraining)
		sink := newSink()
		late.Attach(sink) // opened before, attached meanwhile
		hurt.Fail()
		f.publish(1, "a") // is still delivered to those who are left
		synctest.Wait()
		assert.Equal(t, []string{"close:drain"}, sink.Text())
		require.NoError(t, <-drained)
		require.NoError(t, <-drained)

		assert.Zero(t, f.engine.Streams())
		assert.LessOrEqual(t, time.Since(began), 10*time.Second)
		second := make([]int, 10)
		for _, sink := range sinks {
			closes := sink.Only("close")
			require.Len(t, closes, 1)
			require.Equal(t, pubsub.EndDrain, closes[0].why)
			second[closes[0].when.Sub(began)/time.Second]++
			if closes[0].when.Sub(began) > time.Second {
				require.Len(t, sink.Only("item"), 1)
			}
		}
		for _, n := range second {
			assert.InDelta(t, 100, n, 8, "ends in each second: %v", second)
		}
	})
}

func TestDrainWithoutStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		began := time.Now()
		require.NoError(t, f.engine.Drain(t.Context(), time.Hour))
		assert.Zero(t, time.Since(began))
	})
}

func TestDrainIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		for range 100 {
			f.listen(next, "a")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, f.engine.Drain(ctx, time.Hour), context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(began))
		assert.NotZero(t, f.engine.Streams())
	})
}
