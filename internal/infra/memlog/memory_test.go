package memlog_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/domain/event"
	"carillon/internal/domain/eventtest"
	"carillon/internal/infra/memlog"
)

// appendMarked appends n events and returns weak pointers, which show when the log has released each.
func appendMarked(t *testing.T, log *memlog.Log, n int) []weak.Pointer[event.Topic] {
	t.Helper()
	var marks []weak.Pointer[event.Topic]
	for range n {
		e := keyed("marked", "")
		marks = append(marks, weak.Make(&e.Topics[0]))
		publish(t, log, e)
	}
	return marks
}

// countLive counts the events that are still referenced.
func countLive(marks []weak.Pointer[event.Topic]) int {
	runtime.GC()
	runtime.GC()
	n := 0
	for _, m := range marks {
		if m.Value() != nil {
			n++
		}
	}
	return n
}

func TestTrimmedEventsAreFreed(t *testing.T) {
	t.Run("by events", func(t *testing.T) {
		limits := pubsubtest.LargeLimits()
		limits.Events = 10
		log := open(t, limits)
		assert.Equal(t, 10, countLive(appendMarked(t, log, 1000)))
		runtime.KeepAlive(log)
	})
	t.Run("by bytes", func(t *testing.T) {
		limits := pubsubtest.LargeLimits()
		limits.Bytes = int64(10 * keyed("marked", "").Size())
		log := open(t, limits)
		marks := appendMarked(t, log, 1000)
		assert.Equal(t, 10, countLive(marks))
		publish(t, log, keyed(strings.Repeat("x", 10_000), ""))
		assert.Zero(t, countLive(marks))
		runtime.KeepAlive(log)
	})
	t.Run("by age, in silence", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			limits := pubsubtest.LargeLimits()
			limits.Age = time.Minute
			log := open(t, limits)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() { _ = log.Follow(ctx, log.Extent().At(0), func(uint64, []event.Entry) {}) }()
			synctest.Wait()
			marks := appendMarked(t, log, 1000)
			assert.Equal(t, 1000, countLive(marks))
			time.Sleep(65 * time.Second)
			assert.Zero(t, countLive(marks))
			runtime.KeepAlive(log)
		})
	})
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestMemoryStaysFlat(t *testing.T) {
	limits := pubsubtest.LargeLimits()
	limits.Events, limits.Keys = 1000, 1000
	log := open(t, limits)
	topics := []event.Topic{event.MustTopic("t")}
	fill := func(from, to int) {
		for n := from; n < to; n++ {
			_, err := log.Append(t.Context(), []event.Event{{Topics: topics, Key: eventtest.MustKey(fmt.Sprint("key ", n))}})
			require.NoError(t, err)
		}
	}
	fill(0, 10_000)
	before := heap()
	fill(10_000, 1_000_000)
	assert.Less(t, heap()-before, int64(1<<20), "a leak of one byte for each event would show")
	assert.EqualValues(t, 1_000_000, log.Extent().Newest)
}

// A log that was full frees its memory when everything is too old, and allocates none before it is needed.
func TestMemoryComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := heap()
		limits := pubsubtest.LargeLimits()
		limits.Age, limits.KeyWindow = time.Minute, time.Minute
		log := open(t, limits)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = log.Follow(ctx, log.Extent().At(0), func(uint64, []event.Entry) {}) }()
		synctest.Wait()
		assert.Less(t, heap()-before, int64(1<<20), "a fresh log reserves nothing")
		for n := range 100_000 {
			publish(t, log, keyed("", fmt.Sprint("key ", n)))
		}
		assert.Greater(t, heap()-before, int64(10<<20))
		time.Sleep(65 * time.Second)
		assert.Less(t, heap()-before, int64(1<<20))
		assert.EqualValues(t, 100_000, log.Extent().Newest)
	})
}
