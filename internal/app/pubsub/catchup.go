package pubsub

import (
	"errors"

	"carillon/internal/domain/event"
)

// catchUpStreams is how many lagging streams advance before the shard walks new items again, so that a replay to many
// streams does not delay the live ones.
const catchUpStreams = 8

// queueCatchUp makes the stream a lagging one and queues it.
func (s *shard) queueCatchUp(st *Stream) {
	st.state = stateLagging
	s.lagging = append(s.lagging, st)
}

// catchUp advances the first few lagging streams. It reports whether there were any.
func (s *shard) catchUp() bool {
	n := min(len(s.lagging), catchUpStreams)
	for range n {
		st := s.lagging[0]
		s.lagging[0] = nil
		s.lagging = s.lagging[1:]
		if st.state == stateLagging {
			s.advance(st)
		}
	}
	if len(s.lagging) == 0 {
		s.lagging = nil // frees the array
	}
	return n > 0
}

// advance moves a lagging stream one batch towards the newest item.
func (s *shard) advance(st *Stream) {
	if st.latest != nil {
		s.advanceLatest(st)
		return
	}
	if st.cursor >= s.cursor {
		st.state = stateLive
		st.parkedInWindow = false
		if watcher, ok := st.sink.(LiveWatcher); ok {
			watcher.Live()
		}
		return
	}
	n, covered := s.engine.window.after(st.cursor, s.batch.items[:])
	if !covered {
		s.leaveWindow(st)
		return
	}
	if n == 0 {
		// The shard read its backlog from the log and is ahead of the window, so only the log has the next items.
		s.readHistory(st)
		return
	}
	s.offer(st, s.batch.items[:n])
	clear(s.batch.items[:n])
	if st.state == stateLagging {
		s.lagging = append(s.lagging, st)
	}
}

// leaveWindow continues a stream whose next item the window no longer has: it applies the slow policy or reads the
// history.
func (s *shard) leaveWindow(st *Stream) {
	if st.parkedInWindow && s.engine.cfg.Slow == SlowSkip {
		s.reset(st, ResetSlow, s.cursor)
		return
	}
	s.readHistory(st)
}

// readHistory requests the page of history after a stream's cursor.
func (s *shard) readHistory(st *Stream) {
	st.state = stateReading
	s.reader.request(pageRequest{stream: st, after: s.position(st.cursor), generation: s.generation, shardCursor: s.cursor})
}

// receivePage continues with a page of history that was requested for a stream when the shard's cursor was shardCursor.
func (s *shard) receivePage(st *Stream, items []*Item, err error, shardCursor uint64) {
	if st.state != stateReading {
		return
	}
	switch {
	case errors.Is(err, ErrTrimmed):
		s.reset(st, ResetExpired, s.extent().Oldest-1)
		return
	case err != nil: // the engine is stopping or about to replace the log, and ends or resets the stream with all others
		return
	}
	st.state = stateLagging
	if len(items) > 0 {
		s.offer(st, items)
	} else {
		// What the shard walked before the request was in the log before the page was read. So there is nothing up to
		// there, but there may be something up to the shard's present cursor.
		st.cursor = max(st.cursor, shardCursor)
	}
	if st.state == stateLagging {
		s.lagging = append(s.lagging, st)
	}
}

// offer delivers to a lagging stream those of the items that it wants, and moves its cursor past all of them.
func (s *shard) offer(st *Stream, items []*Item) {
	wanted := s.batch.filter(st, items)
	st.cursor = items[len(items)-1].Position.Offset
	if taken := s.deliver(st, wanted); taken > 0 {
		s.engine.observer.Replayed(taken)
	}
	clear(wanted)
}

// reset sends a running stream the reset for events that it missed, and continues it after an offset.
func (s *shard) reset(st *Stream, reason ResetReason, after uint64) {
	s.sendReset(st, reason, s.position(st.cursor), s.extent(), after)
}

// sendReset is reset for a stream that stood at a position, when the log keeps an extent.
func (s *shard) sendReset(st *Stream, reason ResetReason, at event.Position, extent Extent, after uint64) {
	_, r := extent.reset(reason, at.String(), after)
	s.engine.observer.Reset(reason)
	if err := st.sink.Reset(*r); err != nil {
		s.end(st, EndFailed)
		return
	}
	st.cursor, st.knownOffset, st.lastWrite, st.latest = after, after, s.wheel.tick, nil
	s.queueCatchUp(st)
}
