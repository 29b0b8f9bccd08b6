package pubsub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"carillon/internal/domain/event"
)

// begin finds where in the log a subscription starts, and what its client must be told when that is not where it
// asked to.
func (p *Engine) begin(ctx context.Context, sub Subscription) (event.Position, *Reset, error) {
	extent := p.log.Extent()
	at := event.Position{Epoch: extent.Epoch, Offset: extent.Newest}
	var reset *Reset
	var err error
	switch sub.Start.how {
	case startNext:
	case startAfter:
		at, reset = resume(sub.Start.requested, extent)
	case startLast:
		at.Offset, err = p.beforeLast(ctx, sub, extent)
	case startSince:
		at.Offset, err = p.beforeTime(ctx, sub.Start.since, extent)
	}
	return at, reset, err
}

// resume finds where a client goes on that saw everything up to a position.
func resume(requested string, extent Extent) (event.Position, *Reset) {
	newest, beforeOldest := extent.Newest, extent.Oldest-1
	want, err := event.ParsePosition(requested)
	switch {
	case err != nil:
		// What is no position may be anything, and is not sent back.
		return extent.reset(ResetMalformed, "", newest)
	case want.Epoch != extent.Epoch:
		// All that this log keeps is new to a client of another one.
		return extent.reset(ResetEpoch, requested, beforeOldest)
	case want.Offset > newest:
		return extent.reset(ResetFuture, requested, newest)
	case want.Offset < beforeOldest:
		return extent.reset(ResetExpired, requested, beforeOldest)
	}
	return want, nil
}

// reset tells a client where its stream goes on instead of where it asked to.
func (e Extent) reset(reason ResetReason, requested string, after uint64) (event.Position, *Reset) {
	r := Reset{Reason: reason, Requested: requested, At: event.Position{Epoch: e.Epoch, Offset: after}}
	if e.Newest > 0 {
		r.Newest = event.Position{Epoch: e.Epoch, Offset: e.Newest}
	}
	if e.Oldest <= e.Newest {
		r.Oldest = event.Position{Epoch: e.Epoch, Offset: e.Oldest}
	}
	return r.At, &r
}

// beforeLast finds the offset after which the newest n matching events stand, reading backwards page by page.
func (p *Engine) beforeLast(ctx context.Context, sub Subscription, extent Extent) (uint64, error) {
	probe := Stream{sub: sub}
	var room [pageSize]*Item
	missing := sub.Start.last
	at := extent.Newest
	for missing > 0 && at >= extent.Oldest && at > 0 {
		after := max(extent.Oldest-1, at-min(at, pageSize))
		items, err := p.page(ctx, after, room[:at-after])
		if errors.Is(err, ErrTrimmed) { // trimming overtook us
			extent.Oldest = max(extent.Oldest+1, p.log.Extent().Oldest)
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("reading history: %w", err)
		}
		for _, item := range slices.Backward(items) {
			if item.Position.Offset > at || !probe.wants(item.Event) {
				continue
			}
			if missing--; missing == 0 {
				return item.Position.Offset - 1, nil
			}
		}
		at = after
	}
	return max(at, extent.Oldest-1), nil
}

// page reads what stands after an offset, as much as there is room for. Most of what anybody asks for is in the window,
// where it need not be copied.
func (p *Engine) page(ctx context.Context, after uint64, room []*Item) ([]*Item, error) {
	if n, _ := p.window.after(after, room); n == len(room) {
		return room, nil
	}
	entries, err := p.log.Read(ctx, after, len(room))
	return newItems(entries), err
}

// beforeTime finds the offset after which the events stand that are at most age old. Ages are asked of entries in this
// process's clock, so a wall clock that jumped changes nothing.
func (p *Engine) beforeTime(ctx context.Context, age time.Duration, extent Extent) (uint64, error) {
	var failed error
	oldest := extent.Oldest
	n := sort.Search(int(extent.Newest+1-oldest), func(i int) bool {
		entries, err := p.log.Read(ctx, oldest-1+uint64(i), 1)
		switch {
		case errors.Is(err, ErrTrimmed):
			return false // older than anything kept
		case err != nil:
			failed = err
			return true
		}
		return len(entries) == 0 || time.Since(entries[0].Time) <= age
	})
	if failed != nil {
		return 0, fmt.Errorf("reading history: %w", failed)
	}
	return oldest - 1 + uint64(n), nil
}
