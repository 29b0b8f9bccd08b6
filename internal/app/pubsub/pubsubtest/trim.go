package pubsubtest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

func trimGuarantees() []guarantee {
	return []guarantee{
		{name: "bounded in events", check: boundedInEvents},
		{name: "bounded in bytes", check: boundedInBytes},
		{name: "bounded in age", check: boundedInAge, needsTime: true},
		{name: "a batch larger than the history", check: batchLargerThanHistory},
	}
}

// checkKept checks that the log keeps the newest of all that was appended, and that reading older entries fails.
func checkKept(t *testing.T, log pubsub.Log, all []event.Position) []event.Entry {
	t.Helper()
	extent, err := log.Look(t.Context())
	require.NoError(t, err)
	assert.Equal(t, all[len(all)-1].Offset, extent.Newest, "trimming does not change the newest offset")
	kept := read(t, log, extent.Oldest-1)
	assert.Equal(t, all[len(all)-len(kept):], append([]event.Position{}, positionsOf(kept)...))
	for _, p := range all[:len(all)-len(kept)] {
		_, err := log.Read(t.Context(), log.Extent().At(p.Offset-1), 1)
		require.ErrorIs(t, err, pubsub.ErrTrimmed, "%d was trimmed", p.Offset)
		require.Greater(t, log.Extent().Oldest, p.Offset, "a failed read makes the extent known")
	}
	f := follow(t, log, 0)
	assert.Equal(t, positionsOf(kept), positionsOf(f.upTo(t, extent.Newest)), "a follower skips what was trimmed")
	if len(kept) < len(all) {
		assert.Equal(t, []trimmedRange{{after: 0, upTo: kept[0].Position.Offset - 1}}, f.gaps(), "and is told so")
	} else {
		assert.Empty(t, f.gaps())
	}
	return kept
}

func boundedInEvents(t *testing.T, a Adapter) {
	limits := LargeLimits()
	limits.Events = 10
	log := a.Open(t, limits)
	all := publish(t, log, numbered(1, 10)...)
	require.Len(t, read(t, log, 0), 10)
	for range 25 {
		all = append(all, publish(t, log, numbered(1, 1)...)...)
	}
	kept := checkKept(t, log, all)
	if a.Exact {
		assert.Len(t, kept, 10)
	}
}

func boundedInBytes(t *testing.T, a Adapter) {
	limits := LargeLimits()
	limits.Bytes = 100_000
	log := a.Open(t, limits)
	var all []event.Position
	for range 30 {
		all = append(all, publish(t, log, large(9000))...)
	}
	kept := checkKept(t, log, all)
	assert.LessOrEqual(t, len(kept), 11)
	if a.Exact {
		assert.Len(t, kept, 100_000/large(9000).Size())
	}
}

func boundedInAge(t *testing.T, a Adapter) {
	limits := LargeLimits()
	limits.Age = time.Minute
	log := a.Open(t, limits)
	var all []event.Position
	for range 10 {
		all = append(all, publish(t, log, numbered(1, 1)...)...)
		wait(10 * time.Second)
	}
	kept := checkKept(t, log, all)
	for _, e := range kept {
		assert.LessOrEqual(t, time.Since(e.Time), limits.Age+time.Second)
	}
	if a.Exact {
		assert.Len(t, kept, 6, "the one that is a minute old is still kept")
	}

	wait(2 * time.Minute)
	extent := log.Extent()
	assert.Equal(t, extent.Newest+1, extent.Oldest, "entries that are too old are trimmed even while nothing is appended")
	assert.Equal(t, all[9].Offset, extent.Newest)
	assert.Empty(t, read(t, log, extent.Newest))
	_, err := log.Read(t.Context(), log.Extent().At(extent.Newest-1), 1)
	require.ErrorIs(t, err, pubsub.ErrTrimmed)
	f := follow(t, log, 0)
	if a.FakeTime {
		synctest.Wait()
		assert.Equal(t, []trimmedRange{{after: 0, upTo: extent.Newest}}, f.gaps(), "told even while there is nothing to deliver")
	}
	all = append(all, publish(t, log, textEvent("new"))...)
	assert.Equal(t, []string{"new"}, texts(f.upTo(t, all[10].Offset)))
	assert.Equal(t, []trimmedRange{{after: 0, upTo: extent.Newest}}, f.gaps())
	assert.Greater(t, all[10].Offset, extent.Newest, "offsets go on")
}

func batchLargerThanHistory(t *testing.T, a Adapter) {
	limits := LargeLimits()
	limits.Events = 10
	log := a.Open(t, limits)
	f := follow(t, log, 0)
	all := publish(t, log, numbered(1, 3)...)
	f.upTo(t, all[2].Offset)
	all = append(all, publish(t, log, numbered(4, 100)...)...)
	got := f.upTo(t, all[99].Offset)
	if a.SameProcess {
		assert.Equal(t, all, positionsOf(got), "followers also get what is trimmed at once")
	}
	checkKept(t, log, all)
}

// wait lets time pass; it needs a bubble.
func wait(d time.Duration) { <-time.After(d) }
