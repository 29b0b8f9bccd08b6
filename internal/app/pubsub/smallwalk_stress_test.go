package pubsub_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
)

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
