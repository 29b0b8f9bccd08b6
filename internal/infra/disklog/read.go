package disklog

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// A transaction that reads ends after so much. Pages that are freed while it is open cannot be used again before it
// ends, and a commit that has to map a larger file waits for it.
const (
	pageEntries = 512
	pageBytes   = 1 << 20
)

// Read implements [pubsub.Log]. It reads in short transactions.
func (l *Log) Read(ctx context.Context, position event.Position, limit int) ([]event.Entry, error) {
	l.rlock()
	first, next := l.history.first, l.history.next
	l.mu.RUnlock()
	after := position.Offset
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case position.Epoch != l.epoch:
		return nil, pubsub.ErrReplaced
	case after < first-1:
		return nil, pubsub.ErrTrimmed
	case after >= next-1 || limit <= 0:
		return nil, nil
	}
	n := min(next-1-after, uint64(limit))
	entries := make([]event.Entry, 0, min(n, pageEntries))
	for uint64(len(entries)) < n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		from := after + 1 + uint64(len(entries))
		page, err := l.readPage(from, min(n-uint64(len(entries)), pageEntries))
		if err != nil {
			if from < l.Extent().Oldest {
				return nil, pubsub.ErrTrimmed
			}
			return nil, err
		}
		entries = append(entries, page...)
	}
	return entries, nil
}

// readPage reads at least one entry and at most limit, beginning with an offset.
func (l *Log) readPage(from, limit uint64) (page []event.Entry, err error) {
	page = make([]event.Entry, 0, limit)
	err = guard(func() error {
		return l.file.db.View(func(tx *bbolt.Tx) error {
			bytes := 0
			cursor := tx.Bucket(entriesBucket).Cursor()
			k, record := cursor.Seek(offsetKey(from))
			for offset := from; offset < from+limit && bytes < pageBytes; offset++ {
				if found, err := parseOffset(k); err != nil || found != offset {
					return fmt.Errorf("%w: entry %d is missing", ErrDamaged, offset)
				}
				entry, err := decodeEntry(l.epoch, offset, record)
				if err != nil {
					return fmt.Errorf("%w: entry %d: %w", ErrDamaged, offset, err)
				}
				page = append(page, entry)
				bytes += len(record)
				k, record = cursor.Next()
			}
			return nil
		})
	})
	if err != nil && !errors.Is(err, pubsub.ErrUnavailable) {
		err = fmt.Errorf("%w: %w", pubsub.ErrUnavailable, err)
	}
	return page, err
}
