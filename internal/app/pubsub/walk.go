package pubsub

import "time"

// walk delivers the next items to the live streams that want them. It reports whether there were any.
func (s *shard) walk() bool {
	items := s.nextItems()
	if len(items) == 0 {
		return false
	}
	n := s.walkItems(items)
	clear(items[:n])
	s.backlog.remove(n)
	return true
}

// walkItems delivers items, which stand right after the shard's cursor, to the live streams that want them. It returns
// how many of the items it could match at once.
func (s *shard) walkItems(items []*Item) int {
	b := &s.batch
	n := b.match(&s.index, items)
	s.cursor = items[n-1].Position.Offset
	taken := 0
	for _, st := range b.streams {
		selected := b.take(st, items)
		taken += s.deliver(st, selected)
		clear(selected)
	}
	if taken > 0 {
		s.engine.observer.Delivered(taken, time.Since(items[0].arrived))
	}
	b.reset()
	return n
}

// deliver hands items to the stream's sink. When the sink does not take all of them, it parks or ends the stream. It
// returns how many were taken.
func (s *shard) deliver(st *Stream, items []*Item) int {
	if len(items) == 0 || st.state == stateClosed {
		return 0
	}
	taken, err := st.sink.Send(items)
	if err != nil {
		s.fail(st, items, taken)
		return taken
	}
	if taken > 0 {
		st.lastWrite = s.wheel.tick
		st.knownOffset = items[taken-1].Position.Offset
	}
	if taken < len(items) {
		st.cursor = items[taken].Position.Offset - 1
		st.state = stateParked
		st.parkedInWindow = st.parkedInWindow || s.engine.window.covers(st.cursor)
	}
	return taken
}
