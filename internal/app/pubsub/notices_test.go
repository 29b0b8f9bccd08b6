package pubsub_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// state is a number that a stream is told: the newest, once.
type state struct {
	mu          sync.Mutex
	stream      *pubsub.Stream
	value, told int
	begun, over int
}

func (n *state) Begin(s *pubsub.Stream) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stream = s
	n.begun++
}

func (n *state) Next() *pubsub.Item {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.value == n.told {
		return nil
	}
	return pubsub.NewNotice(event.MustTopic("a"), event.ControlType("state"), newEvent(fmt.Sprint("state ", n.value), "a").Data)
}

func (n *state) Taken() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told = n.value
}

func (n *state) End() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.over++
}

func (n *state) set(value int) {
	n.mu.Lock()
	n.value = value
	stream := n.stream
	n.mu.Unlock()
	stream.Notify()
}

// watch opens a stream with notices whose sink takes so many items.
func (f *fixture) watch(room int) (*pubsub.Stream, *fakeSink, *state) {
	f.t.Helper()
	told := &state{}
	st := f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics, Notices: told})
	sink := newSink()
	sink.SetRoom(room)
	st.Attach(sink)
	return st, sink, told
}

func TestNoticesComeBetweenEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		st, sink, told := f.watch(-1)
		synctest.Wait()
		f.publish(1, "a")
		synctest.Wait()
		told.set(7)
		synctest.Wait()
		told.set(7)
		f.publish(1, "a")
		synctest.Wait()
		assert.Equal(t, []string{"1", "state 7", "2"}, sink.Text())
		items := sink.Only("item")
		assert.True(t, items[1].at.IsZero())
		assert.Equal(t, "carillon.state", items[1].event.Type.String())
		st.End(pubsub.EndGone)
		synctest.Wait()
		told.set(8)
		synctest.Wait()
		assert.Equal(t, []string{"1", "state 7", "2", "close:gone"}, sink.Text())
		assert.Equal(t, [2]int{1, 1}, [2]int{told.begun, told.over})
		assert.NoError(t, sink.Violation())
	})
}

// A client that takes nothing gets the newest state when it takes something again, and every event.
func TestNoticesWaitAsTheNewestState(t *testing.T) {
	for name, parked := range map[string]bool{"parked": true, "not parked": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := start(t, config(), newLog(0))
				st, sink, told := f.watch(0)
				synctest.Wait()
				want := []string{"state 9"}
				if parked {
					f.publish(3, "a")
					want = append(want, numbers(1, 3)...)
				}
				for i := range 10 {
					told.set(i)
					synctest.Wait()
				}
				assert.Empty(t, sink.Text())
				sink.SetRoom(-1)
				st.Ready()
				synctest.Wait()
				assert.ElementsMatch(t, want, sink.Text())
				assert.Equal(t, numbers(1, len(want)-1), slices.DeleteFunc(sink.Text(), func(text string) bool { return text == "state 9" }))
			})
		})
	}
}

// A notice counts as a sign of life, so the next heartbeat is an interval later.
func TestANoticeDelaysTheHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		_, sink, told := f.watch(-1)
		synctest.Wait()
		for i := range 20 {
			time.Sleep(interval / 2)
			told.set(i + 1)
		}
		assert.Empty(t, sink.Only("heartbeat"))
	})
}

func TestANoticeThatCannotBeSentEndsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		_, sink, told := f.watch(-1)
		synctest.Wait()
		sink.Fail()
		told.set(1)
		synctest.Wait()
		assert.Equal(t, pubsub.EndFailed, sink.Why())
		assert.Equal(t, 1, told.over)
	})
}

// audience counts the streams of a topic by their names.
type audience struct {
	mu    sync.Mutex
	names map[string]int
	calls int
}

func (a *audience) Joined(sub *pubsub.Subscription) { a.count(sub, 1) }
func (a *audience) Left(sub *pubsub.Subscription)   { a.count(sub, -1) }

func (a *audience) count(sub *pubsub.Subscription, by int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls++
	if a.names[sub.Name] += by; a.names[sub.Name] == 0 {
		delete(a.names, sub.Name)
	}
}

func TestAnAudienceKnowsTheStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		join := func(name string, topics ...string) *pubsub.Stream {
			st := f.open(pubsub.Subscription{Patterns: patterns(topics...), Grant: allTopics, Name: name})
			st.Attach(newSink())
			return st
		}
		first := join("first", "a", "b")
		join("second", "a")
		join("other", "*", "b")
		who := &audience{names: map[string]int{}}
		attended := 0
		f.engine.Attend(event.MustTopic("a"), who, func() { attended++ })
		f.engine.Attend(event.MustTopic("empty"), who, func() { attended++ })
		synctest.Wait()
		assert.Equal(t, 2, attended)
		assert.Equal(t, map[string]int{"first": 1, "second": 1}, who.names)
		join("third", "a")
		join("late", "empty")
		first.End(pubsub.EndGone)
		synctest.Wait()
		assert.Equal(t, map[string]int{"second": 1, "third": 1, "late": 1}, who.names)
		f.engine.Unattend(event.MustTopic("a"))
		synctest.Wait()
		calls := who.calls
		join("fourth", "a")
		synctest.Wait()
		assert.Equal(t, calls, who.calls, "nobody asks any more")
		assert.NoError(t, f.stop())
		assert.Equal(t, map[string]int{"second": 1, "third": 1}, who.names, "those that are left when nobody asks")
		f.engine.Attend(event.MustTopic("a"), who, func() { attended++ })
		assert.Equal(t, 3, attended, "an engine that has stopped has no streams")
	})
}
