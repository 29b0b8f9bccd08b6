package pubsub_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

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
		f.publish(1, "a") // delivered by the publisher, after which the shard delivers for a while
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
		assert.Equal(t, []string{"1", "2", "close:failed"}, sink.Text())
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
		st := f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics})
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
