package pubsub_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
					f.publish(1, "a")
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

// The shards do not end their streams while a sink is called.
func TestStopDuringASmallWalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		_, sink := f.listen(next, "a")
		synctest.Wait()
		release := sink.Hold()
		var running sync.WaitGroup
		running.Go(func() { f.publish(1, "a") })
		sink.AwaitCall()
		running.Go(func() { _ = f.stop() })
		for range 100 {
			runtime.Gosched()
		}
		release()
		running.Wait()
		assert.EqualValues(t, 1, f.engine.SmallWalks())
		assert.Equal(t, []string{"1", "close:drain"}, sink.Text())
		require.NoError(t, sink.Violation())
	})
}

// A panic of a sink ends the process, even if whoever publishes recovers from it.
func TestPanicInASmallWalk(t *testing.T) {
	const child = "CARILLON_TEST_PANIC"
	if os.Getenv(child) != "" {
		synctest.Test(t, func(t *testing.T) {
			f := start(t, config(), newLog(0))
			f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics}).Attach(panickingSink{newSink()})
			synctest.Wait()
			assert.PanicsWithValue(t, "broken sink", func() { f.publish(1, "a") })
			synctest.Wait()
		})
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPanicInASmallWalk$", "-test.timeout=1m")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "panic: in a small walk: broken sink")
	assert.Contains(t, string(out), "panickingSink.Send", "the stack of the publisher")
	assert.NotContains(t, string(out), "FAIL: ")
}

type panickingSink struct{ *fakeSink }

func (panickingSink) Send([]*pubsub.Item) (int, error) { panic("broken sink") }

// Receiver and shards race for the same streams, which come, fill up and leave: each gets every event once and in order.
func TestSmallWalksEqualTheModelUnderStress(t *testing.T) {
	for _, procs := range []int{1, 2, 4} {
		t.Run(fmt.Sprint(procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			f := start(t, config(), newLog(0))
			topics := []string{"a", "b", "a/1", "a/2", "b/1"}
			f.listen(next, "a")
			for f.engine.SmallWalks() == 0 { // until the shards rest
				f.publish(1, "a")
				runtime.Gosched()
			}
			var stop atomic.Bool
			var publishing, listening sync.WaitGroup
			for range 4 {
				publishing.Go(func() {
					for n := 0; n < 500 && !stop.Load(); n++ {
						f.publish1(topics[rand.IntN(len(topics))])
						for range rand.IntN(200) {
							runtime.Gosched()
						}
					}
				})
			}
			var all []*listener
			var end atomic.Uint64
			for i := range 40 {
				l := openStress(t, f, pubsub.SlowClose)
				all = append(all, l)
				listening.Go(func() { l.read(t, i%3, &end) })
				for range 200 {
					runtime.Gosched()
				}
				if i%2 == 1 {
					l.stream.End(pubsub.EndGone)
				}
			}
			stop.Store(true)
			publishing.Wait()
			t.Logf("%d events, %d small walks", len(f.log.All()), f.engine.SmallWalks())
			end.Store(f.publish(1, "done")[0].Offset)
			listening.Wait()
			require.NoError(t, f.stop())
			for _, l := range all {
				require.NoError(t, l.check(f.log.All()))
			}
			assert.True(t, slices.ContainsFunc(all, func(l *listener) bool { return len(l.sink.Only("item")) > 0 }))
		})
	}
}
