package pubsub_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

func TestLiveOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		_, a := f.listen(next, "orders/1")
		_, b := f.listen(next, "orders/1")
		_, other := f.listen(next, "orders/2")
		synctest.Wait()
		for range 20 {
			f.publish(30, "orders/1")
		}
		synctest.Wait()
		assert.Equal(t, numbers(1, 600), a.Text())
		assert.Equal(t, numbers(1, 600), b.Text())
		assert.Empty(t, other.Text())
		var last uint64
		for _, x := range a.Only("item") {
			assert.Greater(t, x.at.Offset, last)
			last = x.at.Offset
		}
	})
}

func TestEventComesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		_, many := f.listen(next, "a/1", "a/*", "a/**", "**", "a/1")
		_, some := f.listen(next, "b/*", "c")
		synctest.Wait()
		f.publish(3, "a/1")
		f.publish(3, "a/1", "b/1", "c", "a/1")
		synctest.Wait()
		assert.Equal(t, numbers(1, 6), many.Text())
		assert.Equal(t, numbers(4, 6), some.Text())

		_, replayed := f.listen(pubsub.Last(100), "a/1", "a/*", "a/**", "**", "a/1")
		synctest.Wait()
		assert.Equal(t, numbers(1, 6), replayed.Text())
	})
}

// An event is delivered only if one of its topics is both subscribed to and granted.
func TestGrantIsCheckedForEachEvent(t *testing.T) {
	for _, replay := range []bool{false, true} {
		t.Run(fmt.Sprintf("replay=%v", replay), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := start(t, config(), newLog(0))
				from := next
				if replay {
					from = pubsub.Last(100)
				}
				sub := pubsub.Subscription{Patterns: patterns("public/**", "secret/**"), Grant: access.Allow(patterns("public/*", "other")...), Start: from}
				denied := pubsub.Subscription{Patterns: patterns("**"), Start: from}
				sink, nothing := newSink(), newSink()
				attach := func() {
					f.open(sub).Attach(sink)
					f.open(denied).Attach(nothing)
					synctest.Wait()
				}
				if !replay {
					attach()
				}
				f.publish(1, "public/1")                        // 1: subscribed and granted
				f.publish(1, "secret/1")                        // subscribed
				f.publish(1, "other")                           // granted
				f.publish(1, "secret/1", "other")               // one is subscribed, another is granted
				f.publish(1, "public/a/b")                      // subscribed
				f.publish(1, "secret/1", "public/1")            // 6: one is both
				f.publish(1, "x", "other", "secret", "public/") // 7: an empty segment is a segment
				synctest.Wait()
				if replay {
					attach()
				}
				assert.Equal(t, []string{"1", "6", "7"}, sink.Text())
				assert.Empty(t, nothing.Text(), "the zero grant allows nothing")
			})
		})
	}
}

func TestWildcardsThroughTheIndex(t *testing.T) {
	subscribed := []string{
		"a", "a/b", "a/b/c", "*", "*/*", "a/*", "*/b", "a/**", "**", "a/*/c", "*/b/**", "a/b/**", "*/*/*", "*/**", "/a", "*/", "a/", "a//c", "**",
		"https://example.com/*", "https://*/books/**",
	}
	topics := []string{
		"a", "b", "a/b", "a/c", "c/b", "a/b/c", "a/x/c", "x/b/c", "a/b/c/d", "x/b/c/d", "/a", "a/", "/", "a//c", "//",
		"https://example.com/books/1", "https://example.com/books", "https://example.com/",
	}
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		sinks := make([]*fakeSink, len(subscribed))
		for i, p := range subscribed {
			_, sinks[i] = f.listen(next, p)
		}
		synctest.Wait()
		for _, topic := range topics {
			_, err := f.engine.Publish(t.Context(), newEvent(topic, topic))
			require.NoError(t, err)
		}
		synctest.Wait()
		for i, p := range subscribed {
			want := []string{}
			for _, topic := range topics {
				if pattern(p).Matches(event.MustTopic(topic)) {
					want = append(want, topic)
				}
			}
			assert.Equal(t, want, sinks[i].Text(), "pattern %s", p)
		}
	})
}

func TestPublishRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		_, sink := f.listen(next, "**")
		_, err := f.engine.Publish(t.Context(), newEvent("good", "a"), event.Event{})
		require.ErrorIs(t, err, event.ErrInvalid)
		synctest.Wait()
		assert.Empty(t, sink.Text(), "a batch is published as a whole or not at all")

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = f.engine.Publish(ctx, newEvent("late", "a"))
		require.ErrorIs(t, err, context.Canceled)
		_, err = f.engine.Open(t.Context(), pubsub.Subscription{})
		require.ErrorIs(t, err, pubsub.ErrNoPattern)
	})
}

// A sink must not block. If one does when its shard calls it, the shard hangs, but neither a publisher nor another shard
// waits. A shard calls the sinks when streams catch up, when there are many readers, and when events follow closely.
func TestPublishDoesNotWaitForAShard(t *testing.T) {
	for name, c := range map[string]struct {
		from  pubsub.Start
		more  int            // readers of the topic
		begin func(*fixture) // what comes right before the events
	}{
		"replay":       {from: pubsub.Last(1), begin: func(*fixture) {}},
		"many readers": {more: 30, begin: func(*fixture) {}},
		"busy":         {begin: func(f *fixture) { f.publish(1, "b") }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := config()
				cfg.Window.Events = 8
				f := start(t, cfg, newLog(0))
				_, other := f.listen(next, "a") // on the other shard
				f.publish(1, "a")
				time.Sleep(pause)
				blocking := &blockingSink{fakeSink: newSink(), free: make(chan struct{})}
				f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics, Start: c.from}).Attach(blocking)
				_, elsewhere := f.listen(next, "b") // on the other shard too
				_, beside := f.listen(next, "a")    // shares the blocked shard
				for range c.more {
					f.listen(next, "a")
				}
				time.Sleep(pause)
				c.begin(f)

				first := f.published + 1
				for range 100 {
					f.publish(10, "a")
				}
				time.Sleep(pause)
				want := numbers(first, first+999)
				assert.Equal(t, want, other.Text()[1:])
				assert.Empty(t, beside.Text())
				walks := f.engine.SmallWalks()
				f.publish(1, "b")
				texts := elsewhere.Text()
				assert.Equal(t, fmt.Sprint(first+1000), texts[len(texts)-1], "when the publish returns")
				assert.Equal(t, walks+1, f.engine.SmallWalks())

				close(blocking.free) // meanwhile a thousand events passed through a window of eight
				synctest.Wait()
				assert.Equal(t, want, beside.Text())
				texts = blocking.Text()
				assert.Equal(t, want, texts[len(texts)-1000:])
			})
		})
	}
}

// blockingSink violates the contract: its Send blocks until free is closed.
type blockingSink struct {
	*fakeSink

	free chan struct{}
}

func (s *blockingSink) Send(items []*pubsub.Item) (int, error) {
	<-s.free
	return s.fakeSink.Send(items)
}
