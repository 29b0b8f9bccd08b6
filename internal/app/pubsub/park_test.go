package pubsub_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
)

// A sink that takes only some items gets exactly the others when it is ready.
func TestParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		st, sink := f.listenUpTo(7, next, "a", "b")
		synctest.Wait()
		f.publish(10, "a")
		synctest.Wait()
		assert.Equal(t, numbers(1, 7), sink.Text())
		assert.Equal(t, "parked", st.State())

		f.publish(10, "noise")
		f.publish(10, "b")
		f.publish(1, "noise")
		synctest.Wait()
		assert.Equal(t, numbers(1, 7), sink.Text(), "a parked sink is not called")
		assert.Equal(t, 1, sink.flushes, "when it was attached")
		assert.Equal(t, 1, sink.sends, "with items")

		st.Ready() // it still has no room
		synctest.Wait()
		assert.Equal(t, numbers(1, 7), sink.Text())

		want := append(numbers(1, 10), numbers(21, 30)...)
		for n := 8; n <= 20; n++ {
			sink.SetRoom(1)
			st.Ready()
			synctest.Wait()
			assert.Equal(t, want[:n], sink.Text())
		}
		sink.SetRoom(-1)
		st.Ready()
		f.publish(3, "a")
		synctest.Wait()
		assert.Equal(t, append(want, numbers(32, 34)...), sink.Text())
		assert.Equal(t, "live", st.State())
	})
}

// A sink that took everything, but holds a part of it, is flushed.
func TestReadyWithNothingToSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		st, sink := f.listen(next, "a")
		synctest.Wait()
		release := sink.Hold()
		f.publish(1, "a")
		sink.AwaitCall() // otherwise the shard might handle the first Ready before the second
		st.Ready()
		st.Ready() // has no effect: the first is still waiting
		release()
		synctest.Wait()
		assert.Equal(t, 2, sink.flushes, "once when it was attached")
		sink.Fail()
		st.Ready()
		synctest.Wait()
		assert.Equal(t, []string{"1", "close:failed"}, sink.Text())
	})
}

// eagerSink calls Ready before Send returns. It holds each item that it took for three calls.
type eagerSink struct {
	*fakeSink

	stream *pubsub.Stream
	holds  int
}

func (s *eagerSink) Send(items []*pubsub.Item) (int, error) {
	s.SetRoom(1)
	s.stream.Ready()
	taken, err := s.fakeSink.Send(items)
	s.holds = max(0, s.holds-1) + 3*taken
	if s.holds > 0 {
		s.stream.Ready()
	}
	return taken, err
}

func (s *eagerSink) Flush() error {
	s.holds = max(0, s.holds-1)
	if s.holds > 0 {
		s.stream.Ready()
	}
	return s.fakeSink.Flush()
}

// A Ready during a call of the sink is not lost.
func TestReadyDuringSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		st := f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: everyone})
		sink := &eagerSink{fakeSink: newSink(), stream: st}
		st.Attach(sink)
		synctest.Wait()
		f.publish(100, "a")
		synctest.Wait()
		assert.Equal(t, numbers(1, 100), sink.Text())
		assert.Zero(t, sink.holds)
	})
}

// A stream may be parked in the middle of a replay, outside the window, for any time.
func TestParkedReplayContinues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Window.Events = 4
		f := start(t, cfg, newLog(0))
		f.publish(1000, "a")
		synctest.Wait()
		st, sink := f.listenUpTo(300, pubsub.After("e1-0"), "a")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		assert.Equal(t, "parked", st.State())
		f.publish(10, "a")
		sink.SetRoom(-1)
		st.Ready()
		synctest.Wait()
		assert.Equal(t, numbers(1, 1010), sink.Text())
	})
}

func TestSlowClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Window.Events = 4
		f := start(t, cfg, newLog(0))
		_, slow := f.listenUpTo(2, next, "a")
		_, within := f.listenUpTo(0, next, "b")
		synctest.Wait()
		f.trickle(4, "a")
		f.trickle(2, "b")
		time.Sleep(10 * time.Minute)
		assert.Equal(t, numbers(1, 2), slow.Text(), "its next event is still in the window")
		f.trickle(2, "a")
		time.Sleep(15 * time.Second)
		assert.Equal(t, []string{"1", "2", "close:slow"}, slow.Text())
		assert.Empty(t, within.Text(), "its next event is in the window")

		_, resumed := f.listen(pubsub.After(slow.Only("item")[1].at.String()), "a")
		synctest.Wait()
		assert.Equal(t, []string{"3", "4", "7", "8"}, resumed.Text(), "nothing is lost")
	})
}

// The slow policy also applies to a client that stops reading before its stream was ever live.
func TestSlowCloseBeforeLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Window.Events = 4
		f := start(t, cfg, newLog(0))
		f.trickle(2, "a")
		_, slow := f.listenUpTo(1, pubsub.Last(2), "a")
		synctest.Wait()
		assert.Equal(t, numbers(1, 1), slow.Text())
		f.trickle(8, "a")
		time.Sleep(20 * time.Second) // the first timer of a stream takes up to an interval and its jitter
		assert.Equal(t, []string{"1", "close:slow"}, slow.Text())
	})
}

func TestSlowSkip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Window.Events, cfg.Slow = 4, pubsub.SlowSkip
		f := start(t, cfg, newLog(0))
		st, slow := f.listenUpTo(2, next, "a")
		synctest.Wait()
		f.trickle(20, "a")
		time.Sleep(10 * time.Minute)
		assert.Equal(t, numbers(1, 2), slow.Text())
		slow.SetRoom(-1)
		st.Ready()
		synctest.Wait()
		f.publish(2, "a")
		synctest.Wait()
		assert.Equal(t, []string{"1", "2", "reset:slow@20", "21", "22"}, slow.Text())
		assert.Equal(t, pubsub.Reset{
			Reason: pubsub.ResetSlow, Requested: "e1-2", Oldest: at(1), Newest: at(20), At: at(20),
		}, slow.Only("reset")[0].reset)
	})
}

// A stream that does not read falls out of the window by age, not only by traffic.
func TestWindowAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Window.Age = time.Minute
		f := start(t, cfg, newLog(0))
		_, slow := f.listenUpTo(0, next, "a")
		synctest.Wait()
		f.publish(1, "a")
		time.Sleep(59 * time.Second)
		assert.Empty(t, slow.Text())
		time.Sleep(20 * time.Second)
		assert.Equal(t, []string{"close:slow"}, slow.Text())
	})
}

// The window keeps its bound in bytes however large the events are, and what it dropped is read from the log.
func TestWindowBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Window.Bytes = 1
		f := start(t, cfg, newLog(0))
		_, sink := f.listen(next, "a")
		synctest.Wait()
		f.publish(500, "a")
		synctest.Wait()
		assert.Equal(t, numbers(1, 500), sink.Text())
	})
}

// When one client of a thousand stops reading, the others still get everything at once.
func TestStalledSinkDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Window.Events = 16
		f := start(t, cfg, newLog(0))
		sinks := make([]*fakeSink, 1000)
		for i := range sinks {
			_, sinks[i] = f.listen(next, "a")
		}
		sinks[500].SetRoom(3)
		synctest.Wait()
		var sent []time.Time
		for range 100 {
			sent = append(sent, time.Now())
			f.publish(1, "a")
			time.Sleep(20 * time.Millisecond)
		}
		for i, sink := range sinks {
			if i == 500 {
				continue
			}
			items := sink.Only("item")
			require.Len(t, items, 100)
			for n, x := range items {
				require.Equal(t, sent[n], x.when)
			}
		}
		assert.Equal(t, numbers(1, 3), sinks[500].Text()[:3])
		time.Sleep(15 * time.Second)
		assert.Equal(t, pubsub.EndSlow, sinks[500].Why())
	})
}
