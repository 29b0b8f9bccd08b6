package pubsub_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// Replace makes the log anew, with an epoch and n entries that nobody followed. The followers notice at once.
func (l *fakeLog) Replace(epoch event.Epoch, n int, topics ...string) {
	l.mu.Lock()
	l.epoch, l.oldest, l.newest, l.entries = epoch, 1, 0, nil
	followErr := l.followErr
	l.followErr = pubsub.ErrReplaced
	if l.failed != nil {
		close(l.failed)
	}
	l.followers = make(map[*fakeFollower]bool)
	l.failed = make(chan struct{})
	l.mu.Unlock()
	synctest.Wait()
	l.Set(func(l *fakeLog) { l.followErr = followErr })
	for i := range n {
		if _, err := l.Append(context.Background(), []event.Event{newEvent(fmt.Sprintf("%s/%d", epoch, i+1), topics...)}); err != nil {
			panic(err)
		}
	}
}

// A stream whose log is deleted and made anew is reset, and gets everything of the new log.
func TestLogReplaced(t *testing.T) {
	for name, window := range map[string]int{"in the window": 1024, "in the history": 4} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := config()
				cfg.Window.Events = window
				f := start(t, cfg, newLog(0))
				f.publish(10, "a")
				_, live := f.listen(next, "a")
				parked, full := f.listenUpTo(2, pubsub.After("e1-0"), "a")
				_, other := f.listen(pubsub.After("e1-3"), "b")
				f.publish(2, "a")
				synctest.Wait()

				f.log.Replace("e2", 20, "a")
				time.Sleep(2 * time.Second)
				f.publish(1, "a")
				full.SetRoom(-1)
				parked.Ready()
				time.Sleep(2 * time.Second)
				want := []string{"reset:epoch@0"}
				for n := range 20 {
					want = append(want, fmt.Sprintf("e2/%d", n+1))
				}
				want = append(want, "13")
				assert.Equal(t, append(numbers(11, 12), want...), live.Text())
				assert.Equal(t, append(numbers(1, 2), want...), full.Text())
				assert.Equal(t, []string{"reset:epoch@0"}, other.Text())
				reset := live.Only("reset")[0].reset
				assert.Equal(t, "e1-12", reset.Requested)
				assert.Equal(t, event.Position{Epoch: "e2", Offset: 0}, reset.At)

				at, _ := opening(f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics, Start: pubsub.After("e2-3")}))
				assert.Equal(t, event.Position{Epoch: "e2", Offset: 3}, at, "positions of the new log can be resumed from")
			})
		})
	}
}

// A stream whose start was found in the log before it was replaced is reset too.
func TestLogReplacedBeforeAttach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		f.publish(10, "a")
		st := f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics, Start: pubsub.After("e1-5")})
		f.log.Replace("e2", 2, "a")
		time.Sleep(2 * time.Second)
		sink := newSink()
		st.Attach(sink)
		synctest.Wait()
		assert.Equal(t, []string{"reset:epoch@0", "e2/1", "e2/2"}, sink.Text())
	})
}

// However often the log is replaced: after each reset a stream gets the entries of one log from its beginning, without a
// gap or a repeat.
func TestLogReplacedAtAnyTime(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		window, shards := rapid.IntRange(1, 8).Draw(rt, "window"), rapid.IntRange(1, 2).Draw(rt, "shards")
		steps := rapid.SliceOfN(rapid.SampledFrom([]string{"publish", "publish", "replace", "listen", "room", "wait"}), 5, 40).Draw(rt, "steps")
		var failed error
		synctest.Test(t, func(t *testing.T) {
			cfg := config()
			cfg.Window.Events, cfg.Shards, cfg.Slow = window, shards, pubsub.SlowSkip
			f := start(t, cfg, newLog(0))
			f.log.slow = time.Millisecond
			var sinks []*fakeSink
			var streams []*pubsub.Stream
			epoch := 1
			for i, step := range steps {
				switch step {
				case "publish":
					f.publish(1+i%5, "a")
				case "replace":
					epoch++
					f.log.Replace(event.Epoch(fmt.Sprint("e", epoch)), i%7, "a")
				case "listen":
					stream, sink := f.listenUpTo(i%4-1, pubsub.After(fmt.Sprintf("e%d-0", epoch)), "a")
					streams, sinks = append(streams, stream), append(sinks, sink)
				case "room":
					for n, sink := range sinks {
						sink.SetRoom(i % 3)
						streams[n].Ready()
					}
				case "wait":
					time.Sleep(time.Duration(i*300) * time.Millisecond)
				}
			}
			time.Sleep(time.Minute)
			for n, sink := range sinks {
				sink.SetRoom(-1)
				streams[n].Ready()
			}
			time.Sleep(time.Minute)
			last := f.publish(1, "a")[0]
			time.Sleep(time.Minute)
			for n, sink := range sinks {
				if failed = contiguous(streams[n].Opening().At, sink.Calls(), last); failed != nil {
					return
				}
			}
		})
		if failed != nil {
			rt.Fatal(failed)
		}
	})
}

// contiguous returns an error unless the calls begin after a position, have every entry after it or after the position of
// a reset, and end with the last one.
func contiguous(at event.Position, calls []call, last event.Position) error {
	for _, c := range calls {
		switch c.what {
		case "reset":
			at = c.reset.At
		case "item":
			if c.at.Epoch != at.Epoch || c.at.Offset != at.Offset+1 {
				return fmt.Errorf("%v after %v", c.at, at)
			}
			at = c.at
		}
	}
	if at != last {
		return fmt.Errorf("stands at %v, the log at %v", at, last)
	}
	return nil
}

// A client that was served by another node may know a position that this node has not received yet. It resumes there, and
// is not told that the position is in the future.
func TestResumeAheadOfThisNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog(0)
		f := start(t, config(), log)
		f.publish(10, "a")
		synctest.Wait()
		hidden := &aheadLog{fakeLog: log, known: 10}
		engine, err := pubsub.New(config(), hidden, observer{})
		require.NoError(t, err)
		f.publish(10, "a") // the second node does not know it yet
		st, err := engine.Open(t.Context(), pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics, Start: pubsub.After("e1-15")})
		require.NoError(t, err)
		from, reset := opening(st)
		assert.Equal(t, at(15), from)
		assert.Nil(t, reset)
		st, err = engine.Open(t.Context(), pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics, Start: pubsub.After("e1-21")})
		require.NoError(t, err)
		_, reset = opening(st)
		assert.Equal(t, pubsub.ResetFuture, reset.Reason, "a position that no node has")

		log.Fail(pubsub.ErrUnavailable)
		_, err = engine.Open(t.Context(), pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics, Start: pubsub.After("e1-15")})
		require.ErrorIs(t, err, pubsub.ErrUnavailable, "nobody knows whether the position exists")
		_, err = engine.Open(t.Context(), pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics, Start: pubsub.After("e1-5")})
		require.NoError(t, err, "what this node knows needs no log")
	})
}

// aheadLog is a log of which this node knows only the beginning.
type aheadLog struct {
	*fakeLog
	known uint64
}

func (l *aheadLog) Extent() pubsub.Extent {
	extent := l.fakeLog.Extent()
	extent.Newest = l.known
	return extent
}
