package pubsubtest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

func appendGuarantees() []guarantee {
	return []guarantee{
		{name: "an empty log", check: emptyLogExtent},
		{name: "positions rise and share an epoch", check: positionsRise},
		{name: "what is read is what was appended", check: readsBack},
		{name: "a batch is contiguous", check: batchIsContiguous},
		{name: "an append whose context has ended appends nothing", check: appendCancelled},
	}
}

func emptyLogExtent(t *testing.T, a Adapter) {
	log := a.Open(t, LargeLimits())
	extent := log.Extent()
	assert.NotEmpty(t, extent.Epoch)
	assert.Equal(t, pubsub.Extent{Epoch: extent.Epoch, Oldest: 1, Newest: 0}, extent)
	assert.Empty(t, read(t, log, 0))
	assert.Empty(t, publish(t, log), "there was nothing to append")
	assert.Equal(t, extent, log.Extent())
}

func positionsRise(t *testing.T, a Adapter) {
	log := a.Open(t, LargeLimits())
	positions := publish(t, log, numbered(1, 1)...)
	assert.EqualValues(t, 1, positions[0].Offset, "the first event of a log has offset 1")
	positions = append(positions, publish(t, log, numbered(2, 10)...)...)
	positions = append(positions, publish(t, log, numbered(11, 11)...)...)
	last := uint64(0)
	for _, p := range positions {
		assert.Greater(t, p.Offset, last)
		last = p.Offset
		assert.Equal(t, log.Extent().Epoch, p.Epoch)
		again, err := event.ParsePosition(p.String())
		require.NoError(t, err, "a position is an SSE id")
		assert.Equal(t, p, again)
	}
	assert.Equal(t, positions[0].Offset, log.Extent().Oldest)
	assert.Equal(t, last, log.Extent().Newest)
}

func readsBack(t *testing.T, a Adapter) {
	log := a.Open(t, LargeLimits())
	full := keyed("three\n lines: \x00\tdata: \u2028\n", "k")
	full.Topics = append(full.Topics, event.MustTopic("https://example.com/ü"), event.MustTopic(" a//b "))
	var err error
	full.Type, err = event.ParseType("price.changed")
	require.NoError(t, err)
	full.Retry = 1500 * time.Millisecond
	events := append(numbered(1, 3), full, textEvent(""), large(300<<10))
	positions := publish(t, log, events...)
	entries := read(t, log, 0)
	assert.Equal(t, positions, positionsOf(entries))
	for i, e := range entries {
		assert.Equal(t, events[i], e.Event)
		assert.False(t, e.Time.IsZero())
		assert.False(t, i > 0 && e.Time.Before(entries[i-1].Time), "times follow the order")
	}
}

func batchIsContiguous(t *testing.T, a Adapter) {
	log := a.Open(t, LargeLimits())
	const publishers, batches, size = 4, 10, 7
	var all sync.WaitGroup
	for p := range publishers {
		all.Go(func() {
			for b := range batches {
				var events []event.Event
				for n := range size {
					events = append(events, textEvent(fmt.Sprintf("%d/%d/%d", p, b, n)))
				}
				appended, err := log.Append(t.Context(), events)
				assert.NoError(t, err)
				assert.Len(t, appended, size)
			}
		})
	}
	all.Wait()
	entries := read(t, log, 0)
	require.Len(t, entries, publishers*batches*size)
	next := make([]int, publishers)
	for i := 0; i < len(entries); i += size {
		var p int
		_, err := fmt.Sscanf(entries[i].Event.Data.String(), "%d/", &p)
		require.NoError(t, err)
		for n := range size {
			require.Equal(t, fmt.Sprintf("%d/%d/%d", p, next[p], n), entries[i+n].Event.Data.String())
		}
		next[p]++
	}
}

func appendCancelled(t *testing.T, a Adapter) {
	log := a.Open(t, LargeLimits())
	publish(t, log, numbered(1, 3)...)
	before := log.Extent()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := log.Append(ctx, []event.Event{keyed("lost", "k")})
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, before, log.Extent())
	positions := publish(t, log, keyed("kept", "k"))
	assert.Equal(t, []string{"kept"}, texts(read(t, log, before.Newest)), "its key was not kept either")
	assert.Equal(t, log.Extent().Newest, positions[0].Offset)
}
