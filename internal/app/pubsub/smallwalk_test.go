package pubsub_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
)

// pause is at least the time after which the engine delivers again where it receives.
const pause = time.Millisecond

func TestFewReadersAreServedWithoutTheirShard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		_, sink := f.listen(next, "a")
		_, other := f.listen(next, "b") // on the other shard
		synctest.Wait()
		for n := 1; n <= 3; n++ {
			f.publish(1, "a")
			assert.Equal(t, numbers(1, n), sink.Text(), "when the publish returns")
			assert.EqualValues(t, n, f.engine.SmallWalks())
			time.Sleep(pause)
		}
		f.publish(1, "nobody")
		f.publish(1, "b")
		assert.Equal(t, []string{"5"}, other.Text(), "an event without readers needs no walk and no pause")
		assert.EqualValues(t, 4, f.engine.SmallWalks())
	})
}

func TestManyReadersAreServedByTheirShards(t *testing.T) {
	for _, shards := range []int{1, 2} {
		for _, readers := range []int{32, 33} {
			t.Run(fmt.Sprintf("%d readers in %d shards", readers, shards), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cfg := config()
					cfg.Shards = shards
					f := start(t, cfg, newLog(0))
					var sinks []*fakeSink
					for range readers {
						_, sink := f.listen(next, "a")
						sinks = append(sinks, sink)
					}
					synctest.Wait()
					f.publish(1, "a")
					assert.Equal(t, readers <= 32, f.engine.SmallWalks() == 1)
					time.Sleep(pause)
					f.publish(65, "b", "nobody") // too many to look at where they are received
					f.publish(1, "a")
					synctest.Wait()
					for _, sink := range sinks {
						assert.Equal(t, []string{"1", "67"}, sink.Text())
					}
				})
			})
		}
	}
}

// To encode a large event takes long, and is left to the shard.
func TestLargeEventsAreServedByTheirShard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		_, sink := f.listen(next, "a")
		synctest.Wait()
		for n, data := range []string{strings.Repeat("x", 16<<10), strings.Repeat("x", 15<<10)} {
			_, err := f.engine.Publish(t.Context(), newEvent(data, "a"))
			require.NoError(t, err)
			assert.EqualValues(t, n, f.engine.SmallWalks())
			time.Sleep(pause)
		}
		assert.Len(t, sink.Only("item"), 2)
	})
}

// Each engine that follows a log delivers what it receives.
func TestSmallWalksOfTwoEngines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog(0)
		a, b := start(t, config(), log), start(t, config(), log)
		_, here := a.listen(next, "a")
		_, there := b.listen(next, "a")
		synctest.Wait()
		a.publish(1, "a")
		assert.Equal(t, []string{"1"}, here.Text())
		assert.Equal(t, []string{"1"}, there.Text())
	})
}

func TestSmallWalksAfterTheLogWasReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		_, sink := f.listen(next, "a")
		synctest.Wait()
		f.publish(1, "a")
		f.log.Replace("e2", 3, "a")
		time.Sleep(2 * time.Second)
		walks := f.engine.SmallWalks()
		f.publish(1, "a")
		assert.Equal(t, []string{"1", "reset:epoch@0", "e2/1", "e2/2", "e2/3", "2"}, sink.Text(), "when the publish returns")
		assert.Equal(t, walks+1, f.engine.SmallWalks())
	})
}

// Events that follow at once are left to the shard, which sends them together.
func TestPauseAfterASmallWalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		_, sink := f.listen(next, "a")
		synctest.Wait()
		f.trickle(3, "a")
		assert.EqualValues(t, 1, f.engine.SmallWalks())
		time.Sleep(99 * time.Microsecond)
		f.trickle(1, "a")
		assert.EqualValues(t, 1, f.engine.SmallWalks())
		time.Sleep(time.Microsecond)
		f.trickle(1, "a")
		assert.EqualValues(t, 2, f.engine.SmallWalks())
		assert.Equal(t, numbers(1, 5), sink.Text())
	})
}

func TestSmallWalkParksAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		st, sink := f.listenUpTo(1, next, "a")
		synctest.Wait()
		f.publish(2, "a")
		assert.EqualValues(t, 1, f.engine.SmallWalks())
		synctest.Wait()
		assert.Equal(t, "parked", st.State())
		time.Sleep(pause)
		f.publish(1, "a")
		sink.SetRoom(-1)
		st.Ready()
		synctest.Wait()
		assert.Equal(t, numbers(1, 3), sink.Text())
		time.Sleep(pause)
		f.publish(1, "a")
		assert.Equal(t, numbers(1, 4), sink.Text())
		assert.EqualValues(t, 3, f.engine.SmallWalks())
	})
}

// The end of a stream whose sink failed is left to the shard. The fake log is locked during the walk, so a sink that asks
// it for anything in Close would hang otherwise.
func TestSmallWalkLeavesTheEndToTheShard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		sink := &askingSink{fakeSink: newSink(), log: f.log}
		f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics}).Attach(sink)
		synctest.Wait()
		sink.Fail()
		f.publish(1, "a")
		assert.EqualValues(t, 1, f.engine.SmallWalks())
		synctest.Wait()
		assert.Equal(t, []string{"close:failed"}, sink.Text())
		assert.Equal(t, 0, f.engine.Streams())
	})
}

// askingSink asks the log for its extent when it is closed.
type askingSink struct {
	*fakeSink

	log *fakeLog
}

func (s *askingSink) Close(why pubsub.EndReason) {
	s.log.Extent()
	s.fakeSink.Close(why)
}

// A stream that a small walk parked is too slow once its next event has fallen out of the window.
func TestSmallWalkAndTheSlowPolicy(t *testing.T) {
	for policy, want := range map[pubsub.SlowPolicy][]string{
		pubsub.SlowClose: {"1", "close:slow"},
		pubsub.SlowSkip:  {"1", "reset:slow@9", "10"},
	} {
		t.Run(string(policy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := config()
				cfg.Window.Events, cfg.Slow = 4, policy
				f := start(t, cfg, newLog(0))
				st, sink := f.listenUpTo(1, next, "a")
				_, other := f.listen(next, "a")
				synctest.Wait()
				for range 9 {
					before := time.Now()
					f.publish(1, "a")
					assert.Zero(t, time.Since(before), "it waits for no reader")
					time.Sleep(pause)
				}
				assert.EqualValues(t, 9, f.engine.SmallWalks())
				time.Sleep(longest)
				sink.SetRoom(-1)
				st.Ready()
				synctest.Wait()
				f.publish(1, "a")
				assert.Equal(t, want, sink.Text())
				assert.Equal(t, numbers(1, 10), other.Text())
			})
		})
	}
}
