package pubsub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"carillon/internal/domain/event"
)

// follow receives what the log delivers. When the log was unavailable, it continues after the newest entry received; when
// it was replaced, with the new log.
func (e *Engine) follow(ctx context.Context) error {
	for {
		e.following.Store(true)
		err := e.log.Follow(ctx, event.Position{Epoch: e.identity.current(), Offset: e.newest.Load()}, e.receive)
		e.following.Store(false)
		if errors.Is(err, ErrReplaced) {
			if err = e.replace(ctx); err == nil {
				continue
			}
		}
		if err != nil && !errors.Is(err, ErrUnavailable) && ctx.Err() == nil {
			return fmt.Errorf("following the log: %w", err)
		}
		e.noteFailure(err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retryDelay):
		}
	}
}

// receive adds entries that stand right after an offset to the window and gives them to the shards.
func (e *Engine) receive(after uint64, entries []event.Entry) {
	if newest := e.newest.Load(); after > newest {
		e.window.skip(after)
		e.newest.Store(after)
		e.observer.LogOvertook(after - newest)
	}
	var items []*Item
	now, before := time.Now(), e.newest.Load()
	if len(entries) > 0 {
		items = newItems(entries, now)
		e.window.push(items)
		e.newest.Store(entries[len(entries)-1].Position.Offset)
	}
	e.latest.add(entries, e.newest.Load())
	e.dispatch(before, items, now)
}

// replace continues with the log that took the place of the one that was followed. Every stream gets a [ResetEpoch] and
// then what the new log keeps.
func (e *Engine) replace(ctx context.Context) error {
	extent, err := e.look(ctx)
	if err != nil {
		return fmt.Errorf("looking at the log that was replaced: %w", err)
	}
	old := e.identity.current()
	if extent.Epoch == old {
		return nil // as it was before: the log is followed again
	}
	e.observer.LogReplaced(old, extent.Epoch)
	begin := extent.fillFrom(e.cfg.Fill)
	e.window.skip(begin)
	e.newest.Store(begin)
	e.head.Store(extent.Newest)
	if err := e.query(ctx, func(s *shard) { s.replaceLog(extent, begin) }); err != nil {
		return err // the context has ended
	}
	e.followLatest(extent, begin)
	e.identity.set(extent.Epoch)
	return nil
}

// fillFrom returns the offset after which a log is followed, so that the window gets the newest n events.
func (e Extent) fillFrom(n int) uint64 {
	return max(e.Oldest-1, e.Newest-min(e.Newest, uint64(n)))
}
