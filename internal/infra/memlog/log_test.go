package memlog_test

import (
	"context"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/domain/event"
	"carillon/internal/domain/eventtest"
	"carillon/internal/infra/memlog"
)

// keyed returns an event on the topic "t" with data and an idempotency key.
func keyed(text, key string) event.Event {
	e := eventtest.MustEvent(text, "t")
	e.Key = eventtest.MustKey(key)
	return e
}

func publish(t testing.TB, log *memlog.Log, events ...event.Event) []event.Position {
	t.Helper()
	appended, err := log.Append(context.Background(), events)
	require.NoError(t, err)
	return pubsubtest.Positions(appended)
}

// following calls deliver in a goroutine, until the test ends. It returns once the follower is there.
func following(t *testing.T, log *memlog.Log, deliver func([]event.Entry)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	there := make(chan struct{})
	here := sync.OnceFunc(func() { close(there) })
	first := publish(t, log, keyed("first", ""))[0].Offset
	running.Go(func() {
		assert.NoError(t, log.Follow(ctx, log.Extent().At(first-1), func(_ uint64, entries []event.Entry) {
			if entries[0].Position.Offset > first {
				deliver(entries)
			}
			here()
		}))
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	<-there
}

func TestOffsetsAreDense(t *testing.T) {
	log := open(t, pubsubtest.LargeLimits())
	for want := uint64(1); want < 1000; want += 3 {
		for i, p := range publish(t, log, keyed("", ""), keyed("", ""), keyed("", "")) {
			require.Equal(t, want+uint64(i), p.Offset)
		}
	}
}

func TestEachLogHasItsEpoch(t *testing.T) {
	seen := make(map[event.Epoch]bool)
	for range 1000 {
		epoch := open(t, pubsubtest.LargeLimits()).Extent().Epoch
		assert.False(t, seen[epoch])
		assert.Regexp(t, regexp.MustCompile("^[a-z0-9]{8}$"), epoch)
		seen[epoch] = true
	}
}

// Ages must not follow a wall clock that jumps, so the times in the log carry the monotonic reading.
func TestTimesAreMonotonic(t *testing.T) {
	log := open(t, pubsubtest.LargeLimits())
	publish(t, log, keyed("", ""))
	entries, err := log.Read(t.Context(), log.Extent().At(0), 1)
	require.NoError(t, err)
	assert.Contains(t, entries[0].Time.String(), " m=")
}

func TestOneDeliveryForEachAppend(t *testing.T) {
	log := open(t, pubsubtest.LargeLimits())
	var sizes []int
	following(t, log, func(entries []event.Entry) { sizes = append(sizes, len(entries)) })
	one := keyed("", "")
	publish(t, log, one)
	publish(t, log, one, one, one)
	publish(t, log, keyed("", "k"), keyed("", "k"), one)
	publish(t, log, keyed("", "k"))
	assert.Equal(t, []int{1, 3, 2}, sizes)
}

func TestEventLargerThanTheHistory(t *testing.T) {
	limits := pubsubtest.LargeLimits()
	limits.Bytes = 1000
	log := open(t, limits)
	var got []uint64
	following(t, log, func(entries []event.Entry) { got = append(got, entries[0].Position.Offset) })
	publish(t, log, keyed("small", ""))
	p := publish(t, log, keyed(strings.Repeat("x", 1000), ""))[0]
	assert.Equal(t, []uint64{2, 3}, got)
	assert.Equal(t, pubsub.Extent{Epoch: p.Epoch, Oldest: 4, Newest: 3}, log.Extent())
	_, err := log.Read(t.Context(), log.Extent().At(2), 1)
	require.ErrorIs(t, err, pubsub.ErrTrimmed)
	bytes, age := log.Kept()
	assert.Zero(t, bytes)
	assert.Zero(t, age)
	publish(t, log, keyed("small", ""))
	entries, err := log.Read(t.Context(), log.Extent().At(3), 10)
	require.NoError(t, err)
	assert.Len(t, entries, 1)
}

func TestKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := pubsubtest.LargeLimits()
		limits.Age, limits.Bytes = time.Minute, 1000
		log := open(t, limits)
		e := keyed("hello", "k1")
		publish(t, log, e)
		time.Sleep(40 * time.Second)
		publish(t, log, keyed("hello", "k2"))
		bytes, age := log.Kept()
		assert.EqualValues(t, 2*e.Size(), bytes)
		assert.Equal(t, 40*time.Second, age)
		time.Sleep(30 * time.Second)
		bytes, age = log.Kept()
		assert.EqualValues(t, e.Size(), bytes)
		assert.Equal(t, 30*time.Second, age)
	})
}

// A bound on keys smaller than a batch must not let a batch repeat its own keys.
func TestKeysAreBounded(t *testing.T) {
	limits := pubsubtest.LargeLimits()
	limits.Keys = 3
	log := open(t, limits)
	var batch []event.Event
	for n := range 10 {
		batch = append(batch, keyed("", fmt.Sprint(n)))
	}
	first := publish(t, log, append(batch, batch...)...)
	assert.Equal(t, first[:10], first[10:])
	assert.EqualValues(t, 10, log.Extent().Newest)
	assert.Equal(t, first[7:10], publish(t, log, batch[7:]...), "the newest three are remembered")
	assert.EqualValues(t, 11, publish(t, log, batch[6])[0].Offset)
	assert.EqualValues(t, 12, publish(t, log, batch[7])[0].Offset, "the oldest made room")
}

// Readers continue while a follower is slow; only publishers wait.
func TestReadersDoNotWaitForFollowers(t *testing.T) {
	log := open(t, pubsubtest.LargeLimits())
	inside, release := make(chan struct{}), make(chan struct{})
	following(t, log, func([]event.Entry) { close(inside); <-release })
	done := make(chan struct{})
	go func() { defer close(done); publish(t, log, keyed("second", "")) }()
	<-inside
	entries, err := log.Read(t.Context(), log.Extent().At(0), 10)
	require.NoError(t, err)
	assert.Len(t, entries, 2)
	assert.EqualValues(t, 2, log.Extent().Newest)
	runtime.Gosched()
	select {
	case <-done:
		assert.Fail(t, "the append did not wait for its delivery")
	default:
	}
	close(release)
	<-done
}

func TestCancelledRead(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	log := open(t, pubsubtest.LargeLimits())
	_, err := log.Read(ctx, log.Extent().At(0), 1)
	assert.ErrorIs(t, err, context.Canceled)
}

func TestConfig(t *testing.T) {
	_, err := memlog.New(memlog.Config{})
	require.EqualError(t, err, memlog.Config{}.Validate().Error())
}
