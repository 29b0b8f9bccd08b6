package pubsubtest

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/domain/event"
)

func readGuarantees() []guarantee {
	return []guarantee{
		{name: "pages of any size add up", check: pages},
		{name: "there is nothing after the newest", check: readAtNewest},
		{name: "the caller owns what was read", check: resultIsACopy},
	}
}

func pages(t *testing.T, a Adapter) {
	log := a.Open(t, LargeLimits())
	publish(t, log, numbered(1, 150)...)
	all := read(t, log, 0)
	require.Equal(t, texts(entriesOf(numbered(1, 150))), texts(all))
	for _, size := range []int{1, 2, 7, 149, 150, 151, math.MaxInt} {
		var got []event.Entry
		for after := uint64(0); ; {
			page, err := log.Read(t.Context(), log.Extent().At(after), size)
			require.NoError(t, err)
			if len(page) == 0 {
				break
			}
			require.Len(t, page, min(size, len(all)-len(got)), "a page is full unless it is the last")
			got = append(got, page...)
			after = page[len(page)-1].Position.Offset
		}
		assert.Equal(t, positionsOf(all), positionsOf(got), "in pages of %d", size)
	}
	for i, e := range all {
		page, err := log.Read(t.Context(), log.Extent().At(e.Position.Offset), 3)
		require.NoError(t, err)
		assert.Equal(t, positionsOf(all[i+1:min(i+4, len(all))]), positionsOf(page))
	}
}

func readAtNewest(t *testing.T, a Adapter) {
	log := a.Open(t, LargeLimits())
	for range 2 {
		for _, after := range []uint64{log.Extent().Newest, log.Extent().Newest + 10, math.MaxUint64 - 1, math.MaxUint64} {
			assert.Empty(t, read(t, log, after), "after %d", after)
		}
		publish(t, log, numbered(1, 10)...)
	}
}

func resultIsACopy(t *testing.T, a Adapter) {
	log := a.Open(t, LargeLimits())
	publish(t, log, numbered(1, 5)...)
	clear(read(t, log, 0))
	assert.Equal(t, texts(entriesOf(numbered(1, 5))), texts(read(t, log, 0)))
}

func entriesOf(events []event.Event) []event.Entry {
	entries := make([]event.Entry, len(events))
	for i, e := range events {
		entries[i].Event = e
	}
	return entries
}
