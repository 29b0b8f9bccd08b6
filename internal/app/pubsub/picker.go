package pubsub

import (
	"context"
	"errors"
	"time"

	"carillon/internal/domain/event"
)

const (
	// pickGap is how many entries are read and not used rather than reading the log once more.
	pickGap = 8
	// pickedItems bounds the picked items that a reader keeps.
	pickedItems = pagesCached * pageItems
)

// picker reads single entries of the log's history for streams that begin with the newest event of each topic. It keeps
// them for a while, so that clients that begin together share the items and their encodings. It belongs to the reader's
// goroutine.
type picker struct {
	items map[event.Position]*Item
	bytes int64
}

func (p *picker) clear() { p.items, p.bytes = nil, 0 }

func (p *picker) keep(items []*Item) {
	for _, item := range items {
		size := int64(item.Event.Size())
		if len(p.items) >= pickedItems || p.bytes+size > pagesCached*pageBytes {
			p.clear()
		}
		if p.items == nil {
			p.items = make(map[event.Position]*Item)
		}
		p.items[item.Position] = item
		p.bytes += size
	}
}

// pick returns the entries with the given offsets that the log still keeps, and the offset up to which it looked: it ends
// early once the events have many bytes. While the log is unavailable it waits, so the only errors are [ErrReplaced] and,
// when the engine stops, any other.
func (r *reader) pick(ctx context.Context, epoch event.Epoch, offsets []uint64) (items []*Item, upTo uint64, err error) {
	size := 0
	for len(offsets) > 0 {
		oldest := r.history.log.Extent().Oldest
		run := firstRun(offsets)
		found, err := r.pickRun(ctx, epoch, run)
		switch {
		case errors.Is(err, ErrTrimmed):
			// What was trimmed is no longer the newest event that is kept. At least one offset is dropped, so that this ends.
			trimmed := 1
			for oldest = max(oldest, r.history.log.Extent().Oldest); trimmed < len(offsets) && offsets[trimmed] < oldest; {
				trimmed++
			}
			upTo, offsets = offsets[trimmed-1], offsets[trimmed:]
			continue
		case errors.Is(err, ErrReplaced):
			return nil, 0, err
		case err != nil:
			r.shard.engine.noteReadFailure(ctx, err)
			select {
			case <-time.After(retryDelay):
				continue
			case <-ctx.Done():
				return nil, 0, err
			}
		}
		for _, item := range found {
			size += item.Event.Size()
		}
		items, upTo, offsets = append(items, found...), run[len(run)-1], offsets[len(run):]
		if size > pageBytes {
			break
		}
	}
	return items, upTo, nil
}

// firstRun returns the first of the offsets that are close enough to be read at once.
func firstRun(offsets []uint64) []uint64 {
	n := 1
	for n < len(offsets) && offsets[n]-offsets[n-1] <= pickGap {
		n++
	}
	return offsets[:n]
}

// pickRun returns the entries with offsets that are close to each other.
func (r *reader) pickRun(ctx context.Context, epoch event.Epoch, run []uint64) ([]*Item, error) {
	items := make([]*Item, 0, len(run))
	for _, offset := range run {
		if item := r.picked.items[event.Position{Epoch: epoch, Offset: offset}]; item != nil {
			items = append(items, item)
		}
	}
	if len(items) == len(run) {
		return items, nil
	}
	reading, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	first, last := run[0], run[len(run)-1]
	entries, err := r.history.log.Read(reading, event.Position{Epoch: epoch, Offset: first - 1}, int(last-first+1))
	if err != nil {
		return nil, err
	}
	wanted := make([]event.Entry, 0, len(run))
	for _, e := range entries {
		if len(run) > 0 && e.Position.Offset == run[0] {
			wanted, run = append(wanted, e), run[1:]
		}
	}
	items = newItems(wanted, time.Time{})
	r.picked.keep(items)
	return items, nil
}
