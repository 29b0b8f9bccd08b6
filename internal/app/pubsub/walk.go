package pubsub

import (
	"errors"
	"time"

	"carillon/internal/domain/event"
)

// hit says that an item of the batch being walked goes to a stream; the stream's hits are a chain.
type hit struct {
	item int32 // its place among the items
	next int32 // the stream's next hit, or -1
}

// walk gives the next items at the head to the live streams that want them. It reports whether there were any.
func (s *shard) walk() bool {
	items := s.upcoming()
	if len(items) == 0 {
		return false
	}
	n := s.matchAll(items)
	s.at = items[n-1].Position.Offset
	taken := 0
	for _, st := range s.touched {
		s.picked = s.picked[:0]
		for h := st.firstHit; h >= 0; h = s.hits[h].next {
			s.picked = append(s.picked, items[s.hits[h].item])
		}
		st.firstHit = -1
		taken += s.deliver(st, s.picked)
		clear(s.picked)
	}
	if taken > 0 {
		s.pub.seen.Delivered(taken, time.Since(items[0].Time))
	}
	clear(s.touched)
	s.touched, s.hits = s.touched[:0], s.hits[:0]
	clear(items[:n])
	s.walkedOver(n)
	return true
}

// matchAll notes which items reach which live streams, and answers for how many of the items there was room to.
func (s *shard) matchAll(items []*Item) int {
	for i, item := range items {
		if len(s.hits) > walkHits {
			return i
		}
		for _, topic := range item.Event.Topics {
			s.found = s.index.match(topic, s.found[:0])
			for _, m := range s.found {
				s.hit(m, topic, item.Position.Offset, int32(i))
			}
		}
	}
	return len(items)
}

// next copies the items right after an offset into s.items. It reports false when they cannot all be had from the
// window: it dropped them, or never had them, because the log trimmed them before it could deliver them.
func (s *shard) next(after uint64) (int, bool) {
	n, covered := s.pub.window.after(after, s.items[:])
	for i, item := range s.items[:n] {
		// Some logs leave offsets out. A jump hides a loss only where the log has trimmed since.
		if item.Position.Offset > after+1 && s.pub.log.Extent().Oldest > after+1 {
			clear(s.items[i:n])
			return i, i > 0
		}
		after = item.Position.Offset
	}
	return n, covered
}

// hit notes that an item reaches the live streams among the members.
func (s *shard) hit(m *members, topic event.Topic, offset uint64, item int32) {
	for i := range m.list {
		st := m.list[i].stream
		// A cursor at or past the offset means another pattern or topic of the same event hit before, or that the
		// stream starts later.
		if st.state != stateLive || st.cursor >= offset || !st.sub.Grant.Allows(topic) {
			continue
		}
		st.cursor = offset
		at := int32(len(s.hits))
		s.hits = append(s.hits, hit{item: item, next: -1})
		if st.firstHit < 0 {
			st.firstHit = at
			s.touched = append(s.touched, st)
		} else {
			s.hits[st.lastHit].next = at
		}
		st.lastHit = at
	}
}

// deliver hands items to the stream's sink and parks or ends the stream when it could not take them all. It answers how
// many it took.
func (s *shard) deliver(st *Stream, items []*Item) int {
	if len(items) == 0 || st.state == stateClosed {
		return 0
	}
	taken, err := st.sink.Send(items)
	if err != nil {
		s.end(st, EndFailed)
		return taken
	}
	if taken > 0 {
		st.wrote = s.wheel.tick
		st.told = items[taken-1].Position.Offset
	}
	if taken < len(items) {
		st.cursor = items[taken].Position.Offset - 1
		st.state = stateParked
		st.held = st.held || s.pub.window.covers(st.cursor)
	}
	return taken
}

// catchUp gives a turn to the first few lagging streams. It reports whether there were any.
func (s *shard) catchUp() bool {
	turns := min(len(s.lagging), lagTurns)
	for range turns {
		st := s.lagging[0]
		s.lagging[0] = nil
		s.lagging = s.lagging[1:]
		if st.state == stateLagging {
			s.advance(st)
		}
	}
	if len(s.lagging) == 0 {
		s.lagging = nil // let the array it walked through go
	}
	return turns > 0
}

// advance walks a lagging stream one batch towards the head.
func (s *shard) advance(st *Stream) {
	if st.cursor >= s.at {
		st.state = stateLive
		st.held = false
		return
	}
	n, covered := s.next(st.cursor)
	if !covered {
		s.leaveWindow(st)
		return
	}
	if n == 0 {
		st.cursor = s.at
	} else {
		s.offer(st, s.items[:n])
		clear(s.items[:n])
	}
	if st.state == stateLagging {
		s.lagging = append(s.lagging, st)
	}
}

// leaveWindow decides how a stream goes on whose next item the window no longer has.
func (s *shard) leaveWindow(st *Stream) {
	if st.held && s.pub.cfg.Slow == SlowSkip {
		s.reset(st, ResetSlow, s.at)
		return
	}
	st.state = stateReading
	s.reader.ask(ask{stream: st, after: st.cursor})
}

// offer gives a lagging stream those of the items that it wants and moves its cursor over the rest.
func (s *shard) offer(st *Stream, items []*Item) {
	s.picked = s.picked[:0]
	for _, item := range items {
		if st.wants(item.Event) {
			s.picked = append(s.picked, item)
		}
	}
	st.cursor = items[len(items)-1].Position.Offset
	if taken := s.deliver(st, s.picked); taken > 0 {
		s.pub.seen.Replayed(taken)
	}
	clear(s.picked)
}

// reset tells a running stream that it missed events, and sets it to go on after an offset.
func (s *shard) reset(st *Stream, reason ResetReason, after uint64) {
	_, r := s.pub.log.Extent().reset(reason, s.pub.position(st.cursor).String(), after)
	s.pub.seen.Reset(reason)
	if err := st.sink.Reset(*r); err != nil {
		s.end(st, EndFailed)
		return
	}
	st.cursor, st.told, st.wrote = after, after, s.wheel.tick
	s.lag(st)
}

// turnPage gives a page of history to the stream that waited for it.
func (s *shard) turnPage(st *Stream, p page) {
	if st.state != stateReading {
		return
	}
	switch {
	case errors.Is(p.err, ErrTrimmed):
		s.reset(st, ResetExpired, s.pub.log.Extent().Oldest-1)
		return
	case p.err != nil: // the engine is stopping, and ends the stream with all others
		return
	}
	st.state = stateLagging
	if len(p.items) > 0 {
		s.offer(st, p.items)
	}
	if st.state == stateLagging {
		s.lagging = append(s.lagging, st)
	}
}
