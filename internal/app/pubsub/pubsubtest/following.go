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

func following() []promise {
	return []promise{
		{name: "a follower gets what is kept, then what comes", check: followKeptThenLive},
		{name: "a follower waits for its offset", check: followFuture},
		{name: "a follower hears before the append returns", check: followBeforeAppendReturns},
		{name: "following ends with its context", check: followEnds},
		{name: "all followers see one order", check: followOneOrder},
	}
}

func followKeptThenLive(t *testing.T, a Adapter) {
	log := a.Open(t, Roomy())
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
	log := a.Open(t, Roomy())
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
		t.Skip("this log lives elsewhere")
	}
	log := a.Open(t, Roomy())
	followers := []*follower{follow(t, log, 0), follow(t, log, 0)}
	probe := publish(t, log, say("probe"))
	for _, f := range followers {
		f.upTo(t, probe[0].Offset)
	}
	var all sync.WaitGroup
	for p := range 4 {
		all.Go(func() {
			for n := range 50 {
				positions, err := log.Append(t.Context(), []event.Event{say(fmt.Sprint(p)), keyed("k", fmt.Sprint(p, n))})
				assert.NoError(t, err)
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
	log := a.Open(t, Roomy())
	kept := publish(t, log, numbered(1, 3)...)
	brief, lasting := follow(t, log, 0), follow(t, log, 0)
	brief.upTo(t, kept[2].Offset)
	lasting.upTo(t, kept[2].Offset)
	brief.stop()
	last := publish(t, log, numbered(4, 6)...)
	assert.Len(t, lasting.upTo(t, last[2].Offset), 6)
	assert.Len(t, brief.got(), 3)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.NoError(t, log.Follow(ctx, 0, func([]event.Entry) { assert.Fail(t, "its context had ended before") }))
}

func followOneOrder(t *testing.T, a Adapter) {
	log := a.Open(t, Roomy())
	const publishers, each = 4, 100
	followers := make([]*follower, 9)
	from := make([]uint64, len(followers))
	join := func(i int, after uint64) { from[i], followers[i] = after, follow(t, log, after) }
	join(0, 0)
	var all sync.WaitGroup
	for p := range publishers {
		all.Go(func() {
			for n := range each {
				_, err := log.Append(t.Context(), []event.Event{say(fmt.Sprint(p)), say(fmt.Sprint(n))}[:1+n%2])
				assert.NoError(t, err)
			}
		})
	}
	for i := 1; i < len(followers); i++ { // while all that goes on
		seen := followers[0].upTo(t, uint64(i*20))
		switch i % 3 {
		case 0:
			join(i, 0)
		case 1:
			join(i, seen[len(seen)/2].Position.Offset)
		case 2:
			join(i, log.Extent().Newest)
		}
	}
	all.Wait()
	want := read(t, log, 0)
	require.Len(t, want, publishers*each*3/2)
	for i, f := range followers {
		due := want[indexAfter(want, from[i]):]
		if len(due) == 0 { // it came when all was over
			assert.Empty(t, f.got())
			continue
		}
		assert.Equal(t, due, f.upTo(t, log.Extent().Newest), "follower %d, after %d", i, from[i])
	}
	assertRising(t, want)
}

// indexAfter is where, among entries, those begin that stand after an offset.
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
