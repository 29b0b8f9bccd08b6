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
	interval = 15 * time.Second
	shortest = interval - interval/10
	longest  = interval + interval/10
)

// A stream without traffic gets a heartbeat after its interval, plus or minus a tenth, and not at the same time as all
// streams that were opened together with it.
func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		sinks := make([]*fakeSink, 1000)
		opened := time.Now()
		for i := range sinks {
			_, sinks[i] = f.listen(next, "a")
		}
		time.Sleep(10 * interval)
		thirds := make(map[time.Time]int) // how many third heartbeats came at a moment
		total := 0
		for _, sink := range sinks {
			last := opened
			heartbeats := sink.Only("heartbeat")
			require.Len(t, sink.Calls(), len(heartbeats))
			for _, b := range heartbeats {
				elapsed := b.when.Sub(last)
				require.True(t, shortest <= elapsed && elapsed <= longest, "an interval of %s", elapsed)
				require.True(t, b.at.IsZero(), "there is no new position")
				last = b.when
			}
			total += len(heartbeats)
			thirds[heartbeats[2].when]++
		}
		assert.InDelta(t, 10_000, total, 600)
		assert.Greater(t, len(thirds), 10)
		for when, n := range thirds {
			assert.Less(t, n, len(sinks)/5, "third heartbeats %s after the opening", when.Sub(opened))
		}
	})
}

// Traffic to a stream delays its heartbeat; traffic to other streams does not.
func TestTrafficDelaysHeartbeats(t *testing.T) {
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
		time.Sleep(2 * interval)
		elapsed := busy.Only("heartbeat")[0].when.Sub(last)
		assert.True(t, shortest <= elapsed && elapsed <= longest, "an interval of %s", elapsed)
	})
}

// A heartbeat carries the stream's position once the position the client knows is old, so that a client of a quiet topic
// can resume; but not before.
func TestHeartbeatCarriesTheNewestPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		f.publish(3, "other")
		synctest.Wait()
		_, sink := f.listen(next, "a")
		time.Sleep(longest) // one heartbeat
		f.publish(2, "other")
		time.Sleep(longest) // the log has grown a little
		f.publish(18, "other")
		time.Sleep(longest) // by more than half of what it keeps
		time.Sleep(longest) // not at all
		f.publish(1, "a")
		time.Sleep(longest + time.Second)
		f.publish(1, "a")
		f.publish(4, "other")
		time.Sleep(longest + time.Second)
		var changes []string // without repeats
		last := ""
		for _, x := range sink.Calls() {
			text := x.what + " " + fmt.Sprint(x.at.Offset)
			if text != last {
				changes = append(changes, text)
			}
			last = text
		}
		assert.Equal(t, []string{"heartbeat 0", "heartbeat 23", "heartbeat 0", "item 24", "heartbeat 0", "item 25", "heartbeat 0"}, changes)
	})
}

func TestParkedSinkGetsNoHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		st, sink := f.listenUpTo(0, next, "a")
		synctest.Wait()
		f.publish(1, "a")
		time.Sleep(10 * interval)
		assert.Empty(t, sink.Calls())
		sink.SetRoom(-1)
		st.Ready()
		time.Sleep(longest)
		assert.Len(t, sink.Only("heartbeat"), 1)
	})
}

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

// A stream ends when the right to listen expires: not later, and at most a quarter of a second earlier, however rare
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
			f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: everyone, Expires: ends}).Attach(sink)
			all = append(all, listener{ends, sink})
		}
		expired := newSink()
		f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: everyone, Expires: time.Now().Add(-time.Second)}).Attach(expired)
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

// Drain ends streams evenly over its period, refuses new ones, and returns when all have ended.
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
		_, failing := f.listen(next, "a")
		synctest.Wait()

		began := time.Now()
		drained := make(chan error, 2)
		for range 2 { // two calls, as from a signal and a supervisor
			go func() { drained <- f.engine.Drain(t.Context(), 10*time.Second) }()
		}
		time.Sleep(time.Second)
		_, err := f.engine.Open(t.Context(), pubsub.Subscription{Patterns: patterns("a")})
		require.ErrorIs(t, err, pubsub.ErrDraining)
		sink := newSink()
		late.Attach(sink) // opened before Drain, attached during it
		failing.Fail()
		f.publish(1, "a") // is still delivered to the remaining streams
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
