package pubsub

import (
	"errors"
	"slices"
)

// backlog is what a shard reads from the log after the window dropped items that the shard had not walked yet, as
// happens on a machine with too little processor time or with a log that skipped entries. The shard walks the log's
// history like the window, once for all of its live streams. If each stream caught up by itself, the work would grow
// with the number of streams, just when there is least processor time.
type backlog struct {
	requested bool    // a page was requested and has not come yet
	items     []*Item // the part of the last page that was not walked yet
}

// remove drops the first n items, which were walked.
func (b *backlog) remove(n int) {
	if n < len(b.items) {
		b.items = b.items[n:]
	} else {
		b.items = nil
	}
}

// nextItems returns the next items after the shard's cursor, at most one batch. It returns none while the shard has to
// wait for them.
func (s *shard) nextItems() []*Item {
	if len(s.backlog.items) > 0 {
		return s.backlog.items[:min(len(s.backlog.items), batchItems)]
	}
	if s.backlog.requested {
		return nil
	}
	n, covered := s.engine.window.after(s.cursor, s.batch.items[:])
	if !covered {
		s.backlog.requested = true
		s.reader.request(pageRequest{after: s.position(s.cursor), generation: s.generation})
	}
	return s.batch.items[:n]
}

// receiveBacklog continues with the page of history that was requested for the shard itself.
func (s *shard) receiveBacklog(items []*Item, err error) {
	s.backlog.requested = false
	switch {
	case errors.Is(err, ErrTrimmed):
		s.skipTrimmed(s.extent().Oldest - 1)
	case err != nil: // the engine is stopping, or is about to replace the log
	default:
		s.backlog.items = slices.Clone(items) // the reader keeps the page, and a walk clears the items it is done with
	}
}

// skipTrimmed continues after an offset up to which the log keeps nothing any more, and resets the live streams.
func (s *shard) skipTrimmed(after uint64) {
	// Backwards, because the last stream takes the slot of one that ends, and must be handled exactly once.
	for _, st := range slices.Backward(s.streams) {
		if st.state == stateLive && st.cursor < after {
			st.cursor = max(st.cursor, s.cursor)
			s.reset(st, ResetExpired, after)
		}
	}
	s.cursor = after
}
