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

// findStart returns where in the log a subscription starts, the newest events that it begins with if it asks for them, and
// a reset when it does not start where the client asked to.
func (e *Engine) findStart(ctx context.Context, sub Subscription) (at event.Position, latest *latestStart, reset *Reset, err error) {
	extent, err := e.extentFor(ctx, sub.Start)
	if err != nil {
		return event.Position{}, nil, nil, err
	}
	var whole bool // whether everything that was asked for is kept
	at = extent.At(extent.Newest)
	switch sub.Start.kind {
	case startNext:
		return at, nil, nil, nil
	case startAfter:
		at, reset = resume(sub.Start.requested, extent)
		return at, nil, reset, nil
	case startLatest:
		at, latest, err = e.findLatest(ctx, sub, extent)
		return at, latest, nil, err
	case startLast:
		at.Offset, whole, err = e.beforeLast(ctx, sub, extent)
	case startSince:
		at.Offset, whole, err = e.beforeTime(ctx, sub.Start.since, extent)
	}
	if err != nil || whole || at.Offset == 0 { // the first offset of a log is 1: nothing was trimmed
		return at, nil, nil, err
	}
	extent.Oldest = max(extent.Oldest, at.Offset+1) // it may have been trimmed meanwhile
	at, reset = extent.reset(ResetExpired, "", at.Offset)
	return at, nil, reset, nil
}

// extentFor returns the extent by which the start of a subscription is decided. What this node knows is enough for most
// starts. A position that it does not know may be one that another node has acknowledged a moment ago, so the log is asked.
func (e *Engine) extentFor(ctx context.Context, start Start) (Extent, error) {
	extent := e.log.Extent()
	want, err := event.ParsePosition(start.requested)
	if start.kind == startAfter && err == nil && (want.Epoch != extent.Epoch || want.Offset > extent.Newest) {
		if extent, err = e.look(ctx); err != nil {
			e.noteFailure(err)
			return Extent{}, fmt.Errorf("looking for a position: %w", err)
		}
	}
	return extent, e.identity.await(ctx, extent.Epoch)
}

// resume returns where a stream starts whose client saw everything up to a position.
func resume(requested string, extent Extent) (event.Position, *Reset) {
	newest, beforeOldest := extent.Newest, extent.Oldest-1
	want, err := event.ParsePosition(requested)
	switch {
	case err != nil:
		// What is not a position may be any text, so it is not sent back.
		return extent.reset(ResetMalformed, "", newest)
	case want.Epoch != extent.Epoch:
		// Everything this log keeps is new to a client of another log.
		return extent.reset(ResetEpoch, requested, beforeOldest)
	case want.Offset > newest:
		return extent.reset(ResetFuture, requested, newest)
	case want.Offset < beforeOldest:
		return extent.reset(ResetExpired, requested, beforeOldest)
	}
	return want, nil
}

// reset returns where a stream continues instead of where its client asked to, and the reset that tells the client.
func (e Extent) reset(reason ResetReason, requested string, after uint64) (event.Position, *Reset) {
	r := Reset{Reason: reason, Requested: requested, At: e.At(after)}
	if e.Newest > 0 {
		r.Newest = e.At(e.Newest)
	}
	if e.Oldest <= e.Newest {
		r.Oldest = e.At(e.Oldest)
	}
	return r.At, &r
}

// beforeLast returns the offset right before the newest n matching events, and whether so many are kept. It reads
// backwards, page by page.
func (e *Engine) beforeLast(ctx context.Context, sub Subscription, extent Extent) (offset uint64, whole bool, err error) {
	stream := Stream{sub: sub} // for its wants method
	var buf [pageItems]*Item
	missing := sub.Start.last
	end := extent.Newest // everything after it was looked at
	for missing > 0 && end >= extent.Oldest && end > 0 {
		after := max(extent.Oldest-1, end-min(end, pageItems))
		items, err := e.history.read(ctx, extent.At(after), buf[:end-after])
		if errors.Is(err, ErrTrimmed) { // since the extent was read
			extent.Oldest = max(extent.Oldest+1, e.log.Extent().Oldest)
			continue
		}
		if err != nil {
			e.noteReadFailure(ctx, err)
			return 0, false, fmt.Errorf("reading history: %w", err)
		}
		for _, item := range slices.Backward(items) {
			if item.Position.Offset > end || !stream.wants(item.Event) {
				continue
			}
			if missing--; missing == 0 {
				return item.Position.Offset - 1, true, nil
			}
		}
		end = after
	}
	return max(end, extent.Oldest-1), missing <= 0, nil
}

// beforeTime returns the offset right before the events that are at most age old, and whether an older one is kept, which
// shows that none of them was trimmed. Ages are measured with this process's monotonic clock where entries carry it, so a
// wall clock that jumped changes nothing.
func (e *Engine) beforeTime(ctx context.Context, age time.Duration, extent Extent) (offset uint64, whole bool, err error) {
	var readErr error
	oldest := extent.Oldest
	n := sort.Search(int(extent.Newest+1-oldest), func(i int) bool {
		if readErr != nil {
			return true // the search is over
		}
		entries, err := e.log.Read(ctx, extent.At(oldest-1+uint64(i)), 1)
		switch {
		case errors.Is(err, ErrTrimmed):
			return false // older than anything kept
		case err != nil:
			readErr = err
			return true
		}
		return len(entries) == 0 || time.Since(entries[0].Time) <= age
	})
	if readErr != nil {
		e.noteReadFailure(ctx, readErr)
		return 0, false, fmt.Errorf("reading history: %w", readErr)
	}
	return oldest - 1 + uint64(n), n > 0 || age <= 0, nil
}
