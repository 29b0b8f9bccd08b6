package pubsubtest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/domain/event"
)

func followGuarantees() []guarantee {
	return []guarantee{
		{name: "a follower gets what is kept, then new entries", check: followKeptThenLive},
		{name: "a follower waits for its offset", check: followFuture},
		{name: "a follower gets an entry before the append returns", check: followBeforeAppendReturns},
		{name: "following ends with its context", check: followEnds},
		{name: "all followers get one order", check: followOneOrder},
	}
}

func followKeptThenLive(t *testing.T, a Adapter) {
	log := a.Open(t, LargeLimits())
	all := publish(t, log, numbered(1, 10)...)
	from := map[uint64]*follower{}
	for _, after := range []uint64{0, all[0].Offset, all[4].Offset, all[8].Offset, all[9].Offset} {
		from[after] = follow(t, log, after)
	}
	for n := 11; n <= 30; n += 2 {
		all = append(all, publish(t, log, numbered(n, n+1)...)...)
	}
	want := read(t, log, 0)
	require.Equal(t, all, positionsOf(want))
	for after, f := range from {
		got := f.upTo(t, log.Extent().Newest)
		assert.Equal(t, want[slices.IndexFunc(all, func(p event.Position) bool { return p.Offset > after }):], got, "after %d", after)
	}
}

func followFuture(t *testing.T, a Adapter) {
	log := a.Open(t, LargeLimits())
	never := follow(t, log, math.MaxUint64)
	publish(t, log, numbered(1, 3)...)
	after := log.Extent().Newest + 4
	f := follow(t, log, after)
	all := append(publish(t, log, numbered(1, 3)...), publish(t, log, numbered(4, 20)...)...)
	got := f.upTo(t, log.Extent().Newest)
	assert.Equal(t, slices.DeleteFunc(all, func(p event.Position) bool { return p.Offset <= after }), positionsOf(got))
	assert.Empty(t, never.got())
}

func followBeforeAppendReturns(t *testing.T, a Adapter) {
	if !a.SameProcess {
		t.Skip("the log is in another process")
	}
	log := a.Open(t, LargeLimits())
	followers := []*follower{follow(t, log, 0), follow(t, log, 0)}
	probe := publish(t, log, textEvent("probe"))
	for _, f := range followers {
		f.upTo(t, probe[0].Offset)
	}
	var all sync.WaitGroup
	for p := range 4 {
		all.Go(func() {
			for n := range 50 {
				appended, err := log.Append(t.Context(), []event.Event{textEvent(fmt.Sprint(p)), keyed("k", fmt.Sprint(p, n))})
				assert.NoError(t, err)
				positions := Positions(appended)
				for _, f := range followers {
					got := positionsOf(f.got())
					assert.True(t, slices.Contains(got, positions[0]) && slices.Contains(got, positions[1]), "not delivered yet")
				}
			}
		})
	}
	all.Wait()
}

func followEnds(t *testing.T, a Adapter) {
	log := a.Open(t, LargeLimits())
	kept := publish(t, log, numbered(1, 3)...)
	stopped, lasting := follow(t, log, 0), follow(t, log, 0)
	stopped.upTo(t, kept[2].Offset)
	lasting.upTo(t, kept[2].Offset)
	stopped.stop()
	last := publish(t, log, numbered(4, 6)...)
	assert.Len(t, lasting.upTo(t, last[2].Offset), 6)
	assert.Len(t, stopped.got(), 3)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.NoError(t, log.Follow(ctx, log.Extent().At(0), func(uint64, []event.Entry) { assert.Fail(t, "the context has ended") }))
}

func followOneOrder(t *testing.T, a Adapter) {
	log := a.Open(t, LargeLimits())
	const publishers, each = 4, 100
	followers := make([]*follower, 9)
	from := make([]uint64, len(followers))
	join := func(i int, after uint64) { from[i], followers[i] = after, follow(t, log, after) }
	join(0, 0)
	var all sync.WaitGroup
	for p := range publishers {
		all.Go(func() {
			for n := range each {
				_, err := log.Append(t.Context(), []event.Event{textEvent(fmt.Sprint(p)), textEvent(fmt.Sprint(n))}[:1+n%2])
				assert.NoError(t, err)
			}
		})
	}
	for i := 1; i < len(followers); i++ { // while the publishers run
		got := followers[0].upTo(t, uint64(i*20))
		switch i % 3 {
		case 0:
			join(i, 0)
		case 1:
			join(i, got[len(got)/2].Position.Offset)
		case 2:
			join(i, log.Extent().Newest)
		}
	}
	all.Wait()
	want := read(t, log, 0)
	require.Len(t, want, publishers*each*3/2)
	for i, f := range followers {
		expected := want[indexAfter(want, from[i]):]
		if len(expected) == 0 { // it joined after the last append
			assert.Empty(t, f.got())
			continue
		}
		assert.Equal(t, expected, f.upTo(t, log.Extent().Newest), "follower %d, after %d", i, from[i])
	}
	assertRising(t, want)
}

// indexAfter returns the index of the first entry after an offset.
func indexAfter(entries []event.Entry, offset uint64) int {
	i := slices.IndexFunc(entries, func(e event.Entry) bool { return e.Position.Offset > offset })
	if i < 0 {
		return len(entries)
	}
	return i
}

func assertRising(t *testing.T, entries []event.Entry) {
	t.Helper()
	assert.True(t, slices.IsSortedFunc(entries, func(a, b event.Entry) int {
		if a.Position.Offset < b.Position.Offset {
			return -1
		}
		return 1 // equal ones are out of order too
	}), "offsets rise: %v", positionsOf(entries))
}
