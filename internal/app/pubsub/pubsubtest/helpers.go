package pubsubtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// timeout bounds every wait. It only ends tests that would hang.
const timeout = time.Minute

// everything is a limit that no test reaches.
const everything = 1 << 20

// textEvent returns an event with a text as data and always the same topic.
func textEvent(text string) event.Event {
	data, err := event.ParseData(text)
	if err != nil {
		panic(err)
	}
	return event.Event{Topics: []event.Topic{event.MustTopic("t")}, Data: data}
}

// numbered returns events whose data are the numbers from from to to.
func numbered(from, to int) []event.Event {
	var events []event.Event
	for n := from; n <= to; n++ {
		events = append(events, textEvent(fmt.Sprint(n)))
	}
	return events
}

func keyed(text, key string) event.Event {
	e := textEvent(text)
	var err error
	if e.Key, err = event.ParseKey(key); err != nil {
		panic(err)
	}
	return e
}

func large(size int) event.Event { return textEvent(strings.Repeat("x", size)) }

func publish(t *testing.T, log pubsub.Log, events ...event.Event) []event.Position {
	t.Helper()
	return Positions(publishKeyed(t, log, events...))
}

func publishKeyed(t *testing.T, log pubsub.Log, events ...event.Event) []pubsub.Appended {
	t.Helper()
	appended, err := log.Append(t.Context(), events)
	require.NoError(t, err)
	require.Len(t, appended, len(events))
	return appended
}

// Positions returns the position of each event of an append.
func Positions(appended []pubsub.Appended) []event.Position {
	all := make([]event.Position, 0, len(appended))
	for _, a := range appended {
		all = append(all, a.Position)
	}
	return all
}

func read(t *testing.T, log pubsub.Log, after uint64) []event.Entry {
	t.Helper()
	entries, err := log.Read(t.Context(), log.Extent().At(after), everything)
	require.NoError(t, err)
	return entries
}

func texts(entries []event.Entry) []string {
	all := []string{}
	for _, e := range entries {
		all = append(all, e.Event.Data.String())
	}
	return all
}

func positionsOf(entries []event.Entry) []event.Position {
	var all []event.Position
	for _, e := range entries {
		all = append(all, e.Position)
	}
	return all
}

// follower collects what a log delivers, and fails the test at calls that a log must not make.
type follower struct {
	stop func() // ends Follow and waits for it; may be called again

	mu      sync.Mutex
	entries []event.Entry
	last    uint64         // the log has delivered everything up to this offset, or told that it was trimmed
	trimmed []trimmedRange // what it told
	more    chan struct{}  // closed and replaced when entries come
}

// follow starts a follower of a log. It stops at the end of the test, if not before.
func follow(t *testing.T, log pubsub.Log, after uint64) *follower {
	t.Helper()
	f := &follower{last: after, more: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	var delivering, returned atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := log.Follow(ctx, log.Extent().At(after), func(after uint64, entries []event.Entry) {
			assert.False(t, returned.Load(), "a delivery after Follow returned")
			assert.True(t, delivering.CompareAndSwap(false, true), "two deliveries at a time")
			f.receive(t, after, entries)
			delivering.Store(false)
		})
		returned.Store(true)
		assert.NoError(t, err)
		assert.Error(t, ctx.Err(), "Follow returned before its context ended")
	}()
	f.stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(f.stop)
	return f
}

func (f *follower) receive(t *testing.T, after uint64, entries []event.Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	assert.GreaterOrEqual(t, after, f.last, "entries that were delivered before")
	assert.False(t, len(entries) == 0 && after == f.last, "a call that tells nothing")
	if after > f.last {
		f.trimmed = append(f.trimmed, trimmedRange{f.last, after})
	}
	f.last = after
	for _, e := range entries {
		assert.Greater(t, e.Position.Offset, f.last, "offsets rise")
		f.last = e.Position.Offset
	}
	f.entries = append(f.entries, entries...)
	close(f.more)
	f.more = make(chan struct{})
}

// trimmedRange is a range of trimmed entries: those after one offset, up to another.
type trimmedRange struct{ after, upTo uint64 }

// gaps returns what the log told that was trimmed so far.
func (f *follower) gaps() []trimmedRange {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.trimmed)
}

// got returns what was delivered so far.
func (f *follower) got() []event.Entry {
	entries, _ := f.snapshot()
	return entries
}

// snapshot returns what was delivered so far, and a channel that is closed when more comes.
func (f *follower) snapshot() ([]event.Entry, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]event.Entry(nil), f.entries...), f.more
}

// upTo waits until an offset was delivered, and returns what was delivered so far.
func (f *follower) upTo(t *testing.T, offset uint64) []event.Entry {
	t.Helper()
	limit := time.NewTimer(timeout)
	defer limit.Stop()
	for {
		entries, more := f.snapshot()
		if n := len(entries); n > 0 && entries[n-1].Position.Offset >= offset {
			return entries
		}
		select {
		case <-more:
		case <-limit.C:
			require.FailNow(t, "not delivered", "offset %d is missing after %v", offset, texts(entries))
		}
	}
}
